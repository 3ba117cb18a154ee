"""Who has a track: how somebody comes to have it, when they are expected, and what is asked of them when they are late.

One at a time has it.  Of the lead track the reporter is told who that is and when they come.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ess.domain.duty import NATIONAL_ROLES
from ess.domain.errors import AlreadyRecorded, Refused
from ess.domain.incident.deadline import passes
from ess.domain.incident.decision import TellReporter, TellResponder, TellSupervisors
from ess.domain.incident.rule import decides
from ess.domain.incident.state import TAKEN, Alert, AlertState, Deadline, DeadlineKind, State, Track, TrackState
from ess.domain.incident.step import Chosen, ask
from ess.domain.incident.turn import Turn

#: Arrivals that differ by less than this are the same to whoever waits.
SAME_TIME = timedelta(minutes=1)


def acknowledge(turn: Turn, track: Track, alert: Alert) -> None:
    """Whoever has accepted has the track, and everybody else of it is stood down; the reporter is told."""
    turn.forget(track.name)
    turn.put(replace(track, state=TrackState.ACKNOWLEDGED, holder=alert.id))
    waiting = turn.incident.alerts_of(track.name, AlertState.OPEN)
    desks = [other for other in turn.incident.alerts_of(track.name, *TAKEN) if other.role in NATIONAL_ROLES]
    turn.stand_down([*waiting, *(desk for desk in desks if desk.id != alert.id)], "stood_down", alert.id)
    if turn.incident.is_lead(track.name):
        arrival_at = _await_arrival(turn, alert)
        turn.put(replace(turn.incident.lead, promised_at=arrival_at))
        turn.become(State.ACKNOWLEDGED)
        turn.note("acknowledged", responder_id=alert.responder_id, arrival_at=arrival_at)
        turn.do(TellReporter("acknowledged", arrival_at))
    elif track.promised_at is None:
        arrival_at = alert.eta_at or turn.now + turn.incident.policy.arrival_target
        turn.put(replace(turn.incident.track(track.name), promised_at=arrival_at))
        turn.do(TellReporter("team_comes", arrival_at, holder=alert.id))


def own(turn: Turn, track: Track, alert: Alert) -> None:
    """Of the last resort one desk has the unanswered track; the others need not, and the police still may."""
    turn.put(replace(track, holder=alert.id))
    turn.forget(track.name, DeadlineKind.SELECT)
    turn.note("owned", responder_id=alert.responder_id)
    others = turn.incident.alerts_of(track.name, AlertState.OPEN)
    turn.stand_down([other for other in others if other.role in NATIONAL_ROLES], "stood_down", alert.id)


def take_over(turn: Turn, track: Track, alert: Alert) -> None:
    """The track has another holder; the reporter hears of it where they come later than was promised."""
    before = turn.incident.alert(track.holder) if track.holder else None
    turn.put(replace(alert, backup=False))
    track = replace(track, holder=alert.id, next_holder=None)
    turn.put(track)
    about = {"alert_id": alert.id, "responder_id": alert.responder_id, "track": track.name}
    turn.note("handed_over", **about, from_responder_id=before.responder_id if before else None)
    if before and before.state in TAKEN:
        turn.stand_down([before], "handed_over", alert.id)
    turn.forget(track.name, DeadlineKind.DEPART, DeadlineKind.ARRIVE, DeadlineKind.BACK_UP)
    if not turn.incident.is_lead(track.name):
        return
    if alert.state is not AlertState.ARRIVED:
        arrival_at = _await_arrival(turn, alert)
        turn.become(State.ACKNOWLEDGED)
        _promise_arrival(turn, "acknowledged", arrival_at)
    elif turn.incident.state is State.ACKNOWLEDGED:
        turn.become(State.ON_SCENE)
        turn.do(TellReporter("arrived"))


def expect(turn: Turn, track: Track, alert: Alert) -> None:
    """Whoever has the lead track comes at another time; nothing follows for anybody else."""
    if track.holder == alert.id and track.state is TrackState.ACKNOWLEDGED and turn.incident.is_lead(track.name):
        turn.forget(track.name, DeadlineKind.BACK_UP)
        _promise_arrival(turn, "new_arrival", _await_arrival(turn, alert))


def _await_arrival(turn: Turn, alert: Alert) -> datetime:
    """When the lead track's holder is expected (UTC); before that they leave, and say so."""
    policy, lead = turn.incident.policy, turn.incident.lead
    arrival_at = max(alert.eta_at or turn.now + policy.arrival_target, turn.now)
    turn.promise(DeadlineKind.ARRIVE, arrival_at, lead.name)
    turn.forget(lead.name, DeadlineKind.DEPART)
    depart_at = turn.now + policy.depart_within
    if alert.state is AlertState.ACCEPTED and depart_at < arrival_at:
        turn.promise(DeadlineKind.DEPART, depart_at, lead.name)
    return arrival_at


def _promise_arrival(turn: Turn, message: str, arrival_at: datetime) -> None:
    """The reporter is told once more where it is later than they were told before."""
    lead = turn.incident.lead
    if lead.promised_at is None or arrival_at - lead.promised_at >= SAME_TIME:
        turn.put(replace(lead, promised_at=arrival_at))
        turn.do(TellReporter(message, arrival_at))


@passes(DeadlineKind.DEPART)
def _should_be_on_the_way(turn: Turn, deadline: Deadline) -> None:
    track = turn.incident.track(deadline.subject)
    turn.note("departure_overdue", track=track.name, alert_id=track.holder)
    _ask_where(turn, track, "departed_yet")


@passes(DeadlineKind.ARRIVE)
def _should_be_there(turn: Turn, deadline: Deadline) -> None:
    track = turn.incident.track(deadline.subject)
    turn.note("arrival_overdue", track=track.name, alert_id=track.holder)
    _ask_where(turn, track, "arrived_yet")
    turn.do(TellSupervisors("arrival_overdue"))


def _ask_where(turn: Turn, track: Track, message: str) -> None:
    """The holder is asked, and backup is alerted where no answer comes."""
    if track.holder:
        turn.do(TellResponder(track.holder, message))
    comes = any(alert.backup for alert in turn.incident.alerts_of(track.name, *TAKEN))
    if not comes and not turn.incident.has_due(track.name, DeadlineKind.BACK_UP):
        turn.promise(DeadlineKind.BACK_UP, turn.now + turn.incident.policy.backup_after, track.name)


@dataclass(frozen=True)
class HandOver:
    """An operator gives a track to another unit: at once where it comes already, else as soon as it accepts."""

    by: str
    #: Of whoever has the track.
    alert_id: UUID
    chosen: Chosen


@decides(
    HandOver,
    {
        State.LOCATED: {State.LOCATED},
        State.ALERTING: {State.ALERTING},
        State.UNANSWERED: {State.UNANSWERED},
        State.ACKNOWLEDGED: {State.ACKNOWLEDGED, State.ON_SCENE},
        State.ON_SCENE: {State.ON_SCENE, State.ACKNOWLEDGED},
    },
)
def _hand_over(turn: Turn, command: HandOver) -> None:
    alert, track = turn.incident.alert_and_track(command.alert_id)
    chosen = command.chosen
    found = (other for other in turn.incident.alerts if other.track == track.name)
    known = next((other for other in found if other.responder_id == chosen.responder_id), None)
    if known and known.id == track.holder:
        raise AlreadyRecorded("they have it already")
    if known and known.id == track.next_holder:
        raise AlreadyRecorded("they have been asked to take it over already")
    if track.state is not TrackState.ACKNOWLEDGED or track.holder != alert.id:
        raise Refused("only what somebody has can be handed over: name the alert of whoever has the track")
    able = turn.incident.policy.track(track.name).acknowledged_by
    if chosen.role not in able:
        raise Refused(f"a {chosen.role} cannot answer for {track.name}: name one of {', '.join(sorted(able))}")
    about = {"track": track.name, "responder_id": chosen.responder_id}
    turn.note("hand_over_wanted", **about, by=command.by)
    if known and known.state in TAKEN:
        take_over(turn, track, known)
        turn.do(TellResponder(known.id, "yours_now"))
        return
    turn.put(replace(track, next_holder=known.id if known else chosen.alert_id))
    if known:
        turn.ask_again(replace(known, backup=True))
    else:
        ask(turn, track, chosen)
