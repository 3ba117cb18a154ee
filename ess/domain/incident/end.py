"""How it ends for the responders: the danger is over, nobody is needed, or another incident goes on for it."""

from dataclasses import dataclass, replace
from uuid import UUID

from ess.domain.errors import Refused
from ess.domain.incident.decision import TellReporter
from ess.domain.incident.rule import decides
from ess.domain.incident.state import DANGER, TAKEN, AlertState, DeadlineKind, Incident, State, TrackState
from ess.domain.incident.turn import Turn


@dataclass(frozen=True)
class Resolve:
    """The responder who holds the lead track says that the danger is over."""

    alert_id: UUID
    via: str = ""


def _is_resolved(incident: Incident, command: Resolve) -> str:
    theirs = any(alert.id == command.alert_id and alert.state in TAKEN for alert in incident.alerts)
    return "this incident is resolved already" if theirs and incident.state in {State.RESOLVED, State.CLOSED} else ""


@decides(
    Resolve,
    {
        State.UNANSWERED: {State.RESOLVED},
        State.ACKNOWLEDGED: {State.RESOLVED},
        State.ON_SCENE: {State.RESOLVED},
    },
    repeated=_is_resolved,
)
def _resolve(turn: Turn, command: Resolve) -> None:
    alert, track = turn.incident.taken(command.alert_id)
    if not turn.incident.is_lead(track.name) or track.holder != alert.id:
        raise Refused("only whoever answers for the incident can say that the danger is over")
    turn.note("resolved", alert_id=alert.id, responder_id=alert.responder_id, via=command.via)
    _end(turn, State.RESOLVED, by=alert.id)
    turn.promise(DeadlineKind.OPEN_FOLLOW_UPS, turn.now)
    turn.do(TellReporter("reporter_over"))


@dataclass(frozen=True)
class Cancel:
    """An operator says that nobody is needed."""

    by: str
    reason: str = ""


@decides(Cancel, {state: {State.CANCELLED} for state in DANGER})
def _cancel(turn: Turn, command: Cancel) -> None:
    turn.note("cancelled", by=command.by, reason=command.reason)
    _end(turn, State.CANCELLED)
    turn.do(TellReporter("reporter_over"))


@dataclass(frozen=True)
class Merge:
    """An operator says that another incident tells the same story."""

    by: str
    into_id: UUID
    into_code: str


@decides(Merge, {state: {State.MERGED} for state in DANGER})
def _merge(turn: Turn, command: Merge) -> None:
    if command.into_id == turn.incident.id:
        raise Refused("an incident cannot be merged into itself")
    turn.note("merged", by=command.by, into_id=command.into_id, into_code=command.into_code)
    _end(turn, State.MERGED, into=command.into_code)


@dataclass(frozen=True)
class Close:
    """An operator says that the record is complete."""

    by: str
    reason: str = ""
    #: Nothing had happened; the evidence stays, and the next report of the same person is taken as any other.
    false_report: bool = False


@decides(Close, {state: {State.CLOSED} for state in State if state is not State.CLOSED})
def _close(turn: Turn, command: Close) -> None:
    if turn.incident.state in DANGER:  # else they were told already
        turn.do(TellReporter("reporter_over"))
    _end(turn, State.CLOSED)
    found = {"false_report": True} if command.false_report else {}
    turn.note("closed", by=command.by, reason=command.reason, **found)


def _end(turn: Turn, state: State, *, by: UUID | None = None, into: str = "") -> None:
    """The incident is over for the responders: nobody is asked any more, nothing is due."""
    busy = {AlertState.OPEN, *TAKEN}
    others = [alert for alert in turn.incident.alerts if alert.state in busy and alert.id != by]
    turn.stand_down(others, "merged" if into else "over", into=into)
    for track in turn.incident.tracks:
        turn.put(replace(track, state=TrackState.ENDED))
    turn.forget_all()
    turn.become(state)
