"""The protocol after resolution: a call to the victim that is promised, reminded and never forgotten.

`open → done`, with `overdue` beside it once the supervisors had to be told.  An overdue call can still
be reported by anybody who was asked.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ess.domain.policy import FollowUpPlan


class FollowUpState(StrEnum):
    """Where a promised call stands."""

    #: Somebody is to call by `due_at`.
    OPEN = "open"
    #: Missed, or nobody could be asked: the supervisors were told, and are told again.
    OVERDUE = "overdue"
    #: The victim was spoken to.
    DONE = "done"


class Outcome(StrEnum):
    """What a social worker reports after a call."""

    REACHED = "reached"
    NO_ANSWER = "no_answer"
    NEEDS_SERVICE = "needs_service"


@dataclass(frozen=True)
class FollowUp:
    """One promised call."""

    id: UUID
    plan: FollowUpPlan
    #: None where the roster had nobody: the supervisors were told at once.
    responder_id: UUID | None
    #: When the call must have been made, or when it is asked for again.
    due_at: datetime
    state: FollowUpState = FollowUpState.OPEN
    #: Calls reported without an answer so far.
    tries: int = 0
    #: Reminders since the call last fell due.
    reminders: int = 0
    outcome: Outcome | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to happen."""
        return self.state is FollowUpState.DONE


def opened(follow_up_id: UUID, plan: FollowUpPlan, responder_id: UUID | None, now: datetime) -> FollowUp:
    """The call as promised at resolution; overdue from the start where nobody can make it."""
    if responder_id is None:
        return FollowUp(follow_up_id, plan, None, now + plan.remind_every, FollowUpState.OVERDUE)
    return FollowUp(follow_up_id, plan, responder_id, now + plan.due)


def reported(follow_up: FollowUp, outcome: Outcome, now: datetime) -> FollowUp:
    """After a call: done where somebody was spoken to, else tried again until the tries are used up."""
    if outcome is not Outcome.NO_ANSWER:
        return replace(follow_up, state=FollowUpState.DONE, outcome=outcome)
    tries = follow_up.tries + 1
    again = replace(follow_up, tries=tries, reminders=0, outcome=outcome)
    if tries < follow_up.plan.tries and follow_up.responder_id is not None:
        return replace(again, state=FollowUpState.OPEN, due_at=now + follow_up.plan.retry_after)
    return replace(again, state=FollowUpState.OVERDUE, due_at=now + follow_up.plan.remind_every)


def missed(follow_up: FollowUp, now: datetime) -> FollowUp:
    """After a due time passed unreported: reminded, and overdue once the reminders are used up."""
    reminders = follow_up.reminders + 1
    state = follow_up.state if reminders <= follow_up.plan.reminders else FollowUpState.OVERDUE
    return replace(follow_up, reminders=reminders, state=state, due_at=now + follow_up.plan.remind_every)
