"""The protocol after resolution: calls to the victim that are promised, reminded and never forgotten.

Every call is promised at once, and asked for when its time comes: the first one now, a later one on the morning of its
day, from whoever is responsible then.  `open → done`, with `overdue` beside it once the supervisors had to be told.  A
call that nobody answers is tried again in another part of the day; then the One Home team is asked for a visit, and
where that cannot be made a supervisor decides.  An overdue one can still be reported by anybody who was asked, and a
supervisor can take it over: then they are the one who is asked and reminded.

Everything here is pure: a `Course` says how the follow-ups go on, and `ess.domain.incident` takes it over.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from ess.domain.calling_hours import ANY_TIME, CallingHours
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, Refused
from ess.domain.policy import FollowUpPlan, Kind

#: A call that is due later than this is asked for on its day.
_AT_ONCE = timedelta(days=1)
#: From asking on the day until it is due, at least.
_A_MORNING = timedelta(hours=4)


class FollowUpState(StrEnum):
    """Where a promised call stands."""

    #: Somebody is to call by `due_at`.
    OPEN = "open"
    #: Missed, or nobody could be asked: the supervisors were told, and are told again.
    OVERDUE = "overdue"
    #: The victim was spoken to, or a visit takes the place of the call.
    DONE = "done"


class Outcome(StrEnum):
    """What is reported of a call, or of a visit."""

    REACHED = "reached"
    NO_ANSWER = "no_answer"
    #: To a time that suits the victim.
    MOVED = "moved"
    NEEDS_SERVICE = "needs_service"
    #: Another agency goes on.
    REFERRED = "referred"
    VISITED = "visited"
    COULD_NOT = "could_not"


#: What can be reported of each, in the order of a card's buttons.
OUTCOMES: dict[Kind, tuple[Outcome, ...]] = {
    Kind.CALL: (
        *(Outcome.REACHED, Outcome.NO_ANSWER, Outcome.MOVED),
        *(Outcome.NEEDS_SERVICE, Outcome.REFERRED),
    ),
    Kind.VISIT: (Outcome.VISITED, Outcome.COULD_NOT),
}
#: Those of which more is asked: which service, which agency.
WITH_SERVICE = frozenset({Outcome.NEEDS_SERVICE, Outcome.REFERRED})


@dataclass(frozen=True)
class FollowUp:
    """One promised call or visit."""

    id: UUID
    plan: FollowUpPlan
    #: None where nobody has been asked yet, or the roster had nobody: then the supervisors were told at once.
    responder_id: UUID | None
    #: By when; where it is missed, when it is asked for again.
    due_at: datetime
    state: FollowUpState = FollowUpState.OPEN
    #: Calls reported without an answer so far.
    tries: int = 0
    #: Reminders since the call last fell due.
    reminders: int = 0
    outcome: Outcome | None = None
    #: When it is to be asked for; None: it has been.
    ask_at: datetime | None = None
    #: By when it was promised at first, however often it was missed, moved or tried; None while `due_at` says so.
    promised_at: datetime | None = None
    #: When nobody answered.
    tried: tuple[datetime, ...] = ()
    #: Which service is needed, or which agency goes on: a word of `config/messages`.
    service: str = ""

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to happen."""
        return self.state is FollowUpState.DONE

    @property
    def is_visit(self) -> bool:
        """Whether somebody goes there."""
        return self.plan.kind is Kind.VISIT

    @property
    def move_until(self) -> datetime:
        """No call is moved to a later time than this."""
        return (self.promised_at or self.due_at) + self.plan.move_within


@dataclass(frozen=True)
class Course:
    """How follow-ups go on."""

    #: Those that are new or changed.
    follow_ups: tuple[FollowUp, ...] = ()
    #: When each of those that are not done is looked at next.
    wakes: tuple[tuple[UUID, datetime], ...] = ()
    #: For the timeline: names and what they say.
    facts: tuple[tuple[str, dict[str, Any]], ...] = ()
    #: Whose responder is sent the card; true: as a reminder.
    asked: tuple[tuple[UUID, bool], ...] = ()
    #: What the supervisors are told.
    told: tuple[tuple[str, UUID], ...] = ()

    def __add__(self, other: "Course") -> "Course":
        return Course(
            self.follow_ups + other.follow_ups,
            self.wakes + other.wakes,
            self.facts + other.facts,
            self.asked + other.asked,
            self.told + other.told,
        )


def hours_of(plan: FollowUpPlan, hours: CallingHours) -> CallingHours:
    """When this may be done: plans from before there were calling hours know none."""
    return hours if plan.calling_hours else ANY_TIME


def opened(
    calls: Iterable[tuple[UUID, FollowUpPlan, UUID | None]], now: datetime, hours: CallingHours = ANY_TIME
) -> Course:
    """The calls as promised at resolution; overdue from the start where nobody can make the one that is due first."""
    return sum((_opened(*call, now, hours_of(call[1], hours)) for call in calls), Course())


def is_asked_at_once(plan: FollowUpPlan) -> bool:
    """Whether somebody is asked as soon as it is promised."""
    return plan.due <= _AT_ONCE


def _opened(
    follow_up_id: UUID, plan: FollowUpPlan, responder_id: UUID | None, now: datetime, hours: CallingHours
) -> Course:
    due_at = hours.by(now, now + plan.due)
    if not is_asked_at_once(plan):
        ask_at = max(hours.opening_before(due_at - _A_MORNING), now)
        return _noted_as_opened(FollowUp(follow_up_id, plan, None, due_at, ask_at=ask_at), due_at, ask_at)
    if responder_id is None:
        again_at = hours.at_or_after(now + plan.remind_every)
        call = FollowUp(follow_up_id, plan, None, again_at, FollowUpState.OVERDUE, promised_at=due_at)
        return _noted_as_opened(call, due_at, again_at) + _told(call)
    call = FollowUp(follow_up_id, plan, responder_id, due_at)
    return _noted_as_opened(call, due_at, due_at) + Course(asked=((call.id, False),))


def _noted_as_opened(call: FollowUp, due_at: datetime, wake_at: datetime) -> Course:
    about = {"follow_up_id": call.id, "plan": call.plan.name, "responder_id": call.responder_id, "due_at": due_at}
    return Course((call,), ((call.id, wake_at),), ((f"{_noun(call)}_opened", about),))


def minded(follow_up: FollowUp, caller: UUID | None, now: datetime, hours: CallingHours = ANY_TIME) -> Course:
    """A follow-up's time has come: it is asked for, or was missed.

    `caller` is who is responsible now: somebody else than before where the roster or the duty has changed.  Outside of
    calling hours nobody is asked or reminded: it waits for the next opening.
    """
    hours = hours_of(follow_up.plan, hours)
    opens_at = hours.at_or_after(now)
    if opens_at > now:
        return Course(wakes=((follow_up.id, opens_at),), facts=(_fact("waits", follow_up, until=opens_at),))
    again_at = hours.at_or_after(now + follow_up.plan.remind_every)
    if follow_up.ask_at is not None or (follow_up.responder_id is None and caller is not None):
        return _asked(follow_up, caller, again_at, now)
    after, reminders = follow_up, follow_up.reminders + 1
    facts = Course()
    if caller is not None and caller != follow_up.responder_id:
        after, facts = replace(after, responder_id=caller), _reassigned(after, caller)
    state = after.state if reminders <= after.plan.reminders else FollowUpState.OVERDUE
    promised_at = follow_up.promised_at or follow_up.due_at
    after = replace(after, reminders=reminders, state=state, due_at=again_at, promised_at=promised_at)
    course = facts + Course((after,), ((after.id, again_at),))
    if after.responder_id is not None:
        course += Course(facts=(_fact("reminded", after),), asked=((after.id, True),))
    if state is FollowUpState.OVERDUE:
        course += _overdue(after)
    return course


def _asked(follow_up: FollowUp, caller: UUID | None, again_at: datetime, now: datetime) -> Course:
    """The card goes to whoever is responsible; where nobody is, it is a supervisor's."""
    due_at = follow_up.due_at if follow_up.due_at > now else again_at
    after = replace(follow_up, ask_at=None, promised_at=follow_up.promised_at or follow_up.due_at, responder_id=caller)
    if caller is None:
        after = replace(after, state=FollowUpState.OVERDUE, due_at=again_at)
        return Course((after,), ((after.id, again_at),)) + _overdue(after)
    after = replace(after, state=FollowUpState.OPEN, due_at=due_at, reminders=0)
    facts = _reassigned(follow_up, caller) if caller != follow_up.responder_id else Course()
    asked = _fact("asked", after, responder_id=caller, due_at=due_at)
    return facts + Course((after,), ((after.id, due_at),), (asked,), ((after.id, False),))


def _reassigned(before: FollowUp, caller: UUID) -> Course:
    """Somebody else has it than whoever had it; nothing to say where nobody had."""
    if before.responder_id is None:
        return Course()
    return Course(facts=(_fact("reassigned", before, responder_id=caller),))


def reported(
    follow_up: FollowUp,
    outcome: Outcome,
    now: datetime,
    hours: CallingHours = ANY_TIME,
    via: str = "",
    attempt: int | None = None,
) -> Course:
    """After a call or a visit; `attempt` is the try, from 1, for which the card was sent that says so.

    AlreadyRecorded where it is done, or nobody answered that try before; Refused where the outcome belongs to the other
    kind or to `moved`.
    """
    if follow_up.is_done:
        raise AlreadyRecorded("this follow-up is done already")
    if outcome is Outcome.MOVED or outcome not in OUTCOMES[follow_up.plan.kind]:
        wanted = ", ".join(each for each in OUTCOMES[follow_up.plan.kind] if each is not Outcome.MOVED)
        raise Refused(f"of a {follow_up.plan.kind} this can be reported: {wanted}")
    if follow_up.outcome is outcome is Outcome.COULD_NOT:
        raise AlreadyRecorded("that it could not be made is recorded already: a supervisor decides")
    if outcome is Outcome.NO_ANSWER and attempt is not None and attempt <= follow_up.tries:
        raise AlreadyRecorded("that nobody answered this try is recorded already: the card comes again")
    said = Course(facts=(_fact(outcome, follow_up, via=via),))
    match outcome:
        case Outcome.NO_ANSWER:
            return said + _not_answered(follow_up, now, hours)
        case Outcome.COULD_NOT:
            again_at = hours_of(follow_up.plan, hours).at_or_after(now + follow_up.plan.remind_every)
            return said + _given_up(replace(follow_up, outcome=outcome, reminders=0), again_at)
        case _:
            return said + Course((replace(follow_up, state=FollowUpState.DONE, outcome=outcome, ask_at=None),))


def _not_answered(before: FollowUp, now: datetime, hours: CallingHours) -> Course:
    plan, at_work = before.plan, hours_of(before.plan, hours)
    after = replace(
        before,
        tries=before.tries + 1,
        tried=(*before.tried, now),
        reminders=0,
        outcome=Outcome.NO_ANSWER,
        promised_at=before.promised_at or before.due_at,
    )
    if after.tries < plan.tries and after.responder_id is not None:
        again_at = (
            at_work.untried(now + plan.retry_after, after.tried) if plan.calling_hours else now + plan.retry_after
        )
        after = replace(after, state=FollowUpState.OPEN, due_at=again_at, ask_at=again_at)
        return Course((after,), ((after.id, again_at),))
    if after.tries >= plan.tries and plan.visit is not None:
        return Course((replace(after, state=FollowUpState.DONE, ask_at=None),)) + _visit(after, now, at_work)
    return _given_up(after, at_work.at_or_after(now + plan.remind_every))


def _given_up(after: FollowUp, again_at: datetime) -> Course:
    after = replace(after, state=FollowUpState.OVERDUE, due_at=again_at, ask_at=None)
    return Course((after,), ((after.id, again_at),)) + _overdue(after)


def _visit(call: FollowUp, now: datetime, hours: CallingHours) -> Course:
    """The visit that takes the place of a call: asked for as soon as somebody may be asked."""
    if call.plan.visit is None:
        return Course()
    plan = replace(
        call.plan,
        name=f"{call.plan.name}_visit",
        kind=Kind.VISIT,
        by=call.plan.visit.by,
        due=call.plan.visit.due,
        visit=None,
    )
    ask_at = hours.at_or_after(now)
    due_at = hours.by(ask_at, ask_at + plan.due)
    # The same call leads to the same visit, however often that is decided.
    visit = FollowUp(uuid5(call.id, "visit"), plan, None, due_at, ask_at=ask_at)
    return _noted_as_opened(visit, due_at, ask_at)


def move_times(follow_up: FollowUp, now: datetime, hours: CallingHours = ANY_TIME) -> tuple[datetime, ...]:
    """What is offered to whoever moves a call: in two hours, tomorrow morning, in three days, each in calling hours.

    Empty where the protocol allows no more.
    """
    wished = (
        hours.at_or_after(_on_the_minute(now + timedelta(hours=2))),
        hours.next_morning(now),
        hours.at_or_after(_on_the_minute(now + timedelta(days=3))),
    )
    return tuple(at for at in dict.fromkeys(wished) if at != follow_up.ask_at and _may_move(follow_up, at, now, hours))


def _on_the_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _may_move(follow_up: FollowUp, at: datetime, now: datetime, hours: CallingHours) -> bool:
    return not follow_up.is_visit and now < at <= follow_up.move_until and hours.has(at)


def moved(follow_up: FollowUp, at: datetime, now: datetime, hours: CallingHours = ANY_TIME, via: str = "") -> Course:
    """The call is asked for again at that time.

    AlreadyRecorded where it is done, Refused where the time is past, outside of calling hours or too late.
    """
    if follow_up.is_done:
        raise AlreadyRecorded("this follow-up is done already")
    if follow_up.ask_at == at:
        raise AlreadyRecorded("the call is moved to that time already")
    if not _may_move(follow_up, at, now, hours):
        until = follow_up.move_until.isoformat(timespec="minutes")
        raise Refused(f"a call can be moved to a calling time from now until {until}, a visit cannot be moved")
    after = replace(
        follow_up,
        state=FollowUpState.OPEN,
        due_at=at,
        ask_at=at,
        reminders=0,
        outcome=Outcome.MOVED,
        promised_at=follow_up.promised_at or follow_up.due_at,
    )
    return Course((after,), ((after.id, at),), (_fact(Outcome.MOVED, after, due_at=at, via=via),))


def taken(follow_up: FollowUp, by: UUID, now: datetime, hours: CallingHours = ANY_TIME, via: str = "") -> Course:
    """A supervisor sees to it themselves, and is asked and reminded as whoever had it was.

    AlreadyRecorded where it is done or theirs, AlreadyTaken where somebody has it who is not late.
    """
    if follow_up.is_done:
        raise AlreadyRecorded("this follow-up is done already")
    if follow_up.responder_id == by:
        raise AlreadyRecorded("this follow-up is yours already")
    if follow_up.state is not FollowUpState.OVERDUE:
        if follow_up.responder_id is not None:
            raise AlreadyTaken("somebody sees to it and is not late", str(follow_up.responder_id))
        raise Refused("nobody is late with it: it is asked for when its time comes near")
    due_at = hours_of(follow_up.plan, hours).at_or_after(now + follow_up.plan.remind_every)
    after = replace(follow_up, responder_id=by, state=FollowUpState.OPEN, due_at=due_at, reminders=0)
    said = _fact("taken", after, responder_id=by, due_at=due_at, via=via)
    return Course((after,), ((after.id, due_at),), (said,), ((after.id, False),))


def serviced(follow_up: FollowUp, service: str, via: str = "") -> Course:
    """Which service is needed, or which agency goes on; Refused where neither was reported."""
    if follow_up.outcome not in WITH_SERVICE:
        raise Refused("report first that a service is needed, or that another agency goes on")
    if follow_up.service == service:
        raise AlreadyRecorded("this is recorded already")
    about = _fact("service", follow_up, service=service, outcome=follow_up.outcome, via=via)
    return Course((replace(follow_up, service=service),), facts=(about,))


def _noun(follow_up: FollowUp) -> str:
    return "visit" if follow_up.is_visit else "follow_up"


def _fact(what: str, follow_up: FollowUp, **more: Any) -> tuple[str, dict[str, Any]]:
    return f"{_noun(follow_up)}_{what}", {"follow_up_id": follow_up.id, "plan": follow_up.plan.name, **more}


def _overdue(follow_up: FollowUp) -> Course:
    return Course(facts=(_fact("overdue", follow_up),)) + _told(follow_up)


def _told(follow_up: FollowUp) -> Course:
    key = "visit_overdue" if follow_up.is_visit else "follow_up_overdue"
    return Course(told=((key, follow_up.id),))
