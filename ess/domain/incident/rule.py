"""A rule: a command, the states in which it may be asked with where it may lead, and the function that decides it.

Each stands in one piece, in the file of what it is about: the command, `@decides` with its rows of the table, and the
function below it.  Whatever has no row is refused.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from ess.domain.incident.state import Incident, State
from ess.domain.incident.turn import Turn

Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Rule:
    """How commands of one kind are decided."""

    #: Where it may lead, by each state in which it may be asked.
    rows: Mapping[State, frozenset[State]]
    #: Takes the turn on, or raises what `decide` names.
    decide: Callable[[Turn, Any], None]
    #: In any other state: what to say where the command only comes again after the incident moved on, "" where it is
    #: refused.
    repeated: Callable[[Incident, Any], str]


#: The rule of each kind of command; `decides` writes them as the files of this package are read.
RULES: dict[type, Rule] = {}


def _is_wrong(_incident: Incident, _command: object) -> str:
    return ""


def decides_nothing(incident: Incident, _command: object) -> str:
    """For what a deadline asked for: late is not wrong, and decides nothing."""
    return f"incident {incident.code} is {incident.state}: that deadline decides nothing"


def decides(
    command: type[Asked], rows: Mapping[State, Set[State]], *, repeated: Callable[[Incident, Asked], str] = _is_wrong
) -> Callable[[Callable[[Turn, Asked], None]], Callable[[Turn, Asked], None]]:
    """Make the function below decide about this command in the states of these rows; AssertionError the second time.

    `repeated` is asked in all other states, so that who says the same once more is not told that they are wrong.
    """

    def register(decide: Callable[[Turn, Asked], None]) -> Callable[[Turn, Asked], None]:
        if command in RULES:
            raise AssertionError(f"{command.__name__} is decided twice")
        RULES[command] = Rule({state: frozenset(ends) for state, ends in rows.items()}, decide, repeated)
        return decide

    return register
