"""When people may be called: half past eight to six in Thailand, and not on days off."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ess.domain.calling_hours import ANY_TIME, BANGKOK, CallingHours, read_span

OPENS, CLOSES = timedelta(hours=8, minutes=30), timedelta(hours=18)
#: Thai New Year of 2026, a Monday to Wednesday.
SONGKRAN = frozenset({date(2026, 4, 13), date(2026, 4, 14), date(2026, 4, 15)})
HOURS = CallingHours(OPENS, CLOSES, days_off=SONGKRAN)
WEEKDAYS = CallingHours(OPENS, CLOSES, weekends=False, days_off=SONGKRAN)

#: Spring of 2026, to the minute, so that borders are met.
instants = st.integers(0, 60 * 24 * 60).map(lambda minutes: bangkok("2026-03-20 00:00") + timedelta(minutes=minutes))
spans = st.integers(1, 40 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
all_hours = st.sampled_from([HOURS, WEEKDAYS, ANY_TIME, CallingHours(timedelta(hours=9), timedelta(hours=10))])
AN_HOUR = timedelta(hours=1)


def bangkok(text: str) -> datetime:
    """An instant as a clock in Thailand shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=BANGKOK).astimezone(UTC)


# --- by when ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("hours", "resolved", "promised", "due"),
    [
        pytest.param(HOURS, "2026-04-01 10:00", "2026-04-02 10:00", "2026-04-02 10:00", id="in calling hours"),
        pytest.param(HOURS, "2026-04-01 20:00", "2026-04-02 20:00", "2026-04-02 18:00", id="in the evening: earlier"),
        pytest.param(HOURS, "2026-04-01 03:00", "2026-04-02 03:00", "2026-04-01 18:00", id="at night: the day before"),
        pytest.param(HOURS, "2026-04-01 20:00", "2026-04-02 08:00", "2026-04-02 08:30", id="no calling hour: after"),
        pytest.param(HOURS, "2026-04-01 17:30", "2026-04-02 05:30", "2026-04-02 08:30", id="half an hour is none"),
        pytest.param(HOURS, "2026-04-12 10:00", "2026-04-13 10:00", "2026-04-12 18:00", id="before a holiday"),
        pytest.param(HOURS, "2026-04-12 19:00", "2026-04-13 19:00", "2026-04-16 08:30", id="after the holidays"),
        pytest.param(WEEKDAYS, "2026-03-27 19:00", "2026-03-28 19:00", "2026-03-30 08:30", id="after the weekend"),
        pytest.param(HOURS, "2026-03-27 19:00", "2026-03-28 19:00", "2026-03-28 18:00", id="on a Saturday"),
    ],
)
def test_a_call_is_due_in_calling_hours(hours: CallingHours, resolved: str, promised: str, due: str) -> None:
    assert hours.by(bangkok(resolved), bangkok(promised)) == bangkok(due)


@given(all_hours, instants, spans)
def test_by_when_is_a_calling_time_and_later_than_promised_only_where_no_hour_is_left(
    hours: CallingHours, since: datetime, span: timedelta
) -> None:
    due = hours.by(since, since + span)
    assert hours.has(due)
    assert due >= since
    if due > since + span:
        quarters = (since + i * timedelta(minutes=15) for i in range(int(span / timedelta(minutes=15)) + 1))
        calling = [at for at in quarters if hours.has(at)]
        assert not calling or calling[-1] - since < AN_HOUR, "an hour was left before what was promised"
        assert not any(
            hours.has(since + span + i * timedelta(minutes=5))
            for i in range(int((due - since - span) / timedelta(minutes=5)))
        ), "and not the first calling time after it"
    else:
        assert due == since + span or due - since >= AN_HOUR


@given(all_hours, instants)
def test_what_is_in_calling_hours_stays_where_it_is(hours: CallingHours, at: datetime) -> None:
    assume(hours.has(at))
    assert hours.at_or_before(at) == hours.by(at - timedelta(days=1), at) == at
    assert hours.at_or_after(at) == at or not hours.has(at + timedelta(minutes=1)), "nobody begins at the closing"


@given(all_hours, instants)
def test_nothing_is_a_calling_time_between_an_instant_and_the_next_one(hours: CallingHours, at: datetime) -> None:
    before, after = hours.at_or_before(at), hours.at_or_after(at)
    assert before <= at <= after
    assert hours.has(before)
    assert hours.has(after)
    if not hours.has(at):
        minutes = range(1, int((after - before) / timedelta(minutes=1)))
        assert not any(hours.has(before + timedelta(minutes=i)) for i in minutes)


@given(all_hours, instants)
def test_where_the_program_runs_does_not_matter(hours: CallingHours, at: datetime) -> None:
    there = at.astimezone(BANGKOK)
    assert hours.has(there) is hours.has(at)
    assert hours.at_or_after(there) == hours.at_or_after(at)
    assert hours.by(there, there + timedelta(days=1)) == hours.by(at, at + timedelta(days=1))


@given(instants)
def test_without_calling_hours_nothing_is_moved(at: datetime) -> None:
    assert ANY_TIME.at_or_after(at) == ANY_TIME.at_or_before(at) == at


def test_a_calendar_without_a_calling_day_holds_no_call_back() -> None:
    class Always(frozenset[date]):
        def __contains__(self, day: object) -> bool:
            return True

    never, at = CallingHours(OPENS, CLOSES, days_off=Always()), bangkok("2026-04-01 20:00")
    assert never.at_or_after(at) == never.by(at, at) == at
    assert never.untried(at, [at]) - at < timedelta(days=1)


# --- when to try again -----------------------------------------------------------------------------------
def part(hours: CallingHours, at: datetime) -> str:
    """Morning, midday, late afternoon: thirds of the calling hours."""
    local = at.astimezone(BANGKOK)
    since = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second) - hours.opens
    third = (hours.closes - hours.opens) / 3
    return "morning" if since < third else "midday" if since < 2 * third else "late afternoon"


@pytest.mark.parametrize(
    ("tried", "again"),
    [
        (["2026-04-01 09:00"], "2026-04-01 15:00"),
        (["2026-04-01 09:00", "2026-04-01 15:00"], "2026-04-02 11:40"),
        (["2026-04-01 12:00"], "2026-04-02 08:30"),
        (["2026-04-01 12:00", "2026-04-02 08:30"], "2026-04-02 14:50"),
        (["2026-04-01 17:00"], "2026-04-02 08:30"),
        (["2026-04-12 17:00"], "2026-04-16 08:30"),
    ],
)
def test_it_is_tried_again_at_an_hour_that_was_not_tried(tried: list[str], again: str) -> None:
    calls = [bangkok(text) for text in tried]
    assert HOURS.untried(calls[-1] + timedelta(hours=6), calls) == bangkok(again)


@given(st.sampled_from([HOURS, WEEKDAYS]), instants)
def test_three_tries_are_in_three_parts_of_the_day_and_within_three_calling_days(
    hours: CallingHours, first: datetime
) -> None:
    tries = [hours.at_or_after(first)]
    for _ in range(2):
        tries.append(hours.untried(tries[-1] + timedelta(hours=6), tries))
    assert all(hours.has(at) for at in tries)
    assert {part(hours, at) for at in tries} == {"morning", "midday", "late afternoon"}
    assert len({at.astimezone(BANGKOK).date() for at in tries}) > 1, "over more than one day"
    days = [tries[0].astimezone(BANGKOK).date() + timedelta(days=i) for i in range((tries[-1] - tries[0]).days + 2)]
    calling = [
        day for day in days if hours.has(bangkok(f"{day} 12:00")) and day <= tries[-1].astimezone(BANGKOK).date()
    ]
    assert len(calling) <= 3


@given(all_hours, instants, st.lists(instants, max_size=5))
def test_the_next_try_is_a_calling_time_whatever_was_tried(
    hours: CallingHours, since: datetime, tried: list[datetime]
) -> None:
    at = hours.untried(since, tried)
    assert at >= since
    assert hours.has(at)
    assert at - hours.at_or_after(since) <= timedelta(days=7)


# --- as it is written ------------------------------------------------------------------------------------
def test_hours_are_written_as_a_span() -> None:
    assert read_span("08:30-18:00") == (OPENS, CLOSES)
    assert read_span("00:00-24:00") == (timedelta(), timedelta(days=1))


@pytest.mark.parametrize(
    "text", ["", "8:30-18:00", "08:30", "18:00-08:30", "08:30-09:00", "08:30-24:30", "08:30–18:00"]
)
def test_a_span_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as `08:30-18:00`"):
        read_span(text)
