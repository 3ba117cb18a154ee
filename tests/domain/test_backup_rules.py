"""Backup takes the track from nobody (ADR 12): when it is alerted, who is asked, and who has it afterwards."""

from dataclasses import replace
from datetime import timedelta

import pytest
from scene import (
    DESK,
    ONE_HOME,
    RADIO_191,
    SECOND_STATION,
    SOCIAL_WORKER,
    STATION,
    SUPERVISOR,
    THIRD_STATION,
    VOLUNTEER,
    Scene,
    alerting,
)

from ess.domain import incident as life
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, Refused
from ess.domain.incident import AlertState, DeadlineKind, State, TrackState, is_in_hand

CARE = "social_care"
DEPARTURE = (DeadlineKind.DEPART, "police")
ARRIVAL = (DeadlineKind.ARRIVE, "police")
BACK_UP = (DeadlineKind.BACK_UP, "police")
CHOOSE = (DeadlineKind.SELECT, "police")
WAIT = (DeadlineKind.ACKNOWLEDGE, "police")
MINUTE = timedelta(minutes=1)


def accepted() -> Scene:
    """The station has it, and has not said that it left."""
    scene = alerting()
    scene.accepts(STATION)
    return scene


def there() -> Scene:
    scene = accepted()
    scene.arrives(STATION)
    return scene


def with_backup() -> Scene:
    """The station is there, and the 191 centre comes as backup."""
    scene = there()
    scene.calls_backup(STATION)
    scene.select(RADIO_191)
    scene.accepts(RADIO_191)
    return scene


# --- accepted, and silent --------------------------------------------------------------------------------
def test_who_has_accepted_and_does_not_leave_is_asked_and_keeps_it() -> None:
    scene = accepted()
    assert scene.due[DEPARTURE] == 10 * MINUTE
    scene.pass_deadline(DeadlineKind.DEPART)
    assert scene.told == {STATION.name: "departed_yet"}
    assert scene.supervisors_heard == []
    assert scene.due[BACK_UP] == 5 * MINUTE
    assert scene.holder() == STATION.name


def test_who_does_not_answer_that_either_gets_backup_and_keeps_it() -> None:
    scene = accepted()
    scene.pass_deadline(DeadlineKind.DEPART)
    scene.pass_deadline(DeadlineKind.BACK_UP)
    assert scene.facts == ["backup_called"]
    assert scene.told == {STATION.name: "backup_called"}
    assert scene.supervisors_heard == ["backup_alerted"]
    scene.select(RADIO_191)
    assert scene.asked == [RADIO_191.name]
    assert scene.alert(RADIO_191).backup
    assert (scene.holder(), scene.state) == (STATION.name, State.ACKNOWLEDGED)
    assert scene.alert(STATION).state is AlertState.ACCEPTED


def test_who_leaves_in_time_or_after_being_asked_is_left_alone() -> None:
    scene = accepted()
    scene.departs(STATION)
    assert DEPARTURE not in scene.due
    scene = accepted()
    scene.pass_deadline(DeadlineKind.DEPART)
    scene.departs(STATION)
    assert BACK_UP not in scene.due
    assert ARRIVAL in scene.due


def test_who_says_when_they_will_be_there_is_heard_as_an_answer() -> None:
    scene = accepted()
    scene.pass_deadline(DeadlineKind.DEPART)
    scene.expects(STATION, minutes=15)
    assert BACK_UP not in scene.due
    assert scene.due[ARRIVAL] == 15 * MINUTE
    assert scene.due[DEPARTURE] == 10 * MINUTE, "they have still not left"
    scene.expects(STATION, minutes=6)
    assert DEPARTURE not in scene.due, "they are to be there before"


def test_who_is_there_sooner_than_they_need_have_left_is_not_asked_whether_they_left() -> None:
    scene = alerting()
    scene.accepts(STATION, eta=5 * MINUTE)
    assert DEPARTURE not in scene.due


def test_who_leaves_only_when_they_should_be_there_gets_backup_all_the_same() -> None:
    scene = accepted()
    scene.pass_deadline(DeadlineKind.DEPART)
    scene.departs(STATION)
    scene.pass_deadline(DeadlineKind.ARRIVE)
    assert scene.told == {STATION.name: "arrived_yet"}
    assert scene.due[BACK_UP] == 5 * MINUTE
    scene = accepted()
    scene.pass_deadline(DeadlineKind.ARRIVE)
    scene.departs(STATION)
    assert BACK_UP in scene.due
    scene.arrives(STATION)
    assert BACK_UP not in scene.due


def test_where_the_first_ring_is_silent_too_the_next_is_alerted_up_to_the_last_resort_once() -> None:
    scene = accepted()
    scene.pass_deadline(DeadlineKind.DEPART)
    for ring in ((RADIO_191,), (SECOND_STATION, THIRD_STATION), (DESK, SUPERVISOR)):
        scene.pass_deadline(DeadlineKind.BACK_UP)
        assert scene.facts == ["backup_called"]
        scene.select(*ring)
        assert scene.asked == [who.name for who in ring]
    assert scene.due.keys() & {CHOOSE, WAIT, BACK_UP} == set()
    assert is_in_hand(scene.incident)
    assert scene.state is State.ACKNOWLEDGED, "the station has it, and says nothing"


def test_a_holder_who_moves_after_all_ends_the_search_that_began_with_their_silence() -> None:
    scene = accepted()
    scene.pass_deadline(DeadlineKind.DEPART)
    scene.pass_deadline(DeadlineKind.BACK_UP)
    scene.select(RADIO_191)
    scene.arrives(STATION)
    assert scene.due.keys() & {CHOOSE, WAIT, BACK_UP} == set()
    assert scene.alert(RADIO_191).state is AlertState.OPEN, "nobody is stood down: they may come"


# --- called by whoever is there --------------------------------------------------------------------------
def test_backup_that_is_called_is_alerted_at_once_and_the_supervisors_are_told() -> None:
    scene = there()
    scene.calls_backup(STATION)
    assert scene.facts == ["backup_wanted", "backup_called"]
    assert scene.supervisors_heard == ["backup_wanted"]
    assert scene.due[CHOOSE] == timedelta()
    scene.select(RADIO_191)
    assert scene.asked == [RADIO_191.name]
    assert scene.due[WAIT] == MINUTE
    assert scene.state is State.ON_SCENE


def test_backup_that_does_not_answer_is_followed_by_the_next_ring_and_in_the_end_by_the_last_resort() -> None:
    scene = there()
    scene.calls_backup(STATION)
    scene.select(RADIO_191)
    scene.nobody_answers()
    assert scene.facts == ["backup_expired", "backup_called"]
    scene.select()
    scene.select(DESK)
    assert scene.asked == [DESK.name]
    assert scene.alert(DESK).backup


def test_a_ring_without_anybody_is_not_waited_for() -> None:
    scene = there()
    scene.calls_backup(STATION)
    scene.select()
    assert scene.due[CHOOSE] == timedelta()
    assert scene.incident.lead.backup == 3


def test_a_ring_that_is_on_another_scene_is_asked_and_not_waited_for() -> None:
    scene = there()
    scene.calls_backup(STATION)
    scene.select(replace(RADIO_191, on_scene=True))
    assert RADIO_191.name in scene.asked
    assert scene.incident.lead.backup == 3
    assert CHOOSE in scene.due


def test_those_who_were_stood_down_are_asked_again_with_the_next_ring() -> None:
    scene = alerting()
    scene.nobody_answers()
    scene.select(RADIO_191)
    scene.accepts(STATION)
    scene.calls_backup(STATION)
    assert scene.asked == [RADIO_191.name]
    scene.select(SECOND_STATION)
    scene.accepts(RADIO_191)
    assert scene.holder() == STATION.name


def test_who_comes_as_backup_takes_nothing_and_the_holder_hears_who_comes() -> None:
    scene = with_backup()
    assert scene.told == {STATION.name: "backup_comes"}
    assert (scene.holder(), scene.alert(RADIO_191).state) == (STATION.name, AlertState.ACCEPTED)
    assert scene.reporter_heard == []
    assert WAIT not in scene.due
    scene.arrives(RADIO_191)
    assert (scene.facts, scene.reporter_heard) == (["arrived"], [])
    with pytest.raises(Refused, match="only whoever answers"):
        scene.resolves(RADIO_191)


def test_the_same_call_twice_is_one_call_until_somebody_comes() -> None:
    scene = there()
    scene.calls_backup(STATION)
    with pytest.raises(AlreadyRecorded):
        scene.calls_backup(STATION)
    scene.select(RADIO_191)
    with pytest.raises(AlreadyRecorded):
        scene.calls_backup(STATION)
    scene.accepts(RADIO_191)
    scene.calls_backup(STATION)
    scene.select(SECOND_STATION)
    assert scene.asked == [SECOND_STATION.name]


def test_backup_that_says_no_brings_the_next_ring_at_once() -> None:
    scene = there()
    scene.calls_backup(STATION)
    scene.select(RADIO_191)
    scene.declines(RADIO_191)
    assert scene.facts == ["declined", "backup_called"]
    assert scene.holder() == STATION.name


def test_backup_that_cannot_be_reached_brings_the_next_ring_at_once() -> None:
    scene = there()
    scene.calls_backup(STATION)
    scene.select(RADIO_191)
    scene.loses_contact_with(RADIO_191)
    assert scene.facts == ["unreachable", "backup_called"]


def test_backup_that_gives_it_back_is_told_to_the_holder_and_replaced() -> None:
    scene = with_backup()
    scene.declines(RADIO_191)
    assert scene.told == {STATION.name: "backup_gone"}
    assert scene.facts == ["declined", "backup_called"]


def test_nobody_more_is_asked_once_the_holder_who_was_late_is_there() -> None:
    scene = accepted()
    scene.pass_deadline(DeadlineKind.ARRIVE)
    scene.pass_deadline(DeadlineKind.BACK_UP)
    scene.select(RADIO_191)
    scene.arrives(STATION)
    scene.declines(RADIO_191)
    assert scene.facts == ["declined"]
    scene = accepted()
    scene.pass_deadline(DeadlineKind.ARRIVE)
    scene.pass_deadline(DeadlineKind.BACK_UP)
    scene.select(RADIO_191)
    scene.accepts(RADIO_191)
    scene.arrives(STATION)
    scene.declines(RADIO_191)
    assert scene.facts == ["declined"]


def test_where_the_holder_is_still_late_backup_that_gives_it_back_is_replaced() -> None:
    scene = accepted()
    scene.pass_deadline(DeadlineKind.ARRIVE)
    scene.pass_deadline(DeadlineKind.BACK_UP)
    scene.select(RADIO_191)
    scene.accepts(RADIO_191)
    scene.declines(RADIO_191)
    assert scene.facts == ["declined", "backup_called"]


def test_backup_may_call_for_more_and_the_holder_hears_of_it() -> None:
    scene = with_backup()
    scene.calls_backup(RADIO_191)
    assert scene.told == {STATION.name: "backup_called"}


def test_nobody_calls_backup_before_somebody_has_it() -> None:
    scene = alerting()
    with pytest.raises(Refused, match="accept first"):
        scene.calls_backup(STATION)
    scene.declines(STATION)
    with pytest.raises(Refused, match="you do not have this incident"):
        scene.calls_backup(STATION)


def test_a_care_team_calls_backup_of_its_own_track() -> None:
    scene = accepted()
    scene.accepts(ONE_HOME, track=CARE)
    scene.calls_backup(ONE_HOME, track=CARE)
    scene.select(SOCIAL_WORKER, VOLUNTEER, track=CARE)
    assert scene.asked == [SOCIAL_WORKER.name, VOLUNTEER.name]
    scene.accepts(VOLUNTEER, track=CARE)
    assert (DeadlineKind.ACKNOWLEDGE, CARE) in scene.due, "a volunteer is welcome, and is not waited for alone"
    assert scene.holder() == STATION.name
    assert scene.holder(CARE) == ONE_HOME.name


def test_everybody_is_stood_down_when_it_is_over() -> None:
    scene = with_backup()
    scene.resolves(STATION)
    assert scene.told == {RADIO_191.name: "over", ONE_HOME.name: "over"}


# --- given back, handed over -----------------------------------------------------------------------------
def test_what_is_given_back_goes_to_the_backup_that_is_nearest() -> None:
    scene = with_backup()
    scene.arrives(RADIO_191)
    scene.declines(STATION)
    assert scene.facts == ["declined", "given_back", "handed_over"]
    assert scene.holder() == RADIO_191.name
    assert scene.told == {RADIO_191.name: "yours_now"}
    assert scene.state is State.ON_SCENE
    assert scene.reporter_heard == [], "the police are there as before"
    scene.resolves(RADIO_191)
    assert scene.state is State.RESOLVED


def test_where_nobody_comes_as_backup_it_is_given_back_as_ever_and_whoever_was_asked_may_take_it() -> None:
    scene = there()
    scene.calls_backup(STATION)
    scene.select(RADIO_191)
    scene.declines(STATION)
    assert scene.state is State.ALERTING
    assert not scene.alert(RADIO_191).backup
    scene.accepts(RADIO_191)
    assert (scene.holder(), scene.state) == (RADIO_191.name, State.ACKNOWLEDGED)


def test_it_is_handed_over_at_once_to_a_unit_that_comes_already() -> None:
    scene = with_backup()
    scene.hand_over(STATION, RADIO_191)
    assert scene.facts == ["hand_over_wanted", "handed_over", "stood_down"]
    assert scene.told == {STATION.name: "handed_over", RADIO_191.name: "yours_now"}
    assert scene.holder() == RADIO_191.name
    assert scene.state is State.ACKNOWLEDGED, "they are not there yet"
    assert ARRIVAL in scene.due


def test_another_unit_is_asked_first_and_whoever_has_it_keeps_it_until_then() -> None:
    scene = accepted()
    scene.wait(minutes=5)
    scene.hand_over(STATION, SECOND_STATION)
    assert scene.asked == [SECOND_STATION.name]
    assert scene.holder() == STATION.name
    with pytest.raises(AlreadyRecorded):
        scene.hand_over(STATION, SECOND_STATION)
    scene.accepts(SECOND_STATION, eta=10 * MINUTE)
    assert scene.holder() == SECOND_STATION.name
    assert scene.told == {STATION.name: "handed_over"}
    assert scene.reporter_heard == [], "they come sooner than was promised"
    assert scene.due[ARRIVAL] == 10 * MINUTE


def test_the_reporter_hears_of_another_unit_that_comes_later() -> None:
    scene = accepted()
    scene.hand_over(STATION, SECOND_STATION)
    scene.accepts(SECOND_STATION, eta=45 * MINUTE)
    assert scene.reporter_heard == [("acknowledged", scene.now + 45 * MINUTE)]


def test_a_unit_that_will_not_take_it_over_is_told_to_the_supervisors() -> None:
    scene = accepted()
    scene.hand_over(STATION, SECOND_STATION)
    scene.declines(SECOND_STATION)
    assert scene.supervisors_heard == ["hand_over_refused"]
    assert scene.holder() == STATION.name
    assert CHOOSE not in scene.due, "nobody asked for backup"


def test_only_what_somebody_has_is_handed_over_and_only_to_whoever_can_answer_for_it() -> None:
    with pytest.raises(Refused, match="only what somebody has"):
        alerting().hand_over(STATION, SECOND_STATION)
    scene = accepted()
    with pytest.raises(Refused, match="cannot answer for police: name one of police_station, radio_191"):
        scene.hand_over(STATION, VOLUNTEER)
    with pytest.raises(AlreadyRecorded):
        scene.hand_over(STATION, STATION)


def test_who_was_stood_down_and_is_asked_for_nothing_still_comes_too_late() -> None:
    scene = alerting()
    scene.nobody_answers()
    scene.select(RADIO_191)
    scene.accepts(STATION)
    with pytest.raises(AlreadyTaken):
        scene.accepts(RADIO_191)


def test_a_care_track_is_handed_over_and_the_reporter_hears_nothing() -> None:
    scene = accepted()
    scene.accepts(ONE_HOME, track=CARE)
    scene.hand_over(ONE_HOME, SOCIAL_WORKER, track=CARE)
    scene.accepts(SOCIAL_WORKER, track=CARE)
    assert scene.holder(CARE) == SOCIAL_WORKER.name
    assert scene.reporter_heard == []
    assert scene.incident.track(CARE).state is TrackState.ACKNOWLEDGED


def test_the_audit_needs_no_more_than_the_holder_while_backup_is_asked() -> None:
    scene = with_backup()
    assert is_in_hand(scene.incident)
    with pytest.raises(AlreadyRecorded):
        scene.do(life.TakeInHand())
