"""Who may be connected with a victim: nobody whom anything stands against, and never a machine."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import ASSAULT, EVENING, SOCIAL_WORKER, THE_HOUSE, an_id
from test_calling_hours import HOURS, bangkok, instants

from ess.domain.bridge import MAX_TURNS, Ending, Ends, Leg, Obstacle, ending, leg, obstacle
from ess.domain.follow_up import FollowUp, FollowUpState
from ess.domain.incident import ENDED, Incident, State
from ess.domain.policy import Kind
from ess.domain.report import Contact, IncidentType

AT_TEN = bangkok("2026-04-01 10:00")
AT_NIGHT = bangkok("2026-04-01 02:00")
PLAN = ASSAULT.follow_ups[0]
CALL = FollowUp(an_id("a call"), PLAN, SOCIAL_WORKER.id, EVENING)
RESOLVED = Incident(
    an_id("an incident"), "B2C3D4", IncidentType.ASSAULT, ASSAULT, State.RESOLVED, THE_HOUSE, follow_ups=(CALL,)
)
READY = Ends(
    wish=Contact.ANY,
    in_danger=False,
    has_victims_phone=True,
    has_own_phone=True,
    is_theirs=True,
    has_number=True,
)
a_bool = st.booleans()
all_ends = st.builds(
    Ends,
    wish=st.sampled_from(Contact),
    in_danger=a_bool,
    has_victims_phone=a_bool,
    has_own_phone=a_bool,
    is_theirs=a_bool,
    has_number=a_bool,
    is_under_way=a_bool,
)


def test_a_victim_who_may_be_called_is_called_in_calling_hours() -> None:
    assert PLAN.calling_hours
    assert obstacle(RESOLVED, CALL, READY, AT_TEN, HOURS) is None
    assert obstacle(RESOLVED, CALL, READY, AT_NIGHT, HOURS) is Obstacle.OUT_OF_HOURS


def test_a_plan_without_calling_hours_is_called_at_any_time() -> None:
    call = replace(CALL, plan=replace(PLAN, calling_hours=False))
    assert obstacle(RESOLVED, call, READY, AT_NIGHT, HOURS) is None


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        (replace(READY, is_theirs=False), Obstacle.NOT_THEIRS),
        (replace(READY, wish=Contact.TEXT_ONLY), Obstacle.NOT_WISHED),
        (replace(READY, wish=Contact.NONE), Obstacle.NOT_WISHED),
        (replace(READY, in_danger=True), Obstacle.IN_DANGER),
        (replace(READY, has_victims_phone=False), Obstacle.NO_PHONE),
        (replace(READY, has_own_phone=False), Obstacle.NO_OWN_PHONE),
        (replace(READY, has_number=False), Obstacle.NO_NUMBER),
        (replace(READY, is_under_way=True), Obstacle.UNDER_WAY),
    ],
)
def test_each_obstacle_alone_is_enough(ends: Ends, why: Obstacle) -> None:
    assert obstacle(RESOLVED, CALL, ends, AT_TEN, HOURS) is why


@pytest.mark.parametrize("state", sorted(ENDED))
def test_nobody_is_called_about_an_incident_that_is_over(state: State) -> None:
    assert obstacle(replace(RESOLVED, state=state), CALL, READY, AT_TEN, HOURS) is Obstacle.OVER


def test_what_is_reported_is_not_called_again_and_a_visit_is_made_by_going_there() -> None:
    done = replace(CALL, state=FollowUpState.DONE)
    assert obstacle(RESOLVED, done, READY, AT_TEN, HOURS) is Obstacle.REPORTED
    visit = replace(CALL, plan=replace(PLAN, kind=Kind.VISIT))
    assert obstacle(RESOLVED, visit, READY, AT_TEN, HOURS) is Obstacle.VISIT


@given(ends=all_ends, at=instants, state=st.sampled_from(State), call_state=st.sampled_from(FollowUpState))
def test_nobody_is_connected_unless_everything_allows_it(
    ends: Ends, at: datetime, state: State, call_state: FollowUpState
) -> None:
    why = obstacle(replace(RESOLVED, state=state), replace(CALL, state=call_state), ends, at, HOURS)
    allowed = ends == READY and HOURS.has(at) and state not in ENDED and call_state is not FollowUpState.DONE
    assert (why is None) is allowed


# --- the victim's side -----------------------------------------------------------------------------------
@given(
    answered_by=st.none() | st.sampled_from(["human", "machine_start", "fax", "unknown"]) | st.text(),
    turn=st.integers(1, 99),
)
def test_only_a_person_is_ever_connected(answered_by: str | None, turn: int) -> None:
    assert (leg(answered_by, turn) is Leg.CONNECT) is (answered_by == "human")


def test_nobody_waits_for_ever_for_the_word_of_the_provider() -> None:
    assert [leg(None, turn) for turn in range(1, MAX_TURNS + 1)] == [Leg.WAIT] * (MAX_TURNS - 1) + [Leg.HANG_UP]


@pytest.mark.parametrize(
    ("status", "was_bridged", "how"),
    [
        ("completed", True, Ending.BRIDGED),
        ("answered", True, Ending.BRIDGED),
        ("completed", False, Ending.MACHINE),
        ("busy", False, Ending.BUSY),
        ("no-answer", False, Ending.NO_ANSWER),
        ("canceled", False, Ending.GIVEN_UP),
        ("failed", False, Ending.FAILED),
        ("a word of tomorrow", False, Ending.FAILED),
    ],
)
def test_the_word_of_the_provider_is_understood(status: str, was_bridged: bool, how: Ending) -> None:
    assert ending(status, was_bridged=was_bridged) is how
