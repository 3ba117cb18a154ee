"""What happens when a deadline comes and nobody has done what it waited for.

What to do stands beside what it belongs to: nobody acknowledged a step beside the steps, the silent holder beside the
holder.  A deadline that needs a look-up first is not passed: the shell looks up and brings a command of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ess.domain.errors import AlreadyRecorded
from ess.domain.incident.rule import decides, decides_nothing
from ess.domain.incident.state import Deadline, DeadlineKind, State
from ess.domain.incident.turn import Turn

Passing = Callable[[Turn, Deadline], None]

#: What is done, by the kind of the deadline; `passes` writes it as the files of this package are read.
_PASSING: dict[DeadlineKind, Passing] = {}


def passes(kind: DeadlineKind) -> Callable[[Passing], Passing]:
    """Make the function below do what is due at deadlines of this kind; AssertionError the second time.

    The deadline is forgotten by then.
    """

    def register(passing: Passing) -> Passing:
        if kind in _PASSING:
            raise AssertionError(f"{kind} is passed twice")
        _PASSING[kind] = passing
        return passing

    return register


@dataclass(frozen=True)
class PassDeadline:
    """A stored deadline has come."""

    deadline: Deadline


@decides(
    PassDeadline,
    {
        State.LOCATED: {State.LOCATED},
        State.ALERTING: {State.ALERTING, State.UNANSWERED},
        State.UNANSWERED: {State.UNANSWERED},
        State.ACKNOWLEDGED: {State.ACKNOWLEDGED},
        State.ON_SCENE: {State.ON_SCENE},
    },
    repeated=decides_nothing,
)
def _pass_deadline(turn: Turn, command: PassDeadline) -> None:
    deadline = command.deadline
    if deadline not in turn.incident.deadlines:
        raise AlreadyRecorded("that deadline was met or moved before it came")
    turn.forget(deadline.subject, deadline.kind)
    passing = _PASSING.get(deadline.kind)
    if passing is None:
        raise AssertionError(f"{deadline.kind} is not passed, it is worked on")
    passing(turn, deadline)
