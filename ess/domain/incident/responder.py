"""What a responder says: mine, on the way, there, not me; or nothing, because nobody reaches them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ess.domain.duty import NATIONAL_ROLES
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, Refused
from ess.domain.incident.backup import come_beside, go_on_without_backup, nearest_backup
from ess.domain.incident.decision import PassOn, TellReporter, TellResponder
from ess.domain.incident.holder import SAME_TIME, acknowledge, expect, own, take_over
from ess.domain.incident.rule import decides
from ess.domain.incident.state import RESPONDING, TAKEN, Alert, AlertState, DeadlineKind, State, Track, TrackState
from ess.domain.incident.step import go_on_if_nobody_waits
from ess.domain.incident.turn import Turn


@dataclass(frozen=True)
class Accept:
    """A responder says: mine."""

    alert_id: UUID
    #: Until arrival, where they said so.
    eta: timedelta | None = None
    via: str = ""


@decides(Accept, {state: {state, State.ACKNOWLEDGED} for state in RESPONDING})
def _accept(turn: Turn, command: Accept) -> None:
    incident = turn.incident
    alert, track = incident.alert_and_track(command.alert_id)
    if alert.state in TAKEN:
        _expect(turn, alert, track, command)
        return
    counts = alert.role in incident.policy.track(track.name).acknowledged_by
    owns = track.state is TrackState.UNANSWERED and alert.role in NATIONAL_ROLES
    holder = next((other for other in incident.alerts if other.id == track.holder), None)
    # A desk that owns an unanswered track still wants the police; nobody else who holds one is replaced.
    if holder and (owns or track.state is TrackState.ACKNOWLEDGED) and not alert.backup:
        raise AlreadyTaken("somebody else has accepted", str(holder.responder_id))
    eta_at = turn.now + command.eta if command.eta is not None else None
    turn.put(accepted := replace(alert, state=AlertState.ACCEPTED, eta_at=eta_at))
    about = {"alert_id": alert.id, "responder_id": alert.responder_id, "track": track.name}
    beside = {"backup": True} if alert.backup else {}
    turn.note("accepted", **about, via=command.via, eta_at=eta_at, **beside)
    turn.do(PassOn(alert.id))
    if track.next_holder == alert.id:
        take_over(turn, track, accepted)
    elif alert.backup:
        come_beside(turn, accepted, track)
    elif owns:
        own(turn, track, accepted)
    elif counts:
        acknowledge(turn, track, accepted)


@dataclass(frozen=True)
class Estimate:
    """A responder says when they will be there, and so accepts where they have not yet."""

    alert_id: UUID
    #: Until arrival.
    eta: timedelta
    via: str = ""


@decides(Estimate, {state: {state, State.ACKNOWLEDGED} for state in RESPONDING})
def _estimate(turn: Turn, command: Estimate) -> None:
    was_taken = turn.incident.alert(command.alert_id).state in TAKEN
    alert, track = _coming(turn, command)
    if was_taken:  # else the time was said with the acceptance
        _expect(turn, alert, track, command)


@dataclass(frozen=True)
class Depart:
    """The responder is on the way, and so accepts where they have not yet."""

    alert_id: UUID
    via: str = ""
    #: Until arrival, where they said so.
    eta: timedelta | None = None


@decides(Depart, {state: {state, State.ACKNOWLEDGED} for state in RESPONDING})
def _depart(turn: Turn, command: Depart) -> None:
    alert, track = _coming(turn, command)
    if alert.state is not AlertState.ACCEPTED:
        _expect(turn, alert, track, command)
        return
    departed = replace(alert, state=AlertState.DEPARTED)
    turn.put(departed)
    turn.note("departed", alert_id=alert.id, responder_id=alert.responder_id, via=command.via)
    if track.holder == alert.id:
        turn.forget(track.name, DeadlineKind.DEPART)
        if turn.incident.has_due(track.name, DeadlineKind.ARRIVE):  # else they are late all the same
            turn.forget(track.name, DeadlineKind.BACK_UP)
    if _is_news(alert, command.eta, turn.now):
        _expect(turn, departed, track, command)


@dataclass(frozen=True)
class Arrive:
    """The responder is there, and so accepts where they have not yet."""

    alert_id: UUID
    via: str = ""


@decides(Arrive, {state: {state, State.ON_SCENE} for state in RESPONDING})
def _arrive(turn: Turn, command: Arrive) -> None:
    alert, track = _coming(turn, command)
    if alert.state is AlertState.ARRIVED:
        raise AlreadyRecorded("your arrival is recorded already")
    turn.put(replace(alert, state=AlertState.ARRIVED))
    turn.note("arrived", alert_id=alert.id, responder_id=alert.responder_id, via=command.via)
    if track.holder == alert.id:
        turn.forget(track.name, DeadlineKind.DEPART, DeadlineKind.ARRIVE, DeadlineKind.BACK_UP)
        if turn.incident.is_lead(track.name) and turn.incident.state is State.ACKNOWLEDGED:
            turn.become(State.ON_SCENE)
            turn.do(TellReporter("arrived"))


def _coming(turn: Turn, command: Estimate | Depart | Arrive) -> tuple[Alert, Track]:
    """Whoever says that they come, or are there, and has not said "mine" before, says it with that."""
    alert, _ = turn.incident.alert_and_track(command.alert_id)
    if alert.state is AlertState.DECLINED:
        raise Refused("you have declined: accept first")
    if alert.state not in TAKEN:
        eta = timedelta() if isinstance(command, Arrive) else command.eta
        _accept(turn, Accept(command.alert_id, eta, command.via))
    return turn.incident.alert_and_track(command.alert_id)


def _expect(turn: Turn, alert: Alert, track: Track, command: Accept | Estimate | Depart) -> None:
    """From now on they are expected then; the reporter hears of it only where it is later than they were told."""
    if command.eta is None or not _is_news(alert, command.eta, turn.now):
        raise AlreadyRecorded("you have said so already")
    eta_at = turn.now + command.eta
    turn.put(expected := replace(alert, eta_at=eta_at))
    about = {"alert_id": alert.id, "responder_id": alert.responder_id, "track": track.name}
    turn.note("estimated", **about, via=command.via, eta_at=eta_at)
    expect(turn, track, expected)


def _is_news(alert: Alert, eta: timedelta | None, now: datetime) -> bool:
    """Whether an arrival is another one than they said before."""
    if eta is None or alert.state is AlertState.ARRIVED:
        return False
    return alert.eta_at is None or abs(alert.eta_at - now - eta) >= SAME_TIME


@dataclass(frozen=True)
class Decline:
    """A responder cannot go, or gives back what they had accepted."""

    alert_id: UUID
    via: str = ""


@decides(
    Decline,
    {
        State.LOCATED: {State.LOCATED, State.UNANSWERED},
        State.ALERTING: {State.ALERTING, State.UNANSWERED},
        State.UNANSWERED: {State.UNANSWERED},
        State.ACKNOWLEDGED: {State.ACKNOWLEDGED, State.ON_SCENE, State.ALERTING, State.UNANSWERED},
        State.ON_SCENE: {State.ON_SCENE, State.ACKNOWLEDGED, State.ALERTING, State.UNANSWERED},
    },
)
def _decline(turn: Turn, command: Decline) -> None:
    alert, track = turn.incident.alert_and_track(command.alert_id)
    if alert.state is AlertState.DECLINED:
        raise AlreadyRecorded("you have declined already")
    if alert.state is AlertState.STOOD_DOWN:
        raise Refused("you were stood down: nothing more is needed")
    turn.put(replace(alert, state=AlertState.DECLINED))
    turn.note("declined", alert_id=alert.id, responder_id=alert.responder_id, track=track.name, via=command.via)
    if track.holder == alert.id:
        _give_back(turn, alert, track)
    else:
        go_on_if_nobody_waits(turn, track)
        go_on_without_backup(turn, alert, track)


def _give_back(turn: Turn, alert: Alert, track: Track) -> None:
    """Whoever comes beside them has the track now; else those who were stood down are needed after all, and more."""
    turn.note("given_back", track=track.name, responder_id=alert.responder_id)
    if heir := nearest_backup(turn.incident, track):
        take_over(turn, track, heir)
        turn.do(TellResponder(heir.id, "yours_now"))
        return
    if turn.incident.is_lead(track.name) and track.state is TrackState.ACKNOWLEDGED:
        turn.become(State.ALERTING)
    turn.ask_stood_down(track)
    turn.ask_step(track, track.step + 1)


@dataclass(frozen=True)
class LoseContact:
    """Every channel of a responder has failed for good."""

    alert_id: UUID


@decides(
    LoseContact,
    {
        State.LOCATED: {State.LOCATED, State.UNANSWERED},
        State.ALERTING: {State.ALERTING, State.UNANSWERED},
        State.UNANSWERED: {State.UNANSWERED},
        State.ACKNOWLEDGED: {State.ACKNOWLEDGED},
        State.ON_SCENE: {State.ON_SCENE},
    },
)
def _lose_contact(turn: Turn, command: LoseContact) -> None:
    alert = turn.incident.alert(command.alert_id)
    if alert.state is not AlertState.OPEN:
        raise AlreadyRecorded("this responder has answered already")
    turn.put(replace(alert, state=AlertState.UNREACHABLE))
    turn.note("unreachable", alert_id=alert.id, responder_id=alert.responder_id, track=alert.track)
    track = turn.incident.track(alert.track)
    go_on_if_nobody_waits(turn, track)
    go_on_without_backup(turn, alert, track)
