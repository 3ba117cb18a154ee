"""From report to closed: everything that decides about an incident is in this package.

A report comes in and an incident begins, `received`.  It is `located`: the pin or the address becomes a
province and a district.  Then each *track* of its policy asks people, one *step* after another: a step
alerts its responders and waits; when nobody has acknowledged by the deadline, the next step begins.  Who
is on the scene of another incident is asked only where the step finds nobody free, and is not waited for: the
next step begins beside them at once.  The first alert makes the incident `alerting`.

Whoever the policy only *informs*, the 191 centre of the province, is told once somebody has been alerted, and has
nothing to answer.

A responder *accepts*: that acknowledges their track, stands the others of that track down, and leaves
the other tracks alone.  Who says that they are on the way, or there, or when they will be, accepts by it.
The *lead* track (police response) is the one that the reporter was promised: its acknowledgement makes
the incident `acknowledged` and tells the reporter who comes and when.  That another track's team comes too, and when,
they are told once.  Then they arrive (`on_scene`), the danger ends (`resolved`), the promised follow-up calls are made
as `ess.domain.follow_up` says, and the record is complete (`closed`).

Who accepted is asked when they are not on the way in time, and again when they are not there in time; no answer, and
the *backup*, the next step of the track, is alerted beside them.  Whoever is on the way or there calls it at once.
Backup takes nothing from anybody: the holder keeps the track until they give it back, and then the backup that comes
has it, or until an operator hands it over to another unit.

The place may be corrected while the danger lasts.  Everybody who has the alert is told, and nobody is stood down
for it.  Near by, in the same district, nothing else changes.  Elsewhere the tracks that nobody has acknowledged begin
again at their first step; who was asked already is not asked twice.  Whoever holds a track keeps it, and the
supervisors hear where the place is outside of the holder's area.  Whoever serves the whole province is waited for in
another district of it.  A place that is only guessed, from words that fit several or contradict themselves, is
dispatched all the same, the national desk is asked beside the first step, and the reporter is asked which.
Another report of the same place and hour joins as a witness; so do the reports of an incident that is merged into it.

Nobody answers?  A track that has run out of steps is `unanswered`: the last resort, the national desk
and the supervisors, is alerted again and again until a person takes it.  Who does so *owns* the
incident; a police acknowledgement is still welcome after that.  A place that nobody can name goes the
same way at once, because no responder can be picked without one.

What reporters write is personal: whoever has taken the incident reads it, in their own chat, and nobody does who is
only asked.

Beside the road: `cancelled` (a person says that nobody is needed) and `merged` (another incident tells
the same story).  Every state can reach `closed`.  What a reporter says of themselves stands nobody down; that they
are not safe is told to the supervisors at any time, also after the end.

`decide(incident, command, now)` is pure: it returns the new incident, the facts for its timeline and the
effects that the shell must carry out.  What is promised for later stands in `incident.deadlines`; the
shell stores each as a row, and the clock makes it happen.  Ids and the roster's choice come in with the
command, because chance and look-ups have no place here.

The invariant: **an open incident has a deadline or a named person** (`is_in_hand`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from ess.domain import follow_up as care
from ess.domain.calling_hours import ANY_TIME, CallingHours
from ess.domain.duty import NATIONAL_ROLES, Role
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, Refused
from ess.domain.follow_up import Course, Outcome
from ess.domain.incident.decision import (
    AskFollowUp,
    AskResponder,
    Decision,
    Effect,
    Fact,
    Inform,
    PassOn,
    TellReporter,
    TellResponder,
    TellSupervisors,
)
from ess.domain.incident.state import (
    DANGER,
    ENDED,
    RESPONDING,
    TAKEN,
    Alert,
    AlertState,
    Deadline,
    DeadlineKind,
    Incident,
    State,
    Track,
    TrackState,
)
from ess.domain.incident.turn import Turn
from ess.domain.place import Area, Pin, Place, distance_km
from ess.domain.policy import FollowUpPlan, Policy, Within
from ess.domain.reason import Reason, Rest, told
from ess.domain.report import IncidentType

__all__ = [
    "ENDED",
    "TAKEN",
    "TRANSITIONS",
    "Accept",
    "Alert",
    "AlertResponders",
    "AlertState",
    "Arrive",
    "AskFollowUp",
    "AskResponder",
    "Assign",
    "CallBackup",
    "Cancel",
    "Chosen",
    "Close",
    "Command",
    "Deadline",
    "DeadlineKind",
    "Decision",
    "Decline",
    "Depart",
    "Effect",
    "Escalate",
    "Estimate",
    "Fact",
    "HandOver",
    "HearReporter",
    "Incident",
    "Inform",
    "Join",
    "Locate",
    "LoseContact",
    "Merge",
    "MindFollowUp",
    "MoveFollowUp",
    "NameService",
    "OpenFollowUps",
    "PassDeadline",
    "PassOn",
    "ReportFollowUp",
    "ReporterWord",
    "Resolve",
    "State",
    "TakeFollowUp",
    "TakeInHand",
    "TellReporter",
    "TellResponder",
    "TellSupervisors",
    "Track",
    "TrackState",
    "decide",
    "is_elsewhere",
    "is_in_hand",
    "receive",
]

#: A place that is corrected by less than this, in the same district, is for the same responders.
_NEAR_KM = 0.5


#: Arrivals that differ by less than this are the same to whoever waits.
_SAME_TIME = timedelta(minutes=1)


def is_in_hand(incident: Incident) -> bool:
    """Whether the incident has a deadline or a named person: the invariant for every open incident.

    Whoever held it before is not the named person once it is resolved: then the calls are owed.
    """
    held = incident.state is not State.RESOLVED and any(track.holder for track in incident.tracks)
    return bool(incident.deadlines) or held


@dataclass(frozen=True)
class Chosen:
    """A responder picked for a step, with the id that a new alert will have."""

    alert_id: UUID
    responder_id: UUID
    role: Role
    reason: Reason = ()
    #: At the place of another incident, and asked because nobody is free.
    on_scene: bool = False


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


@dataclass(frozen=True)
class Join:
    """More reports tell of it: a witness's, or those of an incident that was merged into it."""

    reports: tuple[UUID, ...]
    #: What they say more than that it happens.
    words: str = field(default="", repr=False)
    merged_from: UUID | None = None
    by: str = ""


@dataclass(frozen=True)
class AlertResponders:
    """The choice that a `SELECT` deadline asked for; an empty one goes on to the next step at once."""

    deadline: Deadline
    #: The step that it was made for.
    step: int
    chosen: tuple[Chosen, ...]
    #: For the timeline: candidates that were passed over, each with the reason …
    passed_over: tuple[Mapping[str, Any], ...] = ()
    #: … and how many more there were, and why none of them.
    rest: tuple[Rest, ...] = ()


@dataclass(frozen=True)
class PassDeadline:
    """A stored deadline has come."""

    deadline: Deadline


@dataclass(frozen=True)
class Accept:
    """A responder says: mine."""

    alert_id: UUID
    #: Until arrival, where they said so.
    eta: timedelta | None = None
    via: str = ""


@dataclass(frozen=True)
class Estimate:
    """A responder says when they will be there, and so accepts where they have not yet."""

    alert_id: UUID
    #: Until arrival.
    eta: timedelta
    via: str = ""


@dataclass(frozen=True)
class Decline:
    """A responder cannot go, or gives back what they had accepted."""

    alert_id: UUID
    via: str = ""


@dataclass(frozen=True)
class LoseContact:
    """Every channel of a responder has failed for good."""

    alert_id: UUID


@dataclass(frozen=True)
class Depart:
    """The responder is on the way, and so accepts where they have not yet."""

    alert_id: UUID
    via: str = ""
    #: Until arrival, where they said so.
    eta: timedelta | None = None


@dataclass(frozen=True)
class Arrive:
    """The responder is there, and so accepts where they have not yet."""

    alert_id: UUID
    via: str = ""


@dataclass(frozen=True)
class CallBackup:
    """Whoever is on the way or there needs more people."""

    alert_id: UUID
    via: str = ""


@dataclass(frozen=True)
class Resolve:
    """The responder who holds the lead track says that the danger is over."""

    alert_id: UUID
    via: str = ""


class ReporterWord(StrEnum):
    """What a reporter says of themselves while the incident runs."""

    #: Safe: a person asks before anybody is stood down.
    SAFE = "safe"
    #: Nobody is needed any more, they say: a person asks as well.
    CANCELS = "cancels"
    #: It is not over for them, although somebody said so.
    UNSAFE = "unsafe"
    #: In danger themselves: a call back may harm.
    IN_DANGER = "in_danger"
    #: Something in words of their own.
    WROTE = "wrote"


@dataclass(frozen=True)
class HearReporter:
    """The reporter says how they are, or writes, also after the end; it changes nothing but who knows."""

    word: ReporterWord
    #: What they wrote; None: all that was written so far.
    words: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class OpenFollowUps:
    """The calls of the protocol, each with the person who will make it, if there is one."""

    calls: tuple[tuple[UUID, FollowUpPlan, UUID | None], ...]
    hours: CallingHours = ANY_TIME


@dataclass(frozen=True)
class MindFollowUp:
    """A follow-up's deadline has come: it is to be asked for, or was missed."""

    deadline: Deadline
    #: Who is responsible for it now; None where the roster has nobody.
    caller: UUID | None
    hours: CallingHours = ANY_TIME


@dataclass(frozen=True)
class ReportFollowUp:
    """A social worker says how the call went, or a team how the visit did."""

    follow_up_id: UUID
    outcome: Outcome
    via: str = ""
    hours: CallingHours = ANY_TIME
    #: The try, from 1, for which the card was sent that says so; None where it does not say.
    attempt: int | None = None


@dataclass(frozen=True)
class MoveFollowUp:
    """The call is to be made at a time that suits the victim."""

    follow_up_id: UUID
    #: UTC.
    at: datetime
    via: str = ""
    hours: CallingHours = ANY_TIME


@dataclass(frozen=True)
class TakeFollowUp:
    """A supervisor sees to a call or a visit that is overdue."""

    follow_up_id: UUID
    #: The supervisor's responder id.
    by: UUID
    via: str = ""
    hours: CallingHours = ANY_TIME


@dataclass(frozen=True)
class NameService:
    """Which service is needed, or which agency goes on: a word of `config/messages`."""

    follow_up_id: UUID
    service: str
    via: str = ""


@dataclass(frozen=True)
class Cancel:
    """An operator says that nobody is needed."""

    by: str
    reason: str = ""


@dataclass(frozen=True)
class Escalate:
    """An operator does not want to wait for the deadline of a track's step."""

    by: str
    #: None: the lead track.
    track: str | None = None


@dataclass(frozen=True)
class Assign:
    """An operator asks one responder by name, in the lead track."""

    by: str
    chosen: Chosen


@dataclass(frozen=True)
class HandOver:
    """An operator gives a track to another unit: at once where it comes already, else as soon as it accepts."""

    by: str
    #: Of whoever has the track.
    alert_id: UUID
    chosen: Chosen


@dataclass(frozen=True)
class Close:
    """An operator says that the record is complete."""

    by: str
    reason: str = ""
    #: Nothing had happened; the evidence stays, and the next report of the same person is taken as any other.
    false_report: bool = False


@dataclass(frozen=True)
class Merge:
    """An operator says that another incident tells the same story."""

    by: str
    into_id: UUID
    into_code: str


@dataclass(frozen=True)
class TakeInHand:
    """The audit found it in nobody's hand, which must never be: whoever is left is asked now."""


Command = (
    Locate
    | Join
    | AlertResponders
    | PassDeadline
    | Accept
    | Estimate
    | Decline
    | LoseContact
    | Depart
    | Arrive
    | CallBackup
    | Resolve
    | HearReporter
    | OpenFollowUps
    | MindFollowUp
    | ReportFollowUp
    | MoveFollowUp
    | TakeFollowUp
    | NameService
    | Cancel
    | Escalate
    | Assign
    | HandOver
    | Close
    | Merge
    | TakeInHand
)


#: What may be asked in which state, and where it may lead.  Anything else is refused.
TRANSITIONS: Mapping[tuple[State, type], frozenset[State]] = {
    (State.RECEIVED, Locate): frozenset({State.LOCATED, State.UNANSWERED}),
    (State.LOCATED, Locate): frozenset({State.LOCATED}),
    (State.ALERTING, Locate): frozenset({State.ALERTING}),
    (State.UNANSWERED, Locate): frozenset({State.LOCATED, State.UNANSWERED}),
    (State.ACKNOWLEDGED, Locate): frozenset({State.ACKNOWLEDGED}),
    (State.ON_SCENE, Locate): frozenset({State.ON_SCENE}),
    **{(state, Join): frozenset({state}) for state in State if state not in ENDED},
    (State.LOCATED, AlertResponders): frozenset({State.LOCATED, State.ALERTING, State.UNANSWERED}),
    (State.ALERTING, AlertResponders): frozenset({State.ALERTING, State.UNANSWERED}),
    (State.UNANSWERED, AlertResponders): frozenset({State.UNANSWERED}),
    (State.ACKNOWLEDGED, AlertResponders): frozenset({State.ACKNOWLEDGED}),
    (State.ON_SCENE, AlertResponders): frozenset({State.ON_SCENE}),
    (State.LOCATED, PassDeadline): frozenset({State.LOCATED}),
    (State.ALERTING, PassDeadline): frozenset({State.ALERTING, State.UNANSWERED}),
    (State.UNANSWERED, PassDeadline): frozenset({State.UNANSWERED}),
    (State.ACKNOWLEDGED, PassDeadline): frozenset({State.ACKNOWLEDGED}),
    (State.ON_SCENE, PassDeadline): frozenset({State.ON_SCENE}),
    **{(state, Accept): frozenset({state, State.ACKNOWLEDGED}) for state in RESPONDING},
    **{(state, Estimate): frozenset({state, State.ACKNOWLEDGED}) for state in RESPONDING},
    (State.LOCATED, Decline): frozenset({State.LOCATED}),
    (State.ALERTING, Decline): frozenset({State.ALERTING, State.UNANSWERED}),
    (State.UNANSWERED, Decline): frozenset({State.UNANSWERED}),
    (State.ACKNOWLEDGED, Decline): frozenset({State.ACKNOWLEDGED, State.ON_SCENE, State.ALERTING, State.UNANSWERED}),
    (State.ON_SCENE, Decline): frozenset({State.ON_SCENE, State.ACKNOWLEDGED, State.ALERTING, State.UNANSWERED}),
    (State.LOCATED, LoseContact): frozenset({State.LOCATED}),
    (State.ALERTING, LoseContact): frozenset({State.ALERTING, State.UNANSWERED}),
    (State.UNANSWERED, LoseContact): frozenset({State.UNANSWERED}),
    (State.ACKNOWLEDGED, LoseContact): frozenset({State.ACKNOWLEDGED}),
    (State.ON_SCENE, LoseContact): frozenset({State.ON_SCENE}),
    **{(state, Depart): frozenset({state, State.ACKNOWLEDGED}) for state in RESPONDING},
    **{(state, Arrive): frozenset({state, State.ON_SCENE}) for state in RESPONDING},
    **{(state, CallBackup): frozenset({state}) for state in RESPONDING},
    (State.UNANSWERED, Resolve): frozenset({State.RESOLVED}),
    (State.ACKNOWLEDGED, Resolve): frozenset({State.RESOLVED}),
    (State.ON_SCENE, Resolve): frozenset({State.RESOLVED}),
    **{(state, HearReporter): frozenset({state}) for state in State if state is not State.MERGED},
    (State.RESOLVED, OpenFollowUps): frozenset({State.RESOLVED, State.CLOSED}),
    (State.RESOLVED, MindFollowUp): frozenset({State.RESOLVED}),
    (State.RESOLVED, ReportFollowUp): frozenset({State.RESOLVED, State.CLOSED}),
    (State.RESOLVED, MoveFollowUp): frozenset({State.RESOLVED}),
    (State.RESOLVED, TakeFollowUp): frozenset({State.RESOLVED}),
    **{(state, NameService): frozenset({state}) for state in (State.RESOLVED, State.CLOSED)},
    (State.LOCATED, Escalate): frozenset({State.LOCATED, State.UNANSWERED}),
    (State.ALERTING, Escalate): frozenset({State.ALERTING, State.UNANSWERED}),
    (State.UNANSWERED, Escalate): frozenset({State.UNANSWERED}),
    (State.ACKNOWLEDGED, Escalate): frozenset({State.ACKNOWLEDGED}),
    (State.ON_SCENE, Escalate): frozenset({State.ON_SCENE}),
    (State.ALERTING, Assign): frozenset({State.ALERTING}),
    (State.UNANSWERED, Assign): frozenset({State.UNANSWERED}),
    **{(state, HandOver): frozenset({state}) for state in (State.LOCATED, State.ALERTING, State.UNANSWERED)},
    (State.ACKNOWLEDGED, HandOver): frozenset({State.ACKNOWLEDGED, State.ON_SCENE}),
    (State.ON_SCENE, HandOver): frozenset({State.ON_SCENE, State.ACKNOWLEDGED}),
    **{(state, Cancel): frozenset({State.CANCELLED}) for state in DANGER},
    **{(state, Merge): frozenset({State.MERGED}) for state in DANGER},
    **{(state, Close): frozenset({State.CLOSED}) for state in State if state is not State.CLOSED},
    (State.RECEIVED, TakeInHand): frozenset({State.RECEIVED}),
    **{(state, TakeInHand): frozenset({State.UNANSWERED}) for state in RESPONDING},
    (State.RESOLVED, TakeInHand): frozenset({State.RESOLVED, State.CLOSED}),
}


def receive(
    incident_id: UUID,
    code: str,
    incident_type: IncidentType,
    policy: Policy,
    *,
    has_place: bool,
    now: datetime,
    pin: Pin | None = None,
) -> Decision:
    """A new incident; without any word on its place the reporter is asked, and the wait is limited."""
    turn = Turn(
        Incident(
            incident_id,
            code,
            incident_type,
            policy,
            tracks=tuple(Track(track.name) for track in policy.tracks),
            pin=pin,
        ),
        now,
    )
    turn.note("received")
    turn.promise(DeadlineKind.LOCATE, now if has_place else now + policy.place_wait)
    turn.do(TellReporter("received" if has_place else "where"))
    return turn.decision()


def decide(incident: Incident, command: Command, now: datetime) -> Decision:
    """What `command` does to `incident` at `now` (UTC).

    Refused where the table has no such row, AlreadyRecorded where the same was said before, AlreadyTaken
    where somebody else has it, NotFound for an alert, track or follow-up that is not there.
    """
    allowed = TRANSITIONS.get((incident.state, type(command)))
    if allowed is None:
        _refuse_repeated(incident, command)
        action = type(command).__name__.lower()
        raise Refused(f"incident {incident.code} is {incident.state}: {action} does not apply any more or yet")
    turn = Turn(incident, now)
    _DECISIONS[type(command)](turn, command)
    decision = turn.decision()
    if decision.incident.state not in allowed:  # a bug, never a user's mistake
        raise AssertionError(f"{incident.state} + {command} led to {decision.incident.state}")
    return decision


def _locate(turn: Turn, command: Locate) -> None:
    incident, place = turn.incident, command.place
    if place is None:
        if incident.state is not State.RECEIVED:
            raise AlreadyRecorded(f"incident {incident.code} is in hand without one more word on its place")
        turn.forget("")
        turn.note("place_unknown")
        if command.unclear:
            turn.do(TellReporter("which_place"))
        lead = incident.lead
        turn.ask_step(lead, len(incident.policy.lead.steps) + 1)
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


def _whereabouts(incident: Incident) -> tuple[Area | None, Area | None, Pin | None]:
    """Province, district and pin."""
    place = incident.place
    return (place.province, place.district, incident.pin) if place else (None, None, incident.pin)


def is_elsewhere(before: Incident, after: Incident) -> bool:
    """Whether other responders may be nearer: another district, or far in the same one."""
    if _whereabouts(before)[:2] != _whereabouts(after)[:2]:
        return True
    return before.pin is not None and after.pin is not None and distance_km(*before.pin, *after.pin) >= _NEAR_KM


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


def _join(turn: Turn, command: Join) -> None:
    incident = turn.incident
    if command.merged_from:
        turn.note("absorbed", incident_id=command.merged_from, by=command.by)
    else:
        turn.note("joined", report_ids=list(command.reports))
    arrival_at = _arrival(incident)
    for report_id in command.reports:
        turn.do(TellReporter("goes_on_as" if command.merged_from else "received", report_id=report_id))
        if incident.lead.state is TrackState.ACKNOWLEDGED:
            turn.do(TellReporter("acknowledged" if arrival_at else "in_good_hands", arrival_at, report_id))
    for alert in incident.alerts:
        if command.words and alert.state in TAKEN:
            turn.do(TellResponder(alert.id, "another_report"))
            turn.do(PassOn(alert.id, command.words))


def _arrival(incident: Incident) -> datetime | None:
    """When the holder of the lead track is expected; None once they are there or late."""
    dues = (due.due_at for due in incident.deadlines if due.kind is DeadlineKind.ARRIVE)
    return next(dues, None)


def _alert_responders(turn: Turn, command: AlertResponders) -> None:
    incident = turn.incident
    track = incident.track(command.deadline.subject)
    if command.deadline not in incident.deadlines or command.step != track.asking:
        raise AlreadyRecorded(f"step {command.step} of {track.name} was chosen or passed before")
    is_held = track.state is TrackState.ACKNOWLEDGED
    last_resort = incident.asks_last_resort(track.name)
    before = {alert.responder_id: alert for alert in incident.alerts if alert.track == track.name}
    fresh = [chosen for chosen in command.chosen if last_resort or chosen.responder_id not in before]
    if is_held:  # whoever has it, comes already, or is being asked is no more help than they are
        busy = {who for who, alert in before.items() if alert.state in {AlertState.OPEN, *TAKEN}}
        fresh = [chosen for chosen in fresh if chosen.responder_id not in busy]
    elif incident.has_due(track.name, DeadlineKind.ACKNOWLEDGE):
        # The step goes on at a corrected place: whom it waits for has been asked, and who comes beside them is new.
        awaited = incident.policy.track(track.name).acknowledged_by
        fresh = [chosen for chosen in fresh if chosen.role not in awaited]
    turn.forget(track.name, DeadlineKind.SELECT)
    turn.note(
        "responders_selected",
        track=track.name,
        step=track.asking,
        chosen=[{"responder_id": chosen.responder_id, "reason": told(chosen.reason)} for chosen in fresh],
        passed_over=[dict(candidate) for candidate in command.passed_over],
        n_more=sum(rest.n for rest in command.rest),
        rest=[rest.to_json() for rest in command.rest],
    )
    for chosen in fresh:
        if chosen.responder_id in before:
            turn.ask_again(replace(before[chosen.responder_id], backup=is_held))
        else:
            _ask(turn, track, chosen)
    if is_held:
        _wait_for_backup(turn, track, fresh)
    elif last_resort:
        turn.promise(DeadlineKind.SELECT, turn.now + incident.policy.last_resort.repeat, track.name)
    elif incident.has_due(track.name, DeadlineKind.ACKNOWLEDGE):
        pass
    elif _is_worth_waiting(incident, track, fresh):
        wait = incident.policy.track(track.name).steps[track.step - 1].wait
        turn.promise(DeadlineKind.ACKNOWLEDGE, turn.now + wait, track.name)
    else:
        turn.ask_step(track, track.step + 1)
    if fresh and turn.incident.state is State.LOCATED:
        turn.become(State.ALERTING)
    turn.inform()


def _is_awaited(incident: Incident, track: Track, role: Role) -> bool:
    """Whether the step waits for this role: whoever stops the track, or a desk that the step itself asks."""
    policy = incident.policy.track(track.name)
    wanted = incident.policy.targets(track.name, track.asking)
    return role in policy.acknowledged_by or (role in NATIONAL_ROLES and any(target.role is role for target in wanted))


def _is_worth_waiting(incident: Incident, track: Track, chosen: Iterable[Chosen]) -> bool:
    """Whether the next step waits for one of these: volunteers, and who is on another scene, are welcome beside it."""
    return any(_is_awaited(incident, track, each.role) and not each.on_scene for each in chosen)


def _ask(turn: Turn, track: Track, chosen: Chosen) -> None:
    """Alert somebody who has heard nothing of it yet."""
    is_held = track.state is TrackState.ACKNOWLEDGED
    step = track.asking or track.step  # a unit that is handed the track is asked before any backup
    alert = Alert(chosen.alert_id, chosen.responder_id, chosen.role, track.name, step, backup=is_held)
    turn.put(alert)
    turn.do(AskResponder(alert.id))
    turn.note("alerted", alert_id=alert.id, responder_id=alert.responder_id, track=alert.track, step=alert.step)


def _pass_deadline(turn: Turn, command: PassDeadline) -> None:
    deadline = command.deadline
    if deadline not in turn.incident.deadlines:
        raise AlreadyRecorded("that deadline was met or moved before it came")
    turn.forget(deadline.subject, deadline.kind)
    match deadline.kind:
        case DeadlineKind.ACKNOWLEDGE:
            track = turn.incident.track(deadline.subject)
            if track.state is TrackState.ACKNOWLEDGED:
                turn.note("backup_expired", track=track.name, step=track.backup, due_at=deadline.due_at)
                turn.ask_backup(track)
                return
            turn.note("step_expired", track=track.name, step=track.step, due_at=deadline.due_at)
            turn.ask_step(track, track.step + 1)
        case DeadlineKind.DEPART:
            track = turn.incident.track(deadline.subject)
            turn.note("departure_overdue", track=track.name, alert_id=track.holder)
            _ask_where(turn, track, "departed_yet")
        case DeadlineKind.ARRIVE:
            track = turn.incident.track(deadline.subject)
            turn.note("arrival_overdue", track=track.name, alert_id=track.holder)
            _ask_where(turn, track, "arrived_yet")
            turn.do(TellSupervisors("arrival_overdue"))
        case DeadlineKind.BACK_UP:
            track = turn.incident.track(deadline.subject)
            if track.holder and not track.backup:
                turn.do(TellResponder(track.holder, "backup_called"))
                turn.do(TellSupervisors("backup_alerted"))
            turn.ask_backup(track)
            if not turn.incident.asks_last_resort(track.name):
                turn.promise(DeadlineKind.BACK_UP, turn.now + turn.incident.policy.backup_after, track.name)
        case _:  # the others need a look-up first: their own commands bring it
            raise AssertionError(f"{deadline.kind} is not passed, it is worked on")


def _ask_where(turn: Turn, track: Track, message: str) -> None:
    """The holder is asked, and backup is alerted where no answer comes."""
    if track.holder:
        turn.do(TellResponder(track.holder, message))
    comes = any(alert.backup for alert in turn.incident.alerts_of(track.name, *TAKEN))
    if not comes and not turn.incident.has_due(track.name, DeadlineKind.BACK_UP):
        turn.promise(DeadlineKind.BACK_UP, turn.now + turn.incident.policy.backup_after, track.name)


def _wait_for_backup(turn: Turn, track: Track, fresh: Iterable[Chosen]) -> None:
    """After a ring the next one, unless somebody comes; after the last resort nobody is left."""
    incident = turn.incident
    if incident.asks_last_resort(track.name):
        return
    if not _is_worth_waiting(incident, track, fresh):
        turn.ask_backup(track)
    elif not incident.has_due(track.name, DeadlineKind.BACK_UP):  # else that is the wait
        wait = incident.policy.track(track.name).steps[track.backup - 1].wait
        turn.promise(DeadlineKind.ACKNOWLEDGE, turn.now + wait, track.name)


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


def _accept_as_backup(turn: Turn, alert: Alert, track: Track) -> None:
    """They come as well, and whoever has the track hears who."""
    if _is_awaited(turn.incident, track, alert.role):
        turn.forget(track.name, DeadlineKind.ACKNOWLEDGE, DeadlineKind.BACK_UP)
    if track.holder:
        turn.do(TellResponder(track.holder, "backup_comes", alert.id))


def _go_on_without(turn: Turn, alert: Alert, track: Track) -> None:
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
    is_lead = track.name == incident.lead.name
    arrived = track.holder is not None and incident.alert(track.holder).state is AlertState.ARRIVED
    return is_lead and not arrived and not incident.has_due(track.name, DeadlineKind.ARRIVE)


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
        _take_over(turn, track, known)
        turn.do(TellResponder(known.id, "yours_now"))
        return
    turn.put(replace(track, next_holder=known.id if known else chosen.alert_id))
    if known:
        turn.ask_again(replace(known, backup=True))
    else:
        _ask(turn, track, chosen)


def _take_over(turn: Turn, track: Track, alert: Alert) -> None:
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
    if track.name != turn.incident.lead.name:
        return
    if alert.state is not AlertState.ARRIVED:
        arrival_at = _await_arrival(turn, alert)
        turn.become(State.ACKNOWLEDGED)
        _promise_arrival(turn, "acknowledged", arrival_at)
    elif turn.incident.state is State.ACKNOWLEDGED:
        turn.become(State.ON_SCENE)
        turn.do(TellReporter("arrived"))


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
    if lead.promised_at is None or arrival_at - lead.promised_at >= _SAME_TIME:
        turn.put(replace(lead, promised_at=arrival_at))
        turn.do(TellReporter(message, arrival_at))


def _accept(turn: Turn, command: Accept) -> None:
    incident = turn.incident
    alert, track = turn.incident.alert_and_track(command.alert_id)
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
        _take_over(turn, track, accepted)
    elif alert.backup:
        _accept_as_backup(turn, accepted, track)
    elif owns:
        turn.put(replace(track, holder=alert.id))
        turn.forget(track.name, DeadlineKind.SELECT)
        turn.note("owned", responder_id=alert.responder_id)
        others = turn.incident.alerts_of(track.name, AlertState.OPEN)
        turn.stand_down([other for other in others if other.role in NATIONAL_ROLES], "stood_down", alert.id)
    elif counts:
        turn.forget(track.name)
        turn.put(replace(track, state=TrackState.ACKNOWLEDGED, holder=alert.id))
        waiting = turn.incident.alerts_of(track.name, AlertState.OPEN)
        desks = [other for other in turn.incident.alerts_of(track.name, *TAKEN) if other.role in NATIONAL_ROLES]
        turn.stand_down([*waiting, *(desk for desk in desks if desk.id != alert.id)], "stood_down", alert.id)
        if track.name == incident.policy.lead.name:
            arrival_at = _await_arrival(turn, accepted)
            turn.put(replace(turn.incident.lead, promised_at=arrival_at))
            turn.become(State.ACKNOWLEDGED)
            turn.note("acknowledged", responder_id=alert.responder_id, arrival_at=arrival_at)
            turn.do(TellReporter("acknowledged", arrival_at))
        elif track.promised_at is None:
            arrival_at = eta_at or turn.now + incident.policy.arrival_target
            turn.put(replace(turn.incident.track(track.name), promised_at=arrival_at))
            turn.do(TellReporter("team_comes", arrival_at, holder=alert.id))


def _coming(turn: Turn, command: Estimate | Depart | Arrive) -> tuple[Alert, Track]:
    """Whoever says that they come, or are there, and has not said "mine" before, says it with that."""
    alert, _ = turn.incident.alert_and_track(command.alert_id)
    if alert.state is AlertState.DECLINED:
        raise Refused("you have declined: accept first")
    if alert.state not in TAKEN:
        eta = timedelta() if isinstance(command, Arrive) else command.eta
        _accept(turn, Accept(command.alert_id, eta, command.via))
    return turn.incident.alert_and_track(command.alert_id)


def _estimate(turn: Turn, command: Estimate) -> None:
    was_taken = turn.incident.alert(command.alert_id).state in TAKEN
    alert, track = _coming(turn, command)
    if was_taken:  # else the time was said with the acceptance
        _expect(turn, alert, track, command)


def _is_news(alert: Alert, eta: timedelta | None, now: datetime) -> bool:
    """Whether an arrival is another one than they said before."""
    if eta is None or alert.state is AlertState.ARRIVED:
        return False
    return alert.eta_at is None or abs(alert.eta_at - now - eta) >= _SAME_TIME


def _expect(turn: Turn, alert: Alert, track: Track, command: Accept | Estimate | Depart) -> None:
    """From now on they are expected then; the reporter hears of it only where it is later than they were told."""
    if command.eta is None or not _is_news(alert, command.eta, turn.now):
        raise AlreadyRecorded("you have said so already")
    eta_at = turn.now + command.eta
    turn.put(expected := replace(alert, eta_at=eta_at))
    about = {"alert_id": alert.id, "responder_id": alert.responder_id, "track": track.name}
    turn.note("estimated", **about, via=command.via, eta_at=eta_at)
    if track.holder == alert.id and track.state is TrackState.ACKNOWLEDGED and track.name == turn.incident.lead.name:
        turn.forget(track.name, DeadlineKind.BACK_UP)
        _promise_arrival(turn, "new_arrival", _await_arrival(turn, expected))


def _decline(turn: Turn, command: Decline) -> None:
    alert, track = turn.incident.alert_and_track(command.alert_id)
    if alert.state is AlertState.DECLINED:
        raise AlreadyRecorded("you have declined already")
    if alert.state is AlertState.STOOD_DOWN:
        raise Refused("you were stood down: nothing more is needed")
    turn.put(replace(alert, state=AlertState.DECLINED))
    turn.note("declined", alert_id=alert.id, responder_id=alert.responder_id, track=track.name, via=command.via)
    if track.holder == alert.id:
        # Given back: whoever was stood down for them is needed after all, and so is whoever comes next.
        turn.note("given_back", track=track.name, responder_id=alert.responder_id)
        if heir := _heir(turn.incident, track):
            _take_over(turn, track, heir)
            turn.do(TellResponder(heir.id, "yours_now"))
            return
        if track.name == turn.incident.policy.lead.name and track.state is TrackState.ACKNOWLEDGED:
            turn.become(State.ALERTING)
        for other in turn.incident.alerts_of(track.name, AlertState.STOOD_DOWN):
            if other.role not in NATIONAL_ROLES:  # these are asked when nobody else is left
                turn.ask_again(other)
        turn.ask_step(track, track.step + 1)
    else:
        _go_on_if_nobody_waits(turn, track)
        _go_on_without(turn, alert, track)


def _heir(incident: Incident, track: Track) -> Alert | None:
    """Who has the track next where it is given back: of the backup that can answer for it, whoever is nearest."""
    able = incident.policy.track(track.name).acknowledged_by
    coming = [alert for alert in incident.alerts_of(track.name, *TAKEN) if alert.backup and alert.role in able]
    return min(coming, key=lambda alert: _NEARNESS.index(alert.state), default=None)


_NEARNESS = (AlertState.ARRIVED, AlertState.DEPARTED, AlertState.ACCEPTED)


def _lose_contact(turn: Turn, command: LoseContact) -> None:
    alert = turn.incident.alert(command.alert_id)
    if alert.state is not AlertState.OPEN:
        raise AlreadyRecorded("this responder has answered already")
    turn.put(replace(alert, state=AlertState.UNREACHABLE))
    turn.note("unreachable", alert_id=alert.id, responder_id=alert.responder_id, track=alert.track)
    track = turn.incident.track(alert.track)
    _go_on_if_nobody_waits(turn, track)
    _go_on_without(turn, alert, track)


def _go_on_if_nobody_waits(turn: Turn, track: Track) -> None:
    """A step whose every responder has said no needs no deadline: the next one begins at once."""
    open_alerts = turn.incident.alerts_of(track.name, AlertState.OPEN)
    waiting = any(alert.step == track.step and _is_awaited(turn.incident, track, alert.role) for alert in open_alerts)
    choosing = any(
        deadline.kind is DeadlineKind.SELECT and deadline.subject == track.name for deadline in turn.incident.deadlines
    )
    if track.state is TrackState.ALERTING and not waiting and not choosing:
        turn.ask_step(track, track.step + 1)


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


def _arrive(turn: Turn, command: Arrive) -> None:
    alert, track = _coming(turn, command)
    if alert.state is AlertState.ARRIVED:
        raise AlreadyRecorded("your arrival is recorded already")
    turn.put(replace(alert, state=AlertState.ARRIVED))
    turn.note("arrived", alert_id=alert.id, responder_id=alert.responder_id, via=command.via)
    if track.holder == alert.id:
        turn.forget(track.name, DeadlineKind.DEPART, DeadlineKind.ARRIVE, DeadlineKind.BACK_UP)
        if track.name == turn.incident.policy.lead.name and turn.incident.state is State.ACKNOWLEDGED:
            turn.become(State.ON_SCENE)
            turn.do(TellReporter("arrived"))


def _resolve(turn: Turn, command: Resolve) -> None:
    alert, track = turn.incident.taken(command.alert_id)
    if track.name != turn.incident.policy.lead.name or track.holder != alert.id:
        raise Refused("only whoever answers for the incident can say that the danger is over")
    turn.note("resolved", alert_id=alert.id, responder_id=alert.responder_id, via=command.via)
    _end(turn, State.RESOLVED, by=alert.id)
    turn.promise(DeadlineKind.OPEN_FOLLOW_UPS, turn.now)
    turn.do(TellReporter("reporter_over"))


_REPORTER_SAYS = {
    ReporterWord.SAFE: "reporter_safe",
    ReporterWord.CANCELS: "reporter_cancels",
    ReporterWord.UNSAFE: "reporter_unsafe",
    ReporterWord.IN_DANGER: "reporter_in_danger",
}


def _hear_reporter(turn: Turn, command: HearReporter) -> None:
    if command.word is ReporterWord.WROTE:
        turn.note("reporter_wrote")
        for alert in turn.incident.alerts:
            if alert.state in TAKEN and turn.incident.state not in {State.RESOLVED, *ENDED}:
                turn.do(PassOn(alert.id, command.words))
        return
    key = _REPORTER_SAYS[command.word]
    turn.note(key)
    if command.word in {ReporterWord.SAFE, ReporterWord.CANCELS} and not turn.incident.is_open:
        return  # there is nothing left to check
    holders = {track.holder for track in turn.incident.tracks}
    asked = {AlertState.OPEN, *TAKEN} if command.word is ReporterWord.IN_DANGER else TAKEN
    for alert in turn.incident.alerts:
        if alert.id in holders or alert.state in asked:
            turn.do(TellResponder(alert.id, key))
    if command.word is not ReporterWord.IN_DANGER:
        turn.do(TellSupervisors(key))
    elif turn.incident.state in {State.RESOLVED, *ENDED}:  # nobody is there any more who would know
        turn.do(TellSupervisors("reporter_unsafe"))


def _open_follow_ups(turn: Turn, command: OpenFollowUps) -> None:
    if turn.incident.follow_ups:
        raise AlreadyRecorded("the follow-ups are open already")
    turn.forget("", DeadlineKind.OPEN_FOLLOW_UPS)
    _take(turn, care.opened(command.calls, turn.now, command.hours))
    _close_when_complete(turn)


def _mind_follow_up(turn: Turn, command: MindFollowUp) -> None:
    if command.deadline not in turn.incident.deadlines:
        raise AlreadyRecorded("that deadline was met or moved")
    follow_up = turn.incident.follow_up(UUID(command.deadline.subject))
    _take(turn, care.minded(follow_up, command.caller, turn.now, command.hours))


def _report_follow_up(turn: Turn, command: ReportFollowUp) -> None:
    follow_up = turn.incident.follow_up(command.follow_up_id)
    _take(turn, care.reported(follow_up, command.outcome, turn.now, command.hours, command.via, command.attempt))
    _close_when_complete(turn)


def _move_follow_up(turn: Turn, command: MoveFollowUp) -> None:
    follow_up = turn.incident.follow_up(command.follow_up_id)
    _take(turn, care.moved(follow_up, command.at, turn.now, command.hours, command.via))


def _take_follow_up(turn: Turn, command: TakeFollowUp) -> None:
    follow_up = turn.incident.follow_up(command.follow_up_id)
    _take(turn, care.taken(follow_up, command.by, turn.now, command.hours, command.via))


def _name_service(turn: Turn, command: NameService) -> None:
    _take(turn, care.serviced(turn.incident.follow_up(command.follow_up_id), command.service, command.via))


def _take(turn: Turn, course: Course) -> None:
    """Let the follow-ups go on as their protocol says."""
    for follow_up in course.follow_ups:
        turn.put(follow_up)
        turn.forget(str(follow_up.id))
    for follow_up_id, at in course.wakes:
        turn.promise(DeadlineKind.FOLLOW_UP, at, str(follow_up_id))
    for name, about in course.facts:
        turn.note(name, **about)
    for follow_up_id, is_reminder in course.asked:
        turn.do(AskFollowUp(follow_up_id, reminder=is_reminder))
    for key, follow_up_id in course.told:
        turn.do(TellSupervisors(key, follow_up_id))


def _close_when_complete(turn: Turn) -> None:
    if all(follow_up.is_done for follow_up in turn.incident.follow_ups):
        turn.forget_all()
        turn.become(State.CLOSED)
        turn.note("closed", by="protocol")


def _escalate(turn: Turn, command: Escalate) -> None:
    incident = turn.incident
    track = incident.track(command.track or incident.policy.lead.name)
    if track.state is not TrackState.ALERTING:
        raise Refused(f"track {track.name} is {track.state}: there is no step to pass over")
    turn.note("escalated", track=track.name, step=track.step, by=command.by)
    turn.ask_step(track, track.step + 1)


def _assign(turn: Turn, command: Assign) -> None:
    lead = turn.incident.lead
    for alert in turn.incident.alerts:
        if alert.track == lead.name and alert.responder_id == command.chosen.responder_id:
            if alert.state is AlertState.OPEN:
                raise AlreadyRecorded("that responder has been alerted already")
            if alert.state in TAKEN:
                raise AlreadyRecorded("that responder has accepted already")
            turn.note("assigned", alert_id=alert.id, responder_id=alert.responder_id, by=command.by)
            turn.ask_again(alert)
            return
    turn.note("assigned", alert_id=command.chosen.alert_id, responder_id=command.chosen.responder_id, by=command.by)
    _ask(turn, lead, command.chosen)


def _end(turn: Turn, state: State, *, by: UUID | None = None, into: str = "") -> None:
    """The incident is over for the responders: nobody is asked any more, nothing is due."""
    busy = {AlertState.OPEN, *TAKEN}
    others = [alert for alert in turn.incident.alerts if alert.state in busy and alert.id != by]
    turn.stand_down(others, "merged" if into else "over", into=into)
    for track in turn.incident.tracks:
        turn.put(replace(track, state=TrackState.ENDED))
    turn.forget_all()
    turn.become(state)


def _cancel(turn: Turn, command: Cancel) -> None:
    turn.note("cancelled", by=command.by, reason=command.reason)
    _end(turn, State.CANCELLED)
    turn.do(TellReporter("reporter_over"))


def _close(turn: Turn, command: Close) -> None:
    if turn.incident.state in DANGER:  # else they were told already
        turn.do(TellReporter("reporter_over"))
    _end(turn, State.CLOSED)
    found = {"false_report": True} if command.false_report else {}
    turn.note("closed", by=command.by, reason=command.reason, **found)


def _merge(turn: Turn, command: Merge) -> None:
    if command.into_id == turn.incident.id:
        raise Refused("an incident cannot be merged into itself")
    turn.note("merged", by=command.by, into_id=command.into_id, into_code=command.into_code)
    _end(turn, State.MERGED, into=command.into_code)


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
            _close_when_complete(turn)
        case _:
            lead = incident.lead
            turn.ask_step(lead, len(incident.policy.lead.steps) + 1)


#: Where somebody has said that the danger is over.
_AFTER = frozenset({State.RESOLVED, State.CLOSED})


def _refuse_repeated(incident: Incident, command: Command) -> None:
    """A command that comes again after the incident moved on is told so, not that it is wrong."""
    match command:
        case Locate() if incident.place is not None and incident.place == command.place:
            raise AlreadyRecorded(f"incident {incident.code} has that place already")
        case Resolve() if incident.state in _AFTER and any(
            alert.id == command.alert_id and alert.state in TAKEN for alert in incident.alerts
        ):
            raise AlreadyRecorded("this incident is resolved already")
        case ReportFollowUp() | TakeFollowUp() if any(
            call.id == command.follow_up_id and call.is_done for call in incident.follow_ups
        ):
            raise AlreadyRecorded("this call is done already")
        case AlertResponders() | PassDeadline() | OpenFollowUps() | MindFollowUp():
            raise AlreadyRecorded(f"incident {incident.code} is {incident.state}: that deadline decides nothing")
        case _:
            return


_DECISIONS: Mapping[type, Callable[[Turn, Any], None]] = {
    Locate: _locate,
    Join: _join,
    AlertResponders: _alert_responders,
    PassDeadline: _pass_deadline,
    Accept: _accept,
    Estimate: _estimate,
    Decline: _decline,
    LoseContact: _lose_contact,
    Depart: _depart,
    Arrive: _arrive,
    CallBackup: _call_backup,
    Resolve: _resolve,
    HearReporter: _hear_reporter,
    OpenFollowUps: _open_follow_ups,
    MindFollowUp: _mind_follow_up,
    ReportFollowUp: _report_follow_up,
    MoveFollowUp: _move_follow_up,
    TakeFollowUp: _take_follow_up,
    NameService: _name_service,
    Cancel: _cancel,
    Escalate: _escalate,
    Assign: _assign,
    HandOver: _hand_over,
    Close: _close,
    Merge: _merge,
    TakeInHand: _take_in_hand,
}
