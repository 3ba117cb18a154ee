"""From rows to calls: each delivery is attempted, its outcome recorded, and its failure passed on.

An attempt is committed as `sending` before the provider is called, no transaction is open during the call,
and the outcome is committed after.  A crash in between leaves a row that says so, and the next attempt is
safe: LINE by its retry key, SMS by looking first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, Select, Uuid, bindparam, cast, exists, insert, literal
from sqlalchemy import select as select_columns
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col, delete, func, select, update

from ess.channels.envelope import Button, Envelope, Message, Press, Sender
from ess.domain.duty import Channel
from ess.domain.errors import ChannelDown, PermanentFailure, Refused, ReplyRefused, TransientFailure
from ess.domain.follow_up import FollowUpState
from ess.domain.incident import ENDED, OVER, TAKEN, AlertState, Fact, LoseContact, State, TrackState, decide
from ess.domain.report import Contact
from ess.domain.roster import Change
from ess.engine import Engine
from ess.outbox import WRITTEN, Around, Outbox, alarm, asked_beside, carry_out, queue
from ess.store import Transaction, incidents, outages, tables
from ess.store.bridges import BRIDGE
from ess.store.tables import Delivery, DeliveryState
from ess.wake import SENDS

log = structlog.get_logger()

#: A worker that is still calling after this is taken for dead; above every timeout of a channel together.
_CALL_AT_MOST = timedelta(seconds=20)
_FINAL = frozenset({DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED})
_LOST = frozenset({DeliveryState.FAILED, DeliveryState.EXPIRED})
#: LINE says a minute from the event on, of which `inbox` has used up to 20 s; above the wait for a dead worker.
_REPLY_TOKEN_LIVES = timedelta(seconds=35)
#: A reply is begun only so soon that, if its worker dies in the call, another can still ask LINE by the same token
#: whether it was said: a push that comes later has a key of its own, and says it twice.
_REPLY_BEGINS_WITHIN = timedelta(seconds=10)
#: What merely informs is not worth another channel when it fails, and a reminder goes over all of them; these are.
_ASKING = frozenset({"alert", "follow_up", "follow_up_overdue", "visit", "visit_overdue"})
#: What cannot wait for a channel to come back either: it is said over the next one in the same words.
_URGENT = frozenset({"reporter_safe", "reporter_cancels", "reporter_unsafe", "reporter_in_danger", "backup_wanted"})
#: Whoever has said no, or was stood down, is not asked; who could not be reached still may be.
_WANTED = frozenset({AlertState.OPEN, AlertState.UNREACHABLE, *TAKEN})
#: Nor does a phone ring for somebody who has answered already.
_CALLED = _WANTED - TAKEN
#: What tells somebody that an alert needs nothing more from them.
_TAKES_BACK = frozenset({"stood_down", "over", "merged", "handed_over"})
#: While an alert is in one of these states its responder is to hear this; the alert itself as `_wanted_by` says.
_HEARD_WHILE = {
    # Who has left, or is there, is not asked whether they have.
    "departed_yet": frozenset({AlertState.ACCEPTED}),
    "arrived_yet": frozenset({AlertState.ACCEPTED, AlertState.DEPARTED}),
    "place_corrected": _WANTED,
    "reporter_in_danger": _WANTED,
    WRITTEN: TAKEN,  # personal, and for whoever goes there alone
    **dict.fromkeys(("next", "yours_now", "another_report", "backup_called", "backup_comes", "backup_gone"), TAKEN),
    **dict.fromkeys(("reporter_safe", "reporter_cancels", "reporter_unsafe"), TAKEN),
    # Whoever was asked once more meanwhile is needed after all.
    **dict.fromkeys(_TAKES_BACK, frozenset({AlertState.STOOD_DOWN})),
}
#: While an incident is in one of these states nobody is to hear this of it, whoever they are.  The public promises are
#: kept all the same; and whoever is not safe is told of at any time.
_MOOT_WHEN: Mapping[str, Collection[State]] = {
    **dict.fromkeys(("alert", "departed_yet", "arrived_yet", "place_corrected", WRITTEN, "informed"), OVER),
    **dict.fromkeys(("next", "yours_now", "another_report", "backup_called", "backup_comes", "backup_gone"), OVER),
    # To supervisors.
    **dict.fromkeys(("arrival_overdue", "backup_wanted", "backup_alerted", "hand_over_refused"), OVER),
    **dict.fromkeys(("place_contradicted", "outside_area"), OVER),
    **dict.fromkeys(("reporter_safe", "reporter_cancels"), ENDED),
    # To reporters, who hear instead that it is over, or where it goes on.
    **dict.fromkeys(("which_place", "new_arrival", "team_comes", "in_good_hands", "arrived"), OVER),
}
#: The cards of a call or a visit that are for whoever has it alone; the others go to supervisors, too.
_THEIRS = frozenset({"follow_up", "follow_up_reminder", "visit", "visit_reminder"})

#: All that the claim asks, in one round trip.  Whoever holds either row is at it: the lease brings the wake-up again.
_DUE: Select[*tuple[Any, ...]] = (
    select_columns(
        tables.Deadline,
        Delivery,
        tables.Outage,
        # Of these no rows, but what they say now: under the incident's lock they are read as they are then.
        col(tables.Alert.state).label("alert_state"),
        col(tables.Alert.track).label("track"),
        col(tables.Alert.backup).label("is_backup"),
        col(tables.Incident.state).label("incident_state"),
        col(tables.Incident.tracks).label("tracks"),
        col(tables.FollowUp.state).label("follow_up_state"),
        col(tables.FollowUp.responder_id).label("caller_id"),
        func.clock_timestamp().label("at"),
    )
    .join(Delivery, cast(tables.Deadline.subject, Uuid) == col(Delivery.id))
    .outerjoin(tables.Outage, col(tables.Outage.channel) == col(Delivery.channel))
    .outerjoin(tables.Alert, col(tables.Alert.id) == col(Delivery.alert_id))
    .outerjoin(tables.Incident, col(tables.Incident.id) == col(Delivery.incident_id))
    .outerjoin(tables.FollowUp, col(tables.FollowUp.id) == col(Delivery.follow_up_id))
    .where(col(tables.Deadline.id) == bindparam("deadline_id"), col(tables.Deadline.kind).in_(SENDS))
    .with_for_update(of=(tables.Deadline, Delivery), skip_locked=True)
)
#: Unless the attempt was taken for dead, and somebody else has gone on; the promise is kept with it.
_IS_SENT = (
    update(Delivery)
    .where(
        col(Delivery.id) == bindparam("delivery_id"),
        col(Delivery.attempt) == bindparam("its_attempt"),
        col(Delivery.state).not_in(_FINAL),
    )
    .values(
        state=DeliveryState.SENT,
        provider_ref=bindparam("ref"),
        sent_at=func.clock_timestamp(),
        claimed_until=None,
        error=None,
    )
    .returning(col(Delivery.sent_at).label("sent_at"), col(Delivery.incident_id).label("incident_id"))
    .cte("is_sent")
)
_IS_NOTED = (
    insert(tables.Fact)
    .from_select(
        ["incident_id", "at", "fact", "data"],
        select_columns(
            _IS_SENT.c.incident_id, _IS_SENT.c.sent_at, literal("delivery_sent"), bindparam("about", type_=JSONB)
        ).where(_IS_SENT.c.incident_id.is_not(None)),
    )
    .cte("is_noted")
)
_IS_KEPT = (
    delete(tables.Deadline)
    .where(col(tables.Deadline.id) == bindparam("deadline_id"), exists(select_columns(_IS_SENT)))
    .cte("is_kept")
)
_SENT = select_columns(_IS_SENT).add_cte(_IS_KEPT, _IS_NOTED)


def send_delivery(engine: Engine, senders: Mapping[Channel, Sender], deadline_id: int) -> None:
    """Make the one attempt that is due, if it still is."""
    with engine.store.transaction() as tx:
        claimed = _claim(engine, tx, deadline_id)
    if claimed is None:
        return
    delivery, envelope, was_down = claimed
    outcome: str | TransientFailure | PermanentFailure
    try:
        outcome = senders[Channel(delivery.channel)].send(envelope)
    except (TransientFailure, PermanentFailure) as error:
        outcome = error
    with engine.store.transaction() as tx:
        if _record(engine, tx, delivery, deadline_id, outcome) and was_down:
            outages.end(tx, Channel(delivery.channel))


def _claim(engine: Engine, tx: Transaction, deadline_id: int) -> tuple[Delivery, Envelope, bool] | None:
    """Commit the attempt before the provider is called; None where there is nothing left to do.

    With the envelope comes whether the channel was down when it was last tried.
    """
    found = tx.session.execute(_DUE, {"deadline_id": deadline_id}).first()
    if found is None:
        return None
    deadline, delivery, outage = found.Deadline, found.Delivery, found.Outage
    tx.saw_clock(found.at)
    if deadline.due_at > tx.now or (delivery.claimed_until and delivery.claimed_until > tx.now):
        return None  # not yet, or another worker is calling right now
    if delivery.state in _FINAL:
        tx.session.delete(deadline)
        return None
    if delivery.state == DeliveryState.SENDING:  # its worker died in the call
        delivery.doubtful_since = delivery.doubtful_since or delivery.created_at
    why = _perhaps_said(tx, delivery) or _worse_than_none(tx, found) or _not_theirs_to_call(found)
    if why:
        delivery.state = DeliveryState.EXPIRED
        delivery.error = why
        tx.session.delete(deadline)
        _note(tx, delivery, "delivery_expired", error=why)
        if delivery.message == BRIDGE:
            _tell_not_connected(engine, tx, delivery)
        _lose_contact(engine, tx, delivery)
        return None
    may_reply_for = _REPLY_TOKEN_LIVES if delivery.attempt else _REPLY_BEGINS_WITHIN
    token = delivery.reply_token if tx.now - delivery.created_at < may_reply_for else None
    if outage and outage.until > tx.now and not token:  # a reply costs nothing of a month's messages
        _wait_for_channel(engine, tx, delivery, deadline, outage.until, outage.reason)
        return None
    delivery.state = DeliveryState.SENDING
    delivery.attempt += 1
    delivery.reply_token = token  # what goes out as a push stays one
    delivery.claimed_until = tx.now + _CALL_AT_MOST
    delivery.claimed_by = engine.run
    envelope = Envelope(
        id=delivery.id,
        to=delivery.envelope["to"],
        messages=tuple(_message(message) for message in delivery.envelope["messages"]),
        valid_for_s=int((delivery.expires_at - tx.now).total_seconds()),
        silent=delivery.envelope.get("silent", False) or _asks_for_silence(tx, delivery),
        reply_token=token,
        doubtful_since=delivery.doubtful_since,
        not_these=_others_taken(tx, delivery) if delivery.doubtful_since else frozenset(),
    )
    return delivery, envelope, outage is not None


def _asks_for_silence(tx: Transaction, delivery: Delivery) -> bool:
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


def _others_taken(tx: Transaction, delivery: Delivery) -> frozenset[str]:
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


def _worse_than_none(tx: Transaction, found: Row[Any]) -> str | None:
    """Why a phone must not light up for what was found due any more; None where it is still wanted."""
    delivery = found.Delivery
    if delivery.expires_at <= tx.now:
        return "older than its message is good for"
    if found.incident_state in _MOOT_WHEN.get(delivery.message, ()):
        return f"{found.incident_state} before it was sent"
    if delivery.alert_id and (delivery.message == "alert" or delivery.message in _HEARD_WHILE):
        why = _not_theirs_to_hear(found)
        if why:
            return why
    if delivery.alert_id and delivery.message in _TAKES_BACK and not _has_heard(tx, delivery.alert_id):
        return "they never heard of the incident"
    return None


def _not_theirs_to_hear(found: Row[Any]) -> str | None:
    """Why its responder is not to hear this about their alert any more; None where they are."""
    track = next((its for its in found.tracks if its["name"] == found.track), None)
    if found.incident_state in OVER and track and track["holder"] == str(found.Delivery.alert_id):
        return None  # stood down with everybody else, and still whom one asks
    if found.alert_state not in (_HEARD_WHILE.get(found.Delivery.message) or _wanted_by(found.Delivery)):
        return f"{found.alert_state} before it was sent"
    # Nor is anybody stood down, when another takes it, who could not be reached.
    is_taken = track is not None and track["state"] == TrackState.ACKNOWLEDGED
    late = is_taken and found.alert_state == AlertState.UNREACHABLE and not found.is_backup
    return "somebody else has it" if late else None


def _has_heard(tx: Transaction, alert_id: UUID) -> bool:
    """Whether anything of the alert was said to its responder, or may have been; or they accepted it by radio."""
    said = select(Delivery.id).where(
        Delivery.alert_id == alert_id,
        col(Delivery.sent_at).is_not(None)
        | col(Delivery.doubtful_since).is_not(None)
        | (col(Delivery.state) == DeliveryState.SENDING),
    )
    accepted = (
        select(tables.Fact.id)
        .join(tables.Alert, col(tables.Alert.incident_id) == col(tables.Fact.incident_id))
        .where(
            tables.Alert.id == alert_id,
            tables.Fact.fact == "accepted",
            col(tables.Fact.data)["alert_id"].as_string() == str(alert_id),
        )
    )
    return any(tx.session.exec(query.limit(1)).first() is not None for query in (said, accepted))


def _not_theirs_to_call(found: Row[Any]) -> str | None:
    """Why nobody is to be asked for a call or a visit by this message any more; None for every other message."""
    delivery = found.Delivery
    if delivery.follow_up_id is None:
        return None
    if found.follow_up_state == FollowUpState.DONE or found.incident_state in ENDED:
        return "done before it was sent"
    if delivery.message in _THEIRS and found.caller_id != delivery.responder_id:
        return "somebody else's before it was sent"
    return None


def _message(data: Mapping[str, object]) -> Message:
    buttons, replies = (
        tuple(Button(button["label"], button["data"], Press(button["press"])) for button in found)  # type: ignore[attr-defined]
        for found in (data["buttons"], data.get("replies", ()))  # the release before had no replies beside a card
    )
    return Message(str(data["text"]), buttons, data["prompt"], data.get("alt"), replies)  # type: ignore[arg-type]


def _record(
    engine: Engine,
    tx: Transaction,
    delivery: Delivery,
    deadline_id: int,
    outcome: str | TransientFailure | PermanentFailure,
) -> bool:
    """Write down what became of the attempt; whether the provider took it."""
    if isinstance(outcome, str):
        return _record_sent(tx, delivery, deadline_id, outcome)
    attempt = delivery.attempt
    now = tx.now  # before anything changes: asking for it later would flush half of the changes
    delivery = tx.session.get_one(Delivery, delivery.id, with_for_update=True)
    if delivery.attempt != attempt or delivery.state in {DeliveryState.SENT, *_FINAL}:
        return False  # taken for dead, and somebody else has gone on, or a receipt knows more: that counts
    delivery.claimed_until = None
    deadline = tx.session.get_one(tables.Deadline, deadline_id)
    match outcome:
        case ChannelDown():
            if outages.begin(tx, Channel(delivery.channel), str(outcome), engine.channel_pause):
                alarm(engine, tx, "channel_down", down=delivery.channel.upper(), reason=str(outcome))
            _wait_for_channel(engine, tx, delivery, deadline, now + engine.channel_pause, str(outcome))
        case ReplyRefused():
            delivery.state = DeliveryState.QUEUED
            delivery.reply_token = None
            tx.move(deadline, tx.now)
        case TransientFailure():
            pause = outcome.after or timedelta(seconds=min(60, 2 ** min(attempt, 6) / 2))
            delivery.state = DeliveryState.UNKNOWN if outcome.unknown else DeliveryState.QUEUED
            if outcome.unknown:
                delivery.doubtful_since = delivery.doubtful_since or delivery.created_at
            delivery.error = str(outcome)
            if now + pause < delivery.expires_at:
                deadline.due_at = deadline.wake_at = now + pause
                _note(tx, delivery, "delivery_retried", error=str(outcome))
            else:
                tx.session.delete(deadline)
                fail(engine, tx, delivery, str(outcome))
        case PermanentFailure():
            tx.session.delete(deadline)
            fail(engine, tx, delivery, str(outcome))
    return False


def _record_sent(tx: Transaction, delivery: Delivery, deadline_id: int, provider_ref: str) -> bool:
    """The provider took it; false where this attempt was taken for dead, and somebody else has gone on."""
    row = tx.session.execute(
        _SENT,
        {
            "delivery_id": delivery.id,
            "its_attempt": delivery.attempt,
            "ref": provider_ref or None,
            "deadline_id": deadline_id,
            "about": incidents.fact_data(_about(delivery)),
        },
    ).first()
    return row is not None


def fail(engine: Engine, tx: Transaction, delivery: Delivery, why: str) -> None:
    """This channel will not do it: the responder's next one at once, and without a next one, the next person."""
    _lose(tx, delivery, why)
    if delivery.message == BRIDGE:
        _tell_not_connected(engine, tx, delivery)
    elif not _over_next_channel(engine, tx, delivery):
        _lose_contact(engine, tx, delivery)


def _lose(tx: Transaction, delivery: Delivery, why: str) -> None:
    delivery.state = DeliveryState.FAILED
    delivery.error = why
    _note(tx, delivery, "delivery_failed", error=why)


def _wait_for_channel(
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
        _note(tx, delivery, "delivery_waits", error=why)
    _lose_contact(engine, tx, delivery)


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
    return alert.state not in _wanted_by(delivery) or outbox.ask_instead(alert, delivery)


def _wanted_by(delivery: Delivery) -> frozenset[AlertState]:
    """The states of its alert in which somebody should still hear it over this channel."""
    return _CALLED if delivery.channel == Channel.VOICE else _WANTED


def _lose_contact(engine: Engine, tx: Transaction, delivery: Delivery) -> None:
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


def _tell_not_connected(engine: Engine, tx: Transaction, delivery: Delivery) -> None:
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
        col(tables.Alert.state).in_(_WANTED),
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
        & (col(Delivery.message).not_in(_THEIRS) | (tables.FollowUp.responder_id == Delivery.responder_id))
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
            col(Delivery.state).not_in(_FINAL),
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
        if delivery.state in _FINAL:
            continue
        if status in {"delivered", "read"}:
            delivery.state = DeliveryState.DELIVERED
            _note(tx, delivery, "delivery_delivered")
        elif status in {"failed", "undelivered", "canceled"}:
            fail(engine, tx, delivery, f"Twilio: {status} {code or ''}".strip())
    return bool(found)


def record_call(engine: Engine, tx: Transaction, delivery_id: UUID, sid: str, status: str, answered_by: str) -> None:
    """What Twilio says became of a call: there is one, nobody picked up, or a machine did.

    That it was picked up and has ended says nothing: a digit alone does.
    """
    delivery = tx.session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.state in _FINAL:
        return
    if delivery.state != DeliveryState.SENT:
        # Before the API's own answer, or instead of it.
        delivery.state = DeliveryState.SENT
        delivery.provider_ref, delivery.sent_at, delivery.claimed_until, delivery.error = sid, tx.now, None, None
        _forget(tx, delivery)
        _note(tx, delivery, "delivery_sent")
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
    if delivery.state not in _FINAL:
        delivery.state = DeliveryState.DELIVERED
        _forget(tx, delivery)
        _note(tx, delivery, "delivery_delivered")


def _forget(tx: Transaction, delivery: Delivery) -> None:
    """There is nothing left to send."""
    due = col(tables.Deadline.kind).in_(SENDS) & (col(tables.Deadline.subject) == str(delivery.id))
    its = col(tables.Deadline.incident_id) == delivery.incident_id
    tx.session.execute(delete(tables.Deadline).where(due, its), execution_options={"synchronize_session": False})


def _note(tx: Transaction, delivery: Delivery, fact: str, **data: object) -> None:
    if delivery.incident_id is None:
        return
    incidents.note(tx, delivery.incident_id, Fact(fact, _about(delivery) | data))


def _about(delivery: Delivery) -> dict[str, Any]:
    """What a fact says of a message."""
    about = {
        "delivery_id": delivery.id,
        "channel": delivery.channel,
        "message": delivery.message,
        "responder_id": delivery.responder_id,
        "attempt": delivery.attempt,
    }
    return {key: value for key, value in about.items() if value is not None}
