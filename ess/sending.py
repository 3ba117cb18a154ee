"""From rows to calls: each message is attempted, and what came of it recorded.

An attempt is committed as `sending` before the provider is called, no transaction is open during the call, and the
outcome is committed after.  A crash in between leaves a row that says so, and the next attempt is safe: LINE by its
retry key, SMS by looking first.  Attempts that begin, or end, at the same instant in one process are one transaction.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Row, Select, TextClause, Uuid, any_, bindparam, cast, inspect, text, update
from sqlalchemy import select as select_columns
from sqlmodel import col, func, select

from ess import deliveries
from ess.channels.envelope import Button, Envelope, Message, Press, Sender
from ess.domain.duty import Channel
from ess.domain.errors import ChannelDown, PermanentFailure, ReplyRefused, TransientFailure
from ess.domain.incident import OVER, AlertState
from ess.domain.report import Contact
from ess.engine import Engine
from ess.outbox import alarm
from ess.store import Transaction, incidents, outages, tables
from ess.store.bridges import BRIDGE
from ess.store.tables import Delivery, DeliveryState
from ess.together import Together
from ess.wake import SENDS
from ess.wanted import HAS_HEARD, worse_than_none

#: A worker that is still calling after this is taken for dead; above every timeout of a channel together.
CALL_AT_MOST = timedelta(seconds=20)
#: LINE says a minute from the event on, of which `inbox` has used up to 20 s; above the wait for a dead worker.
_REPLY_TOKEN_LIVES = timedelta(seconds=35)
#: A reply is begun only so soon that, if its worker dies in the call, another can still ask LINE by the same token
#: whether it was said: a push that comes later has a key of its own, and says it twice.
_REPLY_BEGINS_WITHIN = timedelta(seconds=10)

_IS_ASKED = bindparam("deadline_ids", type_=ARRAY(BigInteger))
_HELD = (tables.Deadline, Delivery)
#: What else is asked of a message that is due.  Of these no rows, but what they say now: under the incident's lock they
#: are read as they are then.
_ABOUT: tuple[Any, ...] = (
    col(tables.Alert.state).label("alert_state"),
    col(tables.Alert.track).label("track"),
    col(tables.Alert.backup).label("is_backup"),
    col(tables.Incident.state).label("incident_state"),
    col(tables.Incident.tracks).label("tracks"),
    col(tables.FollowUp.state).label("follow_up_state"),
    col(tables.FollowUp.responder_id).label("caller_id"),
    HAS_HEARD.label("has_heard"),
    func.clock_timestamp().label("at"),
)


def _due(*columns: Any) -> Select[*tuple[Any, ...]]:
    """Messages by their deadlines, held.  Whoever holds either row is at it: the lease brings the wake-up again."""
    return (
        select_columns(*columns, *_ABOUT)
        .select_from(tables.Deadline)
        .join(Delivery, cast(tables.Deadline.subject, Uuid) == col(Delivery.id))
        .outerjoin(tables.Outage, col(tables.Outage.channel) == col(Delivery.channel))
        .outerjoin(tables.Alert, col(tables.Alert.id) == col(Delivery.alert_id))
        .outerjoin(tables.Incident, col(tables.Incident.id) == col(Delivery.incident_id))
        .outerjoin(tables.FollowUp, col(tables.FollowUp.id) == col(Delivery.follow_up_id))
        .where(col(tables.Deadline.id) == any_(_IS_ASKED), col(tables.Deadline.kind).in_(SENDS))
        .with_for_update(of=_HELD, skip_locked=True)
    )


#: All that the claim of one asks, in one round trip.
_DUE = _due(tables.Deadline, Delivery, tables.Outage)
#: So it is with most: nobody was at it before, and nothing stands against it.  Whoever is asked whether somebody has
#: heard of an alert must not find one that is being said and is then put back.
_PLAIN = (
    _due(col(tables.Deadline.id).label("deadline_id"), col(Delivery.id).label("delivery_id"))
    .where(
        col(tables.Deadline.due_at) <= func.clock_timestamp(),
        col(Delivery.state) == DeliveryState.QUEUED,
        col(Delivery.doubtful_since).is_(None),
        col(Delivery.reply_token).is_(None)
        | (col(Delivery.created_at) > func.clock_timestamp() - _REPLY_BEGINS_WITHIN),
        col(tables.Outage.channel).is_(None),
        (col(Delivery.message) != "alert")
        | (col(tables.Alert.state) == AlertState.OPEN) & col(tables.Incident.state).not_in(OVER),
        col(Delivery.expires_at) > func.clock_timestamp(),
    )
    .cte("plain")
)
_BEGUN = (
    update(Delivery)
    .where(col(Delivery.id) == _PLAIN.c.delivery_id)
    .values(
        state=DeliveryState.SENDING,
        attempt=col(Delivery.attempt) + 1,
        claimed_until=func.clock_timestamp() + CALL_AT_MOST,
        claimed_by=bindparam("run"),
    )
    .returning(*inspect(Delivery).local_table.columns, *_PLAIN.c)
)
#: Unless it was taken for dead meanwhile, and is somebody else's attempt.
_PUT_BACK = text("""
    UPDATE delivery SET state = 'queued', attempt = mine.attempt - 1, claimed_until = NULL, claimed_by = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS int[])) AS mine(id, attempt)
    WHERE delivery.id = mine.id AND delivery.attempt = mine.attempt AND delivery.state = 'sending'
    RETURNING delivery.id
""")

#: Unless the attempt was taken for dead, and somebody else has gone on; the promise is kept with it.
_SENT = """
    WITH said AS (
        SELECT * FROM jsonb_to_recordset(CAST(:said AS jsonb))
            AS said(delivery_id uuid, attempt int, deadline_id bigint, ref text, about jsonb)
    ), mine AS (
        SELECT delivery.id, delivery.attempt
        FROM delivery JOIN said ON delivery.id = said.delivery_id AND delivery.attempt = said.attempt
        WHERE delivery.id = ANY(CAST(:ids AS uuid[])) AND delivery.state NOT IN ('delivered', 'failed', 'expired')
        FOR UPDATE OF delivery {whoever_holds_it}
    ), is_sent AS (
        UPDATE delivery SET state = 'sent', provider_ref = said.ref, sent_at = clock_timestamp(), claimed_until = NULL,
            error = NULL
        FROM said JOIN mine ON mine.id = said.delivery_id AND mine.attempt = said.attempt WHERE delivery.id = mine.id
        RETURNING delivery.id, incident_id, sent_at, said.deadline_id, said.about
    ), is_kept AS (
        DELETE FROM deadline USING is_sent WHERE deadline.id = is_sent.deadline_id
    ), is_noted AS (
        INSERT INTO fact (incident_id, at, fact, data)
        SELECT incident_id, sent_at, 'delivery_sent', about FROM is_sent WHERE incident_id IS NOT NULL
    )
    SELECT id FROM is_sent
"""
_SENT_ALONE = text(_SENT.format(whoever_holds_it=""))
#: Whose row somebody else holds at this instant is recorded alone: nobody waits while they hold several.
_SENT_TOGETHER = text(_SENT.format(whoever_holds_it="SKIP LOCKED"))


@dataclass(frozen=True)
class Claimed:
    """An attempt that has begun."""

    attempt: int
    channel: Channel
    #: What facts say of it.
    about: Mapping[str, Any]
    envelope: Envelope
    #: Whether the channel was down when it was last tried.
    was_down: bool


@dataclass(frozen=True, eq=False)
class Taken:
    """An attempt that a provider has taken, as the statement knows it."""

    delivery_id: UUID
    attempt: int
    deadline_id: int
    #: The provider's own id for it.
    ref: str | None
    about: Mapping[str, Any]


class Sending:
    """What goes out from one process."""

    def __init__(self, engine: Engine, senders: Mapping[Channel, Sender]) -> None:
        self._engine = engine
        self._senders = senders
        self._claims = Together(self._claim_together, self._claim_alone)
        self._records = Together(self._record_together, self._record_alone)

    def send(self, deadline_id: int) -> None:
        """Make the one attempt that is due, if it still is."""
        claimed = self._claims(deadline_id)
        if claimed is None:
            return
        try:
            ref = self._senders[claimed.channel].send(claimed.envelope)
        except (TransientFailure, PermanentFailure) as failure:
            with self._engine.store.transaction() as tx:
                _record_failure(self._engine, tx, claimed, deadline_id, failure)
            return
        is_sent = self._records(
            Taken(claimed.envelope.id, claimed.attempt, deadline_id, ref or None, incidents.fact_data(claimed.about))
        )
        if is_sent and claimed.was_down:
            with self._engine.store.transaction() as tx:
                outages.end(tx, claimed.channel)

    def _claim_together(self, deadline_ids: Sequence[int]) -> dict[int, Claimed | None]:
        """Those of which there is nothing to do but to call the provider.

        Their attempts begin in one statement; what turns out to be unwanted is put back, to be looked at alone.
        """
        store = self._engine.store
        begun = store.at_once(_BEGUN, {"deadline_ids": list(deadline_ids), "run": self._engine.run})
        claimed: dict[int, Claimed | None] = {}
        try:
            with store.transaction() as tx:
                for row in begun:
                    tx.saw_clock(row.at)
                    if worse_than_none(row, row, row.at) is None:
                        claimed[row.deadline_id] = _claimed(tx, row, was_down=False)
        except Exception:
            claimed.clear()
            raise
        finally:
            unwanted = [row for row in begun if row.deadline_id not in claimed]
            if unwanted:
                mine = {"ids": [row.id for row in unwanted], "attempts": [row.attempt for row in unwanted]}
                store.at_once(_PUT_BACK, mine)
        return claimed

    def _claim_alone(self, deadline_id: int) -> Claimed | None:
        with self._engine.store.transaction() as tx:
            found = tx.session.execute(_DUE, {"deadline_ids": [deadline_id]}).first()
            return _claim(self._engine, tx, found) if found else None

    def _record_together(self, taken: Sequence[Taken]) -> dict[Taken, bool]:
        return dict.fromkeys(self._recorded(_SENT_TOGETHER, taken), True)

    def _record_alone(self, taken: Taken) -> bool:
        """False where this attempt was taken for dead, and somebody else has gone on, or a receipt knows more."""
        return bool(self._recorded(_SENT_ALONE, [taken]))

    def _recorded(self, statement: TextClause, taken: Sequence[Taken]) -> list[Taken]:
        said = json.dumps([vars(one) for one in taken], default=str)
        sent = self._engine.store.at_once(statement, {"said": said, "ids": [one.delivery_id for one in taken]})
        ids = {row.id for row in sent}
        return [one for one in taken if one.delivery_id in ids]


def _claim(engine: Engine, tx: Transaction, found: Row[Any]) -> Claimed | None:
    """An attempt begins; None where there is nothing left to do."""
    tx.saw_clock(found.at)
    deadline, delivery, outage = found.Deadline, found.Delivery, found.Outage
    if deadline.due_at > tx.now or (delivery.claimed_until and delivery.claimed_until > tx.now):
        return None  # not yet, or another worker is calling right now
    if delivery.state in deliveries.FINAL:
        tx.session.delete(deadline)
        return None
    if delivery.state == DeliveryState.SENDING:  # its worker died in the call
        delivery.doubtful_since = delivery.doubtful_since or delivery.created_at
    why = _perhaps_said(tx, delivery) or worse_than_none(delivery, found, tx.now)
    if why:
        delivery.state = DeliveryState.EXPIRED
        delivery.error = why
        tx.session.delete(deadline)
        deliveries.note(tx, delivery, "delivery_expired", error=why)
        if delivery.message == BRIDGE:
            deliveries.tell_not_connected(engine, tx, delivery)
        deliveries.lose_contact(engine, tx, delivery)
        return None
    if outage and outage.until > tx.now and not _token(tx, delivery):  # a reply costs nothing of a month's messages
        deliveries.wait_for_channel(engine, tx, delivery, deadline, outage.until, outage.reason)
        return None
    # It is committed before the provider is called.
    delivery.reply_token = _token(tx, delivery)  # what goes out as a push stays one
    delivery.state = DeliveryState.SENDING
    delivery.attempt += 1
    delivery.claimed_until = tx.now + CALL_AT_MOST
    delivery.claimed_by = engine.run
    return _claimed(tx, delivery, was_down=outage is not None)


def _claimed(tx: Transaction, delivery: Delivery | Row[Any], *, was_down: bool) -> Claimed:
    envelope = Envelope(
        id=delivery.id,
        to=delivery.envelope["to"],
        messages=tuple(_message(message) for message in delivery.envelope["messages"]),
        valid_for_s=int((delivery.expires_at - tx.now).total_seconds()),
        silent=delivery.envelope.get("silent", False) or _asks_for_silence(tx, delivery),
        reply_token=delivery.reply_token,
        doubtful_since=delivery.doubtful_since,
        not_these=_others_taken(tx, delivery) if delivery.doubtful_since else frozenset(),
    )
    return Claimed(
        delivery.attempt, Channel(delivery.channel), deliveries.described(delivery), envelope, was_down=was_down
    )


def _token(tx: Transaction, delivery: Delivery) -> str | None:
    """The token by which it may still be a reply."""
    lives = _REPLY_TOKEN_LIVES if delivery.attempt else _REPLY_BEGINS_WITHIN
    return delivery.reply_token if tx.now - delivery.created_at < lives else None


def _asks_for_silence(tx: Transaction, delivery: Delivery | Row[Any]) -> bool:
    """Whether a reporter to whom this was to sound wishes by now that no screen lights up (ADR 7).

    What they wish for its incident counts; where their report is another's by now, or it is about none, their newest.
    """
    if delivery.channel != Channel.LINE or delivery.responder_id is not None:
        return False
    its_own_first = col(tables.Report.incident_id).is_not_distinct_from(delivery.incident_id).desc()
    theirs = (
        select(tables.Report.contact)
        .where(tables.Report.line_index == tx.vault.index(delivery.envelope["to"]))
        .order_by(its_own_first, col(tables.Report.received_at).desc())
        .limit(1)
    )
    return tx.session.exec(theirs).first() not in {Contact.ANY, None}


def _others_taken(tx: Transaction, delivery: Delivery | Row[Any]) -> frozenset[str]:
    """The provider's references of what else was sent to this person, or this phone, over this channel within a day.

    A reporter is nobody in the roster: of what went to them, that of the same incident.
    """
    phone = select(tables.Responder.phone_index).where(tables.Responder.id == delivery.responder_id).scalar_subquery()
    # Several may share a phone: what was sent to one of them was sent to this number.
    beside = select(tables.Responder.id).where(tables.Responder.phone_index == phone)
    others = select(Delivery.provider_ref).where(
        (col(Delivery.responder_id) == delivery.responder_id) | col(Delivery.responder_id).in_(beside),
        (col(Delivery.incident_id) == delivery.incident_id) | col(Delivery.responder_id).is_not(None),
        Delivery.channel == delivery.channel,
        Delivery.id != delivery.id,
        col(Delivery.created_at) > tx.now - timedelta(days=1),
    )
    return frozenset(filter(None, tx.session.exec(others)))


def _perhaps_said(tx: Transaction, delivery: Delivery) -> str | None:
    """Why a reply is not tried again: LINE may have it, and by its token it can be asked no more.

    A push has a key of its own, and would light up a screen minutes later with what was read already.
    """
    unknown = delivery.reply_token and delivery.doubtful_since
    too_old = tx.now - delivery.created_at >= _REPLY_TOKEN_LIVES
    return "perhaps said, and too late to ask LINE by its token" if unknown and too_old else None


def _message(data: Mapping[str, object]) -> Message:
    buttons, replies = (
        tuple(Button(button["label"], button["data"], Press(button["press"])) for button in found)  # type: ignore[attr-defined]
        for found in (data["buttons"], data.get("replies", ()))  # the release before had no replies beside a card
    )
    return Message(str(data["text"]), buttons, data["prompt"], data.get("alt"), replies)  # type: ignore[arg-type]


def _record_failure(
    engine: Engine,
    tx: Transaction,
    claimed: Claimed,
    deadline_id: int,
    failure: TransientFailure | PermanentFailure,
) -> None:
    """Write down why the provider did not take it, and go on from there."""
    attempt = claimed.attempt
    now = tx.now  # before anything changes: asking for it later would flush half of the changes
    delivery = tx.session.get_one(Delivery, claimed.envelope.id, with_for_update=True)
    if delivery.attempt != attempt or delivery.state in {DeliveryState.SENT, *deliveries.FINAL}:
        return  # taken for dead, and somebody else has gone on, or a receipt knows more: that counts
    delivery.claimed_until = None
    deadline = tx.session.get_one(tables.Deadline, deadline_id)
    match failure:
        case ChannelDown():
            if outages.begin(tx, Channel(delivery.channel), str(failure), engine.channel_pause):
                alarm(engine, tx, "channel_down", down=delivery.channel.upper(), reason=str(failure))
            deliveries.wait_for_channel(engine, tx, delivery, deadline, now + engine.channel_pause, str(failure))
        case ReplyRefused():
            delivery.state = DeliveryState.QUEUED
            delivery.reply_token = None
            tx.move(deadline, tx.now)
        case TransientFailure():
            pause = failure.after or timedelta(seconds=min(60, 2 ** min(attempt, 6) / 2))
            delivery.state = DeliveryState.UNKNOWN if failure.unknown else DeliveryState.QUEUED
            if failure.unknown:
                delivery.doubtful_since = delivery.doubtful_since or delivery.created_at
            delivery.error = str(failure)
            if now + pause < delivery.expires_at:
                deadline.due_at = deadline.wake_at = now + pause
                deliveries.note(tx, delivery, "delivery_retried", error=str(failure))
            else:
                tx.session.delete(deadline)
                deliveries.fail(engine, tx, delivery, str(failure))
        case PermanentFailure():
            tx.session.delete(deadline)
            deliveries.fail(engine, tx, delivery, str(failure))
