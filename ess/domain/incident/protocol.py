"""After the danger: the promised calls, until the record is complete.

What becomes of a call is decided in `ess.domain.follow_up`; here the incident takes it over.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ess.domain import follow_up as care
from ess.domain.calling_hours import ANY_TIME, CallingHours
from ess.domain.errors import AlreadyRecorded
from ess.domain.follow_up import Course, Outcome
from ess.domain.incident.decision import AskFollowUp, TellSupervisors
from ess.domain.incident.rule import decides, decides_nothing
from ess.domain.incident.state import Deadline, DeadlineKind, Incident, State
from ess.domain.incident.turn import Turn
from ess.domain.policy import FollowUpPlan


@dataclass(frozen=True)
class OpenFollowUps:
    """The calls of the protocol, each with the person who will make it, if there is one."""

    calls: tuple[tuple[UUID, FollowUpPlan, UUID | None], ...]
    hours: CallingHours = ANY_TIME


@decides(OpenFollowUps, {State.RESOLVED: {State.RESOLVED, State.CLOSED}}, repeated=decides_nothing)
def _open_follow_ups(turn: Turn, command: OpenFollowUps) -> None:
    if turn.incident.follow_ups:
        raise AlreadyRecorded("the follow-ups are open already")
    turn.forget("", DeadlineKind.OPEN_FOLLOW_UPS)
    _take(turn, care.opened(command.calls, turn.now, command.hours))
    close_when_complete(turn)


@dataclass(frozen=True)
class MindFollowUp:
    """A follow-up's deadline has come: it is to be asked for, or was missed."""

    deadline: Deadline
    #: Who is responsible for it now; None where the roster has nobody.
    caller: UUID | None
    hours: CallingHours = ANY_TIME


@decides(MindFollowUp, {State.RESOLVED: {State.RESOLVED}}, repeated=decides_nothing)
def _mind_follow_up(turn: Turn, command: MindFollowUp) -> None:
    if command.deadline not in turn.incident.deadlines:
        raise AlreadyRecorded("that deadline was met or moved")
    follow_up = turn.incident.follow_up(UUID(command.deadline.subject))
    _take(turn, care.minded(follow_up, command.caller, turn.now, command.hours))


@dataclass(frozen=True)
class ReportFollowUp:
    """A social worker says how the call went, or a team how the visit did."""

    follow_up_id: UUID
    outcome: Outcome
    via: str = ""
    hours: CallingHours = ANY_TIME
    #: The try, from 1, for which the card was sent that says so; None where it does not say.
    attempt: int | None = None


def _is_done(incident: Incident, command: "ReportFollowUp | TakeFollowUp") -> str:
    done = any(call.id == command.follow_up_id and call.is_done for call in incident.follow_ups)
    return "this call is done already" if done else ""


@decides(ReportFollowUp, {State.RESOLVED: {State.RESOLVED, State.CLOSED}}, repeated=_is_done)
def _report_follow_up(turn: Turn, command: ReportFollowUp) -> None:
    follow_up = turn.incident.follow_up(command.follow_up_id)
    _take(turn, care.reported(follow_up, command.outcome, turn.now, command.hours, command.via, command.attempt))
    close_when_complete(turn)


@dataclass(frozen=True)
class MoveFollowUp:
    """The call is to be made at a time that suits the victim."""

    follow_up_id: UUID
    #: UTC.
    at: datetime
    via: str = ""
    hours: CallingHours = ANY_TIME


@decides(MoveFollowUp, {State.RESOLVED: {State.RESOLVED}})
def _move_follow_up(turn: Turn, command: MoveFollowUp) -> None:
    follow_up = turn.incident.follow_up(command.follow_up_id)
    _take(turn, care.moved(follow_up, command.at, turn.now, command.hours, command.via))


@dataclass(frozen=True)
class TakeFollowUp:
    """A supervisor sees to a call or a visit that is overdue."""

    follow_up_id: UUID
    #: The supervisor's responder id.
    by: UUID
    via: str = ""
    hours: CallingHours = ANY_TIME


@decides(TakeFollowUp, {State.RESOLVED: {State.RESOLVED}}, repeated=_is_done)
def _take_follow_up(turn: Turn, command: TakeFollowUp) -> None:
    follow_up = turn.incident.follow_up(command.follow_up_id)
    _take(turn, care.taken(follow_up, command.by, turn.now, command.hours, command.via))


@dataclass(frozen=True)
class NameService:
    """Which service is needed, or which agency goes on: a word of `config/messages`."""

    follow_up_id: UUID
    service: str
    via: str = ""


@decides(NameService, {state: {state} for state in (State.RESOLVED, State.CLOSED)})
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


def close_when_complete(turn: Turn) -> None:
    """The record is complete once every call is done; a protocol without calls is, at once."""
    if all(follow_up.is_done for follow_up in turn.incident.follow_ups):
        turn.forget_all()
        turn.become(State.CLOSED)
        turn.note("closed", by="protocol")
