"""The protocol after resolution in calling hours: when each call is due and asked for, moved, tried again, visited."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import ONE_HOME, POLICIES, SOCIAL_WORKER, STATION, an_id
from test_calling_hours import HOURS, WEEKDAYS, bangkok, instants

from ess.domain import follow_up as care
from ess.domain.calling_hours import CallingHours
from ess.domain.errors import AlreadyRecorded, Refused
from ess.domain.follow_up import Course, FollowUp, FollowUpState, Outcome
from ess.domain.policy import Grade, Kind
from ess.domain.report import IncidentType

CRITICAL = POLICIES[IncidentType.CONFINEMENT]
FIRST, WEEK, MONTH = CRITICAL.follow_ups
TEN_IN_THE_MORNING = bangkok("2026-04-01 10:00")
all_hours = st.sampled_from([HOURS, WEEKDAYS])


def only(course: Course) -> FollowUp:
    (follow_up,) = course.follow_ups
    return follow_up


def wake(course: Course) -> datetime:
    """When it is looked at next."""
    ((_, at),) = course.wakes
    return at


def facts(course: Course) -> list[str]:
    return [name for name, _ in course.facts]


def promised(now: datetime = TEN_IN_THE_MORNING, hours: CallingHours = HOURS) -> Course:
    calls = [(an_id(plan.name), plan, SOCIAL_WORKER.id) for plan in CRITICAL.follow_ups]
    return care.opened(calls, now, hours)


def first_call(now: datetime = TEN_IN_THE_MORNING) -> FollowUp:
    return promised(now).follow_ups[0]


# --- what is promised ------------------------------------------------------------------------------------
def test_a_critical_case_is_called_after_a_day_a_week_and_a_month() -> None:
    course = promised()
    assert CRITICAL.grade is Grade.CRITICAL
    assert [call.due_at for call in course.follow_ups] == [
        *(bangkok("2026-04-02 10:00"), bangkok("2026-04-08 10:00"), bangkok("2026-05-01 10:00")),
    ]
    assert facts(course) == ["follow_up_opened"] * 3


def test_only_the_first_call_is_asked_for_at_once_and_the_others_on_their_day() -> None:
    course = promised()
    first, week, month = course.follow_ups
    assert course.asked == ((first.id, False),)
    assert (first.responder_id, week.responder_id, month.responder_id) == (SOCIAL_WORKER.id, None, None)
    # At ten there is no morning left before it is due: it is asked for on the day before.
    assert [week.ask_at, month.ask_at] == [bangkok("2026-04-07 08:30"), bangkok("2026-04-30 08:30")]
    assert [at for _, at in course.wakes] == [first.due_at, week.ask_at, month.ask_at]
    assert promised(bangkok("2026-04-01 15:00")).follow_ups[1].ask_at == bangkok("2026-04-08 08:30")


def test_the_least_grave_types_promise_one_call_within_a_day() -> None:
    for kind in (IncidentType.ASSAULT, IncidentType.RUNNING_AMOK):
        policy = POLICIES[kind]
        assert policy.grade is Grade.URGENT
        ((name, due),) = [(plan.name, plan.due) for plan in policy.follow_ups]
        assert (name, due) == ("first_call", timedelta(hours=24))


@given(all_hours, instants)
def test_every_call_is_promised_and_asked_for_in_calling_hours(hours: CallingHours, now: datetime) -> None:
    for call in promised(now, hours).follow_ups:
        assert hours.has(call.due_at)
        assert call.due_at >= now
        if call.ask_at is not None:
            assert hours.has(call.ask_at)
            assert now <= call.ask_at <= call.due_at - timedelta(hours=4)


@given(all_hours, instants, st.lists(st.timedeltas(timedelta(), timedelta(hours=30)), min_size=6, max_size=6))
def test_reminders_are_sent_in_calling_hours_however_late_the_clock_is(
    hours: CallingHours, now: datetime, late: list[timedelta]
) -> None:
    course = promised(now, hours)
    call, at = course.follow_ups[0], course.wakes[0][1]
    reminders = 0
    for each in [*late, *(timedelta() for _ in range(12))]:
        now = at + each
        course = care.minded(call, SOCIAL_WORKER.id, now, hours)
        at = wake(course)
        assert hours.has(at)
        if course.asked:
            assert hours.has(now), "nobody is reminded at night"
            assert at >= now + FIRST.remind_every
            call, reminders = only(course), reminders + 1
        else:
            assert facts(course) == ["follow_up_waits"]
            assert at == hours.at_or_after(now) > now
    assert call.reminders == reminders > FIRST.reminders
    assert call.state is FollowUpState.OVERDUE


def test_what_is_due_at_the_closing_is_reminded_of_in_the_morning() -> None:
    call, at = first_call(bangkok("2026-04-01 20:00")), bangkok("2026-04-02 18:00")
    assert call.due_at == at
    course = care.minded(call, SOCIAL_WORKER.id, at + timedelta(seconds=1), HOURS)
    assert (course.asked, wake(course)) == ((), bangkok("2026-04-03 08:30"))


# --- who is asked ----------------------------------------------------------------------------------------
def test_a_later_call_is_asked_of_whoever_is_responsible_when_it_comes_near() -> None:
    week = promised().follow_ups[1]
    assert week.ask_at is not None
    course = care.minded(week, STATION.id, week.ask_at, HOURS)
    assert course.asked == ((week.id, False),)
    assert facts(course) == ["follow_up_asked"], "it was nobody's before"
    asked = only(course)
    assert (asked.responder_id, asked.ask_at, asked.due_at) == (STATION.id, None, week.due_at)
    assert wake(course) == week.due_at


def test_where_nobody_is_left_it_is_a_supervisors_and_whoever_comes_is_asked() -> None:
    week = promised().follow_ups[1]
    assert week.ask_at is not None
    course = care.minded(week, None, week.ask_at, HOURS)
    assert course.told == (("follow_up_overdue", week.id),)
    assert course.asked == ()
    orphan = only(course)
    assert orphan.state is FollowUpState.OVERDUE
    course = care.minded(orphan, SOCIAL_WORKER.id, wake(course), HOURS)
    assert course.asked == ((week.id, False),)
    assert only(course).state is FollowUpState.OPEN


def test_who_has_left_is_not_reminded_but_whoever_has_it_now() -> None:
    call = first_call()
    course = care.minded(call, STATION.id, call.due_at, HOURS)
    assert facts(course) == ["follow_up_reassigned", "follow_up_reminded"]
    assert only(course).responder_id == STATION.id


def test_somebody_who_has_it_keeps_it_where_nobody_else_could_take_it() -> None:
    call = first_call()
    assert only(care.minded(call, None, call.due_at, HOURS)).responder_id == SOCIAL_WORKER.id


# --- nobody answers --------------------------------------------------------------------------------------
def test_three_tries_over_two_days_and_then_a_visit() -> None:
    call, now = first_call(), bangkok("2026-04-01 11:00")
    called_at = []
    for attempt in (1, 2, 3):
        called_at.append(now)
        course = care.reported(call, Outcome.NO_ANSWER, now, HOURS)
        if attempt < 3:
            call, now = only(course), wake(course)
            assert call.ask_at == now, "the card comes again when it is time"
            course = care.minded(call, SOCIAL_WORKER.id, now, HOURS)
            assert course.asked == ((call.id, False),)
            call = only(course)
    assert called_at == [bangkok(at) for at in ("2026-04-01 11:00", "2026-04-01 17:00", "2026-04-02 11:40")]
    done, visit = course.follow_ups
    assert (done.state, done.outcome, done.tried) == (FollowUpState.DONE, Outcome.NO_ANSWER, tuple(called_at))
    assert (visit.plan.kind, visit.plan.by, visit.plan.name) == (Kind.VISIT, ONE_HOME.role, "first_call_visit")
    assert visit.ask_at == now
    assert visit.due_at == bangkok("2026-04-04 11:40")
    assert facts(course) == ["follow_up_no_answer", "visit_opened"]


def test_a_visit_is_asked_for_when_the_team_may_be_asked() -> None:
    late_at_night = bangkok("2026-04-01 23:00")
    call = replace(first_call(), tries=2)
    visit = care.reported(call, Outcome.NO_ANSWER, late_at_night, HOURS).follow_ups[1]
    assert visit.ask_at == bangkok("2026-04-02 08:30")


def test_a_visit_is_the_same_however_often_it_is_decided() -> None:
    call = replace(first_call(), tries=2)
    one, other = (care.reported(call, Outcome.NO_ANSWER, TEN_IN_THE_MORNING, HOURS).follow_ups[1] for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Kind.CALL, Outcome.VISITED),
        (Kind.CALL, Outcome.MOVED),
        (Kind.VISIT, Outcome.REACHED),
        (Kind.VISIT, Outcome.MOVED),
    ],
)
def test_what_belongs_to_the_other_kind_is_refused_and_says_what_can_be_reported(kind: Kind, outcome: Outcome) -> None:
    follow_up = replace(first_call(), plan=replace(FIRST, kind=kind))
    with pytest.raises(Refused, match="could_not" if kind is Kind.VISIT else "no_answer"):
        care.reported(follow_up, outcome, TEN_IN_THE_MORNING, HOURS)


def test_a_visit_that_could_not_be_made_is_told_once_and_again_when_nobody_decides() -> None:
    visit = care.reported(replace(first_call(), tries=2), Outcome.NO_ANSWER, TEN_IN_THE_MORNING, HOURS).follow_ups[1]
    visit = only(care.minded(visit, ONE_HOME.id, TEN_IN_THE_MORNING, HOURS))
    course = care.reported(visit, Outcome.COULD_NOT, TEN_IN_THE_MORNING, HOURS)
    assert course.told == (("visit_overdue", visit.id),)
    visit = only(course)
    with pytest.raises(AlreadyRecorded):
        care.reported(visit, Outcome.COULD_NOT, TEN_IN_THE_MORNING, HOURS)
    assert care.minded(visit, ONE_HOME.id, wake(course), HOURS).told == (("visit_overdue", visit.id),)
    assert only(care.reported(visit, Outcome.VISITED, TEN_IN_THE_MORNING, HOURS)).is_done


def test_what_one_card_says_twice_is_said_once() -> None:
    call = only(care.reported(first_call(), Outcome.NO_ANSWER, TEN_IN_THE_MORNING, HOURS, attempt=1))
    with pytest.raises(AlreadyRecorded):
        care.reported(call, Outcome.NO_ANSWER, TEN_IN_THE_MORNING, HOURS, attempt=1)
    assert only(care.reported(call, Outcome.NO_ANSWER, TEN_IN_THE_MORNING, HOURS, attempt=2)).tries == 2
    assert only(care.reported(call, Outcome.REACHED, TEN_IN_THE_MORNING, HOURS, attempt=1)).is_done


# --- moved -----------------------------------------------------------------------------------------------
def test_a_call_can_be_moved_by_two_hours_to_the_morning_or_by_three_days() -> None:
    assert care.move_times(first_call(), bangkok("2026-04-01 10:07"), HOURS) == (
        *(bangkok("2026-04-01 12:07"), bangkok("2026-04-02 09:00"), bangkok("2026-04-04 10:07")),
    )


def test_two_hours_before_the_evening_there_is_no_later_today() -> None:
    evening = bangkok("2026-04-01 17:00")
    assert care.move_times(first_call(), evening, HOURS)[0] == bangkok("2026-04-02 08:30")


def test_a_call_is_moved_no_further_than_the_protocol_allows() -> None:
    call, until = first_call(), bangkok("2026-04-05 10:00")  # three days after it was promised
    assert call.move_until == until
    assert care.move_times(call, bangkok("2026-04-05 09:00"), HOURS) == ()
    for at in (bangkok("2026-04-05 10:01"), bangkok("2026-04-02 03:00"), TEN_IN_THE_MORNING):
        with pytest.raises(Refused, match="2026-04-05"):
            care.moved(call, at, TEN_IN_THE_MORNING, HOURS)
    moved = only(care.moved(call, until, TEN_IN_THE_MORNING, HOURS))
    again = replace(moved, ask_at=None)
    assert again.move_until == until, "however often it is moved"


@given(all_hours, instants, st.timedeltas(timedelta(), timedelta(days=9)))
def test_every_time_that_is_offered_can_be_chosen(hours: CallingHours, now: datetime, later: timedelta) -> None:
    for call in promised(now, hours).follow_ups:
        for at in care.move_times(call, now + later, hours):
            assert hours.has(at)
            course = care.moved(call, at, now + later, hours)
            assert (only(course).ask_at, wake(course)) == (at, at)


def test_a_moved_call_is_asked_for_again_at_its_time() -> None:
    at = bangkok("2026-04-02 09:00")
    moved = only(care.moved(first_call(), at, TEN_IN_THE_MORNING, HOURS))
    with pytest.raises(AlreadyRecorded):
        care.moved(moved, at, TEN_IN_THE_MORNING, HOURS)
    course = care.minded(moved, SOCIAL_WORKER.id, at, HOURS)
    assert course.asked == ((moved.id, False),)
    assert only(course).due_at == bangkok("2026-04-02 11:00"), "from then on it is reminded of"


def test_a_visit_is_not_moved() -> None:
    visit = replace(first_call(), plan=replace(FIRST, kind=Kind.VISIT))
    assert care.move_times(visit, TEN_IN_THE_MORNING, HOURS) == ()


# --- what is needed --------------------------------------------------------------------------------------
@pytest.mark.parametrize("outcome", [Outcome.NEEDS_SERVICE, Outcome.REFERRED])
def test_which_service_or_agency_is_named_afterwards_and_can_be_corrected(outcome: Outcome) -> None:
    call = only(care.reported(first_call(), outcome, TEN_IN_THE_MORNING, HOURS))
    for service in ("shelter", "other"):
        course = care.serviced(call, service)
        assert facts(course) == ["follow_up_service"]
        call = only(course)
        assert (call.service, call.is_done) == (service, True)
        with pytest.raises(AlreadyRecorded):
            care.serviced(call, service)


def test_a_service_belongs_to_a_need() -> None:
    for call in (first_call(), only(care.reported(first_call(), Outcome.REACHED, TEN_IN_THE_MORNING, HOURS))):
        with pytest.raises(Refused, match="report first"):
            care.serviced(call, "shelter")


def test_ids_and_instants_are_all_that_facts_say_beside_words_of_ours() -> None:
    course = promised() + care.reported(replace(first_call(), tries=2), Outcome.NO_ANSWER, TEN_IN_THE_MORNING, HOURS)
    for _, about in course.facts:
        assert about.keys() <= {"follow_up_id", "plan", "responder_id", "due_at", "via"}
        assert all(isinstance(value, UUID | datetime | str | None) for value in about.values())
