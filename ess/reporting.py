"""What citizens do in LINE and by SMS: a chat becomes a report, and whatever is said later belongs to its incident.

The words and the steps are in `ess/conversation/citizen.py`; here they meet the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from ess import attachments, dispatch, linking, outbox
from ess.channels.envelope import Message
from ess.conversation import citizen
from ess.conversation.event import data_of, user_of, words_of
from ess.conversation.letters import citizen_reply, status_letter
from ess.domain.duty import Channel
from ess.domain.incident import ENDED, OVER, Fact, ReporterWord, State
from ess.domain.report import Contact, Location, Report, Reporter, Source
from ess.engine import Engine
from ess.store import Transaction, incidents, tables
from ess.wake import DRAFT

log = structlog.get_logger()

#: A reply in a chat is worth nothing later than this.
_REPLY_LIVES = timedelta(minutes=10)


# --- in LINE ---------------------------------------------------------------------------------------------
def hear(engine: Engine, tx: Transaction, event_id: str, body: Mapping[str, Any]) -> None:
    """What was done in the chat has become a step of its report, or belongs to its incident, and was answered."""
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
    if about and _is_left_alone(tx, chat, about, heard) and (newest := _newest_report(tx, index, about.id)):
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


def _newest_report(tx: Transaction, index: bytes, incident_id: UUID) -> UUID | None:
    """Of this chat, and of the incident that they mean: a supervisor may have moved that report to another."""
    there_first = col(tables.Report.incident_id) != incident_id
    theirs = select(tables.Report.id).where(tables.Report.line_index == index)
    return tx.session.exec(theirs.order_by(there_first, col(tables.Report.received_at).desc())).first()


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


def is_reporting(tx: Transaction, user_id: str) -> bool:
    """Whether this chat is in the middle of a report, or its incident still runs."""
    chat = tx.session.get(tables.Chat, tx.vault.index(user_id))
    if chat is None or citizen.Draft.from_json(chat.draft).is_begun:
        return chat is not None
    goes_on = incidents.surviving(tx, chat.incident_id) if chat.incident_id else None
    return goes_on is not None and incidents.read(tx, goes_on).is_open


# --- by SMS ----------------------------------------------------------------------------------------------
def hear_sms(engine: Engine, tx: Transaction, event_id: str, phone: str, words: str) -> None:
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
    while True:
        incident = incidents.lock_surviving(tx, newest[1])
        newest = tx.session.exec(query).first() or newest
        if incidents.surviving(tx, newest[1]) == incident.id:
            break  # else the report was split off, or theirs has ended, while the lock was waited for
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
