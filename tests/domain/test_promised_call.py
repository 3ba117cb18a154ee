"""One promised call by a plan without calling hours: made, tried again, reminded of, a supervisor's when missed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from scene import EVENING, SOCIAL_WORKER, an_id

from ess.domain import follow_up as care
from ess.domain.duty import Role
from ess.domain.errors import AlreadyRecorded
from ess.domain.follow_up import FollowUp, FollowUpState, Outcome
from ess.domain.policy import FollowUpPlan

#: Within a day; reminded twice, two hours apart; three tries, four hours apart.
PLAN = FollowUpPlan(
    name="first_call",
    by=Role.SOCIAL_WORKER,
    due=timedelta(hours=24),
    remind_every=timedelta(hours=2),
    reminders=2,
    tries=3,
    retry_after=timedelta(hours=4),
)
LATER = EVENING + timedelta(hours=25)


def only(course: care.Course) -> FollowUp:
    (call,) = course.follow_ups
    return call


def promised(plan: FollowUpPlan = PLAN) -> FollowUp:
    return only(care.opened([(an_id("a call"), plan, SOCIAL_WORKER.id)], EVENING))


def promised_by_nobody() -> FollowUp:
    return only(care.opened([(an_id("a call"), PLAN, None)], EVENING))


def missed(call: FollowUp, now: datetime) -> FollowUp:
    return only(care.minded(call, call.responder_id, now))


def reported(call: FollowUp, outcome: Outcome, now: datetime) -> FollowUp:
    return only(care.reported(call, outcome, now))


def test_a_call_is_promised_for_the_plans_time() -> None:
    call = promised()
    assert call == FollowUp(an_id("a call"), PLAN, SOCIAL_WORKER.id, EVENING + timedelta(hours=24))
    assert (call.state, call.tries, call.reminders, call.outcome) == (FollowUpState.OPEN, 0, 0, None)
    assert not call.is_done


def test_a_call_that_nobody_can_make_is_overdue_from_the_start() -> None:
    call = promised_by_nobody()
    assert call.state is FollowUpState.OVERDUE
    assert call.due_at == EVENING + timedelta(hours=2), "the supervisors are told again by then"
    assert call.promised_at == EVENING + timedelta(hours=24)


@pytest.mark.parametrize("outcome", [Outcome.REACHED, Outcome.NEEDS_SERVICE, Outcome.REFERRED])
def test_a_victim_who_was_spoken_to_needs_no_other_call(outcome: Outcome) -> None:
    for call in (promised(), promised_by_nobody(), missed(promised(), LATER)):
        done = reported(call, outcome, LATER)
        assert done.is_done
        assert (done.state, done.outcome) == (FollowUpState.DONE, outcome)
        with pytest.raises(AlreadyRecorded):
            reported(done, outcome, LATER)


def test_nobody_picking_up_is_tried_again_after_the_plans_pause() -> None:
    call = reported(promised(), Outcome.NO_ANSWER, LATER)
    assert (call.state, call.tries, call.outcome) == (FollowUpState.OPEN, 1, Outcome.NO_ANSWER)
    assert call.due_at == call.ask_at == LATER + timedelta(hours=4)
    assert call.tried == (LATER,)


def test_when_it_is_tried_again_the_card_comes_again() -> None:
    call = reported(promised(), Outcome.NO_ANSWER, LATER)
    course = care.minded(call, SOCIAL_WORKER.id, LATER + timedelta(hours=4))
    assert course.asked == ((call.id, False),)
    again = only(course)
    assert (again.state, again.ask_at, again.tries) == (FollowUpState.OPEN, None, 1)
    assert again.due_at == LATER + timedelta(hours=6)


def test_when_the_tries_are_used_up_a_supervisor_decides() -> None:
    call = promised()
    for _ in range(2):
        call = reported(call, Outcome.NO_ANSWER, LATER)
        assert call.state is FollowUpState.OPEN
    call = reported(call, Outcome.NO_ANSWER, LATER)
    assert (call.state, call.tries) == (FollowUpState.OVERDUE, 3)
    assert call.due_at == LATER + timedelta(hours=2)


def test_a_plan_of_one_try_is_a_supervisors_after_the_first() -> None:
    call = reported(promised(replace(PLAN, tries=1)), Outcome.NO_ANSWER, LATER)
    assert call.state is FollowUpState.OVERDUE


def test_a_try_without_a_caller_stays_the_supervisors() -> None:
    call = reported(promised_by_nobody(), Outcome.NO_ANSWER, LATER)
    assert (call.state, call.tries) == (FollowUpState.OVERDUE, 1)
    assert call.due_at == LATER + timedelta(hours=2)


def test_a_missed_call_is_reminded_of_before_it_is_overdue() -> None:
    call = promised()
    for reminders in (1, 2):
        call = missed(call, LATER)
        assert (call.state, call.reminders) == (FollowUpState.OPEN, reminders)
        assert call.due_at == LATER + timedelta(hours=2)
    for reminders in (3, 4):
        call = missed(call, LATER)
        assert (call.state, call.reminders) == (FollowUpState.OVERDUE, reminders)
        assert call.due_at == LATER + timedelta(hours=2), "the supervisors are told again and again"


def test_without_reminders_a_missed_call_is_overdue_at_once() -> None:
    assert missed(promised(replace(PLAN, reminders=0)), LATER).state is FollowUpState.OVERDUE


def test_a_try_earns_new_reminders() -> None:
    call = missed(missed(missed(promised(), LATER), LATER), LATER)
    assert call.state is FollowUpState.OVERDUE
    call = reported(call, Outcome.NO_ANSWER, LATER)
    assert (call.state, call.reminders) == (FollowUpState.OPEN, 0)


def test_what_is_a_supervisors_stays_so_when_it_is_missed_again() -> None:
    assert missed(promised_by_nobody(), LATER).state is FollowUpState.OVERDUE
    used_up = reported(promised(replace(PLAN, tries=1)), Outcome.NO_ANSWER, LATER)
    assert missed(used_up, LATER).state is FollowUpState.OVERDUE
