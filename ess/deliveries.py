"""What becomes of a message: the next channel where one fails, the next person where all do, and what providers report.

How a message goes out is in `sending`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row
from sqlmodel import col, delete, select

from ess.domain.duty import Channel
from ess.domain.errors import Refused
from ess.domain.follow_up import FollowUpState
from ess.domain.incident import ENDED, OVER, TAKEN, AlertState, Fact, LoseContact, decide
from ess.domain.roster import Change
from ess.engine import Engine
from ess.outbox import Around, Outbox, asked_beside, carry_out, queue
from ess.store import Transaction, incidents, tables
from ess.store.bridges import BRIDGE
from ess.store.tables import Delivery, DeliveryState
from ess.wake import SENDS
from ess.wanted import THEIRS, WANTED, wanted_by

log = structlog.get_logger()
#: Nothing changes any more.
FINAL = frozenset({DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED})
_LOST = frozenset({DeliveryState.FAILED, DeliveryState.EXPIRED})
#: What merely informs is not worth another channel when it fails, and a reminder goes over all of them; these are.
_ASKING = frozenset({"alert", "follow_up", "follow_up_overdue", "visit", "visit_overdue"})
#: What cannot wait for a channel to come back either: it is said over the next one in the same words.
_URGENT = frozenset({"reporter_safe", "reporter_cancels", "reporter_unsafe", "reporter_in_danger", "backup_wanted"})


def fail(engine: Engine, tx: Transaction, delivery: Delivery, why: str) -> None:
    """This channel will not do it: the responder's next one at once, and without a next one, the next person."""
    _lose(tx, delivery, why)
    if delivery.message == BRIDGE:
        tell_not_connected(engine, tx, delivery)
    elif not _over_next_channel(engine, tx, delivery):
        lose_contact(engine, tx, delivery)


def _lose(tx: Transaction, delivery: Delivery, why: str) -> None:
    delivery.state = DeliveryState.FAILED
    delivery.error = why
    note(tx, delivery, "delivery_failed", error=why)


def wait_for_channel(
    engine: Engine, tx: Transaction, delivery: Delivery, deadline: tables.Deadline, until: datetime, why: str
) -> None:
    """The channel is down for everyone: the next one at once, else the next person, and this one when it is back."""
    if _over_next_channel(engine, tx, delivery):
        tx.session.delete(deadline)
        _lose(tx, delivery, why)
        return
    delivery.state = DeliveryState.QUEUED
    deadline.due_at = deadline.wake_at = until
    if delivery.error != why:
        delivery.error = why
        note(tx, delivery, "delivery_waits", error=why)
    lose_contact(engine, tx, delivery)


def _over_next_channel(engine: Engine, tx: Transaction, delivery: Delivery) -> bool:
    """Ask or tell the responder over their next channel, where it cannot wait and there is another."""
    if delivery.incident_id is None or delivery.responder_id is None or delivery.message not in _ASKING | _URGENT:
        return False
    incident = incidents.lock(tx, delivery.incident_id)
    outbox = Outbox(engine, tx, incident)
    row = tx.session.get_one(tables.Responder, delivery.responder_id)
    if delivery.message in _URGENT:
        return outbox.tell_instead(row, delivery)
    if delivery.follow_up_id is not None:
        follow_up = incident.follow_up(delivery.follow_up_id)
        return follow_up.is_done or outbox.ask_follow_up(follow_up, delivery.message, row, Channel(delivery.channel))
    alert = next(alert for alert in incident.alerts if alert.id == delivery.alert_id)
    return alert.state not in wanted_by(delivery) or outbox.ask_instead(alert, delivery)


def lose_contact(engine: Engine, tx: Transaction, delivery: Delivery) -> None:
    """Nothing reaches the responder of an alert now: the others are asked without waiting for the deadline."""
    if delivery.incident_id is None or delivery.alert_id is None or delivery.message != "alert":
        return
    incident = incidents.lock(tx, delivery.incident_id)
    if any(other.state not in _LOST for other in asked_beside(tx, delivery)):
        return  # another channel asks them too
    try:
        decision = decide(incident, LoseContact(delivery.alert_id), tx.now)
    except Refused as refused:  # they have answered, were lost before, or it is over
        log.info("contact_not_missed", incident=incident.code, why=str(refused))
        return
    incidents.save(tx, decision)
    carry_out(engine, tx, [decision])


def tell_not_connected(engine: Engine, tx: Transaction, delivery: Delivery) -> None:
    """Whoever asked to be connected was not reached, or pressed nothing: they read so, with the buttons."""
    if delivery.incident_id is None or delivery.responder_id is None or delivery.follow_up_id is None:
        return
    incident = incidents.lock(tx, delivery.incident_id)
    follow_up = incident.follow_up(delivery.follow_up_id)
    if not follow_up.is_done and incident.is_open:
        row = tx.session.get_one(tables.Responder, delivery.responder_id)
        Outbox(engine, tx, incident).ask_follow_up(follow_up, "bridge_lost", row)


def account_lost(engine: Engine, tx: Transaction, people: Iterable[tables.Responder], why: str) -> None:
    """Their LINE accounts show them nothing any more: what they were asked there is asked over the next channel."""
    again = set()
    for delivery in _asked_over(tx, {row.id for row in people}, [Channel.LINE]):
        about = delivery.responder_id, delivery.alert_id or delivery.follow_up_id
        if about in again:  # by a newer message
            _lose(tx, delivery, why)
        else:
            again.add(about)
            fail(engine, tx, delivery, why)


def account_changed(engine: Engine, tx: Transaction, row: tables.Responder, why: str) -> None:
    """The responder has another LINE account now: what waits for their answer is asked there."""
    addresses_changed(engine, tx, {row.id: row}, [Channel.LINE], why)


#: The columns of the roster that say where somebody is reached, and over which channels.
_ADDRESSES = {"line_user_id": (Channel.LINE,), "phone": (Channel.SMS, Channel.VOICE)}


def roster_changed(engine: Engine, tx: Transaction, changed: Iterable[Change]) -> None:
    """Whoever has another phone or LINE account in the roster now is asked there what waits for their answer.

    Whoever was alerted by SMS at the phone before hears that an answer from it counts no more.
    """

    def over(change: Change) -> tuple[Channel, ...]:
        moved = (channels for column, channels in _ADDRESSES.items() if column in change.columns)
        return tuple(channel for channels in moved for channel in channels)

    for channels, changes in groupby(sorted(filter(over, changed), key=over), key=over):
        before = {change.after.ref: change.before.phone for change in changes}
        query = select(tables.Responder).where(col(tables.Responder.ref).in_(list(before)))
        people = {row.id: row for row in tx.session.exec(query)}
        phones = {row.id: before[row.ref] for row in people.values() if Channel.SMS in channels}
        addresses_changed(engine, tx, people, channels, "the roster has another address", phones)


def addresses_changed(
    engine: Engine,
    tx: Transaction,
    people: Mapping[UUID, tables.Responder],
    over: Collection[Channel],
    why: str,
    phones: Mapping[UUID, str | None] | None = None,
) -> None:
    """These responders, by id, are reached elsewhere over these channels: what waits for their answer is asked there.

    Who has taken an alert gets the code with which they go on by SMS from the new number.  `phones` are those that they
    had before, where it is these that changed.
    """
    asked: dict[tuple[UUID, UUID, UUID], str | None] = {}
    for delivery in _asked_over(tx, people, over):
        _lose(tx, delivery, why)
        if delivery.incident_id and delivery.follow_up_id and delivery.responder_id:
            asked.setdefault((delivery.incident_id, delivery.follow_up_id, delivery.responder_id), delivery.message)
    alerts = select(tables.Alert.incident_id, tables.Alert.id, tables.Alert.responder_id)
    alerts = alerts.join(tables.Incident, col(tables.Incident.id) == col(tables.Alert.incident_id)).where(
        col(tables.Alert.responder_id).in_(list(people)),
        col(tables.Alert.state).in_(WANTED),
        col(tables.Incident.state).not_in(OVER),
    )
    asked |= dict.fromkeys(tx.session.exec(alerts).all())
    for incident_id, asked_id, responder_id in sorted(asked):  # in one order everywhere: each is locked in turn
        incident = incidents.lock(tx, incident_id)
        around = Around(tx, [incident])
        outbox = Outbox(engine, tx, incident, around=around)
        if message := asked[incident_id, asked_id, responder_id]:
            outbox.ask_follow_up(incident.follow_up(asked_id), message, people[responder_id])
            continue
        alert, its_row = incident.alert(asked_id), tx.loaded[incident_id].alerts[asked_id]
        is_new = its_row.phone_index != people[responder_id].phone_index
        phone = (phones or {}).get(responder_id)
        if phone and _asked_by_sms(tx, asked_id):
            moved = engine.texts.say("phone_moved", Channel.SMS, code=incident.code)
            until = tx.now + incident.policy.fresh_for
            queue(
                tx,
                Channel.SMS,
                phone,
                (moved,),
                "phone_moved",
                until,
                incident_id=incident_id,
                responder_id=responder_id,
            )
        if is_new:  # its code was one of the other phone's
            its_row.phone_index = its_row.reply_code = None
            around.give_codes([its_row])
        if alert.state in TAKEN and is_new:
            outbox.confirm(alert)
        elif alert.state in {AlertState.OPEN, AlertState.UNREACHABLE}:
            outbox.ask(alert)


def _asked_by_sms(tx: Transaction, alert_id: UUID) -> bool:
    by_sms = select(Delivery.id).where(Delivery.alert_id == alert_id, Delivery.channel == Channel.SMS)
    return tx.session.exec(by_sms.where(col(Delivery.sent_at).is_not(None)).limit(1)).first() is not None


def _asked_over(tx: Transaction, people: Collection[UUID], over: Collection[Channel]) -> Sequence[Delivery]:
    """What went to them over these channels and waits for their answer, locked; of each incident the newest first."""
    waits = (col(tables.Alert.state) == AlertState.OPEN) | (
        (col(tables.FollowUp.state) != FollowUpState.DONE)
        & col(tables.Incident.state).not_in(ENDED)
        & (col(Delivery.message).not_in(THEIRS) | (tables.FollowUp.responder_id == Delivery.responder_id))
    )
    return tx.session.exec(
        select(Delivery)
        .outerjoin(tables.Alert, col(tables.Alert.id) == col(Delivery.alert_id))
        .outerjoin(tables.FollowUp, col(tables.FollowUp.id) == col(Delivery.follow_up_id))
        .join(tables.Incident, col(tables.Incident.id) == col(Delivery.incident_id))
        .where(
            col(Delivery.responder_id).in_(list(people)),
            col(Delivery.channel).in_(over),
            col(Delivery.message).in_(_ASKING),
            col(Delivery.state).not_in(FINAL),
            waits,
        )
        # In one order everywhere: each is locked in turn.
        .order_by(col(Delivery.incident_id), col(Delivery.created_at).desc())
        .with_for_update(of=Delivery)
    ).all()


def record_receipt(engine: Engine, tx: Transaction, provider_ref: str, status: str, code: str | None) -> bool:
    """What Twilio says became of a message; false where no row has its sid yet.

    Receipts come in any order: one that is final stays.  Two messages of the same words, whose outcomes were unknown at
    the same instant, may have been taken for one.
    """
    query = select(Delivery).where(Delivery.provider_ref == provider_ref).order_by(col(Delivery.incident_id))
    found = tx.session.exec(query.with_for_update()).all()
    for delivery in found:
        if delivery.state in FINAL:
            continue
        if status in {"delivered", "read"}:
            delivery.state = DeliveryState.DELIVERED
            note(tx, delivery, "delivery_delivered")
        elif status in {"failed", "undelivered", "canceled"}:
            fail(engine, tx, delivery, f"Twilio: {status} {code or ''}".strip())
    return bool(found)


def record_call(engine: Engine, tx: Transaction, delivery_id: UUID, sid: str, status: str, answered_by: str) -> None:
    """What Twilio says became of a call: there is one, nobody picked up, or a machine did.

    That it was picked up and has ended says nothing: a digit alone does.
    """
    delivery = tx.session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.state in FINAL:
        return
    if delivery.state != DeliveryState.SENT:
        # Before the API's own answer, or instead of it.
        delivery.state = DeliveryState.SENT
        delivery.provider_ref, delivery.sent_at, delivery.claimed_until, delivery.error = sid, tx.now, None, None
        _forget(tx, delivery)
        note(tx, delivery, "delivery_sent")
    if status in {"busy", "no-answer", "failed", "canceled"}:
        fail(engine, tx, delivery, f"the call: {status}")
    elif delivery.message == BRIDGE:
        # Whoever asked for the call is there: a person who is taken for a machine can press all the same.
        if status == "completed":
            fail(engine, tx, delivery, "the call: over without the digit")
    elif answered_by.startswith("machine") or answered_by == "fax":
        fail(engine, tx, delivery, "the call: a machine picked up")


def record_digit(tx: Transaction, delivery_id: UUID) -> None:
    """A person has answered in the call."""
    delivery = tx.session.get_one(Delivery, delivery_id, with_for_update=True)
    if delivery.state not in FINAL:
        delivery.state = DeliveryState.DELIVERED
        _forget(tx, delivery)
        note(tx, delivery, "delivery_delivered")


def _forget(tx: Transaction, delivery: Delivery) -> None:
    """There is nothing left to send."""
    due = col(tables.Deadline.kind).in_(SENDS) & (col(tables.Deadline.subject) == str(delivery.id))
    its = col(tables.Deadline.incident_id) == delivery.incident_id
    tx.session.execute(delete(tables.Deadline).where(due, its), execution_options={"synchronize_session": False})


def note(tx: Transaction, delivery: Delivery, fact: str, **data: object) -> None:
    """Add to the timeline of its incident, where it has one."""
    if delivery.incident_id is None:
        return
    incidents.note(tx, delivery.incident_id, Fact(fact, described(delivery) | data))


def described(delivery: Delivery | Row[Any]) -> dict[str, Any]:
    """What a fact says of a message."""
    said = {
        "delivery_id": delivery.id,
        "channel": delivery.channel,
        "message": delivery.message,
        "responder_id": delivery.responder_id,
        "attempt": delivery.attempt,
    }
    return {key: value for key, value in said.items() if value is not None}
