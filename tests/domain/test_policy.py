"""Policies that operators write: who is asked at each step, and what a policy must not leave out."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from scene import ASSAULT, POLICIES, an_id

from ess.domain.duty import Role
from ess.domain.incident import Track, TrackState
from ess.domain.policy import LastResort, Policy, Step, Target, Within, problems
from ess.domain.report import IncidentType

POLICE, CARE = ASSAULT.tracks
CALL = ASSAULT.follow_ups[0]
NOTHING = timedelta()


def found(policy: Policy) -> dict[tuple[str | int, ...], str]:
    """Each problem under the path of the value to change."""
    return dict(problems(policy))


def only_problem(policy: Policy) -> tuple[tuple[str | int, ...], str]:
    (problem,) = problems(policy)
    return problem


def with_police(**changed: Any) -> Policy:
    return replace(ASSAULT, tracks=(replace(POLICE, **changed), CARE))


def with_first_step(**changed: Any) -> Policy:
    return with_police(steps=(replace(POLICE.steps[0], **changed), *POLICE.steps[1:]))


def with_call(**changed: Any) -> Policy:
    return replace(ASSAULT, follow_ups=(replace(CALL, **changed),))


# --- what it says ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", IncidentType)
def test_the_shipped_policies_have_no_problem(kind: IncidentType) -> None:
    assert found(POLICIES[kind]) == {}
    assert POLICIES[kind].type is kind


def test_the_lead_track_is_the_one_that_says_so() -> None:
    assert ASSAULT.lead is POLICE
    assert replace(ASSAULT, tracks=(CARE, POLICE)).lead is POLICE
    assert ASSAULT.track("social_care") is CARE


def test_steps_are_counted_from_one_and_after_the_last_comes_the_last_resort() -> None:
    assert ASSAULT.targets("police", 1) == (Target(Role.POLICE_STATION, Within.DISTRICT, 1),)
    assert ASSAULT.targets("police", 3) == (Target(Role.POLICE_STATION, Within.PROVINCE, 3),)
    assert ASSAULT.targets("police", 4) == ASSAULT.last_resort.alert
    assert ASSAULT.targets("social_care", 2) == (
        Target(Role.SOCIAL_WORKER, Within.PROVINCE, 2),
        Target(Role.VOLUNTEER, Within.DISTRICT, 2, max_km=(5, 15)),
    )
    assert ASSAULT.targets("social_care", 3) == ASSAULT.last_resort.alert


@pytest.mark.parametrize("kind", IncidentType)
def test_only_police_and_the_191_centre_keep_the_promise_to_the_reporter(kind: IncidentType) -> None:
    assert set(POLICIES[kind].lead.acknowledged_by) == {Role.POLICE_STATION, Role.RADIO_191}


# --- what it must not leave out --------------------------------------------------------------------------
def test_exactly_one_track_leads() -> None:
    for leads, tracks in ((0, (replace(POLICE, lead=False), CARE)), (2, (POLICE, replace(CARE, lead=True)))):
        path, what = only_problem(replace(ASSAULT, tracks=tracks))
        assert path == ("tracks",)
        assert what == f"exactly one track must say `lead: true`, {leads} do"


def test_a_policy_without_tracks_has_nobody_to_lead() -> None:
    assert only_problem(replace(ASSAULT, tracks=()))[0] == ("tracks",)


def test_two_tracks_have_two_names() -> None:
    path, what = only_problem(replace(ASSAULT, tracks=(POLICE, replace(CARE, name="police"))))
    assert path == ("tracks", 1, "name")
    assert "'police'" in what


def test_somebody_must_be_able_to_acknowledge_a_track() -> None:
    assert only_problem(with_police(acknowledged_by=()))[0] == ("tracks", 0, "acknowledged_by")


def test_a_track_asks_somebody() -> None:
    assert found(with_police(steps=()))["tracks", 0, "steps"] == "a track needs at least one step"


def test_a_track_asks_somebody_whose_acknowledgement_stops_it() -> None:
    path, what = only_problem(with_police(acknowledged_by=(Role.VOLUNTEER,)))
    assert path == ("tracks", 0, "acknowledged_by")
    assert what.startswith("no step alerts any of these")
    assert found(with_police(acknowledged_by=(Role.VOLUNTEER, Role.RADIO_191))) == {}, "one of them is enough"


def test_a_step_alerts_somebody() -> None:
    path, what = only_problem(with_first_step(alert=()))
    assert path == ("tracks", 0, "steps", 0, "alert")
    assert what.startswith("alert somebody")


@pytest.mark.parametrize("count", [0, -1])
def test_a_target_wants_one_responder_or_more(count: int) -> None:
    target = Target(Role.POLICE_STATION, Within.DISTRICT, count)
    assert only_problem(with_first_step(alert=(target,)))[0] == ("tracks", 0, "steps", 0, "alert", 0, "count")


@pytest.mark.parametrize("role", [Role.NATIONAL_DESK, Role.SUPERVISOR])
def test_who_works_for_the_whole_country_is_asked_within_the_nation(role: Role) -> None:
    wrong = Step((*POLICE.steps[1].alert, Target(role, Within.PROVINCE)), timedelta(minutes=1))
    path, what = only_problem(with_police(steps=(POLICE.steps[0], wrong)))
    assert path == ("tracks", 0, "steps", 1, "alert", 1, "within")
    assert "`within: nation`" in what
    right = Step((*POLICE.steps[1].alert, Target(role, Within.NATION)), timedelta(minutes=1))
    assert found(with_police(steps=(POLICE.steps[0], right))) == {}


def test_the_last_resort_is_somebody_who_is_always_there() -> None:
    station = Target(Role.POLICE_STATION, Within.PROVINCE)
    resort = LastResort((*ASSAULT.last_resort.alert, station), timedelta(minutes=2))
    path, what = only_problem(replace(ASSAULT, last_resort=resort))
    assert path == ("last_resort", "alert", 2, "role")
    assert "national_desk or supervisor" in what


def test_the_last_resort_alerts_somebody() -> None:
    assert only_problem(replace(ASSAULT, last_resort=LastResort((), timedelta(minutes=2))))[0] == (
        "last_resort",
        "alert",
    )


def test_two_follow_ups_have_two_names() -> None:
    path, what = only_problem(replace(ASSAULT, follow_ups=(CALL, CALL)))
    assert path == ("follow_ups", 1, "name")
    assert "'first_call'" in what


@pytest.mark.parametrize("wrong", [{"tries": 0}, {"reminders": -1}])
def test_a_follow_up_is_tried_once_or_more(wrong: dict[str, int]) -> None:
    assert only_problem(with_call(**wrong))[0] == ("follow_ups", 0)


def test_one_try_without_reminders_is_a_plan() -> None:
    assert found(with_call(tries=1, reminders=0)) == {}


WAITS: list[tuple[tuple[str | int, ...], Callable[[timedelta], Policy]]] = [
    (("arrival_target",), lambda wait: replace(ASSAULT, arrival_target=wait)),
    (("place_wait",), lambda wait: replace(ASSAULT, place_wait=wait)),
    (("fresh_for",), lambda wait: replace(ASSAULT, fresh_for=wait)),
    (("tracks", 0, "steps", 0, "wait"), lambda wait: with_first_step(wait=wait)),
    (
        ("last_resort", "repeat"),
        lambda wait: replace(ASSAULT, last_resort=replace(ASSAULT.last_resort, repeat=wait)),
    ),
    (("follow_ups", 0, "due"), lambda wait: with_call(due=wait)),
    (("follow_ups", 0, "remind_every"), lambda wait: with_call(remind_every=wait)),
    (("follow_ups", 0, "retry_after"), lambda wait: with_call(retry_after=wait)),
]


@pytest.mark.parametrize(("path", "waiting"), WAITS, ids=[".".join(map(str, path)) for path, _ in WAITS])
def test_every_wait_is_longer_than_nothing(path: tuple[str | int, ...], waiting: Callable[[timedelta], Policy]) -> None:
    for wait in (NOTHING, -timedelta(seconds=1)):
        where, what = only_problem(waiting(wait))
        assert where == path
        assert "longer than nothing" in what
    assert found(waiting(timedelta(microseconds=1))) == {}


def test_all_problems_are_told_at_once() -> None:
    broken = replace(with_police(acknowledged_by=(), steps=()), fresh_for=NOTHING, follow_ups=(CALL, CALL))
    assert set(found(broken)) == {
        ("tracks", 0, "acknowledged_by"),
        ("tracks", 0, "steps"),
        ("fresh_for",),
        ("follow_ups", 1, "name"),
    }


# --- what older releases wrote ---------------------------------------------------------------------------
def test_a_policy_that_an_incident_keeps_from_the_release_before_still_loads() -> None:
    kept = json.loads(TypeAdapter(Policy).dump_json(ASSAULT))
    for step in [*(step for track in kept["tracks"] for step in track["steps"]), kept["last_resort"]]:
        for target in step["alert"]:
            del target["max_km"], target["skills"]
    policy = TypeAdapter(Policy).validate_python(kept)
    assert policy.targets("police", 3) == ASSAULT.targets("police", 3)
    assert policy.targets("social_care", 1)[1] == Target(Role.VOLUNTEER, Within.DISTRICT, 2)


def test_a_distance_that_was_frozen_before_it_could_widen_is_the_only_one() -> None:
    kept = json.loads(TypeAdapter(Policy).dump_json(ASSAULT))
    assert TypeAdapter(Policy).validate_python(kept) == ASSAULT
    volunteers = kept["tracks"][1]["steps"][0]["alert"][1]
    assert volunteers["max_km"] == [5, 15]
    volunteers["max_km"] = 5.0
    assert TypeAdapter(Policy).validate_python(kept).targets("social_care", 1)[1].limits_km == (5,)


def test_a_policy_that_was_frozen_before_anybody_was_asked_whether_they_left_is_read_with_the_shipped_waits() -> None:
    stored = TypeAdapter(Policy).dump_python(ASSAULT, mode="json")
    del stored["depart_within"], stored["backup_after"]
    assert TypeAdapter(Policy).validate_python(stored) == ASSAULT


def test_a_track_that_was_stored_before_there_was_backup_is_read() -> None:
    stored = {"name": "police", "state": "acknowledged", "step": 2, "holder": str(an_id("an alert"))}
    (track,) = TypeAdapter(tuple[Track, ...]).validate_python([stored])
    assert track == Track("police", TrackState.ACKNOWLEDGED, 2, an_id("an alert"))
    assert (track.promised_at, track.backup, track.next_holder) == (None, 0, None)
