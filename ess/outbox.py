"""From what was decided to what is said: effects become delivery rows, rows become calls to providers.

A delivery is committed with the decision that wants it.  Its call happens later and outside of any
transaction: `sending` is committed first, the outcome after.  A crash in between leaves a row that says so,
and the next attempt is safe (LINE by its retry key, SMS by looking first).
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlmodel import col, select

from ess.channels import Button, Envelope, Message, Sender
from ess.channels.envelope import Press
from ess.conversation.answer import next_code
from ess.conversation.letters import About, alert_letter, follow_up_letter, progress_letter, reporter_letter
from ess.domain.duty import Channel
from ess.domain.errors import AlreadyRecorded, PermanentFailure, Refused, TransientFailure
from ess.domain.incident import (
    Alert,
    AskFollowUp,
    AskResponder,
    Decision,
    Fact,
    Incident,
    LoseContact,
    TellReporter,
    TellResponder,
    TellSupervisors,
    decide,
)
from ess.domain.report import Contact
from ess.engine import Engine
from ess.store import Transaction, incidents, responders, tables
from ess.store.tables import Delivery, DeliveryState
from ess.wake import SEND

log = structlog.get_logger()

#: A worker that is still calling after this is taken for dead; above every timeout of a channel together.
_CALL_AT_MOST = timedelta(seconds=20)
_FINAL = frozenset({DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED})
_LINE_REPLY_TOKEN_LIVES = timedelta(seconds=50)


# --- effects become rows ---------------------------------------------------------------------------------
def carry_out(engine: Engine, tx: Transaction, decision: Decision, *, reply_token: str | None = None) -> None:
    """Write a delivery for everybody whom the decision wants to hear something."""
    effects = decision.effects
    if not effects:
        return
    incident = decision.incident
    about = _about(tx, incident)
    alerts = {alert.id: alert for alert in incident.alerts}
    follow_ups = {follow_up.id: follow_up for follow_up in incident.follow_ups}
    people = responders.by_ids(
        tx,
        {alert.responder_id for alert in incident.alerts}
        | {follow_up.responder_id for follow_up in incident.follow_ups if follow_up.responder_id},
    )
    fresh_until = tx.now + incident.policy.fresh_for
    _give_codes(tx, [alerts[effect.alert_id] for effect in effects if isinstance(effect, AskResponder)], people)
    for effect in effects:
        match effect:
            case AskResponder(alert_id):
                alert = alerts[alert_id]
                _write_alert(engine, tx, about, alert, people[alert.responder_id], None, fresh_until)
            case TellResponder(alert_id, key, holder):
                alert = alerts[alert_id]
                who = people[alerts[holder].responder_id].name_th if holder else ""
                _tell_responder(engine, tx, about, alert, people[alert.responder_id], key, who, fresh_until)
            case TellReporter(key, arrival_at):
                holder_alert = alerts.get(incident.lead.holder) if incident.lead.holder else None
                who = people[holder_alert.responder_id].name_th if holder_alert else ""
                _tell_reporter(engine, tx, incident, key, who, arrival_at, fresh_until, reply_token)
            case TellSupervisors(key, follow_up_id):
                _tell_supervisors(engine, tx, about, key, follow_up_id, people, fresh_until)
            case AskFollowUp(follow_up_id, reminder):
                follow_up = follow_ups[follow_up_id]
                if follow_up.responder_id is not None:
                    key = "follow_up_reminder" if reminder else "follow_up"
                    row = people[follow_up.responder_id]
                    until = max(follow_up.due_at, fresh_until)
                    _write_follow_up(engine, tx, about, key, follow_up_id, follow_up.due_at, row, None, until)
            case other:
                raise AssertionError(f"nobody carries out {other}")


def _about(tx: Transaction, incident: Incident) -> About:
    row = tx.session.get_one(tables.Incident, incident.id)
    reports = _reports(tx, incident.id)
    strictest = [Contact.NONE, Contact.TEXT_ONLY, Contact.ANY]
    return About(
        incident,
        row.received_at,
        pin=(row.pin[0], row.pin[1]) if row.pin else None,
        minor=any(report.victim_is_minor for report in reports),
        contact=min((Contact(report.contact) for report in reports), key=strictest.index, default=Contact.NONE),
    )


def _reports(tx: Transaction, incident_id: UUID) -> list[tables.Report]:
    return list(tx.session.exec(select(tables.Report).where(tables.Report.incident_id == incident_id)))


def _give_codes(tx: Transaction, alerts: list[Alert], people: Mapping[UUID, tables.Responder]) -> None:
    """Two digits for each new alert, unique among the phone's alerts of the last day."""
    wanted = []
    for alert in alerts:
        row = tx.session.get_one(tables.Alert, alert.id)
        index = people[alert.responder_id].phone_index
        if row.reply_code is None and index is not None:
            wanted.append((index, row))
    # In one order everywhere, so that two incidents that alert the same phones never wait for each other.
    for index, row in sorted(wanted, key=lambda pair: pair[0]):
        tx.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": index.hex()})
        day_ago = tx.now - timedelta(hours=24)
        used = tx.session.exec(
            select(tables.Alert.reply_code).where(
                tables.Alert.phone_index == index,
                (col(tables.Alert.created_at) > day_ago) | (col(tables.Alert.state) == "open"),
            )
        )
        row.phone_index = index
        row.reply_code = next_code({code for code in used if code})
        tx.session.flush()


def _code(tx: Transaction, alert: Alert) -> str | None:
    return tx.session.get_one(tables.Alert, alert.id).reply_code


def _channel(row: tables.Responder, after: Channel | None) -> Channel | None:
    """The responder's first channel, or the one that follows `after` in their order."""
    order = responders.channels(row)
    position = order.index(after) + 1 if after in order else 0
    return order[position] if position < len(order) else None


def _write_alert(
    engine: Engine,
    tx: Transaction,
    about: About,
    alert: Alert,
    row: tables.Responder,
    after: Channel | None,
    until: datetime,
) -> bool:
    channel = _channel(row, after)
    if channel is None:
        return False
    base = (row.latitude, row.longitude) if row.latitude is not None and row.longitude is not None else None
    code = _code(tx, alert)
    letter = alert_letter(engine.texts, about, alert, channel, code, base)
    queue(
        tx, channel, _to(row, channel), (letter,), "alert", until, incident=about.incident, alert_id=alert.id, row=row
    )
    return True


def _tell_responder(
    engine: Engine,
    tx: Transaction,
    about: About,
    alert: Alert,
    row: tables.Responder,
    key: str,
    who: str,
    until: datetime,
) -> None:
    channel = _last_channel(tx, alert.id) or _channel(row, None)
    if channel is None:
        return
    if key == "arrived_yet":
        letter = progress_letter(engine.texts, key, about.incident, alert, channel, _code(tx, alert))
    else:
        letter = engine.texts.say(key, channel, code=about.incident.code, who=who)
    queue(tx, channel, _to(row, channel), (letter,), key, until, incident=about.incident, alert_id=alert.id, row=row)


def _last_channel(tx: Transaction, alert_id: UUID) -> Channel | None:
    """The channel over which the responder was reached for this alert."""
    found = tx.session.exec(
        select(Delivery.channel).where(Delivery.alert_id == alert_id).order_by(col(Delivery.created_at).desc()).limit(1)
    ).first()
    return Channel(found) if found else None


def _tell_reporter(
    engine: Engine,
    tx: Transaction,
    incident: Incident,
    key: str,
    who: str,
    arrival_at: datetime | None,
    until: datetime,
    reply_token: str | None,
) -> None:
    """In the chat in which they reported, else by SMS where they said that they may be written to."""
    for report in _reports(tx, incident.id):
        line_user, phone = report.details.get("line_user_id"), report.details.get("phone")
        if line_user:
            channel, to = Channel.LINE, line_user
        elif phone and report.contact != Contact.NONE:
            channel, to = Channel.SMS, phone
        else:
            continue
        letters = reporter_letter(engine.texts, key, incident, channel, who, arrival_at)
        token = reply_token if channel is Channel.LINE else None
        queue(tx, channel, to, letters, key, until, incident=incident, reply_token=token)


def _tell_supervisors(
    engine: Engine,
    tx: Transaction,
    about: About,
    key: str,
    follow_up_id: UUID | None,
    people: Mapping[UUID, tables.Responder],
    until: datetime,
) -> None:
    incident = about.incident
    holder = next((alert for alert in incident.alerts if alert.id == incident.lead.holder), None)
    who = people[holder.responder_id].name_th if holder else ""
    for row in responders.supervisors(tx):
        if follow_up_id is not None:
            due_at = next(call.due_at for call in incident.follow_ups if call.id == follow_up_id)
            _write_follow_up(engine, tx, about, key, follow_up_id, due_at, row, None, until)
            continue
        channel = _channel(row, None)
        if channel is not None:
            place = engine.texts.place(incident.place)
            letter = engine.texts.say(key, channel, code=incident.code, place=place, who=who)
            queue(tx, channel, _to(row, channel), (letter,), key, until, incident=incident, row=row)


def _write_follow_up(
    engine: Engine,
    tx: Transaction,
    about: About,
    key: str,
    follow_up_id: UUID,
    due_at: datetime,
    row: tables.Responder,
    after: Channel | None,
    until: datetime,
) -> bool:
    channel = _channel(row, after)
    if channel is None:
        return False
    letter = follow_up_letter(engine.texts, key, about, follow_up_id, due_at, channel)
    incident = about.incident
    queue(tx, channel, _to(row, channel), (letter,), key, until, incident=incident, follow_up_id=follow_up_id, row=row)
    return True


def _to(row: tables.Responder, channel: Channel) -> str:
    to = responders.address(row, channel)
    if to is None:
        raise AssertionError(f"{row.ref} was given a channel without an address")
    return to


def queue(
    tx: Transaction,
    channel: Channel,
    to: str,
    messages: tuple[Message, ...],
    key: str,
    until: datetime,
    *,
    incident: Incident | None = None,
    alert_id: UUID | None = None,
    follow_up_id: UUID | None = None,
    row: tables.Responder | None = None,
    reply_token: str | None = None,
) -> None:
    """Promise one message; it goes out when this transaction has committed."""
    delivery = Delivery(
        incident_id=incident.id if incident else None,
        alert_id=alert_id,
        follow_up_id=follow_up_id,
        responder_id=row.id if row else None,
        channel=channel,
        message=key,
        envelope={"to": to, "messages": [asdict(message) for message in messages]},
        reply_token=reply_token,
        expires_at=until,
        created_at=tx.now,
    )
    tx.session.add(delivery)
    tx.promise(SEND, tx.now, incident_id=delivery.incident_id, subject=str(delivery.id))


# --- rows become calls -----------------------------------------------------------------------------------
def send_delivery(engine: Engine, senders: Mapping[Channel, Sender], deadline_id: int) -> None:
    """Make the one attempt that is due, if it still is."""
    with engine.store.transaction() as tx:
        claimed = _claim(engine, tx, deadline_id)
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


def _claim(engine: Engine, tx: Transaction, deadline_id: int) -> tuple[Delivery, Envelope] | None:
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
    if delivery.expires_at <= tx.now:
        delivery.state = DeliveryState.EXPIRED
        delivery.error = "older than its message is good for"
        tx.session.delete(deadline)
        _note(tx, delivery, "delivery_expired")
        return None
    doubtful = delivery.state in {DeliveryState.SENDING, DeliveryState.UNKNOWN}
    delivery.state = DeliveryState.SENDING
    delivery.attempt += 1
    delivery.claimed_until = deadline.wake_at = tx.now + _CALL_AT_MOST
    young = tx.now - delivery.created_at < _LINE_REPLY_TOKEN_LIVES
    return delivery, Envelope(
        id=delivery.id,
        to=delivery.envelope["to"],
        messages=tuple(_message(message) for message in delivery.envelope["messages"]),
        valid_for_s=int((delivery.expires_at - tx.now).total_seconds()),
        reply_token=delivery.reply_token if young and delivery.attempt == 1 else None,
        doubtful_since=delivery.created_at if doubtful else None,
    )


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
    """This channel will not do it: the responder's next one at once, and without a next one, the next person.

    Only an alert or a call to make is worth another channel; what merely informs is noted as failed.
    """
    delivery.state = DeliveryState.FAILED
    delivery.error = why
    _note(tx, delivery, "delivery_failed", error=why)
    if delivery.incident_id is None or delivery.responder_id is None:
        return
    if delivery.message not in {"alert", "follow_up", "follow_up_reminder", "follow_up_overdue"}:
        return
    incident = incidents.lock(tx, delivery.incident_id)
    about = _about(tx, incident)
    row = tx.session.get_one(tables.Responder, delivery.responder_id)
    after = Channel(delivery.channel)
    if delivery.follow_up_id is not None:
        follow_up = next(call for call in incident.follow_ups if call.id == delivery.follow_up_id)
        if not follow_up.is_done:
            until = max(delivery.expires_at, tx.now + incident.policy.fresh_for)
            key, due_at = delivery.message, follow_up.due_at
            _write_follow_up(engine, tx, about, key, follow_up.id, due_at, row, after, until)
        return
    alert = next(alert for alert in incident.alerts if alert.id == delivery.alert_id)
    if _write_alert(engine, tx, about, alert, row, after, tx.now + incident.policy.fresh_for):
        return
    try:
        decision = decide(incident, LoseContact(alert.id), tx.now)
    except AlreadyRecorded:
        return
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
