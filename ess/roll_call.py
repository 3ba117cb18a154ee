"""The roll call: once a week everybody in the roster is asked to answer once, and a supervisor hears who did not.

One row and one deadline carry it: each time that the deadline is due a small group is asked, then it waits for the
closing time, then it reports.  It never stands before an alert: while anything else waits to be sent it waits, and
whoever has an open alert is not asked.  Nor is whoever has nothing to answer by: a call would ring for nothing, and
where SMS are one-way nobody reads the answer.  The report counts them apart.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5

import structlog
from sqlalchemy import exists, func
from sqlalchemy import select as select_columns
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, or_, select, update

from ess import outbox
from ess.conversation.answer import PRESENT, read_id
from ess.conversation.event import data_of, user_of
from ess.conversation.letters import roll_call_letter
from ess.conversation.texts import BANGKOK
from ess.domain.duty import Channel
from ess.domain.incident import ENDED, TAKEN, AlertState
from ess.engine import Engine
from ess.store import Transaction, outages, reach, responders, tables
from ess.wake import ROLL_CALL, SENDS

log = structlog.get_logger()

#: From the first question to the report: who has the night shift wakes up meanwhile.
LASTS = timedelta(hours=8)
#: A clock that comes later than this leaves it for the next week: nobody expects it at another hour.
_MAY_BE_LATE = timedelta(minutes=15)
#: Ten a second at most; with them waiting, an alert that comes is behind two seconds of them.
_GROUP, _PAUSE = 20, timedelta(seconds=2)
_THANKS_LIVE = timedelta(minutes=10)

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Makes the id of a roll call from its instant, so that all clocks begin the same one.
_NAMESPACE = UUID("5f0d3c52-3a0e-4a5e-9a3e-0b8f5d1f6b11")


# --- when ------------------------------------------------------------------------------------------------
def last_at(weekly: str, now: datetime) -> datetime:
    """The newest instant not after `now` (aware) that `weekly`, such as `mon 10:00` in Bangkok, names."""
    day, clock = weekly.split()
    local = now.astimezone(BANGKOK)
    on = local.date() - timedelta(days=(local.weekday() - DAYS.index(day)) % 7)
    at = datetime.combine(on, time.fromisoformat(clock), BANGKOK)
    return at if at <= local else at - timedelta(days=7)


def begin_when_due(engine: Engine, weekly: str) -> bool:
    """Begin this week's roll call where it is time and no clock has; whether this one has."""
    with engine.store.transaction() as tx:
        at = last_at(weekly, tx.now)
        return tx.now - at < _MAY_BE_LATE and begin(tx, at)


def begin(tx: Transaction, at: datetime) -> bool:
    """The roll call of that instant is promised; false where it was before."""
    row = {"id": uuid5(_NAMESPACE, at.astimezone(BANGKOK).isoformat()), "asked_at": at, "closes_at": at + LASTS}
    added = insert(tables.RollCall).values(row).on_conflict_do_nothing().returning(col(tables.RollCall.id))
    if tx.session.execute(added).first() is None:
        return False
    tx.promise(ROLL_CALL, at, subject=str(row["id"]))
    return True


# --- asking and reporting --------------------------------------------------------------------------------
def go_on(engine: Engine, deadline_id: int) -> None:
    """Ask the next group; after the last wait for the closing time; then report, once."""
    with engine.store.transaction() as tx:
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update={"skip_locked": True})
        if deadline is None or deadline.due_at > tx.now:
            return
        call = tx.session.get_one(tables.RollCall, UUID(deadline.subject))
        if tx.now >= call.closes_at:
            call.reported_at = tx.now
            tx.session.delete(deadline)
            _report(engine, tx, call)
            return
        soon = _something_waits(tx) or _ask_next(engine, tx, call)
        deadline.due_at = deadline.wake_at = min(tx.now + _PAUSE, call.closes_at) if soon else call.closes_at


def _something_waits(tx: Transaction) -> bool:
    """Whether a message is due that has not been sent; one that fails again and again is not waited for."""
    waiting = exists().where(
        col(tables.Deadline.kind).in_(SENDS),
        col(tables.Deadline.wake_at) <= tx.now + tx.lease,
        col(tables.Deadline.due_at) <= tx.now,
    )
    return bool(tx.session.execute(select_columns(waiting)).scalar_one())


def _ask_next(engine: Engine, tx: Transaction, call: tables.RollCall) -> bool:
    """Ask the next group, each address once; false where everybody was asked.

    Who cannot be asked has a row without a channel.
    """
    people = _next_group(tx, call)
    down = outages.active(tx)
    asked = _addresses_asked(tx, call, people)
    for row in people:
        channel = _first_channel(engine, row, down)
        tx.session.add(tables.RollCallAnswer(roll_call_id=call.id, responder_id=row.id, channel=channel))
        to = responders.address(row, channel) if channel else None
        if channel and to and (channel, to) not in asked:
            asked.add((channel, to))
            letter = roll_call_letter(engine.texts, call.id, call.closes_at, channel)
            outbox.queue(tx, channel, to, (letter,), "roll_call", call.closes_at, responder_id=row.id)
    return bool(people)


def _next_group(tx: Transaction, call: tables.RollCall) -> Sequence[tables.Responder]:
    """By id, those after the last who was asked: everybody at work who has no alert to see to."""
    last = (
        select(tables.RollCallAnswer.responder_id)
        .where(tables.RollCallAnswer.roll_call_id == call.id)
        .order_by(col(tables.RollCallAnswer.responder_id).desc())
        .limit(1)
    )
    cursor = tx.session.exec(last).first() or UUID(int=0)
    busy = exists().where(
        or_(
            col(tables.Alert.responder_id) == col(tables.Responder.id),
            col(tables.Alert.phone_index) == col(tables.Responder.phone_index),
        ),
        col(tables.Alert.state).in_({AlertState.OPEN, *TAKEN}),
        col(tables.Incident.id) == col(tables.Alert.incident_id),
        col(tables.Incident.state).not_in(ENDED),
    )
    query = (
        select(tables.Responder)
        .where(reach.AT_WORK, col(tables.Responder.id) > cursor, ~busy)
        .order_by(col(tables.Responder.id))
        .limit(_GROUP)
    )
    return tx.session.exec(query).all()


def _addresses_asked(
    tx: Transaction, call: tables.RollCall, people: Collection[tables.Responder]
) -> set[tuple[Channel, str]]:
    """Which addresses of these people were asked already, because somebody else has them too."""
    query = (
        select(tables.Responder, tables.RollCallAnswer.channel)
        .join(tables.RollCallAnswer, col(tables.RollCallAnswer.responder_id) == col(tables.Responder.id))
        .where(
            tables.RollCallAnswer.roll_call_id == call.id,
            or_(
                col(tables.Responder.line_index).in_({row.line_index for row in people if row.line_index}),
                col(tables.Responder.phone_index).in_({row.phone_index for row in people if row.phone_index}),
            ),
        )
    )
    found = ((Channel(by), responders.address(row, Channel(by))) for row, by in tx.session.exec(query) if by)
    return {(channel, to) for channel, to in found if to}


def _first_channel(engine: Engine, row: tables.Responder, down: Collection[Channel]) -> Channel | None:
    """The first that works and can be answered by; where all are down for everyone, the first, whose message waits."""
    order = [channel for channel in responders.written(row) if engine.sms_two_way or channel is not Channel.SMS]
    return next((channel for channel in order if channel not in down), order[0] if order else None)


def _report(engine: Engine, tx: Transaction, call: tables.RollCall) -> None:
    asked = col(tables.RollCallAnswer.channel)
    query = select_columns(func.count(), func.count(asked), func.count(col(tables.RollCallAnswer.answered_at))).where(
        col(tables.RollCallAnswer.roll_call_id) == call.id
    )
    n_people, n_asked, n_answered = tx.session.execute(query).one()
    log.info("roll_call_over", n_people=n_people, n_asked=n_asked, n_answered=n_answered)
    outbox.alarm(
        engine,
        tx,
        "roll_call_over",
        date=engine.texts.moment(call.asked_at),
        asked=str(n_asked),
        answered=str(n_answered),
        silent=str(n_asked - n_answered),
        unasked=str(n_people - n_asked),
    )


# --- answering -------------------------------------------------------------------------------------------
def hear(engine: Engine, tx: Transaction, body: Mapping[str, Any]) -> bool:
    """A tap on the button; false where it is another button.  One that was forwarded answers for nobody."""
    call_id = read_id(data_of(body), PRESENT)
    if call_id is None:
        return False
    user_id = user_of(body)
    people = responders.by_line_user(tx, user_id)
    asked = _answered(tx, people, Channel.LINE, tables.RollCallAnswer.roll_call_id == call_id)
    if asked:
        _thank(engine, tx, Channel.LINE, user_id, asked[0], body.get("replyToken"))
    return True


def asking_by_sms(tx: Transaction, people: Sequence[tables.Responder]) -> Sequence[UUID]:
    """The roll calls that ask these people by SMS and still run: a yes of theirs may be for them."""
    query = (
        select(tables.RollCallAnswer.roll_call_id)
        .join(tables.RollCall, col(tables.RollCall.id) == col(tables.RollCallAnswer.roll_call_id))
        .where(
            col(tables.RollCall.reported_at).is_(None),
            col(tables.RollCallAnswer.responder_id).in_([row.id for row in people]),
            col(tables.RollCallAnswer.channel) == Channel.SMS,
        )
        .distinct()
    )
    return tx.session.exec(query).all()


def hear_sms(
    engine: Engine, tx: Transaction, phone: str, people: Sequence[tables.Responder], calls: Sequence[UUID]
) -> None:
    """A yes by SMS, to these roll calls, of somebody who has no alert to say it to."""
    by_sms = col(tables.RollCallAnswer.channel) == Channel.SMS
    asked = _answered(tx, people, Channel.SMS, by_sms & col(tables.RollCallAnswer.roll_call_id).in_(calls))
    if asked:
        _thank(engine, tx, Channel.SMS, phone, asked[0], None)


def _answered(
    tx: Transaction, people: Sequence[tables.Responder], channel: Channel, which: Any
) -> list[tables.Responder]:
    """Those of the people who were asked; from now on they have answered, whether for the first time or again."""
    answers = tx.session.exec(
        update(tables.RollCallAnswer)
        .where(col(tables.RollCallAnswer.responder_id).in_([row.id for row in people]), which)
        .values(channel=channel, answered_at=func.coalesce(col(tables.RollCallAnswer.answered_at), tx.now))
        .returning(col(tables.RollCallAnswer.responder_id))
    )
    present = {responder_id for (responder_id,) in answers}
    asked = [row for row in people if row.id in present]
    for row in asked:
        reach.verify(tx, row, channel)
    return asked


def _thank(
    engine: Engine, tx: Transaction, channel: Channel, to: str, row: tables.Responder, reply_token: str | None
) -> None:
    letter = engine.texts.say("present_noted", channel)
    until = tx.now + _THANKS_LIVE
    outbox.queue(tx, channel, to, (letter,), "present_noted", until, responder_id=row.id, reply_token=reply_token)
