"""Who is on duty: turns, hand-over, covers, substitutes, holidays, and clocks that are changed.

Bangkok never changes its clocks; Berlin does, so the properties are tried there as well.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from ess.domain.duty import Role
from ess.domain.errors import Refused
from ess.domain.rota import Cover, Holidays, Rota, Shift, Standing, Why, gaps, members, on_duty, problems, spans, swap

BANGKOK, BERLIN = "Asia/Bangkok", "Europe/Berlin"
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
NOBODY_OFF: frozenset[date] = frozenset()


def wall(text: str) -> datetime:
    """A time as the clock on the wall shows it."""
    return datetime.fromisoformat(text)


def instant(text: str, zone: str = BANGKOK) -> datetime:
    return wall(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def shift(starts: str, *turns: str, repeats: str = "FREQ=DAILY", lasts: timedelta = 12 * HOUR, **more: Any) -> Shift:
    return Shift(wall(starts), repeats, lasts, tuple(tuple(turn.split("+")) for turn in turns), **more)


def rota(*shifts: Shift, **more: Any) -> Rota:
    return Rota("a-rota", "65", Role.SOCIAL_WORKER, shifts, **more)


def who(duty: Rota, at: datetime, *covers: Cover, **more: Any) -> str:
    return "+".join(on_duty(duty, covers, more.pop("holidays", NOBODY_OFF), at, **more).refs)


def a_cover(start: str, end: str, ref: str | None, *, decided: str = "2026-01-01") -> Cover:
    return Cover("a-rota", instant(start), instant(end), ref, instant(decided))


DAYS_AND_NIGHTS = rota(shift("2026-01-05T08:00", "A", "B"), shift("2026-01-05T20:00", "C", "D"))


# --- turns -----------------------------------------------------------------------------------------------
def test_turns_change_with_each_start() -> None:
    assert who(DAYS_AND_NIGHTS, instant("2026-01-05T08:00")) == "A"
    assert who(DAYS_AND_NIGHTS, instant("2026-01-06T08:00")) == "B"
    assert who(DAYS_AND_NIGHTS, instant("2026-01-07T08:00")) == "A"


def test_a_night_goes_on_past_midnight() -> None:
    assert who(DAYS_AND_NIGHTS, instant("2026-01-05T23:59:59")) == "C"
    assert who(DAYS_AND_NIGHTS, instant("2026-01-06T00:00")) == "C"
    assert who(DAYS_AND_NIGHTS, instant("2026-01-06T07:59:59")) == "C"


def test_the_next_has_the_duty_from_the_very_instant_of_the_hand_over() -> None:
    assert who(DAYS_AND_NIGHTS, instant("2026-01-05T19:59:59.999999")) == "A"
    assert who(DAYS_AND_NIGHTS, instant("2026-01-05T20:00")) == "C"


def test_a_hand_over_at_midnight() -> None:
    duty = rota(shift("2026-01-01T00:00", "A", "B", lasts=DAY))
    assert who(duty, instant("2026-01-01T23:59:59.999999")) == "A"
    assert who(duty, instant("2026-01-02T00:00")) == "B"


def test_a_turn_of_a_week_is_handed_over_at_the_day_and_hour_of_the_first_start() -> None:
    duty = rota(shift("2026-01-09T17:00", "A", "B", "C", lasts=DAY, hand_over_every=WEEK))
    assert who(duty, instant("2026-01-16T16:59")) == "A"
    assert who(duty, instant("2026-01-16T17:00")) == "B"
    assert who(duty, instant("2026-01-30T17:00")) == "A"


def test_several_are_on_at_once() -> None:
    duty = rota(shift("2026-01-05T08:00", "A+B", "C+D"))
    assert who(duty, instant("2026-01-05T09:00")) == "A+B"
    assert who(duty, instant("2026-01-06T09:00")) == "C+D"


def test_before_the_first_start_nobody_has_the_duty() -> None:
    assert on_duty(DAYS_AND_NIGHTS, [], NOBODY_OFF, instant("2026-01-05T07:59")) == Standing((), Why.NOBODY)


def test_a_rota_may_end() -> None:
    duty = rota(shift("2026-01-05T08:00", "A", repeats="FREQ=DAILY;UNTIL=20260107"))
    assert who(duty, instant("2026-01-07T09:00")) == "A"
    assert who(duty, instant("2026-01-08T09:00")) == ""
    assert who(rota(shift("2026-01-05T08:00", "A", repeats="FREQ=DAILY;COUNT=2")), instant("2026-01-07T09:00")) == ""


# --- who stands in ---------------------------------------------------------------------------------------
def test_an_empty_shift_goes_to_the_substitute() -> None:
    duty = rota(shift("2026-01-05T08:00", "A", "B"), substitute="S")
    day, night = instant("2026-01-05T09:00"), instant("2026-01-05T21:00")
    assert on_duty(duty, [], NOBODY_OFF, day) == Standing(("A",), Why.TURN)
    assert on_duty(duty, [], NOBODY_OFF, night) == Standing(("S",), Why.SUBSTITUTE)
    assert on_duty(duty, [], NOBODY_OFF, day, {"A": day + HOUR}) == Standing(("S",), Why.SUBSTITUTE)
    assert on_duty(duty, [], NOBODY_OFF, day, {"A": day}) == Standing(("A",), Why.TURN), "back from this instant on"
    assert on_duty(duty, [], NOBODY_OFF, day, {"A": day + HOUR, "S": day + HOUR}) == Standing((), Why.NOBODY)


def test_whoever_of_a_shift_is_there_has_it() -> None:
    duty = rota(shift("2026-01-05T08:00", "A+B"), substitute="S")
    at = instant("2026-01-05T09:00")
    assert who(duty, at, away={"A": at + DAY}) == "B"


def test_everybody_in_a_rota_is_on_duty_by_it_alone() -> None:
    assert members(rota(shift("2026-01-05T08:00", "A+B", "C"), substitute="S")) == {"A", "B", "C", "S"}


# --- covers and swaps ------------------------------------------------------------------------------------
def test_a_cover_counts_before_the_turn_and_a_later_one_before_an_earlier_one() -> None:
    first = a_cover("2026-01-05T10:00", "2026-01-05T22:00", "X")
    second = a_cover("2026-01-05T12:00", "2026-01-05T13:00", "Y", decided="2026-01-02")
    at = {
        hour: who(DAYS_AND_NIGHTS, instant(f"2026-01-05T{hour:02}:00"), second, first) for hour in (9, 10, 12, 13, 22)
    }
    assert at == {9: "A", 10: "X", 12: "Y", 13: "X", 22: "C"}


def test_a_cover_by_somebody_on_leave_leaves_the_shift_to_the_substitute() -> None:
    duty, at = rota(shift("2026-01-05T08:00", "A"), substitute="S"), instant("2026-01-05T09:00")
    assert who(duty, at, a_cover("2026-01-05T08:00", "2026-01-05T20:00", "X"), away={"X": at + DAY}) == "S"


def test_nobody_on_purpose_is_nobody_and_no_gap() -> None:
    duty = rota(shift("2026-01-05T00:00", "A", lasts=DAY), substitute="S")
    closed = a_cover("2026-01-06T00:00", "2026-01-07T00:00", None)
    assert on_duty(duty, [closed], NOBODY_OFF, instant("2026-01-06T09:00")) == Standing((), Why.COVER)
    assert gaps(duty, [closed], NOBODY_OFF, instant("2026-01-05T00:00"), instant("2026-01-09T00:00")) == []


def test_two_swap_their_shifts_and_who_is_on_beside_them_stays() -> None:
    duty = rota(shift("2026-01-05T08:00", "A+B", "C+D"))
    monday, tuesday = instant("2026-01-05T09:00"), instant("2026-01-06T19:00")
    made = swap(duty, [], NOBODY_OFF, ("A", monday), ("C", tuesday), decided_at=monday)
    assert who(duty, monday, *made) == "C+B"
    assert who(duty, tuesday, *made) == "A+D"
    assert who(duty, instant("2026-01-07T09:00"), *made) == "A+B"


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (("A", "2026-01-06T09:00"), ("B", "2026-01-05T09:00"), "A does not have the duty"),
        (("A", "2026-01-05T09:00"), ("A", "2026-01-07T09:00"), "A has the duty in a-rota"),
        (("A", "2026-01-01T09:00"), ("B", "2026-01-06T09:00"), "has no shift at"),
        (("A", "2026-01-05T09:00"), ("B", "2026-01-05T10:00"), "overlap"),
    ],
)
def test_a_swap_of_what_somebody_does_not_have_is_refused(
    one: tuple[str, str], other: tuple[str, str], words: str
) -> None:
    asked = [(ref, instant(text)) for ref, text in (one, other)]
    with pytest.raises(Refused, match=words):
        swap(DAYS_AND_NIGHTS, [], NOBODY_OFF, *asked, decided_at=instant("2026-01-01"))


# --- holidays --------------------------------------------------------------------------------------------
HOLIDAYS_TOO = rota(
    shift("2026-04-01T08:00", "A", "B", "C", holidays=Holidays.EXCEPT),
    shift("2026-04-01T08:00", "H", holidays=Holidays.ONLY),
)


def test_holidays_have_shifts_of_their_own() -> None:
    songkran = {date(2026, 4, 13)}
    assert who(HOLIDAYS_TOO, instant("2026-04-12T09:00"), holidays=songkran) == "C"
    assert who(HOLIDAYS_TOO, instant("2026-04-13T09:00"), holidays=songkran) == "H"


def test_a_holiday_that_is_moved_changes_nobody_elses_turn() -> None:
    for holidays in ({date(2026, 4, 13)}, {date(2026, 4, 14)}, set()):
        assert who(HOLIDAYS_TOO, instant("2026-04-15T09:00"), holidays=holidays) == "C"


def test_a_night_that_begins_before_the_holiday_is_not_the_holidays() -> None:
    duty = rota(shift("2026-04-01T20:00", "A", holidays=Holidays.EXCEPT))
    songkran = {date(2026, 4, 13)}
    assert who(duty, instant("2026-04-13T03:00"), holidays=songkran) == "A"
    assert who(duty, instant("2026-04-14T03:00"), holidays=songkran) == ""


# --- clocks that are changed -----------------------------------------------------------------------------
#: Berlin: 29 March 2026 has no 02:30, 25 October 2026 has it twice.
NIGHT_IN_BERLIN = rota(
    shift("2026-01-01T08:00", "A", lasts=12 * HOUR),
    shift("2026-01-01T20:00", "B", lasts=12 * HOUR),
    zone=BERLIN,
)


@pytest.mark.parametrize(("evening", "hours"), [("2026-03-28T20:00", 11), ("2026-10-24T20:00", 13)])
def test_a_night_in_which_the_clocks_change_ends_by_the_clock_on_the_wall(evening: str, hours: int) -> None:
    start = instant(evening, BERLIN)
    (night,) = [
        span
        for span in spans(NIGHT_IN_BERLIN, [], NOBODY_OFF, start - 9 * HOUR, start + DAY)
        if span.starts_at == start
    ]
    assert (night.standing.refs, night.ends_at - night.starts_at) == (("B",), hours * HOUR)


def test_a_start_that_the_clocks_skip_is_when_they_skip_it_and_of_two_the_first_counts() -> None:
    duty = rota(shift("2026-01-01T02:30", "A", "B", lasts=DAY), zone=BERLIN)
    skipped = instant("2026-03-29T03:00", BERLIN)
    assert who(duty, skipped - timedelta(seconds=1)) != who(duty, skipped)
    twice = instant("2026-10-25T02:30", BERLIN)
    assert who(duty, twice - timedelta(seconds=1)) != who(duty, twice) == who(duty, twice + HOUR)


# --- properties ------------------------------------------------------------------------------------------
ZONES = st.sampled_from([BANGKOK, BERLIN, "Australia/Lord_Howe", "Pacific/Apia"])
REPEATS = st.sampled_from(
    [
        *("FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=DAILY;BYHOUR=0,8,16", "FREQ=DAILY;INTERVAL=2;BYDAY=MO,WE,SA"),
        *("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU;WKST=SU"),
        *("FREQ=WEEKLY;INTERVAL=3;BYDAY=TU,FR", "FREQ=DAILY;UNTIL=20270101T000000", "FREQ=WEEKLY;BYDAY=MO,SU;COUNT=9"),
    ]
)
#: Near every change of the clocks in these zones, and where there is none.
LOOKED_AT = st.sampled_from(
    [
        wall(f"{day}T00:00")
        for day in ("2026-03-28", "2026-04-04", "2026-06-14", "2026-10-03", "2026-10-24", "2026-12-30")
    ]
)


@st.composite
def shifts(draw: st.DrawFn) -> Shift:
    """A shift whose first start is one of its rule."""
    rule = draw(REPEATS)
    begins = draw(st.sampled_from(["2024-02-28T00:00", "2025-06-04T02:30", "2026-03-20T08:00", "2026-03-25T20:15"]))
    (first,) = (
        start for start, _ in zip(rrulestr(rule.replace(";COUNT=9", ""), dtstart=wall(begins)), [0], strict=False)
    )
    names = st.lists(st.sampled_from("ABCDEF"), min_size=1, max_size=2, unique=True).map(tuple)
    return Shift(
        first,
        rule,
        draw(st.sampled_from([HOUR, 8 * HOUR, 12 * HOUR, DAY, 40 * HOUR])),
        tuple(draw(st.lists(names, min_size=1, max_size=3))),
        draw(st.sampled_from([None, DAY, WEEK])),
        draw(st.sampled_from(Holidays)),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Rota, list[Cover], frozenset[date], datetime, datetime]:
    """A rota, covers, holidays, and the time to look at."""
    duty = rota(
        *draw(st.lists(shifts(), min_size=1, max_size=3)),
        zone=draw(ZONES),
        substitute=draw(st.sampled_from([None, "S"])),
        always=draw(st.booleans()),
    )
    start = draw(LOOKED_AT).replace(tzinfo=UTC)
    end = start + draw(st.integers(1, 96)) * HOUR
    holidays = draw(st.frozensets(st.sampled_from([start.date() + n * DAY for n in range(4)])))
    covers = []
    for n in range(draw(st.integers(0, 3))):
        begins = start + draw(st.integers(-5, 60)) * HOUR
        ref = draw(st.sampled_from([None, "X", "Y"]))
        covers.append(Cover("a-rota", begins, begins + draw(st.integers(1, 30)) * HOUR, ref, start + n // 2 * HOUR))
    return duty, covers, holidays, start, end


def slow(duty: Rota, holidays: frozenset[date], start: datetime, end: datetime) -> list[tuple[datetime, datetime, Any]]:
    """Every turn up to the end, by walking through every start since the first with the library."""
    found = []
    for one in duty.shifts:
        until = end.replace(tzinfo=None) + 2 * DAY
        for n, begins in enumerate(takewhile(until.__ge__, rrulestr(one.repeats, dtstart=one.starts))):
            off = begins.date() in holidays
            if one.holidays is not Holidays.ANY and off is not (one.holidays is Holidays.ONLY):
                continue
            if begins > start.replace(tzinfo=None) - 4 * DAY:
                turn = n if one.hand_over_every is None else (begins - one.starts) // one.hand_over_every
                times = shown(begins, duty.zone), shown(begins + one.lasts, duty.zone)
                found.append((*times, one.turns[turn % len(one.turns)]))
    return found


def shown(time: datetime, zone: str) -> datetime:
    """The first instant at which the clock on the wall shows this time or, where it skips it, a later one."""
    clock = ZoneInfo(zone)
    at = time.replace(tzinfo=clock).astimezone(UTC)
    if at.astimezone(clock).replace(tzinfo=None) == time:
        return at
    day_before = at - 25 * HOUR
    low, high = day_before, at
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (low, middle) if middle.astimezone(clock).replace(tzinfo=None) >= time else (middle, high)
    return high.replace(microsecond=0)


def instants(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += timedelta(minutes=37)


@given(worlds())
def test_at_every_instant_exactly_those_whose_turn_it_is_have_the_duty(world: Any) -> None:
    duty, _, holidays, start, end = world
    turns = slow(duty, holidays, start, end)
    for at in instants(start, end):
        expected = dict.fromkeys(ref for begins, ends, refs in turns if begins <= at < ends for ref in refs)
        standing = on_duty(duty, [], holidays, at)
        if expected:
            assert standing == Standing(tuple(expected), Why.TURN)
        else:
            assert standing == (Standing(("S",), Why.SUBSTITUTE) if duty.substitute else Standing((), Why.NOBODY))


@given(worlds())
def test_spans_are_a_time_without_a_break_and_tell_what_holds_at_each_instant(world: Any) -> None:
    duty, covers, holidays, start, end = world
    found = spans(duty, covers, holidays, start, end)
    assert (found[0].starts_at, found[-1].ends_at) == (start, end)
    assert all(one.ends_at == other.starts_at and one.standing != other.standing for one, other in pairwise(found))
    for at in instants(start, end):
        (span,) = [span for span in found if span.starts_at <= at < span.ends_at]
        assert span.standing == on_duty(duty, covers, holidays, at)


@given(worlds())
def test_a_gap_is_exactly_where_a_duty_that_must_be_filled_is_not(world: Any) -> None:
    duty, covers, holidays, start, end = world
    found = gaps(duty, covers, holidays, start, end)
    for at in instants(start, end):
        filled = on_duty(duty, covers, holidays, at).why in {Why.TURN, Why.COVER}
        assert any(begins <= at < ends for begins, ends in found) == (not filled and duty.always)
    assert all(one[1] < other[0] for one, other in pairwise(found))


@given(worlds(), st.sets(st.sampled_from("ABCDEFSXY")))
def test_who_is_away_never_has_the_duty_and_leave_that_ends_ends_the_gap(world: Any, gone: set[str]) -> None:
    duty, covers, holidays, start, end = world
    back = start + (end - start) / 2
    for span in spans(duty, covers, holidays, start, end, dict.fromkeys(gone, back)):
        if span.starts_at < back:
            assert gone.isdisjoint(span.standing.refs)
            assert span.ends_at <= back or gone.isdisjoint(on_duty(duty, covers, holidays, back).refs)


@st.composite
def swappings(draw: st.DrawFn) -> tuple[Rota, tuple[str, datetime], tuple[str, datetime]]:
    """A rota of days and nights, handed over at some hour, and two of its people who take each other's shift."""
    turns = st.lists(st.sampled_from(["A", "B", "C", "D", "A+B", "C+D", "E+F"]), min_size=1, max_size=3)
    hour = draw(st.integers(0, 11))
    day, night = f"2026-01-05T{hour:02}:30", f"2026-01-05T{hour + 12:02}:30"
    duty = rota(shift(day, "A", *draw(turns)), shift(night, "C", *draw(turns)), zone=draw(ZONES))
    start = draw(LOOKED_AT).replace(tzinfo=UTC)
    held = spans(duty, [], NOBODY_OFF, start, start + 5 * DAY)
    able = [
        ((ref, one.starts_at), (other_ref, other.starts_at))
        for one in held
        for other in held
        for ref in one.standing.refs
        for other_ref in other.standing.refs
        if ref not in other.standing.refs and other_ref not in one.standing.refs
    ]
    return duty, *draw(st.sampled_from(able))


@given(swappings())
def test_a_swap_leaves_the_hours_that_both_have_together(swapping: Any) -> None:
    duty, one, other = swapping
    made = swap(duty, [], NOBODY_OFF, one, other, decided_at=one[1])
    assert one[0] in who(duty, other[1], *made).split("+")
    assert other[0] in who(duty, one[1], *made).split("+")
    around = min(one[1], other[1]) - 2 * DAY, max(one[1], other[1]) + 2 * DAY
    before, after = hours(duty, [], *around), hours(duty, made, *around)
    assert before[one[0]] + before[other[0]] == after[one[0]] + after[other[0]]
    rest = {*before, *after} - {one[0], other[0]}
    assert [before[ref] for ref in rest] == [after[ref] for ref in rest]


def hours(duty: Rota, covers: list[Cover], start: datetime, end: datetime) -> dict[str, timedelta]:
    total: dict[str, timedelta] = defaultdict(timedelta)
    for span in spans(duty, covers, NOBODY_OFF, start, end):
        for ref in span.standing.refs:
            total[ref] += span.ends_at - span.starts_at
    return total


@given(shifts())
def test_every_rota_of_these_tests_is_a_good_one(one: Shift) -> None:
    assert list(problems(rota(one))) == []


# --- rotas that are refused ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("repeats", "words"),
    [
        ("FREQ=MONTHLY", "shifts repeat by days or weeks"),
        ("BYDAY=MO", "shifts repeat by days or weeks"),
        ("FREQ=DAILY;FREQ=WEEKLY", "stands here twice"),
        ("FREQ=DAILY;BYMONTH=4", "cannot be used"),
        ("every day", "cannot be used"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be 1 to 53"),
        ("FREQ=DAILY;INTERVAL=x", "can be read"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY has 1MO"),
        ("FREQ=DAILY;BYHOUR=99", "hour must be in 0..23"),
        ("FREQ=DAILY;COUNT=many", "can be read"),
        ("FREQ=DAILY;UNTIL=20261231T200000Z", "by the clock on the wall"),
        ("FREQ=DAILY;UNTIL=20251231", "never comes again"),
        ("FREQ=WEEKLY;BYDAY=TU", "the first one after it is 2026-01-06 08:00"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_what_to_do(repeats: str, words: str) -> None:
    told = [what for _, what in problems(rota(shift("2026-01-05T08:00", "A", repeats=repeats)))]
    assert len(told) == 1
    assert words in told[0]


def test_every_other_problem_is_told_with_its_place() -> None:
    bad = Rota(
        " ",
        "65",
        Role.SOCIAL_WORKER,
        (
            Shift(instant("2026-01-05T08:00"), "FREQ=DAILY", timedelta(), ((), ("A", "A")), -DAY),
            Shift(wall("2026-01-05T08:00"), "FREQ=DAILY", HOUR, ()),
        ),
        zone="Asia/Siam",
    )
    assert {where for where, _ in problems(bad)} == {
        ("name",),
        ("zone",),
        *(("shifts", 0, field) for field in ("starts", "lasts", "hand_over_every")),
        ("shifts", 0, "turns", 0),
        ("shifts", 0, "turns", 1),
        ("shifts", 1, "turns"),
    }
    assert [where for where, _ in problems(rota())] == [("shifts",)]
    assert [where for where, _ in problems(Rota("n" * 61, "65", Role.ONE_HOME, DAYS_AND_NIGHTS.shifts))] == [("name",)]
