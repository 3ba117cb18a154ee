"""After a choice: how long do people take to that neighbourhood by road?  The next choice there knows it.

Nothing waits for the router and nothing depends on it: where it is slow, wrong or away, distances are as the crow
flies, and the next incident there asks again.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from ess.domain.errors import PermanentFailure, TransientFailure
from ess.domain.place import Pin
from ess.domain.travel import centre, neighbourhood
from ess.engine import Engine
from ess.store import Transaction, tables, travel_times

if TYPE_CHECKING:
    from ess.geo.routes import Router

log = structlog.get_logger()

#: One request asks for so many bases at most: OSRM as it is shipped takes 100 points.
_MOST_BASES = 50

#: Above the router's own timeout: whoever has not come back is taken for dead, and it is asked again.
_CALL_AT_MOST = timedelta(seconds=20)


@dataclass(frozen=True)
class _Question:
    neighbourhood: str
    bases: dict[UUID, Pin]


def measure_travel(engine: Engine, router: "Router | None", deadline_id: int) -> None:
    """Keep the minutes from the nearest bases to the incident's neighbourhood, as far as they are not known."""
    with engine.store.transaction() as tx:
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update={"skip_locked": True})
        if deadline is None or deadline.due_at > tx.now:
            return  # another worker asks, or has asked
        deadline.due_at = deadline.wake_at = tx.now + _CALL_AT_MOST
        question = _question(tx, deadline.incident_id) if router else None
    minutes: list[float | None] = []
    if router and question:
        try:
            minutes = router.minutes(list(question.bases.values()), centre(question.neighbourhood))
        except (TransientFailure, PermanentFailure) as error:
            log.warning("travel_not_measured", why=str(error))
    with engine.store.transaction() as tx:
        if question and minutes:
            travel_times.keep(tx, question.neighbourhood, question.bases, minutes)
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
        if deadline:
            tx.session.delete(deadline)


def _question(tx: Transaction, incident_id: UUID | None) -> _Question | None:
    """What to ask; None where everything is known."""
    row = tx.session.get_one(tables.Incident, incident_id)
    if row.pin is None or row.place is None:
        return None
    where = neighbourhood((row.pin[0], row.pin[1]))
    provinces = [area["code"] for area in row.place["candidates"]]
    bases = travel_times.wanted(tx, where, centre(where), provinces, _MOST_BASES)
    return _Question(where, bases) if bases else None
