"""Who comes beside whoever has the track, and takes it from nobody (ADR 12)."""

from dataclasses import dataclass, replace
from uuid import UUID

from ess.domain.errors import AlreadyRecorded, Refused
from ess.domain.incident.deadline import passes
from ess.domain.incident.decision import TellResponder, TellSupervisors
from ess.domain.incident.rule import decides
from ess.domain.incident.state import (
    RESPONDING,
    TAKEN,
    Alert,
    AlertState,
    Deadline,
    DeadlineKind,
    Incident,
    Track,
    TrackState,
)
from ess.domain.incident.step import is_awaited
from ess.domain.incident.turn import Turn

#: Who is there comes before who is on the way, and they before who has accepted.
_NEARNESS = (AlertState.ARRIVED, AlertState.DEPARTED, AlertState.ACCEPTED)


@dataclass(frozen=True)
class CallBackup:
    """Whoever is on the way or there needs more people."""

    alert_id: UUID
    via: str = ""


@decides(CallBackup, {state: {state} for state in RESPONDING})
def _call_backup(turn: Turn, command: CallBackup) -> None:
    alert, track = turn.incident.taken(command.alert_id)
    if track.state is not TrackState.ACKNOWLEDGED:
        raise Refused("nobody has taken this track: everybody who could come is being asked already")
    asked = any(other.backup for other in turn.incident.alerts_of(track.name, AlertState.OPEN))
    if turn.incident.has_due(track.name, DeadlineKind.SELECT, DeadlineKind.ACKNOWLEDGE) or (
        asked and turn.incident.asks_last_resort(track.name)
    ):
        raise AlreadyRecorded("backup is being asked already")
    about = {"alert_id": alert.id, "responder_id": alert.responder_id, "track": track.name}
    turn.note("backup_wanted", **about, via=command.via)
    turn.forget(track.name, DeadlineKind.BACK_UP)
    if track.holder and track.holder != alert.id:
        turn.do(TellResponder(track.holder, "backup_called"))
    turn.do(TellSupervisors("backup_wanted"))
    turn.ask_backup(replace(track, backup_wanted=True))


@passes(DeadlineKind.BACK_UP)
def _holder_is_silent(turn: Turn, deadline: Deadline) -> None:
    track = turn.incident.track(deadline.subject)
    if track.holder and not track.backup:
        turn.do(TellResponder(track.holder, "backup_called"))
        turn.do(TellSupervisors("backup_alerted"))
    turn.ask_backup(track)
    if not turn.incident.asks_last_resort(track.name):
        turn.promise(DeadlineKind.BACK_UP, turn.now + turn.incident.policy.backup_after, track.name)


def come_beside(turn: Turn, alert: Alert, track: Track) -> None:
    """They come as well, and whoever has the track hears who."""
    if is_awaited(turn.incident, track, alert.role):
        turn.forget(track.name, DeadlineKind.ACKNOWLEDGE, DeadlineKind.BACK_UP)
    if track.holder:
        turn.do(TellResponder(track.holder, "backup_comes", alert.id))


def go_on_without_backup(turn: Turn, alert: Alert, track: Track) -> None:
    """Somebody who was asked as backup, or to take the track over, said no or cannot be reached."""
    if track.state is not TrackState.ACKNOWLEDGED or not alert.backup:
        return
    if track.next_holder == alert.id:
        track = replace(track, next_holder=None)
        turn.put(track)
        turn.do(TellSupervisors("hand_over_refused"))
    if alert.state in TAKEN and track.holder:
        turn.do(TellResponder(track.holder, "backup_gone"))
    incident = turn.incident
    beside = [other for other in incident.alerts_of(track.name, AlertState.OPEN, *TAKEN) if other.backup]
    comes = any(other.state in TAKEN for other in beside)
    searches = incident.has_due(track.name, DeadlineKind.ACKNOWLEDGE, DeadlineKind.BACK_UP)
    if comes or (searches and beside) or incident.has_due(track.name, DeadlineKind.SELECT):
        return
    # Nobody comes any more: more are asked while backup is looked for, or where it was lost and is wanted still.
    lost = alert.state in TAKEN and (track.backup_wanted or _is_late(incident, track))
    if track.backup and (searches or lost) and not incident.asks_last_resort(track.name):
        turn.ask_backup(track)


def _is_late(incident: Incident, track: Track) -> bool:
    """Whether the lead track's holder should be there by now."""
    arrived = track.holder is not None and incident.alert(track.holder).state is AlertState.ARRIVED
    return incident.is_lead(track.name) and not arrived and not incident.has_due(track.name, DeadlineKind.ARRIVE)


def nearest_backup(incident: Incident, track: Track) -> Alert | None:
    """Who has the track next where it is given back: of the backup that can answer for it, whoever is nearest."""
    able = incident.policy.track(track.name).acknowledged_by
    coming = [alert for alert in incident.alerts_of(track.name, *TAKEN) if alert.backup and alert.role in able]
    return min(coming, key=lambda alert: _NEARNESS.index(alert.state), default=None)
