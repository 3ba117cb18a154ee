"""What responders answer: a button in LINE, words there, or an SMS; to an alert, or to a call that they have promised.

Each answer locks the incident first, as everything that decides about one does; the event that brought it is marked as
handled in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement
from sqlmodel import col, select

from ess import bridges, dispatch, outbox, reporting, roll_call
from ess.channels.envelope import Message
from ess.conversation import citizen
from ess.conversation.answer import Answer, Ask, Pressed, Verb, is_signed_for, read_button, read_sms
from ess.conversation.event import data_of, user_of, words_of
from ess.conversation.letters import kept_letter, move_letter, noted_letter, which_incident_letter
from ess.domain.duty import Channel
from ess.domain.errors import AlreadyRecorded, AlreadyTaken, NotFound, Refused
from ess.domain.follow_up import Outcome, move_times
from ess.domain.incident import ENDED, OVER, Alert, AlertState, Fact, Incident
from ess.engine import Engine
from ess.store import Transaction, inbound, incidents, reach, responders, tables

log = structlog.get_logger()

#: A reply in a chat is worth nothing later than this.
_REPLY_LIVES = timedelta(minutes=10)
#: A desk has more alerts open than an SMS lists codes; the older ones are in its other SMS.
_MOST_CODES = 12
#: Alerts that a bare verb cannot mean.
_NOT_WAITING = frozenset({AlertState.STOOD_DOWN, AlertState.DECLINED, AlertState.UNREACHABLE})


# --- whose is it -----------------------------------------------------------------------------------------
def is_button(body: Mapping[str, Any]) -> bool:
    """Whether it is a button of a card that responders get."""
    return read_button(data_of(body)) is not None


def is_for_alert(tx: Transaction, body: Mapping[str, Any]) -> bool:
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
    return answer.verb is not None or not reporting.is_reporting(tx, user_id)


# --- hearing it ------------------------------------------------------------------------------------------
def press(engine: Engine, deadline_id: int, body: Mapping[str, Any]) -> None:
    """The button was pressed by whom it was sent to, and done; anybody else's press changes nothing."""
    data, user_id = data_of(body), user_of(body)
    pressed = read_button(data)
    with engine.store.transaction() as tx:
        ours = is_signed_for(data, user_id, tx.vault.index)
        people = responders.by_line_user(tx, user_id) if ours else []
        row = next((person for person in people if pressed and _may_press(tx, person, pressed)), None)
        if row is None or pressed is None:
            # A card that was forwarded, or forged: the owner alone may press what was sent to them.
            log.warning("button_of_somebody_else", signed=ours)
            inbound.done(tx, deadline_id)
            return
        reach.verify(tx, row, Channel.LINE)
    Press(engine, deadline_id, Channel.LINE, user_id, row, pressed, body.get("replyToken")).act()


def _may_press(tx: Transaction, row: tables.Responder, pressed: Pressed) -> bool:
    """An alert may be answered by whom it was sent to; a call by whoever was asked to make it."""
    if pressed.alert_id:
        alert = tx.session.get(tables.Alert, pressed.alert_id)
        return alert is not None and alert.responder_id == row.id
    asked = select(tables.Delivery.id).where(
        tables.Delivery.follow_up_id == pressed.follow_up_id, tables.Delivery.responder_id == row.id
    )
    return tx.session.exec(asked).first() is not None


def hear_words(engine: Engine, deadline_id: int, body: Mapping[str, Any]) -> None:
    """What was typed in the chat was done, where it is clear what is meant; else they are told what to write."""
    user_id, words = user_of(body), words_of(body)
    token = body.get("replyToken")
    with engine.store.transaction() as tx:
        people = responders.by_line_user(tx, user_id)
        alerts = _answerable(tx, _of(people), read_sms(words))
        written = _Written(Channel.LINE, user_id, words, people, alerts, token)
        found = _understood(engine, tx, deadline_id, written)
    if found:
        Press(engine, deadline_id, Channel.LINE, user_id, *found, token).act()


def hear_sms(
    engine: Engine, tx: Transaction, deadline_id: int, phone: str, words: str, people: Sequence[tables.Responder]
) -> "Press | None":
    """What these people, whose phone it is, answer by SMS; None where the event is handled with that."""
    answer = read_sms(words)
    # Of those who have this phone now: whoever had it before has been asked over it, and has another.
    asked_here = (col(tables.Alert.phone_index) == tx.vault.index(phone)) & _of(people)
    alerts = _answerable(tx, asked_here, answer)
    is_free_yes = answer == Answer(None, Verb.ACCEPT) and not _waiting(alerts)
    if is_free_yes and (calls := roll_call.asking_by_sms(tx, people)):
        if inbound.done(tx, deadline_id):
            roll_call.hear_sms(engine, tx, phone, people, calls)
        return None
    found = _understood(engine, tx, deadline_id, _Written(Channel.SMS, phone, words, people, alerts))
    return Press(engine, deadline_id, Channel.SMS, phone, *found) if found else None


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
        if inbound.done(tx, deadline_id):
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


# --- doing it --------------------------------------------------------------------------------------------
#: What whoever said this hears once it is recorded; after every other word, what they can do next.
_RECORDED: dict[str, str] = {Verb.DECLINE: "declined", Verb.RESOLVE: "over", Verb.BACKUP: "backup_called"}


@dataclass(frozen=True)
class Press:
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
            if inbound.done(tx, self.deadline_id):  # a phone rings once for a tap
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
        inbound.done(tx, self.deadline_id)  # the card that they get is the answer

    def _confirm(self, tx: Transaction, incident: Incident) -> None:
        self._reply(tx, incident, self._confirmation(tx, incident))

    def _reply(self, tx: Transaction, incident: Incident, message: Message) -> None:
        if inbound.done(tx, self.deadline_id):
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
