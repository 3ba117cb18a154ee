"""The life of an incident, told by examples in its order: report, incident, alert, acknowledgement, follow-up."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from scene import (
    ASSAULT,
    DESK,
    MUEANG,
    ONE_HOME,
    PHITSANULOK,
    POLICIES,
    RADIO_191,
    SECOND_STATION,
    SOCIAL_WORKER,
    STATION,
    SUKHOTHAI,
    SUPERVISOR,
    THE_HOUSE,
    THIRD_STATION,
    VOLUNTEER,
    WANG_THONG,
    Scene,
    alerting,
    an_id,
    nobody_left,
    resolved,
)

from ess.domain import incident as life
from ess.domain.duty import NATIONAL_ROLES, Responder, Role
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, NotFound, Refused
from ess.domain.follow_up import FollowUpState, Outcome
from ess.domain.incident import (
    ENDED,
    TRANSITIONS,
    AlertState,
    DeadlineKind,
    State,
    TrackState,
    is_in_hand,
)
from ess.domain.place import Pin, Place
from ess.domain.policy import Policy, Step, Target, Within
from ess.domain.reason import Phrase, Rest, Why
from ess.domain.report import IncidentType

AT_ONCE = timedelta()
ONE_MINUTE = timedelta(minutes=1)
CARE = "social_care"

CHOOSE_POLICE = (DeadlineKind.SELECT, "police")
WAIT_FOR_POLICE = (DeadlineKind.ACKNOWLEDGE, "police")
ARRIVAL = (DeadlineKind.ARRIVE, "police")
CHOOSE_CARE = (DeadlineKind.SELECT, CARE)
WAIT_FOR_CARE = (DeadlineKind.ACKNOWLEDGE, CARE)


# --- scenes that several rules begin with ----------------------------------------------------------------
def located() -> Scene:
    scene = Scene()
    scene.locate()
    return scene


def both_asked() -> Scene:
    """The station and the 191 centre are asked together, as for somebody who runs amok."""
    scene = Scene(POLICIES[IncidentType.RUNNING_AMOK])
    scene.locate()
    scene.select(STATION, RADIO_191)
    return scene


def station_and_191() -> Scene:
    """The station was silent for a minute, so that the 191 centre has been asked too."""
    scene = alerting()
    scene.nobody_answers()
    scene.select(RADIO_191)
    return scene


def with_a_volunteer() -> Scene:
    """The station and a volunteer are asked together."""
    police = replace(ASSAULT.lead, steps=(_with_volunteer(ASSAULT), *ASSAULT.lead.steps[1:]))
    scene = Scene(replace(ASSAULT, tracks=(police, *ASSAULT.tracks[1:])))
    scene.locate()
    scene.select(STATION, VOLUNTEER)
    return scene


def _with_volunteer(policy: Policy) -> Step:
    first = policy.lead.steps[0]
    return replace(first, alert=(*first.alert, Target(Role.VOLUNTEER, Within.DISTRICT)))


def last_resort_asked() -> Scene:
    scene = nobody_left()
    scene.select(DESK, SUPERVISOR)
    return scene


def desk_owns() -> Scene:
    scene = last_resort_asked()
    scene.accepts(DESK)
    return scene


def acknowledged() -> Scene:
    scene = alerting()
    scene.accepts(STATION)
    return scene


def on_scene() -> Scene:
    scene = acknowledged()
    scene.arrives(STATION)
    return scene


def called() -> Scene:
    """The danger is over, and the social worker has been asked to call."""
    scene = resolved()
    scene.open_follow_ups()
    return scene


def closed() -> Scene:
    scene = called()
    scene.call_went(Outcome.REACHED)
    return scene


def cancelled() -> Scene:
    scene = alerting()
    scene.do(life.Cancel("a made-up operator"))
    return scene


def merged() -> Scene:
    scene = alerting()
    scene.do(life.Merge("a made-up operator", an_id("another incident"), "FGH567"))
    return scene


#: One incident in each state.
IN_STATE: dict[State, Callable[[], Scene]] = {
    State.RECEIVED: Scene,
    State.LOCATED: located,
    State.ALERTING: alerting,
    State.UNANSWERED: last_resort_asked,
    State.ACKNOWLEDGED: acknowledged,
    State.ON_SCENE: on_scene,
    State.RESOLVED: called,
    State.CLOSED: closed,
    State.CANCELLED: cancelled,
    State.MERGED: merged,
}


def asked_again(scene: Scene) -> list[bool]:
    """For each whom the last decision asked, whether they had been asked before."""
    return [effect.again for effect in scene.decision.effects if isinstance(effect, life.AskResponder)]


def told_who_has_it(scene: Scene) -> set[UUID | None]:
    """Whose alert the last decision named to those it told."""
    return {effect.holder for effect in scene.decision.effects if isinstance(effect, life.TellResponder)}


def callers_asked(scene: Scene) -> list[bool]:
    """For each call that the last decision asked for, whether it was a reminder."""
    return [effect.reminder for effect in scene.decision.effects if isinstance(effect, life.AskFollowUp)]


def fact(scene: Scene, name: str) -> dict[str, object]:
    """What the last decision noted under that name."""
    (data,) = (noted.data for noted in scene.decision.facts if noted.name == name)
    return dict(data)


def in_state(state: State) -> Scene:
    scene = IN_STATE[state]()
    assert scene.state is state
    return scene


# --- the report ------------------------------------------------------------------------------------------
def test_a_report_with_a_place_is_received_and_worked_on_at_once() -> None:
    scene = Scene()
    assert scene.state is State.RECEIVED
    assert scene.facts == ["received"]
    assert scene.reporter_heard == [("received", None)]
    assert scene.due == {(DeadlineKind.LOCATE, ""): AT_ONCE}
    assert [(track.name, track.state, track.step) for track in scene.incident.tracks] == [
        ("police", TrackState.PENDING, 0),
        (CARE, TrackState.PENDING, 0),
    ]


def test_a_report_without_a_place_asks_the_reporter_where_and_waits_a_minute() -> None:
    scene = Scene(has_place=False)
    assert scene.reporter_heard == [("where", None)]
    assert scene.due == {(DeadlineKind.LOCATE, ""): ONE_MINUTE}


# --- the place -------------------------------------------------------------------------------------------
#: What else the fact of a place may say.
WITHOUT_MORE: dict[str, object] = {"accuracy_m": None, "by": None}


def test_a_known_place_starts_every_track() -> None:
    scene = located()
    assert scene.state is State.LOCATED
    assert scene.incident.place == THE_HOUSE
    assert scene.due == {CHOOSE_POLICE: AT_ONCE, CHOOSE_CARE: AT_ONCE}
    assert {(track.state, track.step) for track in scene.incident.tracks} == {(TrackState.ALERTING, 1)}
    assert (
        fact(scene, "located")
        == {"province": "65", "district": "6501", "confidence": 0.9, "source": "pin"} | WITHOUT_MORE
    )


def test_a_place_of_which_only_the_province_is_known_is_a_place() -> None:
    scene = Scene()
    scene.locate(replace(THE_HOUSE, districts=()))
    assert scene.state is State.LOCATED
    assert fact(scene, "located")["district"] is None


def test_a_place_that_nobody_can_name_goes_to_the_last_resort_at_once() -> None:
    scene = Scene()
    scene.locate(None)
    assert scene.state is State.UNANSWERED
    assert scene.facts == ["place_unknown", "unanswered"]
    assert scene.incident.lead.step == len(ASSAULT.lead.steps) + 1, "one past the last step is the last resort"
    assert scene.due == {CHOOSE_POLICE: AT_ONCE}
    assert scene.incident.policy.targets("police", scene.incident.lead.step) == ASSAULT.last_resort.alert
    assert scene.incident.track(CARE).state is TrackState.PENDING


def test_a_place_that_comes_late_still_brings_the_station_and_the_care_team() -> None:
    scene = Scene()
    scene.locate(None)
    scene.select(DESK, SUPERVISOR)
    scene.wait(seconds=90)
    scene.locate()
    assert scene.state is State.LOCATED
    assert scene.due == {CHOOSE_POLICE: AT_ONCE, CHOOSE_CARE: AT_ONCE}
    scene.select(STATION)
    assert scene.state is State.ALERTING
    scene.accepts(STATION)
    assert scene.state is State.ACKNOWLEDGED
    assert set(scene.told) == {DESK.name, SUPERVISOR.name}


def test_a_desk_that_owned_an_unknown_place_hands_over_to_the_police_once_it_is_known() -> None:
    scene = Scene()
    scene.locate(None)
    scene.select(DESK)
    scene.accepts(DESK)
    scene.locate()
    scene.select(STATION)
    assert scene.holder() is None
    scene.accepts(STATION)
    assert scene.told == {DESK.name: "stood_down"}
    assert scene.holder() == STATION.name


def test_a_desk_that_owned_it_is_asked_once_more_when_no_police_came() -> None:
    scene = Scene()
    scene.locate(None)
    scene.select(DESK)
    scene.accepts(DESK)
    scene.locate()
    for _ in ASSAULT.lead.steps:
        scene.select()
    assert scene.state is State.UNANSWERED
    assert scene.alert(DESK).state is AlertState.OPEN
    scene.select(DESK)
    assert scene.asked == [DESK.name]
    scene.accepts(DESK)
    assert scene.holder() == DESK.name


def test_a_place_is_found_once() -> None:
    scene = located()
    with pytest.raises(AlreadyRecorded):
        scene.locate()
    scene = nobody_left()
    with pytest.raises(AlreadyRecorded, match="has that place already"):
        scene.locate()
    scene = Scene()
    scene.locate(None)
    with pytest.raises(AlreadyRecorded, match="in hand without"):
        scene.locate(None)


# --- a better place --------------------------------------------------------------------------------------
HERE, NEAR, FAR = (16.8200, 100.2600), (16.8230, 100.2600), (16.8260, 100.2600)
NEXT_DISTRICT = replace(THE_HOUSE, districts=(WANG_THONG, MUEANG))


def pinned() -> Scene:
    """The station and the One Home team have been asked, and the pin is known."""
    scene = Scene()
    scene.do(life.Locate(THE_HOUSE, HERE))
    scene.select(STATION)
    scene.select(ONE_HOME, track=CARE)
    return scene


def test_a_pin_that_is_corrected_near_by_is_told_to_whoever_has_the_alert_and_changes_nothing_else() -> None:
    scene = pinned()
    due = scene.due
    scene.do(life.Locate(THE_HOUSE, NEAR))
    assert scene.facts == ["place_corrected"]
    assert scene.told == {STATION.name: "place_corrected", ONE_HOME.name: "place_corrected"}
    assert (scene.incident.pin, scene.due, scene.asked) == (NEAR, due, [])
    with pytest.raises(AlreadyRecorded):
        scene.do(life.Locate(THE_HOUSE, NEAR))


@pytest.mark.parametrize(("place", "pin"), [(NEXT_DISTRICT, NEAR), (THE_HOUSE, FAR), (NEXT_DISTRICT, None)])
def test_elsewhere_the_tracks_begin_again_and_nobody_is_stood_down(place: Place, pin: Pin | None) -> None:
    scene = pinned()
    scene.nobody_answers()
    scene.select(RADIO_191)
    scene.do(life.Locate(place, pin))
    assert scene.state is State.ALERTING
    assert scene.due == {CHOOSE_POLICE: AT_ONCE, CHOOSE_CARE: AT_ONCE, WAIT_FOR_CARE: scene.due[WAIT_FOR_CARE]}
    assert set(scene.told.values()) == {"place_corrected"}
    assert scene.told.keys() == {STATION.name, RADIO_191.name, ONE_HOME.name}
    scene.select(STATION, SECOND_STATION)
    assert scene.asked == [SECOND_STATION.name], "who was asked already is not asked twice"
    scene.accepts(SECOND_STATION)
    assert scene.told == {STATION.name: "stood_down", RADIO_191.name: "stood_down"}


def test_who_serves_the_whole_province_is_waited_for_in_another_district_of_it() -> None:
    scene = pinned()
    waits = scene.due[WAIT_FOR_CARE]
    scene.do(life.Locate(NEXT_DISTRICT, NEAR))
    scene.select(track=CARE)
    assert (scene.incident.track(CARE).step, scene.due[WAIT_FOR_CARE]) == (1, waits), "there is nobody else to ask"
    scene.do(life.Locate(replace(THE_HOUSE, province=SUKHOTHAI, districts=()), NEAR))
    assert WAIT_FOR_CARE not in scene.due
    scene.select(track=CARE)
    assert scene.incident.track(CARE).step == 2


def test_a_holder_keeps_it_and_the_supervisors_hear_where_it_is_outside_of_their_area() -> None:
    scene = pinned()
    scene.accepts(STATION)
    due = {about: wait for about, wait in scene.due.items() if about[1] == "police"}
    scene.do(life.Locate(NEXT_DISTRICT, FAR, outside=frozenset({"police"})))
    assert (scene.state, scene.holder()) == (State.ACKNOWLEDGED, STATION.name)
    assert scene.facts == ["place_corrected", "outside_area"]
    assert scene.supervisors_heard == ["outside_area"]
    assert scene.due == {**due, CHOOSE_CARE: AT_ONCE, WAIT_FOR_CARE: scene.due[WAIT_FOR_CARE]}


def test_a_track_that_ran_out_elsewhere_begins_where_it_really_is() -> None:
    scene = nobody_left()
    scene.select(DESK)
    scene.accepts(DESK)
    scene.do(life.Locate(NEXT_DISTRICT))
    assert scene.state is State.LOCATED
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    assert scene.told[DESK.name] == "place_corrected"


def test_a_contradiction_is_told_to_the_supervisors_once() -> None:
    scene = Scene()
    doubtful = replace(THE_HOUSE, contradicted_by=SUKHOTHAI)
    scene.do(life.Locate(doubtful, HERE))
    assert fact(scene, "place_contradicted") == {"province": "65", "said": "64"}
    assert scene.supervisors_heard == ["place_contradicted"]
    scene.do(life.Locate(doubtful, NEAR))
    assert scene.supervisors_heard == []


# --- a guess ---------------------------------------------------------------------------------------------
THE_GUESS = replace(THE_HOUSE, source="text", confidence=0.4)


def test_words_that_fit_several_places_are_alerted_with_the_desk_beside_and_the_reporter_is_asked() -> None:
    scene = Scene()
    scene.locate(THE_GUESS)
    assert scene.facts == ["located", "place_unsure"]
    assert scene.reporter_heard == [("which_place", None)]
    roles = [target.role for target in scene.incident.targets("police")]
    assert roles == [Role.POLICE_STATION, Role.NATIONAL_DESK]
    assert [target.role for target in scene.incident.targets(CARE)] == [Role.ONE_HOME, Role.VOLUNTEER]
    scene.select(STATION, DESK)
    scene.declines(STATION)
    assert scene.incident.lead.step == 2, "the desk beside a step is not waited for"
    assert Role.NATIONAL_DESK not in {target.role for target in scene.incident.targets("police")}


def test_an_answer_that_leaves_fewer_places_is_asked_about_again() -> None:
    scene = Scene()
    scene.locate(THE_GUESS)
    scene.do(life.Locate(replace(THE_GUESS, candidates=(PHITSANULOK,), confidence=0.45)))
    assert fact(scene, "place_unsure") == {"provinces": ["65"], "districts": ["6501", "6508"]}
    assert scene.reporter_heard == [("which_place", None)]


def test_a_guess_of_a_place_without_a_station_goes_on_at_once() -> None:
    scene = Scene()
    scene.locate(THE_GUESS)
    scene.select(DESK)
    assert scene.incident.lead.step == 2


def test_words_that_name_no_place_are_asked_about_once() -> None:
    scene = Scene()
    scene.do(life.Locate(None, unclear=True))
    assert scene.reporter_heard == [("which_place", None)]
    scene.do(life.Locate(THE_HOUSE))
    assert scene.reporter_heard == []


# --- witnesses -------------------------------------------------------------------------------------------
WITNESS, OTHER_WITNESS = an_id("a witness's report"), an_id("another witness's report")


def heard_by_witnesses(scene: Scene) -> list[tuple[str, UUID | None]]:
    effects = scene.decision.effects
    return [(effect.message, effect.report_id) for effect in effects if isinstance(effect, life.TellReporter)]


def test_a_witness_hears_that_it_is_received_and_nobody_is_alerted_for_it() -> None:
    scene = pinned()
    scene.do(life.Join((WITNESS,), "a made-up detail"))
    assert heard_by_witnesses(scene) == [("received", WITNESS)]
    assert (scene.asked, scene.told, scene.facts) == ([], {}, ["joined"])


def test_a_witness_of_what_is_acknowledged_hears_that_too_and_whoever_has_it_hears_what_is_new() -> None:
    scene = pinned()
    scene.accepts(STATION)
    scene.do(life.Join((WITNESS,)))
    assert heard_by_witnesses(scene) == [("received", WITNESS), ("acknowledged", WITNESS)]
    assert scene.reporter_heard[-1] == ("acknowledged", scene.now + ASSAULT.arrival_target)
    assert scene.told == {}
    scene.arrives(STATION)
    scene.do(life.Join((WITNESS,), "a made-up detail"))
    assert heard_by_witnesses(scene) == [("received", WITNESS), ("in_good_hands", WITNESS)]
    assert scene.told == {STATION.name: "another_report"}


def test_the_reporters_of_a_merged_incident_hear_the_code_that_goes_on() -> None:
    scene = pinned()
    scene.do(life.Join((WITNESS, OTHER_WITNESS), merged_from=an_id("another incident"), by="a made-up operator"))
    assert heard_by_witnesses(scene) == [("goes_on_as", WITNESS), ("goes_on_as", OTHER_WITNESS)]
    assert fact(scene, "absorbed")["incident_id"] == an_id("another incident")


# --- the alert -------------------------------------------------------------------------------------------
def test_the_first_alert_makes_an_incident_alerting_and_waits_for_an_acknowledgement() -> None:
    scene = located()
    scene.select(STATION)
    assert scene.state is State.ALERTING
    assert scene.asked == [STATION.name]
    assert asked_again(scene) == [False]
    assert scene.due == {WAIT_FOR_POLICE: ONE_MINUTE, CHOOSE_CARE: AT_ONCE}
    alert = scene.alert(STATION)
    assert (alert.state, alert.role, alert.step) == (AlertState.OPEN, Role.POLICE_STATION, 1)
    assert fact(scene, "alerted")["responder_id"] == STATION.id
    assert scene.incident.asked("police") == {STATION.id}
    assert scene.incident.asked(CARE) == frozenset()


def test_the_timeline_says_who_was_chosen_who_was_not_and_why() -> None:
    scene = located()
    (choose,) = (due for due in scene.incident.deadlines if due.subject == "police")
    chosen = life.Chosen(an_id("an alert"), STATION.id, STATION.role, (Phrase.of(Why.AWAY, km=0.9),))
    passed = {"responder_id": SECOND_STATION.id, "reason": [{"why": "not_on_call"}]}
    rest = Rest(412, Phrase.of(Why.ALL_FARTHER, km=3.1))
    scene.do(life.AlertResponders(choose, 1, (chosen,), (passed,), (rest,)))
    assert fact(scene, "responders_selected") == {
        "track": "police",
        "step": 1,
        "chosen": [{"responder_id": STATION.id, "reason": [{"why": "away", "km": 0.9}]}],
        "passed_over": [passed],
        "n_more": 412,
        "rest": [{"n": 412, "why": "all_farther", "km": 3.1}],
    }


def test_nobody_waits_for_those_alone_who_cannot_stop_the_track() -> None:
    scene = located()
    scene.select(VOLUNTEER)
    assert scene.asked == [VOLUNTEER.name]
    assert scene.incident.lead.step == 2
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    scene.select(RADIO_191)
    scene.declines(RADIO_191)
    assert scene.incident.lead.step == 3, "the volunteer has not answered, and nobody waits for that"
    assert scene.alert(VOLUNTEER).state is AlertState.OPEN


def test_nobody_waits_for_those_who_are_on_another_scene_and_they_may_accept_all_the_same() -> None:
    scene = located()
    scene.select(replace(STATION, on_scene=True))
    assert scene.asked == [STATION.name]
    assert scene.incident.lead.step == 2
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    scene.select(RADIO_191)
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE
    scene.accepts(STATION)
    assert scene.holder() == STATION.name


def test_when_nobody_acknowledges_in_time_the_next_are_asked() -> None:
    scene = alerting()
    scene.nobody_answers()
    assert scene.facts == ["step_expired"]
    assert fact(scene, "step_expired") == {"track": "police", "step": 1, "due_at": scene.now}
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    assert WAIT_FOR_POLICE not in scene.due
    assert scene.incident.lead.step == 2
    scene.select(RADIO_191)
    assert scene.asked == [RADIO_191.name]
    assert scene.alert(RADIO_191).step == 2
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE
    assert scene.alert(STATION).state is AlertState.OPEN, "the station may still answer"
    assert scene.state is State.ALERTING


def test_each_track_waits_for_itself() -> None:
    scene = alerting()
    scene.nobody_answers()
    assert scene.due[WAIT_FOR_CARE] == timedelta(minutes=9)
    assert scene.incident.track(CARE).step == 1


def test_a_step_for_which_there_is_nobody_is_not_waited_for() -> None:
    scene = located()
    scene.select()
    assert scene.incident.lead.step == 2
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    assert scene.state is State.LOCATED, "nobody has been alerted yet"


def test_who_was_asked_in_an_earlier_step_is_not_asked_again_in_the_next() -> None:
    scene = alerting()
    scene.nobody_answers()
    scene.select(STATION)
    assert scene.asked == []
    assert scene.incident.lead.step == 3


def test_when_nobody_is_left_for_the_later_steps_it_is_unanswered_at_once() -> None:
    scene = alerting()
    scene.nobody_answers()
    scene.select()
    scene.select()
    assert scene.state is State.UNANSWERED
    assert scene.due[CHOOSE_POLICE] == AT_ONCE


def test_a_roster_without_anybody_goes_to_the_last_resort_at_once() -> None:
    scene = located()
    for _ in ASSAULT.lead.steps:
        scene.select()
    assert scene.state is State.UNANSWERED
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    assert scene.now == Scene().now


# --- who is only informed --------------------------------------------------------------------------------
IN_SUKHOTHAI = replace(THE_HOUSE, province=SUKHOTHAI, districts=())


def test_who_is_only_informed_hears_of_it_behind_the_first_alert_and_once() -> None:
    scene = Scene()
    scene.locate()
    assert scene.informed == [], "nobody has been alerted yet"
    scene.select(STATION)
    assert scene.informed == [PHITSANULOK.code]
    assert [type(effect) for effect in scene.decision.effects] == [life.AskResponder, life.Inform]
    scene.select(ONE_HOME, track=CARE)
    assert scene.informed == []
    scene.nobody_answers()
    scene.select(RADIO_191)
    assert scene.informed == []


def test_where_nobody_can_be_alerted_nobody_is_informed_before_somebody_is() -> None:
    scene = Scene()
    scene.locate()
    scene.select()
    assert scene.informed == []
    scene.select(RADIO_191)
    assert scene.informed == [PHITSANULOK.code]


def test_in_another_district_nobody_is_informed_again_and_in_another_province_once() -> None:
    scene = pinned()
    scene.do(life.Locate(NEXT_DISTRICT, FAR))
    scene.select(SECOND_STATION)
    assert scene.informed == []
    scene.do(life.Locate(IN_SUKHOTHAI, NEAR))
    assert scene.informed == [], "the alerts there come first"
    scene.select(THIRD_STATION)
    assert scene.informed == [SUKHOTHAI.code]


def test_where_everybody_stays_in_another_province_who_is_informed_there_hears_of_it_at_once() -> None:
    scene = pinned()
    scene.accepts(STATION)
    scene.accepts(ONE_HOME, track=CARE)
    scene.do(life.Locate(IN_SUKHOTHAI, NEAR, outside=frozenset({"police", CARE})))
    assert scene.informed == [SUKHOTHAI.code]


def test_without_a_place_nobody_is_informed_until_it_is_known() -> None:
    scene = Scene()
    scene.locate(None)
    scene.select(DESK)
    assert scene.informed == []
    scene.locate()
    scene.select(STATION)
    assert scene.informed == [PHITSANULOK.code]


def test_a_policy_of_a_release_before_informs_nobody() -> None:
    scene = Scene(replace(ASSAULT, informed=()))
    scene.locate()
    scene.select(STATION)
    assert scene.informed == []


# --- unanswered ------------------------------------------------------------------------------------------
def test_a_policy_that_has_run_out_is_unanswered_and_turns_to_the_last_resort() -> None:
    scene = nobody_left()
    assert scene.state is State.UNANSWERED
    assert scene.facts == ["step_expired", "unanswered"]
    assert scene.incident.lead.step == len(ASSAULT.lead.steps) + 1
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    assert scene.incident.policy.targets("police", scene.incident.lead.step) == ASSAULT.last_resort.alert


def test_desk_and_supervisor_are_asked_again_and_again_until_one_takes_it() -> None:
    scene = nobody_left()
    scene.select(DESK, SUPERVISOR)
    assert scene.asked == [DESK.name, SUPERVISOR.name]
    for _ in range(3):
        assert scene.due[CHOOSE_POLICE] == timedelta(minutes=2)
        scene.wait(minutes=2)
        scene.select(DESK, SUPERVISOR)
        assert scene.asked == [DESK.name, SUPERVISOR.name]
        assert asked_again(scene) == [True, True]
        assert scene.state is State.UNANSWERED
    scene.accepts(SUPERVISOR)
    assert CHOOSE_POLICE not in scene.due
    assert WAIT_FOR_POLICE not in scene.due


def test_a_last_resort_that_said_no_is_asked_again_because_nobody_else_will_come() -> None:
    scene = last_resort_asked()
    scene.declines(DESK)
    scene.loses_contact_with(SUPERVISOR)
    assert scene.due[CHOOSE_POLICE] == timedelta(minutes=2)
    scene.select(DESK, SUPERVISOR)
    assert scene.asked == [DESK.name, SUPERVISOR.name]
    assert scene.alert(DESK).state is AlertState.OPEN


def test_a_last_resort_without_anybody_is_looked_for_again() -> None:
    scene = nobody_left()
    scene.select()
    assert scene.due[CHOOSE_POLICE] == timedelta(minutes=2)
    assert is_in_hand(scene.incident)


def test_a_desk_that_takes_it_owns_it_and_the_other_supervisors_are_stood_down() -> None:
    scene = last_resort_asked()
    scene.accepts(DESK)
    assert scene.facts == ["accepted", "owned", "stood_down"]
    assert scene.told == {SUPERVISOR.name: "stood_down"}
    assert told_who_has_it(scene) == {scene.alert(DESK).id}
    assert scene.holder() == DESK.name
    assert scene.state is State.UNANSWERED, "no police acknowledgement came"
    assert scene.reporter_heard == []
    assert not [subject for _, subject in scene.due if subject == "police"]
    assert is_in_hand(scene.incident)


def test_what_a_desk_owns_no_other_desk_can_take() -> None:
    scene = desk_owns()
    with pytest.raises(AlreadyTaken) as taken:
        scene.accepts(SUPERVISOR)
    assert taken.value.holder == str(DESK.id)


def test_police_are_still_welcome_after_a_desk_owns_it_and_the_desk_is_stood_down() -> None:
    scene = desk_owns()
    assert scene.alert(STATION).state is AlertState.OPEN
    scene.accepts(STATION)
    assert scene.state is State.ACKNOWLEDGED
    assert scene.holder() == STATION.name
    assert scene.told[DESK.name] == "stood_down"
    assert told_who_has_it(scene) == {scene.alert(STATION).id}
    assert scene.alert(DESK).state is AlertState.STOOD_DOWN
    assert [message for message, _ in scene.reporter_heard] == ["acknowledged"]


def test_police_who_answer_before_any_desk_end_the_search() -> None:
    scene = last_resort_asked()
    scene.accepts(STATION)
    assert scene.state is State.ACKNOWLEDGED
    assert {DESK.name, SUPERVISOR.name} <= set(scene.told)
    assert CHOOSE_POLICE not in scene.due


def test_care_that_runs_out_goes_to_the_last_resort_and_leaves_the_incident_where_it_stands() -> None:
    scene = acknowledged()
    scene.nobody_answers(CARE)
    scene.select(SOCIAL_WORKER, track=CARE)
    scene.nobody_answers(CARE)
    assert scene.facts == ["step_expired", "unanswered"]
    assert scene.incident.track(CARE).state is TrackState.UNANSWERED
    assert scene.state is State.ACKNOWLEDGED
    scene.select(DESK, track=CARE)
    scene.accepts(DESK, track=CARE)
    assert scene.holder(CARE) == DESK.name
    assert scene.holder() == STATION.name
    assert scene.state is State.ACKNOWLEDGED


def test_a_care_team_is_still_heard_while_nobody_of_the_police_answers() -> None:
    scene = last_resort_asked()
    scene.accepts(ONE_HOME, track=CARE)
    assert scene.holder(CARE) == ONE_HOME.name
    assert scene.state is State.UNANSWERED
    scene = nobody_left()
    scene.nobody_answers(CARE)
    assert scene.incident.track(CARE).step == 2
    scene.select(SOCIAL_WORKER, track=CARE)
    assert scene.asked == [SOCIAL_WORKER.name]


# --- the acknowledgement ---------------------------------------------------------------------------------
def test_the_first_acceptance_wins_and_the_others_of_the_track_are_stood_down() -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    assert scene.state is State.ACKNOWLEDGED
    assert scene.facts == ["accepted", "stood_down", "acknowledged"]
    assert scene.holder() == STATION.name
    assert scene.alert(STATION).state is AlertState.ACCEPTED
    assert scene.told == {RADIO_191.name: "stood_down"}
    assert told_who_has_it(scene) == {scene.alert(STATION).id}
    assert WAIT_FOR_POLICE not in scene.due


def test_who_comes_second_is_told_who_has_it_and_changes_nothing() -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    before = scene.incident
    with pytest.raises(AlreadyTaken) as taken:
        scene.accepts(RADIO_191)
    assert taken.value.holder == str(STATION.id)
    assert scene.incident == before


def test_an_acceptance_leaves_the_other_tracks_alone() -> None:
    scene = acknowledged()
    assert scene.due[WAIT_FOR_CARE] == timedelta(minutes=10)
    assert scene.alert(ONE_HOME, CARE).state is AlertState.OPEN
    assert scene.incident.track(CARE).state is TrackState.ALERTING


def test_an_acceptance_after_the_step_went_by_still_counts() -> None:
    scene = alerting()
    scene.nobody_answers()
    scene.accepts(STATION)
    assert scene.state is State.ACKNOWLEDGED
    assert CHOOSE_POLICE not in scene.due, "the 191 centre need not be chosen any more"


def test_the_reporter_is_told_when_to_expect_them_as_the_responder_said() -> None:
    scene = alerting()
    scene.accepts(STATION, eta=timedelta(minutes=7))
    at = scene.now + timedelta(minutes=7)
    assert scene.reporter_heard == [("acknowledged", at)]
    assert scene.due[ARRIVAL] == timedelta(minutes=7)
    assert scene.alert(STATION).eta_at == at
    assert fact(scene, "acknowledged") == {"responder_id": STATION.id, "arrival_at": at}


def test_where_the_responder_gives_no_time_the_reporter_is_told_the_target() -> None:
    scene = acknowledged()
    assert scene.reporter_heard == [("acknowledged", scene.now + timedelta(minutes=20))]
    assert scene.due[ARRIVAL] == timedelta(minutes=20)
    assert scene.alert(STATION).eta_at is None


def test_a_responder_who_says_that_they_are_there_is_expected_now() -> None:
    scene = alerting()
    scene.accepts(STATION, eta=timedelta())
    assert scene.reporter_heard == [("acknowledged", scene.now)]


def test_a_care_team_acknowledges_for_itself_and_the_police_are_still_waited_for() -> None:
    scene = alerting()
    scene.accepts(ONE_HOME, track=CARE)
    assert scene.holder(CARE) == ONE_HOME.name
    assert scene.incident.track(CARE).state is TrackState.ACKNOWLEDGED
    assert scene.state is State.ALERTING
    assert scene.due == {WAIT_FOR_POLICE: ONE_MINUTE}


def test_a_volunteer_who_accepts_is_welcome_and_does_not_stop_the_search() -> None:
    scene = with_a_volunteer()
    scene.accepts(VOLUNTEER)
    assert scene.facts == ["accepted"]
    assert scene.alert(VOLUNTEER).state is AlertState.ACCEPTED
    assert scene.holder() is None
    assert (scene.told, scene.reporter_heard) == ({}, [])
    assert scene.state is State.ALERTING
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE
    scene.nobody_answers()
    assert scene.incident.lead.step == 2


def test_a_volunteer_who_has_accepted_keeps_it_when_nobody_else_is_left() -> None:
    scene = with_a_volunteer()
    scene.accepts(VOLUNTEER)
    for _ in ASSAULT.lead.steps:
        scene.do(life.Escalate("a made-up operator"))
    assert scene.state is State.UNANSWERED
    assert scene.alert(VOLUNTEER).state is AlertState.ACCEPTED


def test_a_volunteer_who_has_accepted_keeps_it_beside_the_police() -> None:
    scene = with_a_volunteer()
    scene.accepts(VOLUNTEER)
    scene.accepts(STATION)
    assert scene.told == {}
    assert scene.alert(VOLUNTEER).state is AlertState.ACCEPTED
    assert scene.holder() == STATION.name


def test_a_volunteer_who_comes_after_the_police_is_told_who_has_it() -> None:
    scene = with_a_volunteer()
    scene.accepts(STATION)
    assert scene.told == {VOLUNTEER.name: "stood_down"}
    with pytest.raises(AlreadyTaken):
        scene.accepts(VOLUNTEER)


def test_a_desk_asked_by_name_is_no_police_and_does_not_stop_the_search() -> None:
    scene = alerting()
    scene.assign(DESK)
    scene.accepts(DESK)
    assert scene.holder() is None
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE
    scene.accepts(STATION)
    assert scene.told == {DESK.name: "stood_down"}


def test_who_declined_or_was_out_of_reach_may_still_accept() -> None:
    scene = both_asked()
    scene.declines(STATION)
    scene.loses_contact_with(RADIO_191)
    scene.accepts(RADIO_191)
    assert scene.holder() == RADIO_191.name
    scene = both_asked()
    scene.declines(STATION)
    scene.accepts(STATION)
    assert scene.holder() == STATION.name


def test_an_alert_that_was_never_sent_is_not_found() -> None:
    scene = alerting()
    with pytest.raises(NotFound, match="BCD234"):
        scene.do(life.Accept(an_id("nobody's alert")))


# --- no --------------------------------------------------------------------------------------------------
def test_a_decline_hands_on_at_once_when_nobody_else_of_the_step_is_waited_for() -> None:
    scene = alerting()
    scene.wait(seconds=10)
    scene.declines(STATION)
    assert scene.facts == ["declined"]
    assert scene.alert(STATION).state is AlertState.DECLINED
    assert scene.incident.lead.step == 2
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    assert WAIT_FOR_POLICE not in scene.due


def test_a_decline_waits_while_somebody_else_of_the_step_may_still_accept() -> None:
    scene = both_asked()
    scene.declines(STATION)
    assert scene.incident.lead.step == 1
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE
    scene.declines(RADIO_191)
    assert scene.incident.lead.step == 2
    assert scene.due[CHOOSE_POLICE] == AT_ONCE


def test_those_of_an_earlier_step_are_not_waited_for() -> None:
    scene = station_and_191()
    scene.declines(RADIO_191)
    assert scene.alert(STATION).state is AlertState.OPEN
    assert scene.incident.lead.step == 3


def test_a_decline_from_an_earlier_step_does_not_hurry_the_present_one() -> None:
    scene = station_and_191()
    scene.declines(STATION)
    assert scene.incident.lead.step == 2
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE


def test_a_decline_while_the_next_are_being_chosen_skips_nobody() -> None:
    scene = alerting()
    scene.nobody_answers()
    scene.declines(STATION)
    assert scene.incident.lead.step == 2


@pytest.mark.parametrize("command", [life.Decline, life.LoseContact])
def test_who_says_no_where_a_deadline_was_lost_is_heard_before_the_audit_comes(command: type) -> None:
    scene = alerting()
    n_steps = len(scene.incident.policy.lead.steps)
    tracks = tuple(replace(track, step=n_steps) for track in scene.incident.tracks)
    alerts = tuple(replace(alert, step=n_steps) for alert in scene.incident.alerts)
    damaged = replace(scene.incident, state=State.LOCATED, tracks=tracks, alerts=alerts, deadlines=frozenset())
    scene.decision = replace(scene.decision, incident=damaged)
    scene.do(command(scene.alert(STATION).id))
    assert scene.state is State.UNANSWERED
    assert scene.due[CHOOSE_POLICE] == AT_ONCE


def test_a_decline_at_the_last_step_leaves_the_incident_unanswered() -> None:
    scene = station_and_191()
    scene.declines(RADIO_191)
    scene.select(SECOND_STATION)
    scene.declines(SECOND_STATION)
    assert scene.state is State.UNANSWERED


def test_a_late_no_takes_nothing_from_whoever_has_it() -> None:
    scene = desk_owns()
    scene.declines(STATION)
    scene.loses_contact_with(RADIO_191)
    assert scene.holder() == DESK.name
    assert not [subject for _, subject in scene.due if subject == "police"]
    scene = with_a_volunteer()
    scene.accepts(VOLUNTEER)
    scene.accepts(STATION)
    scene.declines(VOLUNTEER)
    assert scene.holder() == STATION.name
    assert scene.state is State.ACKNOWLEDGED
    assert CHOOSE_POLICE not in scene.due


def test_who_was_stood_down_has_nothing_to_decline() -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    with pytest.raises(Refused, match="stood down") as refused:
        scene.declines(RADIO_191)
    assert not isinstance(refused.value, AlreadyRecorded)


def test_a_responder_whom_no_channel_reaches_is_not_waited_for() -> None:
    scene = alerting()
    scene.loses_contact_with(STATION)
    assert scene.facts == ["unreachable"]
    assert scene.alert(STATION).state is AlertState.UNREACHABLE
    assert scene.incident.lead.step == 2
    assert scene.due[CHOOSE_POLICE] == AT_ONCE


def test_a_lost_contact_waits_while_somebody_else_of_the_step_may_still_accept() -> None:
    scene = both_asked()
    scene.loses_contact_with(STATION)
    assert scene.incident.lead.step == 1
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE


def test_a_lost_contact_at_the_last_step_leaves_the_incident_unanswered() -> None:
    scene = station_and_191()
    scene.declines(RADIO_191)
    scene.select(SECOND_STATION)
    scene.loses_contact_with(SECOND_STATION)
    assert scene.state is State.UNANSWERED


def test_a_channel_that_fails_after_the_answer_changes_nothing() -> None:
    scene = acknowledged()
    with pytest.raises(AlreadyRecorded):
        scene.loses_contact_with(STATION)


@pytest.mark.parametrize("state", [State.UNANSWERED, State.ACKNOWLEDGED, State.ON_SCENE])
def test_a_care_team_out_of_reach_is_replaced_whatever_the_police_do(state: State) -> None:
    scene = in_state(state)
    scene.loses_contact_with(ONE_HOME, track=CARE)
    assert scene.state is state
    assert scene.due[CHOOSE_CARE] == AT_ONCE
    scene.select(SOCIAL_WORKER, track=CARE)
    assert scene.asked == [SOCIAL_WORKER.name]
    assert scene.state is state


@pytest.mark.parametrize("state", [State.UNANSWERED, State.ACKNOWLEDGED, State.ON_SCENE])
def test_a_silent_care_team_is_replaced_whatever_the_police_do(state: State) -> None:
    scene = in_state(state)
    scene.nobody_answers(CARE)
    assert scene.state is state
    assert scene.due[CHOOSE_CARE] == AT_ONCE


@pytest.mark.parametrize("state", [State.UNANSWERED, State.ACKNOWLEDGED, State.ON_SCENE])
def test_a_care_team_that_declines_is_replaced_whatever_the_police_do(state: State) -> None:
    scene = in_state(state)
    scene.declines(ONE_HOME, track=CARE)
    assert scene.state is state
    assert scene.due[CHOOSE_CARE] == AT_ONCE


@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.ON_SCENE])
def test_a_care_team_may_accept_after_the_police(state: State) -> None:
    scene = in_state(state)
    scene.accepts(ONE_HOME, track=CARE)
    assert scene.holder(CARE) == ONE_HOME.name
    assert scene.state is state


# --- given back ------------------------------------------------------------------------------------------
def test_what_is_given_back_goes_to_those_stood_down_and_to_the_next_step() -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    scene.wait(minutes=3)
    scene.declines(STATION)
    assert scene.state is State.ALERTING
    assert scene.facts == ["declined", "given_back", "alerted_again"]
    assert scene.asked == [RADIO_191.name]
    assert asked_again(scene) == [True]
    assert scene.alert(RADIO_191).state is AlertState.OPEN
    assert scene.holder() is None
    assert scene.incident.lead.step == 3
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    assert ARRIVAL not in scene.due


def test_what_is_given_back_on_the_scene_is_alerting_again() -> None:
    scene = on_scene()
    scene.declines(STATION)
    assert scene.state is State.ALERTING
    assert scene.due[CHOOSE_POLICE] == AT_ONCE


@pytest.mark.parametrize("arrived", [False, True])
def test_what_is_given_back_at_the_last_step_is_unanswered(arrived: bool) -> None:
    scene = last_resort_asked()
    scene.accepts(STATION)
    if arrived:
        scene.arrives(STATION)
    scene.declines(STATION)
    assert scene.state is State.UNANSWERED
    assert scene.asked == [RADIO_191.name, SECOND_STATION.name, THIRD_STATION.name], "the desk comes with its step"
    assert scene.due[CHOOSE_POLICE] == AT_ONCE


def test_what_a_desk_gives_back_is_asked_of_the_last_resort_again() -> None:
    scene = desk_owns()
    scene.declines(DESK)
    assert scene.state is State.UNANSWERED
    assert scene.holder() is None
    assert scene.asked == []
    assert scene.due[CHOOSE_POLICE] == AT_ONCE
    scene.select(DESK, SUPERVISOR)
    assert scene.asked == [DESK.name, SUPERVISOR.name]


def test_what_a_care_team_gives_back_does_not_touch_the_polices_acknowledgement() -> None:
    scene = alerting()
    scene.nobody_answers(CARE)
    scene.select(SOCIAL_WORKER, track=CARE)
    scene.accepts(STATION)
    scene.accepts(ONE_HOME, track=CARE)
    scene.declines(ONE_HOME, track=CARE)
    assert scene.asked == [SOCIAL_WORKER.name]
    assert scene.state is State.ACKNOWLEDGED
    assert scene.holder() == STATION.name


def test_those_who_declined_are_not_asked_again_when_it_is_given_back() -> None:
    scene = station_and_191()
    scene.declines(STATION)
    scene.accepts(RADIO_191)
    scene.declines(RADIO_191)
    assert scene.asked == []
    assert scene.alert(STATION).state is AlertState.DECLINED


def test_a_volunteer_who_gives_back_what_they_accepted_leaves_the_police_waited_for() -> None:
    scene = with_a_volunteer()
    scene.accepts(VOLUNTEER)
    scene.declines(VOLUNTEER)
    assert scene.facts == ["declined"]
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE


# --- on the way and on the scene -------------------------------------------------------------------------
def test_who_is_on_the_way_says_so() -> None:
    scene = acknowledged()
    scene.departs(STATION)
    assert scene.facts == ["departed"]
    assert scene.alert(STATION).state is AlertState.DEPARTED
    assert scene.state is State.ACKNOWLEDGED
    assert scene.due[ARRIVAL] == timedelta(minutes=20)


def test_an_arrival_brings_the_incident_on_the_scene_and_nobody_asks_any_more() -> None:
    scene = acknowledged()
    scene.departs(STATION)
    scene.arrives(STATION)
    assert scene.facts == ["arrived"]
    assert scene.state is State.ON_SCENE
    assert scene.alert(STATION).state is AlertState.ARRIVED
    assert ARRIVAL not in scene.due


def test_who_is_there_need_not_have_said_that_they_left() -> None:
    assert on_scene().state is State.ON_SCENE


@pytest.mark.parametrize("state", [State.ALERTING, State.UNANSWERED, State.ACKNOWLEDGED, State.ON_SCENE])
def test_a_care_team_leaves_and_arrives_beside_the_police(state: State) -> None:
    scene = in_state(state)
    due = {kind: left for (kind, subject), left in scene.due.items() if subject == "police"}
    scene.accepts(ONE_HOME, track=CARE)
    scene.departs(ONE_HOME, track=CARE)
    scene.arrives(ONE_HOME, track=CARE)
    assert scene.alert(ONE_HOME, CARE).state is AlertState.ARRIVED
    assert scene.state is state
    assert {kind: left for (kind, subject), left in scene.due.items() if subject == "police"} == due


def test_a_volunteer_who_arrives_does_not_stand_for_the_police() -> None:
    scene = with_a_volunteer()
    scene.accepts(VOLUNTEER)
    scene.accepts(STATION)
    scene.arrives(VOLUNTEER)
    assert scene.state is State.ACKNOWLEDGED
    assert ARRIVAL in scene.due


def test_a_desk_that_goes_itself_is_still_no_police() -> None:
    scene = desk_owns()
    scene.arrives(DESK)
    assert scene.alert(DESK).state is AlertState.ARRIVED
    assert scene.state is State.UNANSWERED


def test_who_says_that_they_are_on_the_way_has_accepted() -> None:
    scene = station_and_191()
    scene.departs(STATION)
    assert [name for name in scene.facts if name != "stood_down"] == ["accepted", "acknowledged", "departed"]
    assert (scene.state, scene.holder()) == (State.ACKNOWLEDGED, STATION.name)
    assert scene.told == {RADIO_191.name: "stood_down"}
    assert scene.reporter_heard == [("acknowledged", scene.now + timedelta(minutes=20))]
    assert {kind for kind, subject in scene.due if subject == "police"} == {DeadlineKind.ARRIVE}
    assert fact(scene, "accepted")["via"] == "line"


def test_who_says_that_they_are_there_has_accepted_and_the_reporter_hears_both() -> None:
    scene = alerting()
    scene.arrives(STATION)
    assert scene.facts == ["accepted", "acknowledged", "arrived"]
    assert scene.state is State.ON_SCENE
    assert scene.reporter_heard == [("acknowledged", scene.now), ("arrived", None)]
    assert not [kind for kind, subject in scene.due if subject == "police"]


def test_who_says_when_they_will_be_there_has_accepted() -> None:
    scene = alerting()
    scene.expects(STATION, minutes=15)
    assert scene.facts == ["accepted", "acknowledged"]
    assert fact(scene, "accepted")["eta_at"] == scene.now + timedelta(minutes=15)
    assert scene.due[ARRIVAL] == timedelta(minutes=15)
    with pytest.raises(AlreadyRecorded):
        scene.expects(STATION, minutes=15)


@pytest.mark.parametrize("says", [Scene.departs, Scene.arrives, partial(Scene.expects, minutes=15)])
def test_who_comes_second_hears_who_has_it_whatever_they_say(says: Callable[[Scene, Responder], None]) -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    before = scene.incident
    with pytest.raises(AlreadyTaken) as refused:
        says(scene, RADIO_191)
    assert refused.value.holder == str(STATION.id)
    assert scene.incident == before


@pytest.mark.parametrize("says", [Scene.departs, Scene.arrives, partial(Scene.expects, minutes=15)])
def test_who_said_no_does_not_come_before_they_say_yes(says: Callable[[Scene, Responder], None]) -> None:
    """Two taps may overtake each other: what was given back is not taken again by the one before."""
    scene = station_and_191()
    scene.declines(STATION)
    with pytest.raises(Refused, match="you have declined: accept first"):
        says(scene, STATION)


def test_who_has_not_accepted_cannot_resolve() -> None:
    with pytest.raises(Refused, match="accept first"):
        acknowledged().resolves(ONE_HOME, track=CARE)
    scene = station_and_191()
    scene.accepts(STATION)
    with pytest.raises(Refused, match="you do not have this incident"):
        scene.resolves(RADIO_191)


def test_an_arrival_that_is_said_later_moves_the_deadline_and_is_told_only_where_it_is_later() -> None:
    scene = acknowledged()
    scene.expects(STATION, minutes=10)
    assert scene.facts == ["estimated"]
    assert scene.due[ARRIVAL] == timedelta(minutes=10)
    assert scene.reporter_heard == [], "they were told 20 minutes, and are glad of 10"
    scene.wait(minutes=5)
    scene.expects(STATION, minutes=15)
    assert scene.reporter_heard == [], "still what they were told"
    scene.expects(STATION, minutes=30)
    assert scene.reporter_heard == [("new_arrival", scene.now + timedelta(minutes=30))]
    assert scene.due[ARRIVAL] == timedelta(minutes=30)
    scene.expects(STATION, minutes=10)
    assert scene.reporter_heard == []


def test_to_accept_once_more_with_a_time_says_the_time_alone() -> None:
    scene = acknowledged()
    scene.accepts(STATION, eta=timedelta(minutes=40))
    assert scene.facts == ["estimated"]
    assert scene.reporter_heard == [("new_arrival", scene.now + timedelta(minutes=40))]
    with pytest.raises(AlreadyRecorded):
        scene.accepts(STATION, eta=timedelta(minutes=40))


def test_who_leaves_may_say_when_they_will_be_there() -> None:
    scene = acknowledged()
    scene.do(life.Depart(scene.alert(STATION).id, "sms", timedelta(minutes=15)))
    assert scene.facts == ["departed", "estimated"]
    assert scene.alert(STATION).eta_at == scene.now + timedelta(minutes=15)
    with pytest.raises(AlreadyRecorded):
        scene.do(life.Depart(scene.alert(STATION).id, "sms", timedelta(minutes=15)))


def test_a_time_that_was_said_before_does_not_hide_that_they_have_left() -> None:
    scene = alerting()
    scene.accepts(STATION, eta=timedelta(minutes=15))
    scene.do(life.Depart(scene.alert(STATION).id, "sms", timedelta(minutes=15)))
    assert scene.facts == ["departed"]


def test_who_is_there_has_no_time_of_arrival_any_more() -> None:
    with pytest.raises(AlreadyRecorded):
        on_scene().expects(STATION, minutes=5)


def test_that_a_care_team_comes_and_when_is_told_to_the_reporter_once() -> None:
    scene = acknowledged()
    scene.accepts(ONE_HOME, eta=timedelta(minutes=30), track=CARE)
    assert scene.reporter_heard == [("team_comes", scene.now + timedelta(minutes=30))]
    (told,) = (effect for effect in scene.decision.effects if isinstance(effect, life.TellReporter))
    assert told.holder == scene.alert(ONE_HOME, CARE).id, "it names the team and not the police"
    scene.expects(ONE_HOME, minutes=45, track=CARE)
    assert scene.alert(ONE_HOME, CARE).eta_at == scene.now + timedelta(minutes=45)
    assert scene.reporter_heard == []
    scene.declines(ONE_HOME, track=CARE)
    scene.select(SOCIAL_WORKER, track=CARE)
    scene.accepts(SOCIAL_WORKER, track=CARE)
    assert scene.holder(CARE) == SOCIAL_WORKER.name
    assert scene.reporter_heard == []


def test_a_care_team_that_gives_no_time_is_expected_when_the_target_says() -> None:
    scene = alerting()
    scene.accepts(ONE_HOME, track=CARE)
    assert scene.reporter_heard == [("team_comes", scene.now + ASSAULT.arrival_target)]


def test_a_volunteer_beside_the_team_is_not_announced() -> None:
    scene = alerting()
    scene.nobody_answers(CARE)
    scene.select(SOCIAL_WORKER, VOLUNTEER, track=CARE)
    scene.accepts(VOLUNTEER, track=CARE)
    assert scene.reporter_heard == []


def test_who_has_not_arrived_in_time_is_asked_and_the_supervisors_are_told() -> None:
    scene = acknowledged()
    scene.pass_deadline(DeadlineKind.ARRIVE)
    assert scene.told == {STATION.name: "arrived_yet"}
    assert scene.supervisors_heard == ["arrival_overdue"]
    assert fact(scene, "arrival_overdue") == {"track": "police", "alert_id": scene.alert(STATION).id}
    assert scene.state is State.ACKNOWLEDGED
    assert scene.holder() == STATION.name
    assert ARRIVAL not in scene.due
    assert is_in_hand(scene.incident)


# --- resolved --------------------------------------------------------------------------------------------
def test_who_answers_for_the_incident_says_that_the_danger_is_over() -> None:
    scene = on_scene()
    scene.resolves(STATION)
    assert scene.state is State.RESOLVED
    assert scene.facts == ["resolved", "stood_down"]
    assert scene.told == {ONE_HOME.name: "over"}
    assert told_who_has_it(scene) == {None}
    assert {track.state for track in scene.incident.tracks} == {TrackState.ENDED}
    assert scene.due == {(DeadlineKind.OPEN_FOLLOW_UPS, ""): AT_ONCE}


def test_whoever_acts_for_the_incident_is_told_that_it_is_over_and_nobody_twice() -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    scene.accepts(ONE_HOME, track=CARE)
    scene.departs(ONE_HOME, track=CARE)
    scene.resolves(STATION)
    assert scene.told == {ONE_HOME.name: "over"}, "the 191 centre was stood down before"


def test_the_danger_may_be_over_before_anybody_said_that_they_were_there() -> None:
    assert resolved().state is State.RESOLVED


def test_a_desk_that_owns_an_incident_can_resolve_it() -> None:
    scene = desk_owns()
    scene.resolves(DESK)
    assert scene.state is State.RESOLVED


def test_nobody_else_can_say_that_the_danger_is_over() -> None:
    scene = with_a_volunteer()
    scene.select(ONE_HOME, track=CARE)
    scene.accepts(VOLUNTEER)
    scene.accepts(STATION)
    scene.accepts(ONE_HOME, track=CARE)
    for who, track in ((VOLUNTEER, "police"), (ONE_HOME, CARE)):
        with pytest.raises(Refused, match="only whoever answers for the incident"):
            scene.resolves(who, track=track)
    assert scene.state is State.ACKNOWLEDGED


def test_the_danger_is_over_once() -> None:
    scene = resolved()
    with pytest.raises(AlreadyRecorded):
        scene.resolves(STATION)
    with pytest.raises(Refused) as refused:
        scene.resolves(ONE_HOME, track=CARE)
    assert not isinstance(refused.value, AlreadyRecorded)


# --- the same answer twice -------------------------------------------------------------------------------
@pytest.mark.parametrize("say", [Scene.accepts, Scene.departs, Scene.arrives])
def test_the_same_answer_twice_is_recorded_once(say: Callable[[Scene, Responder], None]) -> None:
    scene = alerting()
    if say is not Scene.accepts:
        scene.accepts(STATION)
    say(scene, STATION)
    before = scene.incident
    with pytest.raises(AlreadyRecorded):
        say(scene, STATION)
    assert scene.incident == before


def test_who_has_arrived_is_not_on_the_way_any_more() -> None:
    scene = on_scene()
    with pytest.raises(AlreadyRecorded):
        scene.departs(STATION)
    with pytest.raises(AlreadyRecorded):
        scene.accepts(STATION)


def test_the_same_no_twice_is_recorded_once() -> None:
    scene = both_asked()
    scene.declines(STATION)
    with pytest.raises(AlreadyRecorded):
        scene.declines(STATION)


# --- the follow-up ---------------------------------------------------------------------------------------
def test_after_the_danger_the_social_worker_is_asked_to_call() -> None:
    scene = called()
    assert scene.state is State.RESOLVED
    assert scene.facts == ["follow_up_opened"]
    assert callers_asked(scene) == [False]
    assert scene.supervisors_heard == []
    assert scene.call.state is FollowUpState.OPEN
    assert scene.call.responder_id == SOCIAL_WORKER.id
    assert scene.due == {(DeadlineKind.FOLLOW_UP, str(scene.call.id)): timedelta(hours=24)}
    assert fact(scene, "follow_up_opened")["due_at"] == scene.now + timedelta(hours=24)


def test_where_nobody_can_call_the_supervisors_are_told_at_once_and_again() -> None:
    scene = resolved()
    scene.open_follow_ups(None)
    assert scene.supervisors_heard == ["follow_up_overdue"]
    assert callers_asked(scene) == []
    assert scene.call.state is FollowUpState.OVERDUE
    for _ in range(3):
        assert scene.due == {(DeadlineKind.FOLLOW_UP, str(scene.call.id)): timedelta(hours=2)}
        scene.follow_up_comes_due(scene.call, None)
        assert scene.facts == ["follow_up_overdue"]
        assert scene.supervisors_heard == ["follow_up_overdue"]
        assert callers_asked(scene) == [], "there is nobody to remind"


@pytest.mark.parametrize("outcome", [Outcome.REACHED, Outcome.NEEDS_SERVICE])
def test_a_victim_who_was_spoken_to_closes_the_incident(outcome: Outcome) -> None:
    scene = called()
    scene.call_went(outcome)
    assert scene.facts == [f"follow_up_{outcome}", "closed"]
    assert scene.state is State.CLOSED
    assert scene.call.outcome is outcome
    assert scene.due == {}
    assert fact(scene, "closed") == {"by": "protocol"}


def test_a_call_without_an_answer_is_made_again_until_the_tries_are_used_up() -> None:
    scene = called()
    for tries in (1, 2):
        scene.call_went(Outcome.NO_ANSWER)
        assert scene.facts == ["follow_up_no_answer"]
        assert (scene.call.state, scene.call.tries) == (FollowUpState.OPEN, tries)
        assert scene.due == {(DeadlineKind.FOLLOW_UP, str(scene.call.id)): timedelta(hours=6)}
        assert scene.supervisors_heard == []
    scene.call_went(Outcome.NO_ANSWER)
    assert scene.facts == ["follow_up_no_answer", "visit_opened"]
    call, visit = scene.incident.follow_ups
    assert (call.state, call.outcome) == (FollowUpState.DONE, Outcome.NO_ANSWER)
    assert scene.state is State.RESOLVED, "the visit is to be made"
    assert scene.due == {(DeadlineKind.FOLLOW_UP, str(visit.id)): AT_ONCE}

    scene.follow_up_comes_due(visit, ONE_HOME)
    assert scene.facts == ["visit_asked"]
    scene.do(life.ReportFollowUp(visit.id, Outcome.VISITED))
    assert scene.facts == ["visit_visited", "closed"]


def test_a_visit_that_could_not_be_made_is_a_supervisors() -> None:
    scene = called()
    for _ in range(3):
        scene.call_went(Outcome.NO_ANSWER)
    _, visit = scene.incident.follow_ups
    scene.follow_up_comes_due(visit, ONE_HOME)
    scene.do(life.ReportFollowUp(visit.id, Outcome.COULD_NOT))
    assert scene.facts == ["visit_could_not", "visit_overdue"]
    assert scene.supervisors_heard == ["visit_overdue"]
    assert scene.state is State.RESOLVED
    scene.follow_up_comes_due(visit, ONE_HOME)
    assert scene.supervisors_heard == ["visit_overdue"], "until somebody decides"
    scene.do(CLOSE)
    assert scene.state is State.CLOSED


def test_without_a_visit_in_its_plan_a_call_that_nobody_answers_is_a_supervisors() -> None:
    """As in policies from before there were visits."""
    scene = Scene(replace(ASSAULT, follow_ups=(replace(ASSAULT.follow_ups[0], visit=None, calling_hours=False),)))
    scene.locate()
    scene.select(STATION)
    scene.accepts(STATION)
    scene.resolves(STATION)
    scene.open_follow_ups()
    for _ in range(2):
        scene.call_went(Outcome.NO_ANSWER)
        assert scene.supervisors_heard == []
    scene.call_went(Outcome.NO_ANSWER)
    assert scene.facts == ["follow_up_no_answer", "follow_up_overdue"]
    assert scene.supervisors_heard == ["follow_up_overdue"]
    assert scene.call.state is FollowUpState.OVERDUE
    assert scene.due == {(DeadlineKind.FOLLOW_UP, str(scene.call.id)): timedelta(hours=2)}
    assert scene.state is State.RESOLVED


def test_a_call_that_was_not_made_is_reminded_of_twice_and_then_the_supervisors_are_told_as_well() -> None:
    scene = called()
    for _ in range(2):
        scene.follow_up_comes_due(scene.call)
        assert scene.facts == ["follow_up_reminded"]
        assert callers_asked(scene) == [True]
        assert scene.supervisors_heard == []
        assert scene.due == {(DeadlineKind.FOLLOW_UP, str(scene.call.id)): timedelta(hours=2)}
    for _ in range(3):
        scene.follow_up_comes_due(scene.call)
        assert scene.facts == ["follow_up_reminded", "follow_up_overdue"]
        assert callers_asked(scene) == [True]
        assert scene.supervisors_heard == ["follow_up_overdue"]
        assert scene.call.state is FollowUpState.OVERDUE


def test_an_overdue_call_can_still_be_made() -> None:
    scene = resolved()
    scene.open_follow_ups(None)
    scene.call_went(Outcome.REACHED)
    assert scene.state is State.CLOSED


def missed_call() -> Scene:
    """The social worker was asked and reminded, and said nothing."""
    scene = called()
    for _ in range(3):
        scene.follow_up_comes_due(scene.call)
    assert scene.call.state is FollowUpState.OVERDUE
    return scene


def test_a_supervisor_takes_over_what_is_overdue_and_is_reminded_from_then_on() -> None:
    scene = missed_call()
    scene.do(life.TakeFollowUp(scene.call.id, SUPERVISOR.id, "line"))
    assert scene.facts == ["follow_up_taken"]
    assert callers_asked(scene) == [False], "they get the card, as whoever had it did"
    assert (scene.call.responder_id, scene.call.state) == (SUPERVISOR.id, FollowUpState.OPEN)
    scene.follow_up_comes_due(scene.call, SUPERVISOR)
    assert scene.facts == ["follow_up_reminded"]
    assert callers_asked(scene) == [True]
    assert scene.supervisors_heard == [], "it has an owner"
    with pytest.raises(AlreadyRecorded):
        scene.do(life.TakeFollowUp(scene.call.id, SUPERVISOR.id, "line"))


def test_the_second_supervisor_hears_who_took_it_over() -> None:
    scene = missed_call()
    scene.do(life.TakeFollowUp(scene.call.id, SUPERVISOR.id, "line"))
    with pytest.raises(AlreadyTaken) as refused:
        scene.do(life.TakeFollowUp(scene.call.id, DESK.id, "line"))
    assert refused.value.holder == str(SUPERVISOR.id)


def test_what_nobody_is_late_with_is_taken_from_nobody() -> None:
    scene = called()
    with pytest.raises(AlreadyTaken) as refused:
        scene.do(life.TakeFollowUp(scene.call.id, SUPERVISOR.id, "line"))
    assert refused.value.holder == str(SOCIAL_WORKER.id)


def two_calls() -> Scene:
    """A policy that promises two calls: one now, one in a week."""
    first = ASSAULT.follow_ups[0]
    scene = Scene(replace(ASSAULT, follow_ups=(first, replace(first, name="second_call", due=timedelta(days=7)))))
    scene.locate()
    scene.select(STATION)
    scene.accepts(STATION)
    scene.resolves(STATION)
    scene.open_follow_ups()
    return scene


def test_an_incident_is_closed_when_every_promised_call_was_made() -> None:
    scene = two_calls()
    one, other = scene.incident.follow_ups
    scene.do(life.ReportFollowUp(one.id, Outcome.REACHED))
    assert scene.state is State.RESOLVED
    assert list(scene.due) == [(DeadlineKind.FOLLOW_UP, str(other.id))]
    scene.do(life.ReportFollowUp(other.id, Outcome.REACHED))
    assert scene.state is State.CLOSED


def test_a_policy_that_promises_no_call_closes_with_the_danger() -> None:
    scene = Scene(replace(ASSAULT, follow_ups=()))
    scene.locate()
    scene.select(STATION)
    scene.accepts(STATION)
    scene.resolves(STATION)
    assert scene.state is State.RESOLVED
    scene.open_follow_ups()
    assert scene.state is State.CLOSED


def test_the_calls_are_asked_for_once() -> None:
    scene = called()
    with pytest.raises(AlreadyRecorded):
        scene.open_follow_ups()


def test_a_call_that_was_made_is_not_reported_again() -> None:
    scene = two_calls()
    report = life.ReportFollowUp(scene.incident.follow_ups[0].id, Outcome.REACHED)
    scene.do(report)
    with pytest.raises(AlreadyRecorded):
        scene.do(report)
    scene = closed()
    with pytest.raises(AlreadyRecorded):
        scene.call_went(Outcome.REACHED)


def test_a_call_that_an_operator_closed_the_record_over_was_not_made() -> None:
    scene = two_calls()
    made, open_call = scene.incident.follow_ups
    scene.do(life.ReportFollowUp(made.id, Outcome.REACHED))
    scene.do(CLOSE)
    for not_made in (open_call.id, an_id("nobody's call")):
        with pytest.raises(Refused) as refused:
            scene.do(life.ReportFollowUp(not_made, Outcome.REACHED))
        assert not isinstance(refused.value, AlreadyRecorded)


def test_a_call_that_was_never_promised_is_not_found() -> None:
    with pytest.raises(NotFound, match="BCD234"):
        called().do(life.ReportFollowUp(an_id("nobody's call"), Outcome.REACHED))


# --- what the reporter says of themselves ----------------------------------------------------------------
def test_a_reporter_who_is_safe_changes_nothing_until_a_person_has_asked() -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    before = scene.incident
    scene.do(life.HearReporter(life.ReporterWord.SAFE))
    assert scene.incident == before
    assert scene.told == {STATION.name: "reporter_safe"}
    assert scene.supervisors_heard == ["reporter_safe"]
    assert scene.reporter_heard == []


def test_that_the_reporter_is_in_danger_is_told_to_everybody_who_may_go_there() -> None:
    scene = station_and_191()
    scene.accepts(ONE_HOME, track=CARE)
    scene.do(life.HearReporter(life.ReporterWord.IN_DANGER))
    assert scene.told == dict.fromkeys((STATION.name, RADIO_191.name, ONE_HOME.name), "reporter_in_danger")
    assert scene.supervisors_heard == []


def test_a_reporter_who_is_not_safe_after_all_is_a_matter_for_the_supervisors() -> None:
    for state in (State.RESOLVED, State.CLOSED, State.CANCELLED):
        for word in (life.ReporterWord.UNSAFE, life.ReporterWord.IN_DANGER):
            scene = in_state(state)
            scene.do(life.HearReporter(word))
            assert scene.state is state
            assert scene.supervisors_heard == ["reporter_unsafe"]


def test_that_a_reporter_wishes_to_cancel_is_passed_on_as_that() -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    scene.do(life.HearReporter(life.ReporterWord.CANCELS))
    assert scene.told == {STATION.name: "reporter_cancels"}
    assert scene.supervisors_heard == ["reporter_cancels"]


@pytest.mark.parametrize("word", [life.ReporterWord.SAFE, life.ReporterWord.CANCELS])
def test_after_the_end_there_is_nothing_to_check_for_a_reporter_who_is_safe(word: life.ReporterWord) -> None:
    scene = in_state(State.CLOSED)
    scene.do(life.HearReporter(word))
    assert scene.facts == [f"reporter_{word}"]
    assert scene.supervisors_heard == []


def passed_on(scene: Scene) -> list[tuple[UUID, str | None]]:
    return [(effect.alert_id, effect.words) for effect in scene.decision.effects if isinstance(effect, life.PassOn)]


def test_what_was_written_is_read_by_whoever_accepts_and_what_is_written_later_by_all_who_have() -> None:
    scene = station_and_191()
    scene.accepts(STATION)
    assert passed_on(scene) == [(scene.alert(STATION).id, None)], "all of it so far"
    scene.accepts(ONE_HOME, track=CARE)
    before = scene.incident
    scene.do(life.HearReporter(life.ReporterWord.WROTE, "made-up words"))
    who = {scene.alert(STATION).id, scene.alert(ONE_HOME, CARE).id}
    assert {alert_id for alert_id, _ in passed_on(scene)} == who
    assert {words for _, words in passed_on(scene)} == {"made-up words"}
    assert (scene.incident, scene.told, scene.supervisors_heard) == (before, {}, [])
    assert "made-up" not in repr(scene.decision)


def test_nobody_who_is_only_asked_or_is_done_reads_what_is_written() -> None:
    scene = station_and_191()
    scene.do(life.HearReporter(life.ReporterWord.WROTE, "made-up words"))
    assert passed_on(scene) == []
    assert scene.facts == ["reporter_wrote"]
    scene = in_state(State.RESOLVED)
    scene.do(life.HearReporter(life.ReporterWord.WROTE, "made-up words"))
    assert passed_on(scene) == []


# --- what operators do -----------------------------------------------------------------------------------
CANCEL = life.Cancel("a made-up operator", "a false alarm")
CLOSE = life.Close("a made-up operator", "the record is complete")
MERGE = life.Merge("a made-up operator", an_id("another incident"), "FGH567")


@pytest.mark.parametrize(
    ("command", "ends_as", "heard"),
    [
        (CANCEL, State.CANCELLED, [("reporter_over", None)]),
        (CLOSE, State.CLOSED, [("reporter_over", None)]),
        (MERGE, State.MERGED, []),  # it goes on under another code
    ],
)
def test_an_operator_ends_an_incident_and_everybody_busy_with_it_is_told(
    command: life.Command, ends_as: State, heard: list[tuple[str, None]]
) -> None:
    scene = station_and_191()
    scene.accepts(ONE_HOME, track=CARE)
    scene.declines(STATION)
    scene.do(command)
    assert scene.state is ends_as
    word = "merged" if ends_as is State.MERGED else "over"
    assert scene.told == {RADIO_191.name: word, ONE_HOME.name: word}
    assert scene.due == {}
    assert {track.state for track in scene.incident.tracks} == {TrackState.ENDED}
    assert scene.reporter_heard == heard


@pytest.mark.parametrize("command", [CANCEL, MERGE])
@pytest.mark.parametrize(
    "state",
    [State.RECEIVED, State.LOCATED, State.ALERTING, State.UNANSWERED, State.ACKNOWLEDGED, State.ON_SCENE],
)
def test_as_long_as_there_is_danger_an_operator_may_cancel_or_merge(command: life.Command, state: State) -> None:
    scene = in_state(state)
    scene.do(command)
    assert scene.state in {State.CANCELLED, State.MERGED}
    assert scene.due == {}


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLOSED])
def test_an_operator_may_close_the_record_at_any_time(state: State) -> None:
    scene = in_state(state)
    scene.do(CLOSE)
    assert scene.state is State.CLOSED
    assert scene.due == {}
    assert fact(scene, "closed") == {"by": "a made-up operator", "reason": "the record is complete"}


def test_the_timeline_says_who_ended_it_and_why() -> None:
    scene = alerting()
    scene.do(CANCEL)
    assert fact(scene, "cancelled") == {"by": "a made-up operator", "reason": "a false alarm"}
    scene = alerting()
    scene.do(MERGE)
    assert fact(scene, "merged") == {
        "by": "a made-up operator",
        "into_id": an_id("another incident"),
        "into_code": "FGH567",
    }


def test_an_incident_is_not_merged_into_itself() -> None:
    scene = alerting()
    with pytest.raises(Refused, match="into itself"):
        scene.do(life.Merge("a made-up operator", scene.incident.id, scene.incident.code))
    assert scene.state is State.ALERTING


def test_an_operator_need_not_wait_for_a_step() -> None:
    scene = alerting()
    scene.do(life.Escalate("a made-up operator"))
    assert fact(scene, "escalated") == {"track": "police", "step": 1, "by": "a made-up operator"}
    assert scene.incident.lead.step == 2
    assert scene.due == {CHOOSE_POLICE: AT_ONCE, WAIT_FOR_CARE: timedelta(minutes=10)}


def test_an_operator_may_hurry_the_care_team_alone() -> None:
    for state in (State.LOCATED, State.ALERTING, State.ACKNOWLEDGED, State.ON_SCENE):
        scene = in_state(state)
        police = scene.incident.lead
        scene.do(life.Escalate("a made-up operator", CARE))
        assert scene.incident.track(CARE).step == 2
        assert scene.incident.lead == police
        assert scene.state is state


def test_an_operator_may_go_through_the_steps_to_the_last_resort() -> None:
    for scene in (located(), alerting()):
        for _ in ASSAULT.lead.steps:
            scene.do(life.Escalate("a made-up operator"))
        assert scene.state is State.UNANSWERED
        assert scene.due[CHOOSE_POLICE] == AT_ONCE


def test_there_is_nothing_to_hurry_once_somebody_has_it() -> None:
    with pytest.raises(Refused, match="track police is acknowledged"):
        acknowledged().do(life.Escalate("a made-up operator"))


def test_a_track_that_the_policy_has_not_is_not_found_and_those_that_it_has_are_named() -> None:
    with pytest.raises(NotFound, match="police, social_care"):
        alerting().do(life.Escalate("a made-up operator", "fire_brigade"))


def test_an_operator_asks_one_responder_by_name_and_their_acceptance_counts() -> None:
    scene = alerting()
    scene.assign(SECOND_STATION)
    assert scene.facts == ["assigned", "alerted"]
    assert fact(scene, "assigned")["by"] == "a made-up operator"
    assert scene.asked == [SECOND_STATION.name]
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE
    scene.accepts(SECOND_STATION)
    assert scene.state is State.ACKNOWLEDGED
    assert scene.told == {STATION.name: "stood_down"}


def test_who_was_asked_by_name_is_waited_for_like_the_others_of_the_step() -> None:
    scene = alerting()
    scene.assign(SECOND_STATION)
    scene.declines(STATION)
    assert scene.incident.lead.step == 1
    assert scene.due[WAIT_FOR_POLICE] == ONE_MINUTE


def test_an_operator_may_name_somebody_when_the_policy_has_run_out() -> None:
    scene = last_resort_asked()
    scene.assign(VOLUNTEER)
    assert scene.asked == [VOLUNTEER.name]
    assert scene.state is State.UNANSWERED


def test_who_declined_can_be_asked_once_more_by_name() -> None:
    scene = both_asked()
    scene.declines(STATION)
    scene.assign(STATION)
    assert scene.facts == ["assigned", "alerted_again"]
    assert asked_again(scene) == [True]
    assert scene.alert(STATION).state is AlertState.OPEN


def test_who_is_asked_or_has_accepted_is_not_asked_by_name() -> None:
    scene = with_a_volunteer()
    scene.accepts(VOLUNTEER)
    with pytest.raises(AlreadyRecorded, match="has been alerted already"):
        scene.assign(STATION)
    with pytest.raises(AlreadyRecorded, match="has accepted already"):
        scene.assign(VOLUNTEER)


def test_who_was_asked_for_care_can_be_asked_for_the_police_track_as_well() -> None:
    scene = alerting()
    scene.assign(ONE_HOME)
    assert scene.asked == [ONE_HOME.name]
    assert scene.alert(ONE_HOME).id != scene.alert(ONE_HOME, CARE).id


# --- what does not apply ---------------------------------------------------------------------------------
def any_command(kind: type, scene: Scene) -> life.Command:
    """A command of that kind that would be sensible elsewhere."""
    alert_id = scene.alert(STATION).id if scene.incident.alerts else an_id("police the station of the district")
    chosen = life.Chosen(an_id("another alert"), THIRD_STATION.id, THIRD_STATION.role)
    deadline = life.Deadline(scene.now, DeadlineKind.SELECT, "police")
    made: dict[type, life.Command] = {
        life.Locate: life.Locate(THE_HOUSE),
        life.Join: life.Join((an_id("a witness's report"),)),
        life.AlertResponders: life.AlertResponders(deadline, 1, (chosen,)),
        life.PassDeadline: life.PassDeadline(deadline),
        life.Accept: life.Accept(alert_id),
        life.Estimate: life.Estimate(alert_id, timedelta(minutes=10)),
        life.Decline: life.Decline(alert_id),
        life.LoseContact: life.LoseContact(alert_id),
        life.Depart: life.Depart(alert_id),
        life.Arrive: life.Arrive(alert_id),
        life.CallBackup: life.CallBackup(alert_id),
        life.Resolve: life.Resolve(alert_id),
        life.HearReporter: life.HearReporter(life.ReporterWord.SAFE),
        life.OpenFollowUps: life.OpenFollowUps(()),
        life.MindFollowUp: life.MindFollowUp(life.Deadline(scene.now, DeadlineKind.FOLLOW_UP, "a call"), None),
        life.MoveFollowUp: life.MoveFollowUp(an_id("a call"), scene.now),
        life.TakeFollowUp: life.TakeFollowUp(an_id("a call"), SUPERVISOR.id),
        life.NameService: life.NameService(an_id("a call"), "shelter"),
        life.ReportFollowUp: life.ReportFollowUp(an_id("a call"), Outcome.REACHED),
        life.Cancel: CANCEL,
        life.Escalate: life.Escalate("a made-up operator"),
        life.Assign: life.Assign("a made-up operator", chosen),
        life.HandOver: life.HandOver("a made-up operator", alert_id, chosen),
        life.Close: CLOSE,
        life.Merge: MERGE,
        life.TakeInHand: life.TakeInHand(),
    }
    return made[kind]


COMMANDS: tuple[type, ...] = life.Command.__args__
DOES_NOT_APPLY = [(state, kind) for state in State for kind in COMMANDS if (state, kind) not in TRANSITIONS]

#: The clock and the roster come late without anybody being wrong, and so does a place.
MAY_COME_LATE = {
    *(life.AlertResponders, life.PassDeadline, life.OpenFollowUps, life.MindFollowUp),
    life.Locate,
}


@pytest.mark.parametrize(
    ("state", "kind"), DOES_NOT_APPLY, ids=[f"{kind.__name__}-{state}" for state, kind in DOES_NOT_APPLY]
)
def test_what_the_table_does_not_hold_is_refused_with_the_state_that_holds(state: State, kind: type) -> None:
    scene = in_state(state)
    before = scene.incident
    with pytest.raises(Refused) as refused:
        scene.do(any_command(kind, scene))
    assert scene.incident == before
    assert "BCD234" in str(refused.value) or isinstance(refused.value, AlreadyRecorded)
    if kind in MAY_COME_LATE:
        assert isinstance(refused.value, AlreadyRecorded)
    elif not isinstance(refused.value, AlreadyRecorded):
        assert str(refused.value).startswith(f"incident BCD234 is {state}: {kind.__name__.lower()} ")


def test_a_decision_that_the_table_does_not_know_is_a_bug_and_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSITIONS, (State.RECEIVED, life.Locate), frozenset({State.CLOSED}))
    scene = Scene()
    with pytest.raises(AssertionError, match="received"):
        scene.locate()
    assert scene.state is State.RECEIVED


def test_whoever_answers_too_late_is_refused_and_not_told_that_it_was_recorded() -> None:
    for ended in (resolved, cancelled, merged, closed):
        for say in (life.Accept, life.Decline, life.Depart, life.Arrive):
            scene = ended()
            with pytest.raises(Refused) as refused:
                scene.do(say(scene.alert(ONE_HOME, CARE).id))
            assert not isinstance(refused.value, AlreadyRecorded)


# --- deadlines that come late ----------------------------------------------------------------------------
def deadline_of(scene: Scene, kind: DeadlineKind) -> life.Deadline:
    (deadline,) = (due for due in scene.incident.deadlines if (due.kind, due.subject) == (kind, "police"))
    return deadline


def test_a_wait_that_was_answered_in_time_decides_nothing() -> None:
    scene = alerting()
    wait = deadline_of(scene, DeadlineKind.ACKNOWLEDGE)
    scene.accepts(STATION)
    before = scene.incident
    with pytest.raises(AlreadyRecorded):
        scene.do(life.PassDeadline(wait))
    assert scene.incident == before


def test_a_wait_that_came_before_is_not_passed_twice() -> None:
    scene = alerting()
    wait = deadline_of(scene, DeadlineKind.ACKNOWLEDGE)
    scene.nobody_answers()
    with pytest.raises(AlreadyRecorded):
        scene.do(life.PassDeadline(wait))
    assert scene.incident.lead.step == 2


def test_a_deadline_that_comes_after_the_end_decides_nothing() -> None:
    scene = alerting()
    wait = deadline_of(scene, DeadlineKind.ACKNOWLEDGE)
    scene.do(CANCEL)
    with pytest.raises(AlreadyRecorded):
        scene.do(life.PassDeadline(wait))
    assert scene.state is State.CANCELLED


def test_the_same_choice_twice_alerts_nobody_twice() -> None:
    scene = located()
    choose = deadline_of(scene, DeadlineKind.SELECT)
    chosen = life.Chosen(an_id("an alert"), STATION.id, STATION.role)
    scene.do(life.AlertResponders(choose, 1, (chosen,)))
    before = scene.incident
    with pytest.raises(AlreadyRecorded):
        scene.do(life.AlertResponders(choose, 1, (chosen,)))
    assert scene.incident == before


def test_a_choice_that_was_made_for_another_step_decides_nothing() -> None:
    scene = located()
    chosen = life.Chosen(an_id("an alert"), STATION.id, STATION.role)
    with pytest.raises(AlreadyRecorded, match="step 2 of police"):
        scene.do(life.AlertResponders(deadline_of(scene, DeadlineKind.SELECT), 2, (chosen,)))
    assert scene.incident.alerts == ()


def test_a_choice_is_made_by_its_own_command_and_not_passed_like_a_wait() -> None:
    scene = alerting()
    scene.nobody_answers()
    with pytest.raises(AssertionError, match="it is worked on"):
        scene.do(life.PassDeadline(deadline_of(scene, DeadlineKind.SELECT)))


# --- the invariant ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [state for state in State if state not in ENDED])
def test_an_open_incident_has_a_deadline_or_a_named_person(state: State) -> None:
    scene = in_state(state)
    assert scene.incident.is_open
    assert is_in_hand(scene.incident)


@pytest.mark.parametrize("state", [State.CLOSED, State.CANCELLED, State.MERGED])
def test_nothing_is_owed_for_what_has_ended(state: State) -> None:
    scene = in_state(state)
    assert not scene.incident.is_open
    assert scene.due == {}


def test_whoever_has_it_is_the_named_person_until_the_danger_is_over() -> None:
    assert is_in_hand(replace(acknowledged().incident, deadlines=frozenset()))
    assert not is_in_hand(replace(alerting().incident, deadlines=frozenset()))
    assert not is_in_hand(replace(resolved().incident, deadlines=frozenset())), "the calls are owed"


def forgotten(state: State, **changed: object) -> Scene:
    """What must never be: an incident in that state for which nothing is due and nobody answers."""
    scene = in_state(state)
    tracks = tuple(replace(track, holder=None) for track in scene.incident.tracks)
    lost = replace(scene.incident, deadlines=frozenset(), tracks=tracks, **changed)
    assert not is_in_hand(lost)
    scene.decision = life.Decision(lost)
    return scene


@pytest.mark.parametrize("state", [State.LOCATED, State.ALERTING, State.UNANSWERED, State.ACKNOWLEDGED, State.ON_SCENE])
def test_what_the_audit_finds_forgotten_goes_to_the_last_resort(state: State) -> None:
    scene = forgotten(state)
    scene.do(life.TakeInHand())
    assert scene.facts == ["taken_in_hand", "unanswered"]
    assert scene.state is State.UNANSWERED
    assert scene.due == {CHOOSE_POLICE: AT_ONCE}
    scene.select(DESK)
    assert scene.asked == [DESK.name]


def test_a_forgotten_report_is_located_now() -> None:
    scene = forgotten(State.RECEIVED)
    scene.do(life.TakeInHand())
    assert scene.facts == ["taken_in_hand"]
    assert scene.due == {(DeadlineKind.LOCATE, ""): AT_ONCE}


def test_forgotten_calls_are_asked_for_now() -> None:
    scene = forgotten(State.RESOLVED, follow_ups=())
    scene.do(life.TakeInHand())
    assert scene.due == {(DeadlineKind.OPEN_FOLLOW_UPS, ""): AT_ONCE}
    scene = forgotten(State.RESOLVED)
    scene.do(life.TakeInHand())
    assert scene.due == {(DeadlineKind.FOLLOW_UP, str(scene.call.id)): AT_ONCE}
    assert scene.state is State.RESOLVED


def test_of_forgotten_calls_those_that_were_made_are_not_asked_for() -> None:
    scene = two_calls()
    made, open_call = scene.incident.follow_ups
    scene.do(life.ReportFollowUp(made.id, Outcome.REACHED))
    scene = forgotten(State.RESOLVED, follow_ups=scene.incident.follow_ups)
    scene.do(life.TakeInHand())
    assert open_call.ask_at is not None
    assert scene.due == {(DeadlineKind.FOLLOW_UP, str(open_call.id)): open_call.ask_at - scene.now}, "on its day"


def test_a_forgotten_incident_whose_calls_were_all_made_is_closed() -> None:
    done = closed().incident.follow_ups
    scene = forgotten(State.RESOLVED, follow_ups=done)
    scene.do(life.TakeInHand())
    assert scene.facts == ["taken_in_hand", "closed"]
    assert scene.state is State.CLOSED


@pytest.mark.parametrize("state", [state for state in State if state not in ENDED])
def test_what_is_in_hand_is_left_alone(state: State) -> None:
    scene = in_state(state)
    before = scene.incident
    with pytest.raises(AlreadyRecorded, match="is in hand"):
        scene.do(life.TakeInHand())
    assert scene.incident == before


def test_the_last_resort_is_always_there() -> None:
    for policy in POLICIES.values():
        assert {target.role for target in policy.last_resort.alert} <= NATIONAL_ROLES
