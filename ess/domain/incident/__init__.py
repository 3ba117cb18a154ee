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
are not safe is told to the supervisors at any time, and after the end it is a new report.

`decide(incident, command, now)` is pure: it returns the new incident, the facts for its timeline and the
effects that the shell must carry out.  What is promised for later stands in `incident.deadlines`; the
shell stores each as a row, and the clock makes it happen.  Ids and the roster's choice come in with the
command, because chance and look-ups have no place here.

The invariant: **an open incident has a deadline or a named person** (`is_in_hand`).

The files follow that life, and each knows only those before it.  A command, the states in which it may be asked with
where it may lead, and the function that decides it stand together; `TRANSITIONS` is all of their rows.

    state         what there is: an incident, its tracks, alerts and deadlines
    decision      what comes of a command: facts and effects
    turn          one decision in the making, and its moves
    rule          how a command gets its rows and what decides it
    deadline      a deadline comes: PassDeadline
    whereabouts   where it is: Locate
    step          who is asked: AlertResponders, Escalate, Assign
    backup        who is asked beside whoever has a track: CallBackup
    holder        who has a track, and is late: HandOver
    responder     what responders say: Accept, Estimate, Depart, Arrive, Decline, LoseContact
    reporter      what reporters say: Join, HearReporter
    end           how it ends for the responders: Resolve, Cancel, Merge, Close
    protocol      the promised calls: OpenFollowUps, MindFollowUp, ReportFollowUp, MoveFollowUp, TakeFollowUp,
                  NameService
    invariant     what must always hold: TakeInHand
"""

from collections.abc import Mapping
from datetime import datetime
from typing import get_args
from uuid import UUID

from ess.domain.errors import AlreadyRecorded, Refused
from ess.domain.incident.backup import CallBackup
from ess.domain.incident.deadline import PassDeadline
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
from ess.domain.incident.end import Cancel, Close, Merge, Resolve
from ess.domain.incident.holder import HandOver
from ess.domain.incident.invariant import TakeInHand, is_in_hand
from ess.domain.incident.protocol import (
    MindFollowUp,
    MoveFollowUp,
    NameService,
    OpenFollowUps,
    ReportFollowUp,
    TakeFollowUp,
)
from ess.domain.incident.reporter import HearReporter, Join, ReporterWord
from ess.domain.incident.responder import Accept, Arrive, Decline, Depart, Estimate, LoseContact
from ess.domain.incident.rule import RULES
from ess.domain.incident.state import (
    ENDED,
    OVER,
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
from ess.domain.incident.step import AlertResponders, Assign, Chosen, Escalate
from ess.domain.incident.turn import Turn
from ess.domain.incident.whereabouts import Locate, is_elsewhere
from ess.domain.place import Pin
from ess.domain.policy import Policy
from ess.domain.report import IncidentType

__all__ = [
    "ENDED",
    "OVER",
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

#: What can be asked of an incident, in the order in which the table lists it.
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
    | Escalate
    | Assign
    | HandOver
    | Cancel
    | Merge
    | Close
    | TakeInHand
)

#: What may be asked in which state, and where it may lead.  Anything else is refused.
TRANSITIONS: Mapping[tuple[State, type], frozenset[State]] = {
    (state, command): ends for command in get_args(Command) for state, ends in RULES[command].rows.items()
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
    rule = RULES[type(command)]
    allowed = TRANSITIONS.get((incident.state, type(command)))
    if allowed is None:
        if told := rule.repeated(incident, command):
            raise AlreadyRecorded(told)
        action = type(command).__name__.lower()
        raise Refused(f"incident {incident.code} is {incident.state}: {action} does not apply any more or yet")
    turn = Turn(incident, now)
    rule.decide(turn, command)
    decision = turn.decision()
    if decision.incident.state not in allowed:  # a bug, never a user's mistake
        raise AssertionError(f"{incident.state} + {command} led to {decision.incident.state}")
    return decision
