"""What LINE and Twilio send us: kept verbatim first, understood afterwards by a worker.

A webhook writes one row for each event and answers at once; the event's own id makes a repetition the same
row.  `handle_inbound` then tells whose it is: a citizen's step (`reporting`), a responder's tap or SMS (`responding`),
a link code, or a receipt.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from ess import bridges, deliveries, linking, reporting, responding, roll_call
from ess.conversation.event import user_of
from ess.engine import Engine
from ess.store import Transaction, inbound, responders, tables
from ess.wake import CONFIRM, HANDLE

log = structlog.get_logger()

LINE, SMS, RECEIPT, UNREADABLE = "line", "sms", "receipt", "unreadable"

#: An event that waited longer than this is answered by push.
_REPLY_TOKEN_IS_GOOD = timedelta(seconds=20)
#: A receipt may overtake the commit of its own message; it is looked for again for so long.
_RECEIPT_WAITS = timedelta(minutes=10)


@dataclass(frozen=True)
class Event:
    """One thing that a provider sent, with the provider's own id for it."""

    id: str
    kind: str
    body: Mapping[str, Any]


def keep(engine: Engine, events: Iterable[Event]) -> int:
    """Store events that are new and promise to handle them; how many were new."""
    came = {event.id: event for event in events}
    with engine.store.transaction() as tx:
        # In one order everywhere: a redelivery may bring them in another one at the same instant.
        new = {event_id for event_id in sorted(came) if _is_new(tx, came[event_id])}
        for event in came.values():
            if event.id in new:
                tx.promise(CONFIRM if _is_good_news(event) else HANDLE, tx.now, subject=event.id)
    return len(new)


def _is_new(tx: Transaction, event: Event) -> bool:
    row = {"id": event.id, "kind": event.kind, "body": dict(event.body), "received_at": tx.now}
    added = insert(tables.Inbound).values(row).on_conflict_do_nothing().returning(col(tables.Inbound.id))
    return tx.session.execute(added).first() is not None


def _is_good_news(event: Event) -> bool:
    """A receipt that changes nothing: the message is on the phone.  A failed one brings the next channel forward."""
    return event.kind == RECEIPT and (event.body.get("MessageStatus") or event.body.get("SmsStatus")) == "delivered"


def keep_unreadable(engine: Engine, report: Mapping[str, Any], problems: list[str]) -> str:
    """Keep a report that came by task and is not one, for a person to read; the id of its row."""
    row_id = f"unreadable:{uuid4()}"
    with engine.store.transaction() as tx:
        body = {"report": json.loads(json.dumps(report, default=str)), "problems": problems}
        tx.session.add(tables.Inbound(id=row_id, kind=UNREADABLE, body=body, received_at=tx.now))
    return row_id


def handle_inbound(engine: Engine, deadline_id: int) -> None:
    """Understand one event and do what it asks; done and the event's own row are one commit."""
    with engine.store.transaction() as tx:
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update={"skip_locked": True})
        if deadline is None or deadline.due_at > tx.now:
            return
        row = tx.session.get_one(tables.Inbound, deadline.subject)
        event_id, kind, body, waited = row.id, row.kind, row.body, tx.now - row.received_at
        if waited > _REPLY_TOKEN_IS_GOOD:
            body = {**body, "replyToken": None}
        if kind == RECEIPT and not _receipt(engine, tx, body) and waited < _RECEIPT_WAITS:
            deadline.due_at = deadline.wake_at = tx.now + timedelta(seconds=2)
            return
        if kind == RECEIPT or (kind == LINE and _hear_in_chat(engine, tx, event_id, body)):
            row.handled_at = tx.now
            tx.session.delete(deadline)
            return
    # A responder's answer locks the incident first, as everything that decides about one does; the event
    # is marked as handled in the same transaction as the answer, by `then`.
    if kind == SMS:
        _sms(engine, deadline_id, event_id, body)
    elif code := linking.code_in(body):
        _link_code(engine, deadline_id, event_id, body, code)
    elif responding.is_button(body):
        responding.press(engine, deadline_id, body)
    else:
        responding.hear_words(engine, deadline_id, body)


def _hear_in_chat(engine: Engine, tx: Transaction, event_id: str, body: Mapping[str, Any]) -> bool:
    """What anybody does in LINE; false for a link code and a responder's answer, which are not done in here."""
    if body.get("source", {}).get("type", "user") != "user":
        log.info("said_in_a_group")  # an answer would be read by everybody in it
        return True
    if responding.is_button(body) or linking.code_in(body):
        return False
    if linking.hear(engine, tx, body) or roll_call.hear(engine, tx, body):
        return True
    if responding.is_for_alert(tx, body):
        return False
    reporting.hear(engine, tx, event_id, body)
    return True


def _link_code(engine: Engine, deadline_id: int, event_id: str, body: Mapping[str, Any], code: str) -> None:
    """Somebody typed a link code; one that links nobody is also what a citizen says."""
    # Redis is asked before the transaction begins.
    may_try = engine.guesses.allows(engine.store.vault.index(user_of(body)))
    with engine.store.transaction() as tx:
        if inbound.done(tx, deadline_id) and not linking.take_code(engine, tx, body, code if may_try else None):
            reporting.hear(engine, tx, event_id, body)


def _sms(engine: Engine, deadline_id: int, event_id: str, body: Mapping[str, Any]) -> None:
    """Of whoever has this phone in the roster, else of a reporter."""
    phone, words = str(body.get("From", "")), str(body.get("Body", ""))
    with engine.store.transaction() as tx:
        people = responders.by_phone(tx, phone)
        if not people:
            if inbound.done(tx, deadline_id):
                reporting.hear_sms(engine, tx, event_id, phone, words)
            return
        press = responding.hear_sms(engine, tx, deadline_id, phone, words, people)
    if press:
        press.act()


def _receipt(engine: Engine, tx: Transaction, body: Mapping[str, Any]) -> bool:
    if "CallSid" in body:
        about = str(body["CallSid"]), str(body.get("CallStatus", "")), str(body.get("AnsweredBy", ""))
        delivery_id = UUID(body["delivery"])
        deliveries.record_call(engine, tx, delivery_id, *about)
        return body.get("CallStatus") != "completed" or bridges.settle(engine, tx, delivery_id)
    status = str(body.get("MessageStatus") or body.get("SmsStatus") or "")
    return deliveries.record_receipt(engine, tx, str(body.get("MessageSid", "")), status, body.get("ErrorCode"))
