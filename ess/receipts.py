"""Receipts that never came: Twilio is asked what became of an alert by SMS.

Twilio tells of each message as it goes on its way, and says it hardly twice: what it says while the web edge, or the
database behind it, is away is lost.  Where that was good news nothing is missing; where it was that the number reaches
nobody, the responder's next channel, or the next person, would wait for the end of the step.
"""

from collections.abc import Callable

import structlog
from sqlalchemy import text

from ess import deliveries
from ess.channels.envelope import Status
from ess.domain.errors import PermanentFailure, TransientFailure
from ess.engine import Engine
from ess.store import Transaction, tables
from ess.store.tables import Delivery, DeliveryState
from ess.wake import ASK_RECEIPT

log = structlog.get_logger()

#: Alerts that wait for an answer, were taken a minute ago and have no receipt; after a quarter of an hour nothing is
#: to be learnt any more.  Found from the open incidents, which are few.
_MISSING = text(
    f"""
    INSERT INTO deadline (kind, incident_id, subject, due_at, wake_at, failures)
    SELECT '{ASK_RECEIPT}', incident.id, delivery.id::text, clock_timestamp(), clock_timestamp(), 0
    FROM incident
    JOIN alert ON alert.incident_id = incident.id AND alert.state = 'open'
    JOIN delivery ON delivery.alert_id = alert.id AND delivery.message = 'alert'
    WHERE incident.state NOT IN ('closed', 'cancelled', 'merged') AND delivery.channel = 'sms'
        AND delivery.state = 'sent' AND delivery.provider_ref IS NOT NULL
        AND delivery.sent_at < clock_timestamp() - interval '1 minute'
        AND delivery.sent_at > clock_timestamp() - interval '15 minutes'
    ON CONFLICT DO NOTHING
    """  # noqa: S608  # a constant is put in
)


def promise(tx: Transaction) -> None:
    """Twilio is asked about every alert by SMS whose receipt is missing; the clock wakes whoever asks."""
    tx.session.execute(_MISSING)


def ask(engine: Engine, status_of: Callable[[str], Status], deadline_id: int) -> None:
    """Ask about one; what Twilio says counts as its receipt.  Where it cannot say, the next audit asks again."""
    with engine.store.transaction() as tx:
        deadline = _mine(tx, deadline_id)
        delivery = tx.session.get(Delivery, deadline.subject) if deadline else None
        sid = delivery.provider_ref if delivery and delivery.state == DeliveryState.SENT else None
        if deadline and sid is None:
            tx.session.delete(deadline)  # it has come
    if sid is None:
        return
    try:
        status = status_of(sid)
    except (TransientFailure, PermanentFailure) as error:
        log.warning("receipt_unknown", error=str(error))
        status = None
    with engine.store.transaction() as tx:
        deadline = _mine(tx, deadline_id)
        if deadline is None:
            return
        tx.session.delete(deadline)
        if status:
            deliveries.record_receipt(engine, tx, sid, *status)


def _mine(tx: Transaction, deadline_id: int) -> tables.Deadline | None:
    return tx.session.get(tables.Deadline, deadline_id, with_for_update={"skip_locked": True})
