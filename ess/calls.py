"""What happens in a call to a responder: somebody picks up, hears the alert, and presses a digit.

Twilio asks us while the person listens, so this is done in the web edge and not by a worker.  A digit answers
the alert as a tap does; nothing else in a call changes anything.  The call that they asked for to be connected with a
victim goes on in `ess.bridges`.
"""

from uuid import UUID

from ess import bridges, deliveries, dispatch
from ess.conversation.answer import Verb
from ess.conversation.spoken import AGAIN, DIGITS, Speech, phrase, question, statement
from ess.domain.duty import Channel
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, NotFound, Refused
from ess.domain.incident import ENDED, TAKEN, AlertState, Incident, State
from ess.engine import Engine
from ess.outbox import Outbox
from ess.store import Transaction, incidents, reach, tables
from ess.store.bridges import BRIDGE

#: Whoever picks up is still asked.
_ASKED = frozenset({AlertState.OPEN, AlertState.UNREACHABLE})


def pick_up(engine: Engine, delivery_id: UUID) -> Speech:
    """Somebody, or something, has picked up: what it is about, or that nothing more is needed.

    NotFound for no call of ours.
    """
    with engine.store.transaction() as tx:
        delivery = _call(tx, delivery_id)
        if delivery.message == BRIDGE:
            return bridges.greet(engine, tx, delivery)
        incident, alert_id = _asked(tx, delivery)
        return _speech(engine, incident, alert_id)


def press(engine: Engine, delivery_id: UUID, digits: str) -> Speech | bridges.Connection:
    """They pressed a digit: what they hear then, or who is rung for them.  NotFound for no call of ours."""
    with engine.store.transaction() as tx:
        is_bridge = _call(tx, delivery_id).message == BRIDGE
    return bridges.press(engine, delivery_id, digits) if is_bridge else _answer(engine, delivery_id, digits)


def _answer(engine: Engine, delivery_id: UUID, digits: str) -> Speech:
    with engine.store.transaction() as tx:
        incident, alert_id = _asked(tx, _call(tx, delivery_id))
    if digits == AGAIN:
        return _speech(engine, incident, alert_id)
    verb = DIGITS.get(digits)
    if verb is None:
        return _speech(engine, incident, alert_id, "unclear")

    def then(tx: Transaction, incident: Incident) -> None:
        deliveries.record_digit(tx, delivery_id)
        answered = tx.session.get_one(tables.Alert, alert_id)
        reach.verify(tx, tx.session.get_one(tables.Responder, answered.responder_id), Channel.VOICE)
        if verb is Verb.ACCEPT:
            Outbox(engine, tx, incident).confirm(incident.alert(alert_id))

    try:
        dispatch.answer_alert(engine, alert_id, verb, via=Channel.VOICE, then=then)
    except AlreadyTaken:
        return statement(engine.texts, "already_taken")
    except AlreadyRecorded:
        return statement(engine.texts, "already_recorded")
    except Refused:
        with engine.store.transaction() as tx:
            return _speech(engine, incidents.read(tx, incident.id), alert_id)
    return statement(engine.texts, verb)


def _call(tx: Transaction, delivery_id: UUID) -> tables.Delivery:
    delivery = tx.session.get(tables.Delivery, delivery_id)
    if delivery is None or delivery.channel != Channel.VOICE:
        raise NotFound(f"there is no call {delivery_id}")
    return delivery


def _asked(tx: Transaction, delivery: tables.Delivery) -> tuple[Incident, UUID]:
    """About which alert the call asks."""
    if not (delivery.incident_id and delivery.alert_id):
        raise NotFound(f"the call {delivery.id} asks about no alert")
    return incidents.read(tx, delivery.incident_id), delivery.alert_id


def _speech(engine: Engine, incident: Incident, alert_id: UUID, *first: str) -> Speech:
    """The question while it is one, else how it stands."""
    state = incident.alert(alert_id).state
    if state in _ASKED:
        return question(engine.texts, incident, *(phrase(engine.texts, key) for key in first))
    if state in TAKEN or state is AlertState.DECLINED:
        return statement(engine.texts, "already_recorded")
    over = incident.state in {State.RESOLVED, *ENDED}
    return statement(engine.texts, "over" if over else "already_taken")
