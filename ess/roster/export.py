"""Entries of the roster → rows of text, such that reading them gives the same entries."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

from ess.conversation.texts import BANGKOK
from ess.domain.duty import write_turns
from ess.domain.roster import COLUMNS, Entry
from ess.roster.outline import wkt

#: In seconds, the largest first.
_UNITS = {"d": 86_400, "h": 3600, "min": 60, "s": 1}


def rows_of(entries: Iterable[Entry]) -> list[list[str]]:
    """The file that says this, its first row being the names of the columns."""
    return [list(COLUMNS), *([cell(entry, column) for column in COLUMNS] for entry in entries)]


def cell(entry: Entry, column: str) -> str:
    """What stands in the column; empty for what is not known, and for what goes without saying."""
    if column == "channels":
        return write_turns(entry.channels, entry.channel_after_s)
    value = getattr(entry, column)
    if column == "jurisdictions" and (entry.outline or entry.is_plain):
        return ""  # so that it goes with the seat, or the outline, in the next edition
    return _WRITTEN.get(column, str)(value) if value not in {None, timedelta()} else ""


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    return next(f"{seconds // size} {unit}" for unit, size in _UNITS.items() if seconds % size == 0)


def _leave(until: datetime) -> str:
    local = until.astimezone(BANGKOK).replace(tzinfo=None)
    if local.time() == time():  # a day counts to its end
        return (local.date() - timedelta(days=1)).isoformat()
    return local.isoformat(" ").removesuffix(":00")


_WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "active": lambda active: "true" if active else "false",
    "jurisdictions": " ".join,
    "leave_until": _leave,
    "outline": wkt,
    "rest": _duration,
    "skills": lambda skills: " ".join(sorted(skills)),
}
