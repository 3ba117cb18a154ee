"""The invariant: an open incident has a deadline or a named person; and what is done where one has neither."""

from dataclasses import dataclass

from ess.domain.errors import AlreadyRecorded
from ess.domain.incident.protocol import close_when_complete
from ess.domain.incident.rule import decides
from ess.domain.incident.state import RESPONDING, DeadlineKind, Incident, State
from ess.domain.incident.turn import Turn


def is_in_hand(incident: Incident) -> bool:
    """Whether the incident has a deadline or a named person: the invariant for every open incident.

    Whoever held it before is not the named person once it is resolved: then the calls are owed.
    """
    held = incident.state is not State.RESOLVED and any(track.holder for track in incident.tracks)
    return bool(incident.deadlines) or held


@dataclass(frozen=True)
class TakeInHand:
    """The audit found it in nobody's hand, which must never be: whoever is left is asked now."""


@decides(
    TakeInHand,
    {
        State.RECEIVED: {State.RECEIVED},
        **{state: {State.UNANSWERED} for state in RESPONDING},
        State.RESOLVED: {State.RESOLVED, State.CLOSED},
    },
)
def _take_in_hand(turn: Turn, _: TakeInHand) -> None:
    incident = turn.incident
    if is_in_hand(incident):
        raise AlreadyRecorded(f"incident {incident.code} is in hand")
    turn.note("taken_in_hand")
    match incident.state:
        case State.RECEIVED:
            turn.promise(DeadlineKind.LOCATE, turn.now)
        case State.RESOLVED if not incident.follow_ups:
            turn.promise(DeadlineKind.OPEN_FOLLOW_UPS, turn.now)
        case State.RESOLVED:
            for call in incident.follow_ups:
                if not call.is_done:
                    turn.promise(DeadlineKind.FOLLOW_UP, max(call.ask_at or turn.now, turn.now), str(call.id))
            close_when_complete(turn)
        case _:
            turn.ask_last_resort()
