"""Who of a group is on duty at an instant: shifts that repeat, people who take turns in them, and covers.

A shift is told by the clock on the wall: it starts where its RRULE (RFC 5545) says and ends when that clock has gone
on for as long as it lasts, so that one shift ends where the next begins although the clocks are changed in between.
A time that the clocks skip is the instant at which they skip it; of one that comes twice, the first counts.  A shift
that begins before midnight belongs to the day on which it begins.

At an instant the newest cover counts before whoever's turn it is.  Where nobody of these can be alerted the shift is
empty, and the substitute has the duty.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import count, pairwise
from math import lcm
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr

from ess.domain.duty import Role
from ess.domain.errors import Refused

_STRICT: dict[str, Any] = {"extra": "forbid"}
_DAY = timedelta(days=1)
#: Longer than any zone ever changed its clocks by.
_CLOCKS_DIFFER = timedelta(hours=26)


class Holidays(StrEnum):
    """On which days a shift takes place."""

    ANY = "any"
    ONLY = "only"
    EXCEPT = "except"


@dataclass(frozen=True)
class Shift:
    """A time that repeats, and who takes turns in it."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    #: The first start and hand-over, by the clock on the wall of the rota's zone; naive.
    starts: datetime
    #: RRULE of whole days or weeks, such as `FREQ=WEEKLY;BYDAY=MO,TU`.
    repeats: str
    #: By the clock on the wall.
    lasts: timedelta
    #: One turn after another, each the `ref` of everybody who is on at once.
    turns: tuple[tuple[str, ...], ...]
    #: A turn lasts so long, counted from the first start; None: the turn changes with each start.
    hand_over_every: timedelta | None = None
    #: Judged by the day on which it begins.  A shift that is left out uses up its turn, so that a holiday that is
    #: moved changes nobody else's turn.
    holidays: Holidays = Holidays.ANY


@dataclass(frozen=True)
class Rota:
    """One duty that must be filled, for one area and role."""

    __pydantic_config__: ClassVar[Any] = {**_STRICT, "coerce_numbers_to_str": True}

    name: str
    #: `TH`, or the DOPA code of a province or district.
    area: str
    role: Role
    shifts: tuple[Shift, ...]
    #: The `ref` of whoever has the duty where a shift is empty.
    substitute: str | None = None
    zone: str = "Asia/Bangkok"
    #: Somebody must be on duty at every instant; false: only while a shift lasts.
    always: bool = True


@dataclass(frozen=True)
class Cover:
    """Somebody takes the duty between two instants (UTC), instead of whoever's turn it is.

    Covers of one decision (`decided_at`) stand side by side; a later decision replaces them.
    """

    rota: str
    starts_at: datetime
    ends_at: datetime
    #: None: nobody, on purpose.
    ref: str | None
    decided_at: datetime
    reason: str = ""


class Why(StrEnum):
    """What gives somebody the duty."""

    TURN = "turn"
    COVER = "cover"
    #: The shift is empty.
    SUBSTITUTE = "substitute"
    #: The shift is empty, and there is no substitute, or nothing reaches them.
    NOBODY = "nobody"


@dataclass(frozen=True)
class Standing:
    """Who has the duty; `refs` is empty where nobody has."""

    refs: tuple[str, ...]
    why: Why


@dataclass(frozen=True)
class Span:
    """A time (UTC, the end not included) in which the standing is the same."""

    starts_at: datetime
    ends_at: datetime
    standing: Standing


#: Until when somebody cannot be alerted (UTC), by `ref`: on leave, or for ever.
Away = Mapping[str, datetime]
NOBODY_AWAY: Away = {}


# --- questions -------------------------------------------------------------------------------------------
def on_duty(
    rota: Rota, covers: Iterable[Cover], holidays: Container[date], at: datetime, away: Away = NOBODY_AWAY
) -> Standing:
    """Who has the duty at that instant."""
    named, why = _named(rota, covers, holidays, at)
    if why is Why.COVER and not named:
        return Standing((), Why.COVER)
    present = tuple(ref for ref in named if not _is_away(ref, at, away))
    if present:
        return Standing(present, why)
    if rota.substitute and not _is_away(rota.substitute, at, away):
        return Standing((rota.substitute,), Why.SUBSTITUTE)
    return Standing((), Why.NOBODY)


def spans(
    rota: Rota,
    covers: Iterable[Cover],
    holidays: Container[date],
    start: datetime,
    end: datetime,
    away: Away = NOBODY_AWAY,
) -> list[Span]:
    """Who has the duty from `start` to `end`, without a break; each span as long as it can be."""
    covers = list(covers)
    found: list[Span] = []
    for begins, ends in pairwise(_changes(rota, covers, start, end, away)):
        standing = on_duty(rota, covers, holidays, begins, away)
        if found and found[-1].standing == standing:
            found[-1] = Span(found[-1].starts_at, ends, standing)
        else:
            found.append(Span(begins, ends, standing))
    return found


def gaps(
    rota: Rota,
    covers: Iterable[Cover],
    holidays: Container[date],
    start: datetime,
    end: datetime,
    away: Away = NOBODY_AWAY,
) -> list[tuple[datetime, datetime]]:
    """When between `start` and `end` the duty must be filled and is not: neither by a turn nor by a cover."""
    covers = list(covers)
    found: list[tuple[datetime, datetime]] = []
    for begins, ends in pairwise(_changes(rota, covers, start, end, away)):
        if on_duty(rota, covers, holidays, begins, away).why in {Why.TURN, Why.COVER}:
            continue
        if not rota.always and not _named(rota, covers, holidays, begins)[0]:
            continue
        if found and found[-1][1] == begins:
            found[-1] = found[-1][0], ends
        else:
            found.append((begins, ends))
    return found


@lru_cache(maxsize=4096)
def members(rota: Rota) -> frozenset[str]:
    """Whoever is on duty only when this rota, or another one that they are in, says so."""
    refs = {ref for shift in rota.shifts for turn in shift.turns for ref in turn}
    return frozenset(refs | ({rota.substitute} if rota.substitute else set()))


# --- changes ---------------------------------------------------------------------------------------------
def covering(
    rota: Rota,
    covers: Sequence[Cover],
    holidays: Container[date],
    start: datetime,
    end: datetime,
    *,
    ref: str,
    instead_of: str,
    decided_at: datetime,
    reason: str = "",
) -> list[Cover]:
    """Covers by which `ref` takes the duty of one of several; whoever else is on stays on.

    Refused where `instead_of` does not have the duty all the time, or `ref` has some of it already.
    """
    made: list[Cover] = []
    for span in spans(rota, covers, holidays, start, end):
        refs = span.standing.refs
        if span.standing.why not in {Why.TURN, Why.COVER} or instead_of not in refs:
            who = " and ".join(refs) or "nobody"
            raise Refused(
                f"{instead_of} does not have the duty in {rota.name} {_when(rota, span.starts_at)}: {who} has"
            )
        if ref in refs:
            raise Refused(f"{ref} has the duty in {rota.name} {_when(rota, span.starts_at)} already")
        made += [
            Cover(rota.name, span.starts_at, span.ends_at, ref if had == instead_of else had, decided_at, reason)
            for had in refs
        ]
    return made


def swap(
    rota: Rota,
    covers: Sequence[Cover],
    holidays: Container[date],
    one: tuple[str, datetime],
    other: tuple[str, datetime],
    *,
    decided_at: datetime,
    reason: str = "",
) -> list[Cover]:
    """Covers by which two people take each other's shift: each is named with an instant within their own.

    Refused where there is no such shift.
    """
    (ref, _), (other_ref, _) = one, other
    first, second = _shift_of(rota, holidays, *one), _shift_of(rota, holidays, *other)
    if first[0] < second[1] and second[0] < first[1]:
        raise Refused(f"these shifts of {rota.name} overlap: nobody can have both, so use a cover for each")
    how: dict[str, Any] = {"decided_at": decided_at, "reason": reason}
    return [
        *covering(rota, covers, holidays, *first, ref=other_ref, instead_of=ref, **how),
        *covering(rota, covers, holidays, *second, ref=ref, instead_of=other_ref, **how),
    ]


def _shift_of(rota: Rota, holidays: Container[date], ref: str, at: datetime) -> tuple[datetime, datetime]:
    """When the shift of this instant begins and ends: the one in which `ref` has the turn, or any (they cover it)."""
    there = [
        (ref not in turn, starts_at, ends_at)
        for shift in rota.shifts
        for starts_at, ends_at, turn in _held(shift, rota.zone, holidays, at, at)
        if starts_at <= at < ends_at
    ]
    if not there:
        raise Refused(f"{rota.name} has no shift {_when(rota, at)}")
    _, starts_at, ends_at = min(there)
    return starts_at, ends_at


def _when(rota: Rota, at: datetime) -> str:
    return f"at {at.astimezone(ZoneInfo(rota.zone)):%Y-%m-%d %H:%M} ({rota.zone})"


# --- what is wrong with a rota ---------------------------------------------------------------------------
Path = tuple[str | int, ...]


def problems(rota: Rota) -> Iterator[tuple[Path, str]]:
    """What is wrong with a well-formed rota, each with the path of the value to change."""
    if not rota.name.strip():
        yield ("name",), "is empty: give the rota a name of its own"
    if len(rota.name) > _MAX_NAME:
        yield ("name",), f"is longer than {_MAX_NAME} letters: what messages quote must be short"
    if not rota.shifts:
        yield ("shifts",), "a rota needs at least one shift"
    try:
        ZoneInfo(rota.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield ("zone",), f"there is no time zone {rota.zone!r}: write such as Asia/Bangkok"
    for i, shift in enumerate(rota.shifts):
        yield from (((("shifts", i, *where)), what) for where, what in _shift_problems(shift))


def _shift_problems(shift: Shift) -> Iterator[tuple[Path, str]]:
    if shift.starts.tzinfo is not None:
        yield ("starts",), "is by the clock on the wall of the rota's zone: leave the offset out"
    else:
        try:
            first = next(_pattern(shift.starts, shift.repeats).from_(shift.starts, shift.starts + timedelta(days=800)))
        except ValueError as error:
            yield ("repeats",), str(error)
        except StopIteration:
            yield ("repeats",), f"never comes again after {shift.starts}: check BYDAY and UNTIL"
        else:
            if first[1] != shift.starts:
                yield ("starts",), f"`repeats` has no start then: the first one after it is {first[1]:%Y-%m-%d %H:%M}"
    if not timedelta() < shift.lasts <= timedelta(days=31):
        yield ("lasts",), "must be longer than nothing and at most 31 d, such as `12 h`"
    if shift.hand_over_every is not None and shift.hand_over_every <= timedelta():
        yield ("hand_over_every",), "must be longer than nothing, such as `7 d`"
    if not shift.turns:
        yield ("turns",), "name at least one turn, such as `[[SW-65-1], [SW-65-2]]`"
    for i, turn in enumerate(shift.turns):
        if not turn:
            yield ("turns", i), "name somebody: an empty turn is a gap"
        if len(set(turn)) != len(turn):
            yield ("turns", i), "names somebody twice"


# --- at an instant ---------------------------------------------------------------------------------------
def _is_away(ref: str, at: datetime, away: Away) -> bool:
    return ref in away and at < away[ref]


def _named(rota: Rota, covers: Iterable[Cover], holidays: Container[date], at: datetime) -> tuple[tuple[str, ...], Why]:
    """Who should have the duty, there or not."""
    standing = [cover for cover in covers if cover.starts_at <= at < cover.ends_at]
    if standing:
        newest = max(cover.decided_at for cover in standing)
        refs = (cover.ref for cover in standing if cover.decided_at == newest)
        return tuple(dict.fromkeys(ref for ref in refs if ref)), Why.COVER
    turns = (
        ref
        for shift in rota.shifts
        for starts_at, ends_at, turn in _held(shift, rota.zone, holidays, at, at)
        if starts_at <= at < ends_at
        for ref in turn
    )
    return tuple(dict.fromkeys(turns)), Why.TURN


def _changes(rota: Rota, covers: Iterable[Cover], start: datetime, end: datetime, away: Away) -> list[datetime]:
    """Every instant at which the standing may change, with `start` and `end`."""
    instants = {
        *(instant for cover in covers for instant in (cover.starts_at, cover.ends_at)),
        *away.values(),
        *(
            instant
            for shift in rota.shifts
            for starts_at, ends_at, _ in _held(shift, rota.zone, None, start, end)
            for instant in (starts_at, ends_at)
        ),
    }
    return [start, *sorted(instant for instant in instants if start < instant < end), end] if start < end else []


def _held(
    shift: Shift, zone: str, holidays: Container[date] | None, first: datetime, last: datetime
) -> Iterator[tuple[datetime, datetime, tuple[str, ...]]]:
    """Each time the shift is held that may touch `first` to `last`: start and end (UTC), and whose turn it is.

    Without `holidays` those that they leave out as well.
    """
    clock = ZoneInfo(zone)
    latest = last.astimezone(clock)
    # When the clocks were set back, they have shown later times before.
    back = _CLOCKS_DIFFER if latest.fold else timedelta()
    earliest = first.astimezone(clock).replace(tzinfo=None) - shift.lasts
    for n, start in _pattern(shift.starts, shift.repeats).from_(earliest, latest.replace(tzinfo=None) + back):
        if holidays is not None and not _takes_place(shift, start.date(), holidays):
            continue
        turn = n if shift.hand_over_every is None else (start - shift.starts) // shift.hand_over_every
        yield _instant(clock, start), _instant(clock, start + shift.lasts), shift.turns[turn % len(shift.turns)]


def _takes_place(shift: Shift, on: date, holidays: Container[date]) -> bool:
    match shift.holidays:
        case Holidays.ANY:
            return True
        case Holidays.ONLY:
            return on in holidays
        case Holidays.EXCEPT:
            return on not in holidays


def _instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The instant (UTC) at which the clock on the wall shows this time, later times never before earlier ones."""
    first = wall.replace(tzinfo=zone)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before is None or after is None or before >= after:  # an ordinary time, or the first of two
        return first.astimezone(UTC)
    # The clocks skip it: find when.  As though it were shown by the clock before and by the clock after.
    late, early = first.astimezone(UTC), second.astimezone(UTC)
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        early, late = (early, middle) if middle.astimezone(zone).utcoffset() == after else (middle, late)
    return late.replace(microsecond=0)


# --- an RRULE as arithmetic ------------------------------------------------------------------------------
_WORDS = frozenset({"FREQ", "INTERVAL", "BYDAY", "BYHOUR", "BYMINUTE", "WKST", "COUNT", "UNTIL"})
_DAYS = frozenset({"MO", "TU", "WE", "TH", "FR", "SA", "SU"})
_MAX_INTERVAL = 53
_MAX_NAME = 60


@dataclass(frozen=True)
class _Pattern:
    """The starts of a rule of days or weeks: those of its first cycle, and then the same again and again.

    So a rule that began years ago costs no more than one of today, and the number of each start is known.
    """

    first: datetime
    cycle: timedelta
    offsets: tuple[timedelta, ...]
    until: datetime
    n_starts: int | None

    def from_(self, earliest: datetime, latest: datetime) -> Iterator[tuple[int, datetime]]:
        """Number (from 0) and wall-clock time of each start between the two, both included."""
        latest = min(latest, self.until)
        for cycle in count(max(0, (earliest - self.first) // self.cycle)):
            if not self.offsets or self.first + cycle * self.cycle > latest:
                return
            for i, offset in enumerate(self.offsets):
                n, start = cycle * len(self.offsets) + i, self.first + cycle * self.cycle + offset
                if start > latest or (self.n_starts is not None and n >= self.n_starts):
                    return
                if start >= earliest:
                    yield n, start


@lru_cache(maxsize=4096)
def _pattern(first: datetime, rule: str) -> _Pattern:
    """ValueError says what to change in the rule."""
    parts = _parts(rule)
    until, n_starts = _until(parts.pop("UNTIL", None)), parts.pop("COUNT", None)
    try:
        parsed: Any = rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=first)
        interval = int(parts.get("INTERVAL", 1))
        limit = None if n_starts is None else int(n_starts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is not an RRULE that can be read: {error}") from error
    if not 1 <= interval <= _MAX_INTERVAL:
        raise ValueError(f"INTERVAL must be 1 to {_MAX_INTERVAL}")
    n_days = 7 * interval if parts["FREQ"] == "WEEKLY" else lcm(interval, 7) if "BYDAY" in parts else interval
    cycle = n_days * _DAY
    starts = parsed.replace(until=first + cycle - timedelta(seconds=1))
    return _Pattern(first, cycle, tuple(start - first for start in starts), until, limit)


def _parts(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rule.strip().removeprefix("RRULE:").rstrip(";").split(";"):
        name, equals, value = part.strip().upper().partition("=")
        if not equals or name not in _WORDS:
            raise ValueError(f"{part!r} cannot be used: write such as FREQ=WEEKLY;BYDAY=MO,TU with {', '.join(_WORDS)}")
        if name in parts:
            raise ValueError(f"{name} stands here twice: keep one")
        parts[name] = value
    if parts.get("FREQ") not in {"DAILY", "WEEKLY"}:
        raise ValueError("must begin with FREQ=DAILY or FREQ=WEEKLY: shifts repeat by days or weeks")
    unknown = set(parts["BYDAY"].split(",")) - _DAYS if "BYDAY" in parts else set()
    if unknown:
        raise ValueError(f"BYDAY has {', '.join(sorted(unknown))}: use MO, TU, WE, TH, FR, SA, SU")
    return parts


def _until(text: str | None) -> datetime:
    """The last wall-clock time at which there may be a start; a day counts to its end."""
    if text is None:
        return datetime(9000, 1, 1)  # noqa: DTZ001  # by the clock on the wall
    for form, more in (("%Y%m%d", _DAY - timedelta(seconds=1)), ("%Y%m%dT%H%M%S", timedelta())):
        try:
            return datetime.strptime(text, form) + more  # noqa: DTZ007  # by the clock on the wall
        except ValueError:
            continue
    raise ValueError("UNTIL must be a day such as 20261231, or 20261231T200000 by the clock on the wall")
