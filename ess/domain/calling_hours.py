"""When people may be called: hours of the day in Thailand, and days on which nobody is.

What is promised for a time outside of them is moved: earlier where that leaves an hour for the call, else later.  No
time here depends on where the program runs.
"""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from zoneinfo import ZoneInfo

BANGKOK = ZoneInfo("Asia/Bangkok")
_DAY = timedelta(days=1)
_SATURDAY = 5
_MORNING = timedelta(hours=9)
#: "A calling hour exists": less is no time to make a call in.
_ENOUGH = timedelta(hours=1)
#: A calendar that has no calling day in so long is a mistake, and calls are made all the same.
_LONGEST_BREAK = 60
#: Morning, midday, late afternoon.
_PARTS = 3
_SPAN = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$")


@dataclass(frozen=True)
class CallingHours:
    """From `opens` to `closes`, both included, counted from midnight in Thailand; by default at any time."""

    opens: timedelta = timedelta()
    closes: timedelta = _DAY
    #: Whether calls are made on Saturdays and Sundays.
    weekends: bool = True
    days_off: Container[date] = frozenset()

    def has(self, at: datetime) -> bool:
        """Whether somebody may be called at this instant."""
        day = _day(at)
        if self._calls_on(day):
            return self._opening(day) <= at <= self._closing(day)
        before = day - _DAY  # a day that lasts until midnight ends with it
        return self._calls_on(before) and at == self._closing(before)

    def at_or_after(self, at: datetime) -> datetime:
        """The first time that is not before this and leaves some for a call: at the closing it is the next opening."""
        if self.has(at) and at < self._closing(_day(at)):
            return at
        days = (_day(at) + i * _DAY for i in range(_LONGEST_BREAK))
        openings = (self._opening(day) for day in days if self._calls_on(day))
        return next((opening for opening in openings if opening >= at), at)

    def at_or_before(self, at: datetime) -> datetime:
        """The last calling time that is not after this."""
        if self.has(at):
            return at
        days = (_day(at) - i * _DAY for i in range(_LONGEST_BREAK))
        closings = (self._closing(day) for day in days if self._calls_on(day))
        return next((closing for closing in closings if closing <= at), at)

    def by(self, since: datetime, due_at: datetime) -> datetime:
        """By when to call what was promised at `since` for `due_at`.

        That, where it is a calling time; else the last one before, if an hour is left until then, for a promise is not
        kept by being late; else the first one after.
        """
        earlier = self.at_or_before(due_at)
        return earlier if earlier == due_at or earlier - since >= _ENOUGH else self.at_or_after(due_at)

    def opening_before(self, at: datetime) -> datetime:
        """The last opening that is not after this."""
        days = (_day(at) - i * _DAY for i in range(_LONGEST_BREAK))
        openings = (self._opening(day) for day in days if self._calls_on(day))
        return next((opening for opening in openings if opening <= at), at)

    def next_morning(self, at: datetime) -> datetime:
        """Nine o'clock of the next day, or the first calling time after that."""
        return self.at_or_after(_midnight(_day(at) + _DAY) + _MORNING)

    def untried(self, since: datetime, tried: Iterable[datetime]) -> datetime:
        """The first calling time from `since` on in a part of the day in which nobody tried; any, where all were."""
        at, parts = self.at_or_after(since), {self._part(each) for each in tried}
        if len(parts) < _PARTS:
            while self._part(at) in parts:
                at = self.at_or_after(self._next_part(at))
        return at

    def _part(self, at: datetime) -> int:
        """Which third of the calling hours it is in; what is outside belongs to the nearer end."""
        since_opening = at - self._opening(_day(at))
        return min(max(since_opening * _PARTS // (self.closes - self.opens), 0), _PARTS - 1)

    def _next_part(self, at: datetime) -> datetime:
        """Where the next third begins, after the last one tomorrow."""
        day, part = _day(at), self._part(at) + 1
        if part == _PARTS:
            return self._opening(day + _DAY)
        minutes = part * (self.closes - self.opens) / _PARTS / timedelta(minutes=1)
        return self._opening(day) + timedelta(minutes=ceil(minutes))

    def _calls_on(self, day: date) -> bool:
        return (self.weekends or day.weekday() < _SATURDAY) and day not in self.days_off

    def _opening(self, day: date) -> datetime:
        return _midnight(day) + self.opens

    def _closing(self, day: date) -> datetime:
        return _midnight(day) + self.closes


#: For whoever has no calling hours.
ANY_TIME = CallingHours()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), BANGKOK).astimezone(UTC)


def _day(at: datetime) -> date:
    return at.astimezone(BANGKOK).date()


def read_span(text: str) -> tuple[timedelta, timedelta]:
    """What `08:30-18:00` says, from midnight on; ValueError tells how to write it."""
    found = _SPAN.match(text)
    hours = [int(part) for part in found.groups()] if found else [0, 0, 0, 0]
    opens, closes = (timedelta(hours=hours[i], minutes=hours[i + 1]) for i in (0, 2))
    if not opens + _ENOUGH <= closes <= _DAY:
        raise ValueError("must be a span of an hour or more within a day, such as `08:30-18:00`")
    return opens, closes
