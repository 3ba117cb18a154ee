"""Days off work in Thailand: the official ones, and the ministry's own from `config/holidays.yaml`."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from ess import written
from ess.domain.errors import Misconfigured


@dataclass(frozen=True)
class _Own:
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    #: Although the calendar does not say so.
    days_off: tuple[date, ...] = ()
    #: Although the calendar says that they are off.
    working_days: tuple[date, ...] = ()


@dataclass(frozen=True)
class DaysOff(Container[date]):
    """Whether a day is off, of any year."""

    off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and day not in self.worked and (day in self.off or day in _official(day.year))


@lru_cache(maxsize=64)
def _official(year: int) -> frozenset[date]:
    """Public holidays and those of government offices, with the days in lieu."""
    import holidays  # noqa: PLC0415  # tenths of a second, and only where a shift asks

    return frozenset(holidays.country_holidays("TH", years=year, categories=("public", "government")))


def load_days_off(path: Path) -> DaysOff:
    """The calendar with the ministry's own days; Misconfigured lists every problem as `file:line: …`."""
    own, errors = written.read(path, _Own, _problems, noun="days off", words="days off")
    if own is None or errors:
        raise Misconfigured("\n".join(errors))
    return DaysOff(frozenset(own.days_off), frozenset(own.working_days))


def _problems(own: _Own) -> Iterator[tuple[written.ValuePath, str]]:
    for i, day in enumerate(own.working_days):
        if day in own.days_off:
            yield ("working_days", i), "stands under `days_off` as well: keep one"
    for name, days in (("days_off", own.days_off), ("working_days", own.working_days)):
        for i, day in enumerate(days):
            if wrong := written.era_problem(day.year):
                yield (name, i), wrong
