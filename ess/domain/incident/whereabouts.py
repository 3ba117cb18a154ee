"""Where it is: the place becomes known, or known better; or nobody can name it.

What a corrected place changes: who has the alert hears of it, and tracks that nobody has acknowledged begin again where
other people are nearer.
"""

from dataclasses import dataclass, field, replace

from ess.domain.errors import AlreadyRecorded
from ess.domain.incident.decision import TellReporter, TellResponder, TellSupervisors
from ess.domain.incident.rule import decides
from ess.domain.incident.state import TAKEN, AlertState, DeadlineKind, Incident, State, Track, TrackState
from ess.domain.incident.turn import Turn
from ess.domain.place import Area, Pin, Place, distance_km
from ess.domain.policy import Within

#: A place that is corrected by less than this, in the same district, is for the same responders.
_NEAR_KM = 0.5


@dataclass(frozen=True)
class Locate:
    """The place is known, or known to be unknown; or it is known better than before."""

    place: Place | None
    pin: Pin | None = field(default=None, repr=False)
    #: The reporter named a place, and the words name none: they have not been asked yet.
    unclear: bool = False
    #: Tracks whose holder serves another area.
    outside: frozenset[str] = frozenset()
    #: The operator who says so, if one does.
    by: str = ""


def _has_that_place(incident: Incident, command: Locate) -> str:
    known = incident.place is not None and incident.place == command.place
    return f"incident {incident.code} has that place already" if known else ""


@decides(
    Locate,
    {
        State.RECEIVED: {State.LOCATED, State.UNANSWERED},
        State.LOCATED: {State.LOCATED},
        State.ALERTING: {State.ALERTING},
        State.UNANSWERED: {State.LOCATED, State.UNANSWERED},
        State.ACKNOWLEDGED: {State.ACKNOWLEDGED},
        State.ON_SCENE: {State.ON_SCENE},
    },
    repeated=_has_that_place,
)
def _locate(turn: Turn, command: Locate) -> None:
    incident, place = turn.incident, command.place
    if place is None:
        _leave_unknown(turn, is_unclear=command.unclear)
        return
    if (place, command.pin) == (incident.place, incident.pin):
        raise AlreadyRecorded(f"incident {incident.code} has that place already")
    turn.incident = replace(incident, place=place, pin=command.pin)
    turn.forget("")
    turn.note(
        "located" if incident.place is None else "place_corrected",
        province=place.province.code,
        district=place.district.code if place.district else None,
        confidence=place.confidence,
        source=place.source,
        accuracy_m=place.accuracy_m,
        by=command.by or None,
    )
    _tell_doubts(turn, incident.place)
    if incident.place is not None:
        _tell_correction(turn, incident)
    if incident.place is None or is_elsewhere(incident, turn.incident):
        _begin_there(turn, incident.place, command.outside)
    if not any(due.kind is DeadlineKind.SELECT for due in turn.incident.deadlines):  # else behind that choice
        turn.inform()


def _leave_unknown(turn: Turn, *, is_unclear: bool) -> None:
    """Nobody can be picked without a place: the last resort is asked at once."""
    if turn.incident.state is not State.RECEIVED:
        raise AlreadyRecorded(f"incident {turn.incident.code} is in hand without one more word on its place")
    turn.forget("")
    turn.note("place_unknown")
    if is_unclear:
        turn.do(TellReporter("which_place"))
    turn.ask_last_resort()


def _tell_doubts(turn: Turn, before: Place | None) -> None:
    """Where words fit several places the reporter is asked; where they contradict each other or a pin, supervisors too.

    An answer that leaves fewer of them is asked about again.
    """
    place = turn.incident.place
    if place and not place.is_sure and (before is None or (not before.is_sure and before.options != place.options)):
        options = place.options
        turn.note(
            "place_unsure",
            provinces=list(dict.fromkeys(province.code for _, province in options)),
            districts=[district.code for district, _ in options if district],
        )
        turn.do(TellReporter("which_place"))
    if place and place.contradicted_by and (before is None or before.contradicted_by != place.contradicted_by):
        turn.note("place_contradicted", province=place.province.code, said=place.contradicted_by.code)
        turn.do(TellSupervisors("place_contradicted"))


def _whereabouts(incident: Incident) -> tuple[Area | None, Area | None, Pin | None]:
    """Province, district and pin."""
    place = incident.place
    return (place.province, place.district, incident.pin) if place else (None, None, incident.pin)


def is_elsewhere(before: Incident, after: Incident) -> bool:
    """Whether other responders may be nearer: another district, or far in the same one."""
    if _whereabouts(before)[:2] != _whereabouts(after)[:2]:
        return True
    return before.pin is not None and after.pin is not None and distance_km(*before.pin, *after.pin) >= _NEAR_KM


def _tell_correction(turn: Turn, before: Incident) -> None:
    """Whoever has the alert hears where it is, if it is elsewhere."""
    if _whereabouts(before) != _whereabouts(turn.incident):
        for alert in turn.incident.alerts:
            if alert.state in {AlertState.OPEN, *TAKEN}:
                turn.do(TellResponder(alert.id, "place_corrected"))


def _begin_there(turn: Turn, before: Place | None, outside: frozenset[str]) -> None:
    """Tracks that nobody has acknowledged begin at the place; a holder stays, wherever they are responsible.

    Whoever serves the whole province is waited for in another district of it too, and only volunteers there are new.
    """
    for track in turn.incident.tracks:
        if _waits_there(turn.incident, track, before):
            turn.promise(DeadlineKind.SELECT, turn.now, track.name)
        elif track.state in {TrackState.PENDING, TrackState.ALERTING, TrackState.UNANSWERED}:
            turn.ask_step(track, 1)
        elif track.holder and track.name in outside:
            turn.note("outside_area", track=track.name, responder_id=turn.incident.alert(track.holder).responder_id)
            turn.do(TellSupervisors("outside_area"))
    if turn.incident.state in {State.RECEIVED, State.UNANSWERED}:
        turn.become(State.LOCATED)


def _waits_there(incident: Incident, track: Track, before: Place | None) -> bool:
    """Whether everybody whom the track has waited for so far is responsible where the incident is now."""
    if track.state is not TrackState.ALERTING or not incident.has_due(track.name, DeadlineKind.ACKNOWLEDGE):
        return False
    if before is None or incident.place is None or before.province != incident.place.province:
        return False
    policy = incident.policy.track(track.name)
    awaited = [
        target for step in policy.steps[: track.step] for target in step.alert if target.role in policy.acknowledged_by
    ]
    return all(target.within in {Within.PROVINCE, Within.NATION} for target in awaited)
