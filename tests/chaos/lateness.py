"""How late a step was followed by the next, and which outage excuses it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chaos.evidence import Evidence
from chaos.schedule import Break
from ess.store import tables

#: Later than that without an outage is a violation: a lost wake-up costs a lease (5 s) and a second, and a busy
#: machine its share.
OVERDUE_AFTER = timedelta(seconds=15)

#: Without these nothing can be decided; a worker matters as long as no other one decides.
_NEEDED = {
    Break.CLOCK,
    Break.REDIS,
    Break.REDIS_FORGETS,
    Break.REDIS_HANGS,
    Break.POSTGRES,
    Break.POSTGRES_STOP,
}
#: What only workers write into a timeline.
_BY_WORKERS = ("responders_selected", "step_expired", "located", "delivery_sent", "delivery_retried", "accepted")


@dataclass(frozen=True)
class Outage:
    """From the break until work was seen again."""

    what: Break
    began_at: datetime
    back_at: datetime

    def overlaps(self, since: datetime, until: datetime) -> bool:
        """Whether it fell into that time."""
        return self.began_at < until and self.back_at > since


def outages(evidence: Evidence) -> list[Outage]:
    """Every disturbance, until the part was seen at work, or else until a worker next wrote something down."""
    worked = sorted(fact.at for fact in evidence.told(*_BY_WORKERS))
    found = []
    for broken in evidence.disturbances:
        back_at = broken.back_at or next((at for at in worked if at >= broken.mended_at), evidence.at)
        found.append(Outage(broken.what, broken.began_at, back_at))
    return found


def expired_steps(evidence: Evidence) -> Iterator[tables.Fact]:
    """The facts that a step's wait was over; `due_at` in their data says when it should have been."""
    return evidence.told("step_expired")


def lateness(fact: tables.Fact) -> timedelta:
    """From the deadline to what was done about it."""
    return fact.at - datetime.fromisoformat(fact.data["due_at"])


def excuses(fact: tables.Fact, known: Iterable[Outage]) -> list[Outage]:
    """Outages of what no step can do without, between its deadline and what was done about it."""
    due_at = datetime.fromisoformat(fact.data["due_at"])
    return [found for found in known if found.what in _NEEDED and found.overlaps(due_at, fact.at)]


def excess(fact: tables.Fact, known: Iterable[Outage]) -> timedelta:
    """How much later than the last outage that excuses it."""
    excused = excuses(fact, known)
    return fact.at - max(outage.back_at for outage in excused) if excused else lateness(fact)
