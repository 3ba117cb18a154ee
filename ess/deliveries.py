"""From rows to calls: each delivery is attempted, its outcome recorded, and its failure passed on.

An attempt is committed as `sending` before the provider is called, no transaction is open during the call,
and the outcome is committed after.  A crash in between leaves a row that says so, and the next attempt is
safe: LINE by its retry key, SMS by looking first.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import structlog
from sqlmodel import select

from ess.channels.envelope import Button, Envelope, Message, Press, Sender
from ess.domain.duty import Channel
from ess.domain.errors import PermanentFailure, Refused, TransientFailure
from ess.domain.incident import TAKEN, AlertState, Fact, LoseContact, decide
from ess.engine import Engine
from ess.outbox import Outbox, carry_out
from ess.store import Transaction, incidents, tables
from ess.store.tables import Delivery, DeliveryState

log = structlog.get_logger()

#: A worker that is still calling after this is taken for dead; above every timeout of a channel together.
_CALL_AT_MOST = timedelta(seconds=20)
_FINAL = frozenset({DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED})
_REPLY_TOKEN_LIVES = timedelta(seconds=50)
#: What merely informs is not worth another channel when it fails; these are.
_ASKING = frozenset({"alert", "follow_up", "follow_up_reminder", "follow_up_overdue"})
#: What tells somebody that an alert needs nothing more from them.
_TAKES_BACK = frozenset({"stood_down", "over"})


def send_delivery(engine: Engine, senders: Mapping[Channel, Sender], deadline_id: int) -> None:
    """Make the one attempt that is due, if it still is."""
    with engine.store.transaction() as tx:
        claimed = _claim(tx, deadline_id)
    if claimed is None:
        return
    delivery, envelope = claimed
    outcome: str | TransientFailure | PermanentFailure
    try:
        outcome = senders[Channel(delivery.channel)].send(envelope)
    except (TransientFailure, PermanentFailure) as error:
        outcome = error
    with engine.store.transaction() as tx:
        _record(engine, tx, delivery.id, delivery.attempt, deadline_id, outcome)


def _claim(tx: Transaction, deadline_id: int) -> tuple[Delivery, Envelope] | None:
    """Commit the attempt before the provider is called; None where there is nothing left to do."""
    deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update={"skip_locked": True})
    if deadline is None or deadline.due_at > tx.now:
        return None
    delivery = tx.session.get_one(Delivery, UUID(deadline.subject), with_for_update=True)
    if delivery.claimed_until and delivery.claimed_until > tx.now:
        return None  # another worker is calling right now
    if delivery.state in _FINAL:
        tx.session.delete(deadline)
        return None
    delivery.error = _worse_than_none(tx, delivery)
    if delivery.error:
        delivery.state = DeliveryState.EXPIRED
        tx.session.delete(deadline)
        _note(tx, delivery, "delivery_expired", error=delivery.error)
        return None
    if delivery.state == DeliveryState.SENDING:  # its worker died in the call
        delivery.doubtful_since = delivery.doubtful_since or delivery.created_at
    delivery.state = DeliveryState.SENDING
    delivery.attempt += 1
    delivery.claimed_until = deadline.wake_at = tx.now + _CALL_AT_MOST
    young = tx.now - delivery.created_at < _REPLY_TOKEN_LIVES
    return delivery, Envelope(
        id=delivery.id,
        to=delivery.envelope["to"],
        messages=tuple(_message(message) for message in delivery.envelope["messages"]),
        valid_for_s=int((delivery.expires_at - tx.now).total_seconds()),
        reply_token=delivery.reply_token if young and delivery.attempt == 1 else None,
        doubtful_since=delivery.doubtful_since,
    )


def _worse_than_none(tx: Transaction, delivery: Delivery) -> str | None:
    """Why a phone must not light up for this message any more; None where it is still wanted."""
    if delivery.expires_at <= tx.now:
        return "older than its message is good for"
    if delivery.alert_id is None:
        return None
    if delivery.message == "alert":
        alert = tx.session.get_one(tables.Alert, delivery.alert_id)
        return None if alert.state in {AlertState.OPEN, *TAKEN} else f"{alert.state} before it was sent"
    if delivery.message in _TAKES_BACK:
        asked = select(Delivery.id).where(
            Delivery.alert_id == delivery.alert_id, Delivery.message == "alert", Delivery.attempt > 0
        )
        return None if tx.session.exec(asked).first() else "they never heard of the incident"
    return None


def _message(data: Mapping[str, object]) -> Message:
    buttons = tuple(
        Button(button["label"], button["data"], Press(button["press"]))
        for button in data["buttons"]  # type: ignore[attr-defined]
    )
    return Message(str(data["text"]), buttons, data["prompt"])  # type: ignore[arg-type]


def _record(
    engine: Engine,
    tx: Transaction,
    delivery_id: UUID,
    attempt: int,
    deadline_id: int,
    outcome: str | TransientFailure | PermanentFailure,
) -> None:
    delivery = tx.session.get_one(Delivery, delivery_id, with_for_update=True)
    deadline = tx.session.get(tables.Deadline, deadline_id)
    if delivery.attempt != attempt or delivery.state in _FINAL or deadline is None:
        return  # taken for dead, and somebody else has gone on: their outcome counts
    delivery.claimed_until = None
    match outcome:
        case TransientFailure():
            pause = timedelta(seconds=min(60, 2 ** min(attempt, 6) / 2))
            delivery.state = DeliveryState.UNKNOWN if outcome.unknown else DeliveryState.QUEUED
            if outcome.unknown:
                delivery.doubtful_since = delivery.doubtful_since or delivery.created_at
            delivery.error = str(outcome)
            if tx.now + pause < delivery.expires_at:
                deadline.due_at = deadline.wake_at = tx.now + pause
                _note(tx, delivery, "delivery_retried", error=str(outcome))
            else:
                tx.session.delete(deadline)
                fail(engine, tx, delivery, str(outcome))
        case PermanentFailure():
            tx.session.delete(deadline)
            fail(engine, tx, delivery, str(outcome))
        case reference:
            delivery.state = DeliveryState.SENT
            delivery.provider_ref = reference or None
            delivery.sent_at = tx.now
            delivery.error = None
            tx.session.delete(deadline)
            _note(tx, delivery, "delivery_sent")


def fail(engine: Engine, tx: Transaction, delivery: Delivery, why: str) -> None:
    """This channel will not do it: the responder's next one at once, and without a next one, the next person."""
    delivery.state = DeliveryState.FAILED
    delivery.error = why
    _note(tx, delivery, "delivery_failed", error=why)
    if delivery.incident_id is None or delivery.responder_id is None or delivery.message not in _ASKING:
        return
    incident = incidents.lock(tx, delivery.incident_id)
    outbox = Outbox(engine, tx, incident)
    after = Channel(delivery.channel)
    if delivery.follow_up_id is not None:
        follow_up = next(call for call in incident.follow_ups if call.id == delivery.follow_up_id)
        row = tx.session.get_one(tables.Responder, delivery.responder_id)
        if not follow_up.is_done:
            outbox.ask_follow_up(follow_up, delivery.message, row, after)
        return
    alert = next(alert for alert in incident.alerts if alert.id == delivery.alert_id)
    if alert.state is not AlertState.OPEN or outbox.ask(alert, after):
        return  # they have answered or were stood down; or their next channel is tried
    try:
        decision = decide(incident, LoseContact(alert.id), tx.now)
    except Refused as refused:
        log.info("unreachable_but_over", incident=incident.code, why=str(refused))
        return
    incidents.save(tx, decision)
    carry_out(engine, tx, decision)


def record_receipt(engine: Engine, tx: Transaction, provider_ref: str, status: str, code: str | None) -> bool:
    """What Twilio says became of a message; false where no row has its sid yet.

    Receipts come in any order: one that is final stays.
    """
    query = select(Delivery).where(Delivery.provider_ref == provider_ref).with_for_update()
    delivery = tx.session.exec(query).one_or_none()
    if delivery is None:
        return False
    if delivery.state in _FINAL:
        return True
    if status in {"delivered", "read"}:
        delivery.state = DeliveryState.DELIVERED
        _note(tx, delivery, "delivery_delivered")
    elif status in {"failed", "undelivered", "canceled"}:
        fail(engine, tx, delivery, f"Twilio: {status} {code or ''}".strip())
    return True


def _note(tx: Transaction, delivery: Delivery, fact: str, **data: object) -> None:
    if delivery.incident_id is None:
        return
    about = {
        "delivery_id": delivery.id,
        "channel": delivery.channel,
        "message": delivery.message,
        "responder_id": delivery.responder_id,
        "attempt": delivery.attempt,
        **data,
    }
    incidents.note(
        tx, delivery.incident_id, Fact(fact, {key: value for key, value in about.items() if value is not None})
    )
