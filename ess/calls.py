"""What happens in a call to a responder: somebody picks up, hears what it is about, and presses a digit.

Twilio asks us while the person listens, so this is done in the web edge and not by a worker.  A call asks about an
alert, or asks whoever has taken it whether they have left or arrived; a digit answers as a tap does, and nothing else
in a call changes anything.  The call that they asked for to be connected with a victim goes on in `ess.bridges`.
"""

from datetime import timedelta
from uuid import UUID

from ess import bridges, deliveries, dispatch
from ess.conversation.answer import Verb
from ess.conversation.letters import next_verbs
from ess.conversation.spoken import (
    AGAIN,
    DIGITS,
    PROGRESS_DIGITS,
    Speech,
    expected,
    minutes_question,
    phrase,
    progress_question,
    question,
    recorded,
    statement,
)
from ess.domain.duty import Channel
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, NotFound, Refused
from ess.domain.incident import OVER, TAKEN, AlertState, Incident
from ess.engine import Engine
from ess.outbox import Outbox
from ess.store import Transaction, incidents, reach, responders, tables
from ess.store.bridges import BRIDGE

#: Whoever picks up is still asked.
_ASKED = frozenset({AlertState.OPEN, AlertState.UNREACHABLE})
#: And so is whoever has taken it and does not move.
_COMING = frozenset({AlertState.ACCEPTED, AlertState.DEPARTED})


def pick_up(engine: Engine, delivery_id: UUID) -> Speech:
    """Somebody, or something, has picked up: what it is about, or that nothing more is needed.

    NotFound for no call of ours.
    """
    with engine.store.transaction() as tx:
        delivery = _call(tx, delivery_id)
        if delivery.message == BRIDGE:
            return bridges.greet(engine, tx, delivery)
        incident, alert_id = _asked(tx, delivery)
        return _speech(engine, incident, alert_id, delivery.message)


def press(engine: Engine, delivery_id: UUID, digits: str, *, minutes: bool = False) -> Speech | bridges.Connection:
    """They pressed a digit, or `minutes`: what they hear then, or who is rung for them.

    NotFound for no call of ours.
    """
    with engine.store.transaction() as tx:
        key = _call(tx, delivery_id).message
    if key == BRIDGE:
        return bridges.press(engine, delivery_id, digits)
    if minutes:
        return _expect(engine, delivery_id, int(digits) if digits.isdecimal() else 0)
    return _answer(engine, delivery_id, digits, key)


def _answer(engine: Engine, delivery_id: UUID, digits: str, key: str) -> Speech:
    is_alert = key == "alert"
    verb = (DIGITS if is_alert else PROGRESS_DIGITS).get(digits)
    if verb is None:
        with engine.store.transaction() as tx:
            incident, alert_id = _asked(tx, _call(tx, delivery_id))
        again = is_alert and digits == AGAIN
        return _speech(engine, incident, alert_id, key, *([] if again else ["unclear"]))
    try:
        reads = _record(engine, delivery_id, verb)
    except AlreadyTaken:
        return statement(engine.texts, "already_taken")
    except AlreadyRecorded:
        if verb is not Verb.DEPART:
            return statement(engine.texts, "already_recorded")
        reads = _reads(engine, delivery_id)  # who is on the way says that they are late, and is asked when they come
    except Refused:
        with engine.store.transaction() as tx:
            return _speech(engine, *_asked(tx, _call(tx, delivery_id)), key, "unclear")
    return recorded(engine.texts, verb, reads=reads)


def _expect(engine: Engine, delivery_id: UUID, n: int) -> Speech:
    """When they will be there, in minutes from now; of a number that is none they are asked again."""
    if n == 0:
        return minutes_question(engine.texts, phrase(engine.texts, "unclear"), reads=_reads(engine, delivery_id))
    try:
        return expected(engine.texts, n, reads=_record(engine, delivery_id, Verb.ETA, timedelta(minutes=n)))
    except AlreadyTaken:
        return statement(engine.texts, "already_taken")
    except Refused:  # they have arrived meanwhile, said so already, or it is over
        return statement(engine.texts, "already_recorded")


def _reads(engine: Engine, delivery_id: UUID) -> bool:
    """Whether whoever is called can be written to."""
    with engine.store.transaction() as tx:
        _, alert_id = _asked(tx, _call(tx, delivery_id))
        answered = tx.session.get_one(tables.Alert, alert_id)
        return bool(responders.readable(tx.session.get_one(tables.Responder, answered.responder_id)))


def _record(engine: Engine, delivery_id: UUID, verb: Verb, eta: timedelta | None = None) -> bool:
    """What was pressed is done, and the call has reached a person; whether there is a message for them to read.

    Refused, AlreadyRecorded or AlreadyTaken where nothing changed.
    """
    with engine.store.transaction() as tx:
        # Locked before its incident, as by whoever hears from Twilio what became of the call.
        _, alert_id = _about(_call(tx, delivery_id, lock=True))
        incident = dispatch.answer_alert_in(engine, tx, alert_id, verb, via=Channel.VOICE, eta=eta)
        deliveries.record_digit(tx, delivery_id)
        row = tx.session.get_one(tables.Responder, incident.alert(alert_id).responder_id)
        if verb is Verb.ACCEPT:
            Outbox(engine, tx, incident).confirm(incident.alert(alert_id))
    reach.verify_alone(engine.store, row.id, Channel.VOICE)
    return bool(responders.readable(row))


def _call(tx: Transaction, delivery_id: UUID, *, lock: bool = False) -> tables.Delivery:
    delivery = tx.session.get(tables.Delivery, delivery_id, with_for_update=lock)
    if delivery is None or delivery.channel != Channel.VOICE:
        raise NotFound(f"there is no call {delivery_id}")
    return delivery


def _about(delivery: tables.Delivery) -> tuple[UUID, UUID]:
    """The incident and the alert of it that the call asks about."""
    if not (delivery.incident_id and delivery.alert_id):
        raise NotFound(f"the call {delivery.id} asks about no alert")
    return delivery.incident_id, delivery.alert_id


def _asked(tx: Transaction, delivery: tables.Delivery) -> tuple[Incident, UUID]:
    """About which alert the call asks."""
    incident_id, alert_id = _about(delivery)
    return incidents.read(tx, incident_id), alert_id


def _speech(engine: Engine, incident: Incident, alert_id: UUID, key: str, *first: str) -> Speech:
    """The question while it is one, else how it stands."""
    texts, alert = engine.texts, incident.alert(alert_id)
    before = [phrase(texts, name) for name in first]
    if incident.state in OVER:
        return statement(texts, "over")
    if key == "alert" and alert.state in _ASKED:
        return question(texts, incident, *before)
    if key != "alert" and alert.state in _COMING:
        # Who is on the way says so once more, and then when they will be there.
        return progress_question(texts, key, incident, {Verb.DEPART, *next_verbs(incident, alert)}, *before)
    if alert.state in TAKEN or alert.state is AlertState.DECLINED:
        return statement(texts, "already_recorded")
    return statement(texts, "already_taken")
