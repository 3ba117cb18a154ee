"""Words alone said where: once somebody has been alerted, a geocoder may know it better.

Nothing waits for it and nothing depends on it: where it is slow, wrong or away, the place stays what the words made
of it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlmodel import col, select

from ess import dispatch, geo
from ess.domain.errors import PermanentFailure, TransientFailure
from ess.domain.incident import ENDED
from ess.domain.place import Pin
from ess.domain.report import Location
from ess.engine import Engine
from ess.store import Transaction, geocodes, incidents, tables
from ess.store.geocodes import Said

if TYPE_CHECKING:
    from ess.geo.online import Geocoder

log = structlog.get_logger()

#: Above the geocoder's own timeout: whoever has not come back is taken for dead, and it is asked again.
_CALL_AT_MOST = timedelta(seconds=10)
#: After so many tries in vain the words must do.
_MAX_TRIES = 5
_FIRST_PAUSE_S = 2.0


@dataclass(frozen=True)
class _Question:
    """An incident that has words and no pin."""

    incident_id: UUID
    address: str
    #: What the geocoder said about these words before.
    said: Said | None


def refine_place(engine: Engine, geocoder: "Geocoder | None", deadline_id: int) -> None:
    """Ask the geocoder for the incident's address, once, and correct the place where its point refines the words."""
    with engine.store.transaction() as tx:
        question = _question(tx, geocoder, deadline_id)
    if question is None or geocoder is None:
        return
    try:
        said = question.said or Said(geocoder.find(question.address))
    except (TransientFailure, PermanentFailure) as error:
        with engine.store.transaction() as tx:
            _try_later(tx, deadline_id, error)
        return
    with engine.store.transaction() as tx:
        geocodes.keep(tx, geocoder.name, question.address, said)
        incidents.lock(tx, question.incident_id)  # so that no other place comes between the look and the decision
        is_outdated = _address(tx, question.incident_id) != question.address
        if said.pin and not is_outdated:
            _correct(engine, tx, question.incident_id, said.pin)
        # Only now: whoever decides about an incident locks it before anything of it.
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
        if deadline and is_outdated:
            tx.move(deadline, tx.now)  # what was said meanwhile is asked for instead
        elif deadline:
            tx.session.delete(deadline)


def _question(tx: Transaction, geocoder: "Geocoder | None", deadline_id: int) -> _Question | None:
    """What to ask; None where another worker asks, or there is nothing to ask any more."""
    deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update={"skip_locked": True})
    if deadline is None or deadline.due_at > tx.now:
        return None
    incident = tx.session.get_one(tables.Incident, deadline.incident_id)
    address = _address(tx, incident.id)
    if geocoder is None or address is None or incident.pin or incident.state in ENDED:
        tx.session.delete(deadline)
        return None
    deadline.due_at = deadline.wake_at = tx.now + _CALL_AT_MOST
    return _Question(incident.id, address, geocodes.known(tx, geocoder.name, address))


def _address(tx: Transaction, incident_id: UUID) -> str | None:
    """The words that say where; None where nobody wrote any."""
    reports = tx.session.exec(
        select(tables.Report)
        .where(tables.Report.incident_id == incident_id)
        .order_by(col(tables.Report.received_at))
        .execution_options(populate_existing=True)
    )
    return next((words for report in reports if (words := report.details["location"]["address"])), None)


def _try_later(tx: Transaction, deadline_id: int, error: TransientFailure | PermanentFailure) -> None:
    deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
    if deadline is None:
        return
    deadline.failures += 1
    if isinstance(error, PermanentFailure) or deadline.failures >= _MAX_TRIES:
        log.warning("place_not_refined", why=str(error))
        tx.session.delete(deadline)
        return
    pause = timedelta(seconds=_FIRST_PAUSE_S * 2**deadline.failures)
    deadline.due_at = deadline.wake_at = tx.now + max(pause, getattr(error, "after", None) or pause)


def _correct(engine: Engine, tx: Transaction, incident_id: UUID, pin: Pin) -> None:
    """The incident is where the geocoder says, unless that is abroad or in no province that the words may mean."""
    place, words = geo.locate(*pin), incidents.lock(tx, incident_id).place
    if place is None or (words and place.province not in words.candidates):
        log.info("place_not_refined", why="its point is elsewhere" if place else "its point is abroad")
        return
    dispatch.correct_location(engine, tx, incident_id, Location(*pin), source="geocoder")
