"""What LINE and Twilio send us: kept verbatim first, understood afterwards by a worker.

A webhook writes one row for each event and answers at once; the event's own id makes a repetition the same
row.  `handle_inbound` then reads it: a citizen's step, a responder's tap or SMS, or a receipt.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import structlog
from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from ess import attachments, bridges, deliveries, dispatch, linking, outbox, roll_call
from ess.channels.envelope import Message
from ess.conversation import citizen
from ess.conversation.answer import Answer, Ask, Pressed, Verb, is_signed_for, read_button, read_sms
from ess.conversation.event import data_of, user_of, words_of
from ess.conversation.letters import (
    citizen_reply,
    kept_letter,
    move_letter,
    noted_letter,
    status_letter,
    which_incident_letter,
)
from ess.domain.duty import Channel
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, NotFound, Refused
from ess.domain.follow_up import Outcome, move_times
from ess.domain.incident import ENDED, OVER, Alert, AlertState, Fact, Incident, ReporterWord, State
from ess.domain.report import Contact, Location, Report, Reporter, Source
from ess.engine import Engine
from ess.store import Transaction, incidents, reach, responders, tables
from ess.wake import CONFIRM, DRAFT, HANDLE

log = structlog.get_logger()

LINE, SMS, RECEIPT, UNREADABLE = "line", "sms", "receipt", "unreadable"

#: A reply in a chat is worth nothing later than this.
_REPLY_LIVES = timedelta(minutes=10)
#: An event that waited longer than this is answered by push.
_REPLY_TOKEN_IS_GOOD = timedelta(seconds=20)
#: A receipt may overtake the commit of its own message; it is looked for again for so long.
_RECEIPT_WAITS = timedelta(minutes=10)

#: A desk has more alerts open than an SMS lists codes; the older ones are in its other SMS.
_MOST_CODES = 12
#: Alerts that a bare verb cannot mean.
_NOT_WAITING = frozenset({AlertState.STOOD_DOWN, AlertState.DECLINED, AlertState.UNREACHABLE})


@dataclass(frozen=True)
class Event:
    """One thing that a provider sent, with the provider's own id for it."""

    id: str
    kind: str
    body: Mapping[str, Any]


def keep(engine: Engine, events: Iterable[Event]) -> int:
    """Store events that are new and promise to handle them; how many were new."""
    n_new = 0
    with engine.store.transaction() as tx:
        for event in events:
            row = {"id": event.id, "kind": event.kind, "body": dict(event.body), "received_at": tx.now}
            added = tx.session.execute(
                insert(tables.Inbound).values(row).on_conflict_do_nothing().returning(col(tables.Inbound.id))
            ).first()
            if added:
                tx.promise(CONFIRM if _is_good_news(event) else HANDLE, tx.now, subject=event.id)
                n_new += 1
    return n_new


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
        _responder_sms(engine, deadline_id, event_id, body)
    elif code := linking.code_in(body):
        _link_code(engine, deadline_id, event_id, body, code)
    elif _is_responders(body):
        _responder_tap(engine, deadline_id, body)
    else:
        _responder_line(engine, deadline_id, body)


def _hear_in_chat(engine: Engine, tx: Transaction, event_id: str, body: Mapping[str, Any]) -> bool:
    """What anybody does in LINE; false for a link code and a responder's answer, which are not done in here."""
    if body.get("source", {}).get("type", "user") != "user":
        log.info("said_in_a_group")  # an answer would be read by everybody in it
        return True
    if _is_responders(body) or linking.code_in(body):
        return False
    if linking.hear(engine, tx, body) or roll_call.hear(engine, tx, body):
        return True
    if _is_for_alert(tx, body):
        return False
    _citizen(engine, tx, event_id, body)
    return True


def _done(tx: Transaction, deadline_id: int) -> bool:
    """Mark the event as handled; false where another worker has done so."""
    deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
    if deadline is None:
        return False
    tx.session.get_one(tables.Inbound, deadline.subject).handled_at = tx.now
    tx.session.delete(deadline)
    return True


# --- the citizen, in LINE --------------------------------------------------------------------------------
def _is_responders(body: Mapping[str, Any]) -> bool:
    return read_button(data_of(body)) is not None


def _citizen(engine: Engine, tx: Transaction, event_id: str, body: Mapping[str, Any]) -> None:
    user_id = user_of(body)
    if not user_id:
        return
    if body.get("type") in {"follow", "unfollow"}:
        linking.account_seen(engine, tx, user_id, blocked=body["type"] == "unfollow")
    if body.get("type") not in {"message", "postback", "follow"}:
        return
    index = tx.vault.index(user_id)
    tx.session.execute(
        insert(tables.Chat)
        .values(id=index, draft=citizen.Draft().to_json(), updated_at=tx.now)
        .on_conflict_do_nothing()
    )
    chat = tx.session.get_one(tables.Chat, index, with_for_update=True)
    draft = citizen.Draft.from_json(chat.draft)
    about = _about(tx, index, chat, citizen.code_in(data_of(body)))
    state = about.state if about else None
    at = int(body.get("timestamp") or draft.heard_at)
    heard = _hear(draft, body, state, late=at < draft.heard_at)
    chat.draft = replace(heard.draft, user_id=user_id, heard_at=max(at, draft.heard_at)).to_json()
    chat.updated_at = tx.now
    token = body.get("replyToken")
    message = body.get("message", {})
    if about and not heard.file:  # what begins another report is taken before any incident is locked
        goes_on = incidents.lock_surviving(tx, about.id)
        about = _Known(goes_on.id, goes_on.code, goes_on.state)
    belongs = about if citizen.is_about_incident(draft, state) else None
    if message.get("type") in attachments.KINDS:
        attachments.keep(tx, index, belongs.id if belongs else None, message)
    if heard.file:
        _file(engine, tx, chat, heard, idempotency_key=event_id, reply_token=token)
        return
    if heard.draft.is_begun:
        _mind_later(engine, tx, index, asked=heard.draft.asked)
    reply, silent = heard.reply, True
    if about:
        reply = _add_to_incident(engine, tx, about.id, user_id, heard)
        wish = _listen(engine, tx, about.id, user_id, heard)
        silent = belongs is None or wish is not Contact.ANY
    code = about.code if about else ""
    if about and _is_left_alone(tx, chat, about, heard):
        theirs = select(tables.Report.id).where(tables.Report.line_index == index)
        # Of the incident that they mean; a supervisor may have moved that report to another.
        there_first = col(tables.Report.incident_id) != about.id
        newest = tx.session.exec(theirs.order_by(there_first, col(tables.Report.received_at).desc())).first()
        if newest:
            again = dispatch.report_again(engine, tx, newest, key=event_id, reply_token=token)
            chat.incident_id = again.incident_id
            return
    letters = [citizen_reply(engine.texts, reply, code)] if reply else []
    if about and heard.asks_status:
        letters = [_status(engine, tx, about.id)]
    asked = citizen.next_question(heard.draft, state, reply) if letters else None
    if asked:
        letters.append(citizen_reply(engine.texts, asked))
    if letters:
        until = tx.now + _REPLY_LIVES
        key = reply or "status"
        outbox.queue(tx, Channel.LINE, user_id, tuple(letters), key, until, reply_token=token, silent=silent)


def _is_left_alone(tx: Transaction, chat: tables.Chat, about: "_Known", heard: citizen.Heard) -> bool:
    """Whether they are not safe, and nobody is on the way or looked for, neither for this nor for anything later."""
    if heard.word is not ReporterWord.UNSAFE or about.state not in OVER:
        return False
    newest = incidents.surviving(tx, chat.incident_id) if chat.incident_id else None
    query = select(tables.Incident.state).where(tables.Incident.id == newest)
    return newest == about.id or tx.session.exec(query).first() in {None, *OVER}


@dataclass(frozen=True)
class _Known:
    """An incident as it is before it is locked."""

    id: UUID
    code: str
    state: State


def _about(tx: Transaction, index: bytes, chat: tables.Chat, code: str | None) -> _Known | None:
    """The incident that a button names where this chat has reported it, else the one that the chat began last."""
    goes_on = incidents.surviving(tx, chat.incident_id) if chat.incident_id else None
    named = tx.session.exec(select(tables.Incident.id).where(tables.Incident.code == code)).first() if code else None
    if named:
        meant = incidents.surviving(tx, named)
        theirs = tables.Report.incident_id == meant, tables.Report.line_index == index
        goes_on = meant if tx.session.exec(select(tables.Report.id).where(*theirs)).first() else goes_on
    if goes_on is None:
        return None
    known = select(tables.Incident.code, tables.Incident.state).where(tables.Incident.id == goes_on)
    its_code, state = tx.session.exec(known).one()
    return _Known(goes_on, its_code, State(state))


def _file(
    engine: Engine,
    tx: Transaction,
    chat: tables.Chat,
    heard: citizen.Heard,
    *,
    idempotency_key: str,
    reply_token: str | None = None,
) -> None:
    """The chat has said enough: its incident begins."""
    if heard.file is None:
        return
    kind, location = heard.file
    reporter = Reporter(phone=heard.draft.phone, line_user_id=citizen.Draft.from_json(chat.draft).user_id)
    report = Report(kind, Source.LINE, location, reporter, description=heard.draft.words)
    accepted = dispatch.accept_report_in(
        engine, tx, report, owner="line", idempotency_key=idempotency_key, reply_token=reply_token
    )
    chat.incident_id = accepted.incident_id
    attachments.adopt(tx, chat.id, accepted.incident_id)


def _draft_deadline(tx: Transaction, chat_id: bytes) -> tables.Deadline | None:
    query = select(tables.Deadline).where(
        col(tables.Deadline.incident_id).is_(None),
        tables.Deadline.kind == DRAFT,
        tables.Deadline.subject == chat_id.hex(),
    )
    return tx.session.exec(query.with_for_update()).first()


def _mind_later(engine: Engine, tx: Transaction, chat_id: bytes, *, asked: bool) -> None:
    """The wait for the next step begins anew, unless they were `asked` whether they are still there."""
    due_at = tx.now + engine.drafts.ask_after
    deadline = _draft_deadline(tx, chat_id)
    if deadline is None:
        tx.promise(DRAFT, due_at, subject=chat_id.hex())
    elif not asked:
        deadline.due_at = deadline.wake_at = due_at


def mind_draft(engine: Engine, deadline_id: int) -> None:
    """A citizen began a report and went silent: they are asked once, and then what there is becomes a report."""
    with engine.store.transaction() as tx:
        chat_id = tx.session.exec(select(tables.Deadline.subject).where(tables.Deadline.id == deadline_id)).first()
        if chat_id is None:
            return
        # The chat first, as whoever hears the citizen does.
        chat = tx.session.get_one(tables.Chat, bytes.fromhex(chat_id), with_for_update=True)
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
        if deadline is None or deadline.due_at > tx.now:
            return
        draft = citizen.Draft.from_json(chat.draft)
        heard = citizen.hear_silence(draft, engine.drafts.type)
        chat.draft = heard.draft.to_json()
        if heard.file:
            _file(engine, tx, chat, heard, idempotency_key=f"draft:{deadline_id}")
        if heard.reply is None:
            tx.session.delete(deadline)
            return
        deadline.due_at = deadline.wake_at = tx.now + engine.drafts.file_after
        if draft.user_id:
            letter = citizen_reply(engine.texts, heard.reply)
            until = tx.now + _REPLY_LIVES
            outbox.queue(tx, Channel.LINE, draft.user_id, (letter,), heard.reply, until, silent=True)


def _link_code(engine: Engine, deadline_id: int, event_id: str, body: Mapping[str, Any], code: str) -> None:
    """Somebody typed a link code; one that links nobody is also what a citizen says."""
    # Redis is asked before the transaction begins.
    may_try = engine.guesses.allows(engine.store.vault.index(user_of(body)))
    with engine.store.transaction() as tx:
        if _done(tx, deadline_id) and not linking.take_code(engine, tx, body, code if may_try else None):
            _citizen(engine, tx, event_id, body)


def _hear(draft: citizen.Draft, body: Mapping[str, Any], state: State | None, *, late: bool) -> citizen.Heard:
    message = body.get("message", {})
    match body["type"], message.get("type"):
        case "postback", _:
            return citizen.hear_button(draft, data_of(body), state, late=late)
        case "message", "text":
            return citizen.hear_text(draft, words_of(body), state, late=late)
        case "message", "location":
            where = float(message["latitude"]), float(message["longitude"])
            return citizen.hear_pin(draft, *where, message.get("address"), state)
        case "message", kind if kind in attachments.KINDS:
            return citizen.Heard(draft, reply="kept")
        case _ if draft.filed:  # a sticker: there is nothing to keep
            return citizen.Heard(draft, asks_status=True)
        case _:
            return citizen.Heard(draft, reply=draft.question or "welcome")


def _add_to_incident(
    engine: Engine, tx: Transaction, incident_id: UUID, user_id: str, heard: citizen.Heard
) -> str | None:
    """What the citizen said after the report began belongs to it; the key of the answer."""
    located = heard.located is not None and dispatch.correct_location(
        engine, tx, incident_id, heard.located, reporter=tx.vault.index(user_id)
    )
    if heard.phone:
        for report in _reports_by(tx, incident_id, user_id):
            report.details = {**report.details, "phone": heard.phone}
            report.phone_index = tx.vault.index(heard.phone)
        incidents.note(tx, incident_id, Fact("phone_given"))
    words = heard.note
    if words is None and heard.located and heard.located.has_pin and not located:
        pin = (heard.located.latitude, heard.located.longitude)
        if incidents.read(tx, incident_id).pin != pin:  # the same again says nothing new
            words = f"{pin[0]:.6f}, {pin[1]:.6f} {heard.located.address or ''}".strip()
    elif words is None and heard.located and not located:
        words = heard.located.address
    if words:
        dispatch.keep_words(engine, tx, incident_id, words, who=tx.vault.index(user_id))
    if located and not heard.phone:
        return "noted"
    return heard.reply or ("noted" if heard.located or words else None)


def _reports_by(tx: Transaction, incident_id: UUID, user_id: str) -> list[tables.Report]:
    """The reports of an incident that came from this chat."""
    found = tx.session.exec(select(tables.Report).where(tables.Report.incident_id == incident_id))
    return [report for report in found if report.details.get("line_user_id") == user_id]


def _listen(engine: Engine, tx: Transaction, incident_id: UUID, user_id: str, heard: citizen.Heard) -> Contact:
    """Keep how the reporter is and wishes to be contacted, and tell the people who must know; what they wish now."""
    wish = Contact.NONE
    for report in _reports_by(tx, incident_id, user_id):
        if heard.in_danger is not None:
            report.in_danger = heard.in_danger
        if heard.contact is not None:
            report.contact = heard.contact
            report.details = {**report.details, "contact_said": True}
        if heard.is_minor:
            report.victim_is_minor = True
        wish = Contact(report.contact)
    if heard.is_minor:
        incidents.note(tx, incident_id, Fact("victim_is_minor"))
    if heard.contact is not None:
        incidents.note(tx, incident_id, Fact("contact_wished", {"contact": heard.contact}))
    if heard.word is not None:
        tx.session.flush()
        dispatch.hear_reporter(engine, tx, incident_id, heard.word)
    return wish


def _status(engine: Engine, tx: Transaction, incident_id: UUID) -> Message:
    incident = incidents.read(tx, incident_id)
    holder = incident.lead.holder
    row = tx.session.get_one(tables.Responder, incident.alert(holder).responder_id) if holder else None
    return status_letter(engine.texts, incident, row.name_th if row else "")


# --- a responder, in LINE and by SMS ---------------------------------------------------------------------
def _responder_tap(engine: Engine, deadline_id: int, body: Mapping[str, Any]) -> None:
    data, user_id = data_of(body), user_of(body)
    pressed = read_button(data)
    with engine.store.transaction() as tx:
        ours = is_signed_for(data, user_id, tx.vault.index)
        people = responders.by_line_user(tx, user_id) if ours else []
        row = next((person for person in people if pressed and _may_press(tx, person, pressed)), None)
        if row is None or pressed is None:
            # A card that was forwarded, or forged: the owner alone may press what was sent to them.
            log.warning("button_of_somebody_else", signed=ours)
            _done(tx, deadline_id)
            return
        reach.verify(tx, row, Channel.LINE)
    _Press(engine, deadline_id, Channel.LINE, user_id, row, pressed, body.get("replyToken")).act()


def _may_press(tx: Transaction, row: tables.Responder, pressed: Pressed) -> bool:
    """An alert may be answered by whom it was sent to; a call by whoever was asked to make it."""
    if pressed.alert_id:
        alert = tx.session.get(tables.Alert, pressed.alert_id)
        return alert is not None and alert.responder_id == row.id
    asked = select(tables.Delivery.id).where(
        tables.Delivery.follow_up_id == pressed.follow_up_id, tables.Delivery.responder_id == row.id
    )
    return tx.session.exec(asked).first() is not None


def _responder_sms(engine: Engine, deadline_id: int, event_id: str, body: Mapping[str, Any]) -> None:
    phone, words = str(body.get("From", "")), str(body.get("Body", ""))
    with engine.store.transaction() as tx:
        people = responders.by_phone(tx, phone)
        if not people:
            if _done(tx, deadline_id):
                _reporter_sms(engine, tx, event_id, phone, words)
            return
        answer = read_sms(words)
        # Of those who have this phone now: whoever had it before has been asked over it, and has another.
        asked_here = (col(tables.Alert.phone_index) == tx.vault.index(phone)) & _of(people)
        alerts = _answerable(tx, asked_here, answer)
        is_free_yes = answer == Answer(None, Verb.ACCEPT) and not _waiting(alerts)
        if is_free_yes and (calls := roll_call.asking_by_sms(tx, people)):
            if _done(tx, deadline_id):
                roll_call.hear_sms(engine, tx, phone, people, calls)
            return
        written = _Written(Channel.SMS, phone, words, people, alerts)
        found = _understood(engine, tx, deadline_id, written)
    if found:
        _Press(engine, deadline_id, Channel.SMS, phone, *found).act()


def _is_for_alert(tx: Transaction, body: Mapping[str, Any]) -> bool:
    """Whether a text in the chat is a responder's to an alert of theirs, and no citizen's.

    What answers an alert does, whatever else they have begun; other words only where they report nothing themselves.
    """
    user_id, words = user_of(body), words_of(body)
    people = responders.by_line_user(tx, user_id) if words else []
    answer = read_sms(words)
    alerts = _answerable(tx, _of(people), answer) if people else []
    if any(asked.has(answer.code) for asked in alerts if answer.code):
        return True
    if not _waiting(alerts) or citizen.begins_report(words):
        return False
    return answer.verb is not None or not _reports(tx, user_id)


def _reports(tx: Transaction, user_id: str) -> bool:
    """Whether this chat is in the middle of a report, or its incident still runs."""
    chat = tx.session.get(tables.Chat, tx.vault.index(user_id))
    if chat is None or citizen.Draft.from_json(chat.draft).is_begun:
        return chat is not None
    goes_on = incidents.surviving(tx, chat.incident_id) if chat.incident_id else None
    return goes_on is not None and incidents.read(tx, goes_on).is_open


def _responder_line(engine: Engine, deadline_id: int, body: Mapping[str, Any]) -> None:
    user_id, words = user_of(body), words_of(body)
    token = body.get("replyToken")
    with engine.store.transaction() as tx:
        people = responders.by_line_user(tx, user_id)
        alerts = _answerable(tx, _of(people), read_sms(words))
        written = _Written(Channel.LINE, user_id, words, people, alerts, token)
        found = _understood(engine, tx, deadline_id, written)
    if found:
        _Press(engine, deadline_id, Channel.LINE, user_id, *found, token).act()


@dataclass(frozen=True)
class _Asked:
    """An alert that somebody may answer, with its incident's code."""

    alert: tables.Alert
    code: str
    is_ended: bool

    def has(self, code: str | None) -> bool:
        """Whether somebody who gives this code, or none, may mean it."""
        return code in {None, self.alert.reply_code, self.code}


@dataclass(frozen=True)
class _Written:
    """What a responder typed, and the alerts that it may be about, the newest first."""

    channel: Literal[Channel.LINE, Channel.SMS]
    to: str
    words: str
    people: Sequence[tables.Responder]
    alerts: Sequence[_Asked]
    reply_token: str | None = None


def _of(people: Iterable[tables.Responder]) -> ColumnElement[bool]:
    return col(tables.Alert.responder_id).in_([person.id for person in people])


def _answerable(tx: Transaction, whose: ColumnElement[bool], answer: Answer) -> list[_Asked]:
    """Somebody's alerts of open incidents, and those whose code they give, the newest first.

    A code comes again after a day: where the incident that it stood for last has ended, no older one is meant.
    """
    ended = col(tables.Incident.state).in_(ENDED)
    meant = (col(tables.Alert.reply_code) == answer.code) | (col(tables.Incident.code) == answer.code)
    query = (
        select(tables.Alert, tables.Incident.code, ended)
        .join(tables.Incident, col(tables.Incident.id) == col(tables.Alert.incident_id))
        .where(whose, ~ended | meant if answer.code else ~ended)
        .order_by(col(tables.Alert.created_at).desc())
    )
    return [_Asked(*found) for found in tx.session.exec(query)]


def _waiting(alerts: Iterable[_Asked]) -> list[_Asked]:
    """Those that a bare verb can mean."""
    return [asked for asked in alerts if asked.alert.state not in _NOT_WAITING and not asked.is_ended]


def _understood(
    engine: Engine, tx: Transaction, deadline_id: int, written: _Written
) -> tuple[tables.Responder, Pressed] | None:
    """Who answers what; None where that is not clear, and they are told what to write."""
    answer = read_sms(written.words)
    # With a code the newest one is meant; without, only one that is still theirs to answer.
    matching = [asked for asked in written.alerts if asked.has(answer.code)]
    matching = matching[:1] if answer.code else _waiting(matching)
    if answer.verb is None or len(matching) != 1:
        if _done(tx, deadline_id):
            _unclear(engine, tx, written, wrote_note=answer.verb is None and answer.code is None)
        return None
    alert = matching[0].alert
    row = next(person for person in written.people if person.id == alert.responder_id)
    reach.verify(tx, row, written.channel)
    return row, Pressed(answer.verb, alert_id=alert.id, eta_min=answer.eta_min)


def _unclear(engine: Engine, tx: Transaction, written: _Written, *, wrote_note: bool) -> None:
    """Nothing changes: other words become a note, an ambiguous verb gets the list of codes."""
    channel, waiting = written.channel, _waiting(written.alerts)
    if wrote_note and waiting:
        newest = waiting[0].alert
        note = tables.Note(
            incident_id=newest.incident_id, responder_id=newest.responder_id, text=written.words, at=tx.now
        )
        tx.session.add(note)
        incidents.note(tx, newest.incident_id, Fact("responder_wrote", {"responder_id": newest.responder_id}))
        letter = kept_letter(engine.texts, channel)
    elif waiting and channel is Channel.LINE:
        letter = which_incident_letter(engine.texts, [_standing(tx, asked) for asked in waiting])
    elif waiting:
        codes = [asked.alert.reply_code or "" for asked in waiting[:_MOST_CODES]]
        example = f"{codes[0]} 1"
        codes += ["…"] if len(waiting) > _MOST_CODES else []
        letter = engine.texts.say("which_code", channel, codes=" ".join(codes), example=example)
    else:
        letter = engine.texts.say("no_open_alert", channel)
    until, who = tx.now + _REPLY_LIVES, written.people[0].id
    token = written.reply_token
    outbox.queue(tx, channel, written.to, (letter,), "reply", until, responder_id=who, reply_token=token)


def _standing(tx: Transaction, asked: _Asked) -> tuple[Incident, Alert]:
    incident = incidents.read(tx, asked.alert.incident_id)
    return incident, incident.alert(asked.alert.id)


def _reporter_sms(engine: Engine, tx: Transaction, event_id: str, phone: str, words: str) -> None:
    """A reporter who was asked for the place answers with it, asks how it stands, or says how they are.

    Any other unknown phone gets no answer.  After the end a cry for help is a new report.
    """
    reporter = tx.vault.index(phone)
    query = (
        select(tables.Report.id, tables.Report.incident_id)
        .join(tables.Incident, col(tables.Incident.id) == col(tables.Report.incident_id))
        .where(tables.Report.phone_index == reporter)
        # What still runs is meant before what has ended.
        .order_by(col(tables.Incident.state).in_(ENDED), col(tables.Report.received_at).desc())
    )
    newest = tx.session.exec(query).first()
    if newest is None:
        log.info("sms_from_unknown_phone")
        return
    incident = incidents.lock_surviving(tx, newest[1])
    report_id, incident_id = newest[0], incident.id
    heard = citizen.hear_text(citizen.Draft(filed=True), words, incident.state)
    is_over = incident.state in OVER
    if heard.asks_status:
        letter = status_letter(engine.texts, incident, "", Channel.SMS)
        outbox.queue(tx, Channel.SMS, phone, (letter,), "status", tx.now + _REPLY_LIVES, incident_id=incident_id)
    elif heard.word:
        dispatch.hear_reporter(engine, tx, incident_id, heard.word)
    elif incident.is_open:
        dispatch.keep_words(engine, tx, incident_id, words, who=reporter)
        dispatch.correct_location(engine, tx, incident_id, Location(address=words), reporter=reporter)
    if is_over and (heard.word is ReporterWord.UNSAFE or citizen.begins_report(words)):
        dispatch.report_again(engine, tx, report_id, key=event_id)


#: What whoever said this hears once it is recorded; after every other word, what they can do next.
_RECORDED: dict[str, str] = {Verb.DECLINE: "declined", Verb.RESOLVE: "over", Verb.BACKUP: "backup_called"}


@dataclass(frozen=True)
class _Press:
    """What a responder pressed, or typed, and where they hear what came of it."""

    engine: Engine
    deadline_id: int
    channel: Channel
    to: str
    row: tables.Responder
    pressed: Pressed
    reply_token: str | None = None

    def act(self) -> None:
        """Do it and say so, or say what holds instead; either way the event is handled once."""
        pressed = self.pressed
        try:
            if pressed.alert_id:
                verb = Verb(pressed.do)
                dispatch.answer_alert(
                    self.engine, pressed.alert_id, verb, via=self.channel, eta=pressed.eta, then=self._confirm
                )
            elif pressed.follow_up_id:
                self._act_on_follow_up(pressed.follow_up_id)
        except NotFound:
            raise
        except Refused as refused:
            with self.engine.store.transaction() as tx:
                incident = self._incident(tx)
                self._reply(tx, incident, self._refusal(tx, incident, refused))

    def _act_on_follow_up(self, follow_up_id: UUID) -> None:
        """By its card, or as the answer to a question about it."""
        engine, pressed, via = self.engine, self.pressed, self.channel
        if pressed.do is Ask.CALL:
            self._call(follow_up_id)
        elif pressed.do is Ask.TAKE:
            dispatch.take_follow_up(engine, follow_up_id, self.row.id, via=via, then=self._mark)
        elif pressed.at is not None:
            dispatch.move_follow_up(engine, follow_up_id, pressed.at, via=via, then=self._confirm)
        elif pressed.do is Outcome.MOVED:
            self._ask_when(follow_up_id)
        elif pressed.service:
            dispatch.name_service(engine, follow_up_id, pressed.service, via=via, then=self._confirm)
        else:
            outcome = Outcome(pressed.do)
            dispatch.report_follow_up(
                engine, follow_up_id, outcome, via=via, attempt=pressed.attempt, then=self._confirm
            )

    def _call(self, follow_up_id: UUID) -> None:
        with self.engine.store.transaction() as tx:
            incident = incidents.lock(tx, self._incident(tx).id)
            if _done(tx, self.deadline_id):  # a phone rings once for a tap
                person = tx.session.get_one(tables.Responder, self.row.id)
                self._say(tx, incident, bridges.ask(self.engine, tx, incident, follow_up_id, person))

    def _ask_when(self, follow_up_id: UUID) -> None:
        with self.engine.store.transaction() as tx:
            incident = self._incident(tx)
            follow_up = incident.follow_up(follow_up_id)
            if follow_up.is_done or not incident.is_open:
                raise AlreadyRecorded("this follow-up is done already")
            times = move_times(follow_up, tx.now, self.engine.calling_hours)
            self._reply(tx, incident, move_letter(self.engine.texts, incident, self.pressed, times))

    def _mark(self, tx: Transaction, _: Incident) -> None:
        _done(tx, self.deadline_id)  # the card that they get is the answer

    def _confirm(self, tx: Transaction, incident: Incident) -> None:
        self._reply(tx, incident, self._confirmation(tx, incident))

    def _reply(self, tx: Transaction, incident: Incident, message: Message) -> None:
        if _done(tx, self.deadline_id):
            self._say(tx, incident, message)

    def _say(self, tx: Transaction, incident: Incident, message: Message) -> None:
        outbox.queue(
            *(tx, self.channel, self.to, (message,), "reply", tx.now + _REPLY_LIVES),
            incident_id=incident.id,
            responder_id=self.row.id,
            reply_token=self.reply_token,
        )

    def _incident(self, tx: Transaction) -> Incident:
        row: tables.Alert | tables.FollowUp
        if self.pressed.alert_id:
            row = tx.session.get_one(tables.Alert, self.pressed.alert_id)
        else:
            row = tx.session.get_one(tables.FollowUp, self.pressed.follow_up_id)
        return incidents.read(tx, row.incident_id)

    def _confirmation(self, tx: Transaction, incident: Incident) -> Message:
        texts, pressed, channel = self.engine.texts, self.pressed, self.channel
        if pressed.alert_id is None:
            return noted_letter(texts, incident, pressed, channel)
        if key := _RECORDED.get(pressed.do):
            return texts.say(key, channel, code=incident.code)
        alert = incident.alert(pressed.alert_id)
        key = "eta_noted" if pressed.eta is not None and alert.eta_at else "next"
        return outbox.Outbox(self.engine, tx, incident).progress(key, alert, channel)

    def _refusal(self, tx: Transaction, incident: Incident, refused: Refused) -> Message:
        """What holds instead: who has it, or how it stands."""
        texts = self.engine.texts
        match refused:
            case AlreadyTaken(holder=holder):
                who = tx.session.get_one(tables.Responder, UUID(holder)).name_th
                return texts.say("already_taken", self.channel, code=incident.code, who=who)
            case _:
                key = "already_recorded" if isinstance(refused, AlreadyRecorded) else "refused"
                state = texts.word("states", self._state(incident))
                return texts.say(key, self.channel, code=incident.code, state=state)

    def _state(self, incident: Incident) -> str:
        """The alert while somebody may be in danger, the call or visit, else the incident."""
        if self.pressed.alert_id and incident.state not in OVER:
            return incident.alert(self.pressed.alert_id).state
        for follow_up in incident.follow_ups:
            if follow_up.id == self.pressed.follow_up_id:
                return follow_up.outcome or follow_up.state
        return incident.state


def _receipt(engine: Engine, tx: Transaction, body: Mapping[str, Any]) -> bool:
    if "CallSid" in body:
        about = str(body["CallSid"]), str(body.get("CallStatus", "")), str(body.get("AnsweredBy", ""))
        delivery_id = UUID(body["delivery"])
        deliveries.record_call(engine, tx, delivery_id, *about)
        return body.get("CallStatus") != "completed" or bridges.settle(engine, tx, delivery_id)
    status = str(body.get("MessageStatus") or body.get("SmsStatus") or "")
    return deliveries.record_receipt(engine, tx, str(body.get("MessageSid", "")), status, body.get("ErrorCode"))
