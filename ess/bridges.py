"""A call that connects a social worker with a victim, from the tap that asks for it to the outcome.

The engine's number rings the social worker first, as a delivery of its own.  What is said and done in the call is
asked for by Twilio while people listen, so it is answered in the web edge.  Locks are taken in one order: the
delivery, then its incident.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from ess import deliveries
from ess.channels.envelope import Message
from ess.conversation.spoken import Phrase, Speech, bridge_question, statement
from ess.domain import bridge
from ess.domain.bridge import Ending, Ends, Leg, Obstacle
from ess.domain.duty import Channel
from ess.domain.errors import NotFound
from ess.domain.follow_up import FollowUp
from ess.domain.incident import Fact, Incident
from ess.engine import Engine
from ess.outbox import Outbox, queue
from ess.store import Transaction, bridges, incidents, reach, tables
from ess.store.bridges import ANSWERED_BY, BRIDGE, CONNECTED
from ess.store.tables import Delivery, DeliveryState

#: The digit that connects.
CONNECT = "1"
#: Who asked for a call waits for it with the phone in the hand: later than this it only disturbs.
_ASKED_FOR = timedelta(minutes=2)
#: Between the victim's phone and the provider's word for how it went.
_MARGIN = timedelta(minutes=1)
#: What became of the victim's side may be told so long after the social worker's is over.
_TOLD_LATE = timedelta(seconds=10)


@dataclass(frozen=True)
class Connection:
    """The victim's phone is to ring now, and be connected with this call."""

    to: str = field(repr=False)
    #: The engine's own, which is all that they see.
    number: str


def ask(engine: Engine, tx: Transaction, incident: Incident, follow_up_id: UUID, row: tables.Responder) -> Message:
    """The social worker's phone is going to ring, or they are told why not: what they read."""
    follow_up = incident.follow_up(follow_up_id)
    ends = replace(_ends(engine, tx, incident, follow_up, row), is_under_way=bridges.is_under_way(tx, follow_up.id))
    why = bridge.obstacle(incident, follow_up, ends, tx.now, engine.calling_hours)
    if why is not None or row.phone is None:
        why = why or Obstacle.NO_OWN_PHONE
        _note(tx, incident, follow_up, row, "follow_up_call_refused", why=why)
        return engine.texts.say("bridge_refused", Channel.LINE, code=incident.code, why=_why(engine, why))
    queue(
        tx,
        Channel.VOICE,
        row.phone,
        (Message(bridge_question(engine.texts, incident).words),),
        BRIDGE,
        tx.now + _ASKED_FOR,
        incident_id=incident.id,
        follow_up_id=follow_up.id,
        responder_id=row.id,
    )
    _note(tx, incident, follow_up, row, "follow_up_call_asked")
    return engine.texts.say("bridge_rings", Channel.LINE, code=incident.code)


def greet(engine: Engine, tx: Transaction, delivery: Delivery) -> Speech:
    """What the social worker hears who picks up: what it is about, and how to be connected."""
    incident, follow_up, row = _about(tx, delivery, incidents.read)
    why = _obstacle(engine, tx, incident, follow_up, row)
    return _refused(engine, why) if why else bridge_question(engine.texts, incident)


def press(engine: Engine, delivery_id: UUID, digits: str) -> Speech | Connection:
    """The digit of a social worker: who is to be rung now, or what they hear instead.

    The victim's phone rings once for a call, however often the provider asks.
    """
    with engine.store.transaction() as tx:
        delivery = _lock(tx, delivery_id)
        incident, follow_up, row = _about(tx, delivery, incidents.lock)
        if digits != CONNECT:
            return bridge_question(engine.texts, incident, "unclear")
        why = _obstacle(engine, tx, incident, follow_up, row)
        to = bridges.victims_phone(tx, incident.id, row)
        if why is not None or to is None or engine.bridge.number is None:
            return _refused(engine, why or Obstacle.NO_PHONE)
        if delivery.state in {DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED}:
            return statement(engine.texts, "bridge_again")
        deliveries.record_digit(tx, delivery.id)
        delivery.claimed_until = tx.now + engine.bridge.ring + engine.bridge.talk + _MARGIN
        _note(tx, incident, follow_up, row, "follow_up_call_connecting")
    reach.verify_alone(engine.store, row.id, Channel.VOICE)
    return Connection(to, engine.bridge.number)


def hold(engine: Engine, delivery_id: UUID, answered_by: str | None, turn: int) -> Leg:
    """What happens on the victim's side, from where Twilio asks for the `turn`th time."""
    with engine.store.transaction() as tx:
        _called(tx.session.get(Delivery, delivery_id), delivery_id)
        leg = bridge.leg(answered_by or bridges.kept(tx, delivery_id, ANSWERED_BY), turn)
        if leg is Leg.CONNECT:
            bridges.keep(tx, delivery_id, CONNECTED, str(turn))
        return leg


def hear_answered_by(engine: Engine, delivery_id: UUID, answered_by: str) -> None:
    """Twilio says who picked up on the victim's side."""
    with engine.store.transaction() as tx:
        _called(tx.session.get(Delivery, delivery_id), delivery_id)
        bridges.keep(tx, delivery_id, ANSWERED_BY, answered_by)


def end(engine: Engine, delivery_id: UUID, status: str, duration_s: int, *, said_bridged: bool | None = None) -> Speech:
    """The victim's side is over: recorded once, and the social worker is asked for the outcome; what they hear.

    `said_bridged` is None where Twilio did not say whether the two could talk.
    """
    with engine.store.transaction() as tx:
        delivery = _lock(tx, delivery_id)
        was_connected = bridges.kept(tx, delivery.id, CONNECTED) is not None
        how = bridge.ending(status, was_bridged=was_connected and said_bridged is not False)
        _record_end(engine, tx, delivery, how, duration_s)
        return statement(engine.texts, "bridge_over" if how is Ending.BRIDGED else "bridge_unanswered")


def settle(engine: Engine, tx: Transaction, delivery_id: UUID) -> bool:
    """The social worker's side is over; false where what became of the victim's is still waited for.

    Who hangs up before Twilio has read what to dial is told of by nothing else.
    """
    delivery = tx.session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.message != BRIDGE or delivery.claimed_until is None:
        return True
    delivery.claimed_until = min(delivery.claimed_until, tx.now + _TOLD_LATE)
    if delivery.claimed_until > tx.now:
        return False
    was_connected = bridges.kept(tx, delivery.id, CONNECTED) is not None
    _record_end(engine, tx, delivery, Ending.BRIDGED if was_connected else Ending.GIVEN_UP)
    return True


def _record_end(
    engine: Engine, tx: Transaction, delivery: Delivery, how: Ending, duration_s: int | None = None
) -> None:
    if delivery.claimed_until is None:  # said before
        return
    incident, follow_up, row = _about(tx, delivery, incidents.lock)
    delivery.claimed_until = None
    if how is Ending.BRIDGED:
        key = "bridge_over"
        _note(tx, incident, follow_up, row, "follow_up_call_bridged", duration_s=duration_s)
    else:
        key = "bridge_unanswered"
        _note(tx, incident, follow_up, row, "follow_up_call_unanswered", why=how)
    if not follow_up.is_done and incident.is_open:
        Outbox(engine, tx, incident).ask_follow_up(follow_up, key, row)


# --- look-ups --------------------------------------------------------------------------------------------
def _lock(tx: Transaction, delivery_id: UUID) -> Delivery:
    return _called(tx.session.get(Delivery, delivery_id, with_for_update=True), delivery_id)


def _called(delivery: Delivery | None, delivery_id: UUID) -> Delivery:
    if delivery is None or delivery.message != BRIDGE:
        raise NotFound(f"there is no call {delivery_id} that connects anybody")
    return delivery


def _about(
    tx: Transaction, delivery: Delivery, load: Callable[[Transaction, UUID], Incident]
) -> tuple[Incident, FollowUp, tables.Responder]:
    if delivery.incident_id is None or delivery.follow_up_id is None or delivery.responder_id is None:
        raise AssertionError("a call that connects belongs to a follow-up and somebody who makes it")
    incident = load(tx, delivery.incident_id)
    row = tx.session.get_one(tables.Responder, delivery.responder_id)
    return incident, incident.follow_up(delivery.follow_up_id), row


def _obstacle(
    engine: Engine, tx: Transaction, incident: Incident, follow_up: FollowUp, row: tables.Responder
) -> Obstacle | None:
    """What stands against it in the call that was asked for."""
    ends = _ends(engine, tx, incident, follow_up, row)
    return bridge.obstacle(incident, follow_up, ends, tx.now, engine.calling_hours)


def _ends(engine: Engine, tx: Transaction, incident: Incident, follow_up: FollowUp, row: tables.Responder) -> Ends:
    return bridges.ends(tx, incident.id, follow_up, row, number=engine.bridge.number)


def _refused(engine: Engine, why: Obstacle) -> Speech:
    return Speech((Phrase(_why(engine, why)),))


def _why(engine: Engine, why: Obstacle) -> str:
    return engine.texts.word("obstacles", why)


def _note(
    tx: Transaction, incident: Incident, follow_up: FollowUp, row: tables.Responder, fact: str, **more: object
) -> None:
    about = {"follow_up_id": follow_up.id, "plan": follow_up.plan.name, "responder_id": row.id, **more}
    incidents.note(tx, incident.id, Fact(fact, about))
