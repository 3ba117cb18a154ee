"""From what was decided to what is said: effects become delivery rows, in the decision's own transaction.

Who is told over which channel is settled here, and the words are composed and kept, so that a repetition
says the very same.  The calls to providers are in `deliveries`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, Self
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, LargeBinary, any_, bindparam, text
from sqlmodel import col, delete, select

from ess.channels.envelope import Message
from ess.conversation.answer import Hashed, next_code, sign_button
from ess.conversation.letters import (
    About,
    alert_letter,
    corrected_letter,
    follow_up_letter,
    informed_letter,
    progress_letter,
    reporter_letter,
    written_letter,
)
from ess.domain.bridge import obstacle
from ess.domain.duty import Channel, turns_after
from ess.domain.follow_up import FollowUp
from ess.domain.incident import (
    OVER,
    TAKEN,
    Alert,
    AlertState,
    AskFollowUp,
    AskResponder,
    Decision,
    Effect,
    Fact,
    Incident,
    Inform,
    PassOn,
    TellReporter,
    TellResponder,
    TellSupervisors,
)
from ess.domain.report import Contact, strictest
from ess.engine import Engine
from ess.store import Transaction, accounts, bridges, incidents, links, outages, responders, tables
from ess.store.bridges import BRIDGE
from ess.store.tables import Delivery, DeliveryState
from ess.wake import ASK_FURTHER, INFORM, SEND, SEND_LATER

#: In the order given, the same everywhere, so that two incidents that alert the same phones never wait for each other.
_LOCK_PHONES = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(key, 0))"
    " FROM (SELECT unnest(CAST(:keys AS text[])) AS key) AS phones"
)
_IS_OPEN = col(tables.Alert.state).in_({AlertState.OPEN, *TAKEN}) & col(tables.Incident.state).not_in(OVER)
#: Of these phones, the codes of the last day and those that are still open, the oldest first.
_CODES = (
    select(tables.Alert.phone_index, tables.Alert.reply_code, _IS_OPEN)
    .join(tables.Incident, col(tables.Incident.id) == col(tables.Alert.incident_id))
    .where(
        col(tables.Alert.phone_index) == any_(bindparam("phones", type_=ARRAY(LargeBinary))),
        col(tables.Alert.reply_code).is_not(None),
        (col(tables.Alert.created_at) > bindparam("since")) | _IS_OPEN,
    )
    .order_by(col(tables.Alert.created_at))
)
#: Asked of whoever has taken an alert, by a call where they can read nothing.
_HOW_FAR = frozenset({"departed_yet", "arrived_yet"})
#: The message that brings whoever has taken an incident what its reporters wrote.
WRITTEN = "reporter_wrote"
#: Reminders, and what asks nothing of anybody.
_CAN_WAIT = frozenset(
    {
        *("follow_up_reminder", "follow_up_overdue", "visit_reminder", "visit_overdue"),
        *("informed", "roll_call"),
    }
)
#: What is told of a channel or a program is old after this.
_ALARM_LIVES = timedelta(minutes=30)
#: What the public was promised to hear, also of an incident that goes on under another code or is in hand already,
#: and the questions without which nobody can come.
_PROMISED = frozenset(
    {"received", "goes_on_as", "where", "which_place", "acknowledged", "new_arrival", "in_good_hands", "team_comes"}
)


def carry_out(
    engine: Engine, tx: Transaction, decisions: Iterable[Decision], *, reply_token: str | None = None
) -> None:
    """Write a delivery for everybody whom the decisions want to hear something."""
    told = [decision for decision in decisions if decision.effects]
    around = Around(tx, [decision.incident for decision in told])
    # One flush at the end writes all of it: whatever is looked up meanwhile was there before.
    with tx.session.no_autoflush:
        around.give_codes(
            tx.loaded[decision.incident.id].alerts[effect.alert_id]
            for decision in told
            for effect in decision.effects
            if isinstance(effect, AskResponder)
        )
        for decision in told:
            Outbox(engine, tx, decision.incident, reply_token, around).carry_out(decision.effects)


def queue(
    tx: Transaction,
    channel: Channel,
    to: str,
    messages: tuple[Message, ...],
    key: str,
    until: datetime,
    *,
    incident_id: UUID | None = None,
    alert_id: UUID | None = None,
    follow_up_id: UUID | None = None,
    responder_id: UUID | None = None,
    reply_token: str | None = None,
    silent: bool = False,
    asked_at: datetime | None = None,
    can_wait: bool = False,
) -> None:
    """Promise one message; it goes out when this transaction has committed, and not after `until`.

    A `silent` one lights up no screen, where the channel can do that.  Deliveries with the same `asked_at` (UTC) belong
    to one round, in which an alert goes over one channel after the other.  What `can_wait`, or only informs, goes when
    nothing else is to be sent.  A call asks a responder about an alert, or
    how far they are who have taken it, or is the one that they asked for to be connected with a victim: nobody else's
    phone rings, whatever anybody decides.
    """
    about_alert = key in {"alert", *_HOW_FAR} and alert_id is not None
    asked_for = key == BRIDGE and follow_up_id is not None
    if channel is Channel.VOICE and (responder_id is None or not (about_alert or asked_for)):
        raise AssertionError("only a responder's phone may ring, for an alert or for the call that they asked for")
    if channel is Channel.LINE:
        messages = tuple(_signed(message, to, tx.vault.index) for message in messages)
    delivery_id = uuid4()
    tx.write_last(
        Delivery,
        id=delivery_id,
        incident_id=incident_id,
        alert_id=alert_id,
        follow_up_id=follow_up_id,
        responder_id=responder_id,
        channel=channel,
        message=key,
        envelope={
            "to": to,
            "messages": [asdict(message) for message in messages],
            "silent": silent,
            "asked_at": asked_at.isoformat() if asked_at else None,
        },
        state=DeliveryState.QUEUED,
        attempt=0,
        reply_token=reply_token,
        expires_at=until,
        created_at=tx.now,
    )
    kind = SEND_LATER if can_wait or key in _CAN_WAIT else SEND
    tx.promise(kind, tx.now, incident_id=incident_id, subject=str(delivery_id))


def _signed(message: Message, to: str, hashed: Hashed) -> Message:
    """Its buttons that answer something, bound to this account."""
    buttons, replies = (
        tuple(replace(button, data=sign_button(button.data, to, hashed)) for button in some)
        for some in (message.buttons, message.replies)
    )
    return replace(message, buttons=buttons, replies=replies)


class Around:
    """What is looked up once for all incidents of a transaction, when it is first needed."""

    def __init__(self, tx: Transaction, about: Sequence[Incident]) -> None:
        self._tx = tx
        self._about = about

    @property
    def down(self) -> dict[Channel, tables.Outage]:
        """The channels that are not to be tried now."""
        return self._people_and_down[1]

    @property
    def people(self) -> dict[UUID, tables.Responder]:
        """Everybody who was asked anything about one of the incidents."""
        return self._people_and_down[0]

    @cached_property
    def _people_and_down(self) -> tuple[dict[UUID, tables.Responder], dict[Channel, tables.Outage]]:
        # In one query: whoever is told something is told over a channel that works.
        asked = {alert.responder_id for incident in self._about for alert in incident.alerts}
        callers = {call.responder_id for incident in self._about for call in incident.follow_ups if call.responder_id}
        return responders.beside_outages(self._tx, asked | callers)

    def give_codes(self, alerts: Iterable[tables.Alert]) -> None:
        """A code for each new alert, unique among the phone's open alerts and those of the last day."""
        wanted: defaultdict[bytes, list[tables.Alert]] = defaultdict(list)
        for row in alerts:
            index = self.people[row.responder_id].phone_index
            if row.reply_code is None and index is not None:
                wanted[index].append(row)
        if not wanted:
            return
        self._tx.session.execute(_LOCK_PHONES, {"keys": sorted(index.hex() for index in wanted)})
        used, open_now = self._codes_of(wanted)
        for index, rows in wanted.items():
            for row in rows:
                row.phone_index = index
                row.reply_code = next_code(used[index], open_now[index])
                if row.reply_code:
                    used[index].append(row.reply_code)
                    open_now[index].add(row.reply_code)

    def _codes_of(
        self, phones: Collection[bytes]
    ) -> tuple[defaultdict[bytes, list[str]], defaultdict[bytes, set[str]]]:
        """For each phone the codes of the last day, the oldest first, and those that are open now."""
        about = {"phones": list(phones), "since": self._tx.now - timedelta(hours=24)}
        rows = self._tx.session.exec(_CODES, params=about)
        used: defaultdict[bytes, list[str]] = defaultdict(list)
        open_now: defaultdict[bytes, set[str]] = defaultdict(set)
        for index, code, still in rows:
            if index is not None and code is not None:
                used[index].append(code)
                if still:
                    open_now[index].add(code)
        return used, open_now


class Outbox:
    """Writes deliveries about one incident, in one transaction that holds its lock."""

    def __init__(
        self,
        engine: Engine,
        tx: Transaction,
        incident: Incident,
        reply_token: str | None = None,
        around: Around | None = None,
    ) -> None:
        self._engine = engine
        self._texts = engine.texts
        self._tx = tx
        self._incident = incident
        self._reply_token = reply_token
        self._until = tx.now + incident.policy.fresh_for
        self._alerts = {alert.id: alert for alert in incident.alerts}
        self._follow_ups = {follow_up.id: follow_up for follow_up in incident.follow_ups}

        self._around = around or Around(tx, [incident])

    # Looked up when first needed: a decision that nobody is told of asks for none of these.
    @property
    def _down(self) -> dict[Channel, tables.Outage]:
        return self._around.down

    @property
    def _people(self) -> dict[UUID, tables.Responder]:
        return self._around.people

    @property
    def _reports(self) -> list[tables.Report]:
        return incidents.reports(self._tx, self._incident.id)

    @property
    def _rows(self) -> incidents.Rows:
        return self._tx.loaded[self._incident.id]

    @cached_property
    def _about(self) -> About:
        row = self._rows.incident
        return About(
            self._incident,
            row.received_at,
            pin=(row.pin[0], row.pin[1]) if row.pin else None,
            minor=any(report.victim_is_minor for report in self._reports),
            in_danger=any(report.in_danger for report in self._reports),
            # A merged incident has given its reports away.
            contact=strictest(Contact(report.contact) for report in self._reports),
            addresses=tuple(accounts.addresses(self._reports)),
        )

    def carry_out(self, effects: Iterable[Effect]) -> None:
        """One delivery, or a few, for each effect."""
        asked: set[UUID] = set()
        for effect in effects:
            match effect:
                case AskResponder(alert_id, again, reminds):
                    # What waits to be sent says it already: a stalled channel must not fill up with repetitions, nor
                    # is a desk asked twice that step after step without anybody has led to at once.
                    if again and (alert_id in asked or self._waits(alert_id)):
                        incidents.note(self._tx, self._incident.id, Fact("alert_waits", {"alert_id": alert_id}))
                    else:
                        self.ask(self._alerts[alert_id], again=again, reminds=reminds)
                    asked.add(alert_id)
                case TellResponder(alert_id, key, holder, into):
                    self._tell_responder(self._alerts[alert_id], key, holder, into)
                case PassOn(alert_id, words):
                    self._pass_on(self._alerts[alert_id], words)
                case TellReporter(key, arrival_at, report_id, holder):
                    self._tell_reporter(key, arrival_at, report_id, holder)
                case TellSupervisors(key, follow_up_id):
                    self._tell_supervisors(key, follow_up_id)
                case Inform(province):
                    self._inform_soon(province)
                case AskFollowUp(follow_up_id, reminder):
                    follow_up = self._follow_ups[follow_up_id]
                    if follow_up.responder_id is not None:
                        row = self._people[follow_up.responder_id]
                        if reminder:
                            self._remind(follow_up, row)
                        else:
                            self.ask_follow_up(follow_up, "visit" if follow_up.is_visit else "follow_up", row)

    def ask(self, alert: Alert, *, again: bool = True, reminds: bool = False) -> None:
        """The alert, over the responder's first channel, and the turns of those that follow.

        `again` False: they have heard nothing of it yet.  What only `reminds` lets everything else go first.
        """
        row = self._people[alert.responder_id]
        channel = _channel(self._ringing(row), self._down)
        if channel:
            self._ask_over(alert, row, channel, self._tx.now, can_wait=reminds)
            if again:
                self._forget_turns(alert)
            self._promise_turns(alert, row, channel)

    def ask_instead(self, alert: Alert, failed: Delivery) -> bool:
        """The alert, at once, over the first channel that works and has not asked in this round.

        The one that failed need not be their first: another may have been down when they were asked.
        """
        row = self._people[alert.responder_id]
        used = {Channel(other.channel) for other in _asked(self._tx, alert.id, _asked_at(failed))}
        channel = next((each for each in self._ringing(row) if each not in {*used, *self._down}), None)
        if channel is None:
            return False
        self._ask_over(alert, row, channel, _asked_at(failed))
        return True

    def ask_further(self, alert: Alert, channel: Channel, asked_at: datetime) -> None:
        """The alert over this channel too, or the next that works, unless it asks already in the round of then."""
        row = self._people[alert.responder_id]
        used = {Channel(other.channel) for other in _asked(self._tx, alert.id, asked_at)}
        order = self._ringing(row)
        if channel in used or channel not in order:
            return
        left = [other for other in order[order.index(channel) :] if other not in used]
        chosen = next((other for other in left if other not in self._down), None)
        if chosen:
            self._ask_over(alert, row, chosen, asked_at)
            about = {"alert_id": alert.id, "responder_id": row.id, "channel": chosen}
            incidents.note(self._tx, self._incident.id, Fact("asked_further", about))

    def _ask_over(
        self, alert: Alert, row: tables.Responder, channel: Channel, asked_at: datetime, *, can_wait: bool = False
    ) -> None:
        base = (row.latitude, row.longitude) if row.latitude is not None and row.longitude is not None else None
        code, link = self._code(alert), self._link(alert, channel)
        backs = self._name(self._incident.track(alert.track).holder) if alert.backup else ""
        letter = alert_letter(self._texts, self._about, alert, channel, code, base, link, backs)
        self._queue(row, channel, letter, "alert", alert=alert, asked_at=asked_at, can_wait=can_wait)

    def _forget_turns(self, alert: Alert) -> None:
        """Those of an alert that is given anew take the place of the old."""
        self._tx.session.execute(
            delete(tables.Deadline).where(
                col(tables.Deadline.incident_id) == self._incident.id,
                col(tables.Deadline.kind) == ASK_FURTHER,
                col(tables.Deadline.subject).startswith(str(alert.id)),
            ),
            execution_options={"synchronize_session": False},
        )

    def _promise_turns(self, alert: Alert, row: tables.Responder, first: Channel) -> None:
        """A deadline for each channel that follows."""
        for channel, wait in turns_after(first, self._ringing(row), _after_s(row), self._engine.turns):
            turn = Turn(alert.id, channel, wait)
            due_at = self._tx.now + wait
            self._tx.promise(ASK_FURTHER, due_at, incident_id=self._incident.id, subject=turn.subject)

    def _ringing(self, row: tables.Responder) -> list[Channel]:
        """The channels over which an alert may ask: a call too, but none at the phone of whoever reported it.

        Where nothing else reaches them, an SMS there is better than silence.
        """
        order = responders.channels(row)
        if row.phone_index is None or row.phone_index not in {report.phone_index for report in self._reports}:
            return order
        elsewhere: list[Channel] = [channel for channel in order if channel not in {Channel.SMS, Channel.VOICE}]
        return elsewhere or [channel for channel in order if channel is not Channel.VOICE]

    def _link(self, alert: Alert, channel: Channel) -> str:
        """A new link for each SMS that cannot be answered by SMS, and for the first to whoever has taken the alert.

        The page behind it says where to go, which no SMS may; empty elsewhere.
        """
        if channel is not Channel.SMS:
            return ""
        if self._engine.sms_two_way and (alert.state not in TAKEN or links.has_one(self._tx, alert.id)):
            return ""
        return self._engine.link_base + links.make(self._tx, alert.id)

    def ask_follow_up(self, follow_up: FollowUp, key: str, row: tables.Responder, after: Channel | None = None) -> bool:
        """The call to make or the visit, over the responder's first channel, or the one after `after`."""
        order = responders.written(row)
        channel = _next_channel(order, after, self._down) if after else _channel(order, self._down)
        if channel is not None:
            self._ask_follow_up_over(channel, follow_up, key, row)
        return channel is not None

    def _remind(self, follow_up: FollowUp, row: tables.Responder) -> None:
        """Over every channel that they read and that works: over the first alone they have not reacted."""
        key = "visit_reminder" if follow_up.is_visit else "follow_up_reminder"
        order = responders.written(row)
        for channel in [each for each in order if each not in self._down] or order[:1]:
            self._ask_follow_up_over(channel, follow_up, key, row)

    def _ask_follow_up_over(self, channel: Channel, follow_up: FollowUp, key: str, row: tables.Responder) -> None:
        letter = follow_up_letter(
            self._texts, key, self._about, follow_up, channel, can_call=self._can_call(follow_up, row)
        )
        self._queue(row, channel, letter, key, follow_up=follow_up)

    def _can_call(self, follow_up: FollowUp, row: tables.Responder) -> bool:
        """Whether the card offers to connect them: it may be read at any hour, and what is tapped is looked at anew."""
        ends = bridges.ends(self._tx, self._incident.id, follow_up, row, number=self._engine.bridge.number)
        return obstacle(self._incident, follow_up, ends, self._tx.now) is None

    def _tell_responder(self, alert: Alert, key: str, holder: UUID | None, into: str) -> None:
        row = self._people[alert.responder_id]
        channel = self._told_over(alert, key, row)
        if channel is None:
            return
        match key:
            case "departed_yet" | "arrived_yet" | "yours_now":
                letter = self.progress(key, alert, channel)
            case "place_corrected":
                letter = corrected_letter(self._texts, self._about, alert, channel)
            case _:
                letter = self._texts.say(key, channel, code=self._incident.code, who=self._name(holder), into=into)
        self._queue(row, channel, letter, key, alert=alert)

    def _pass_on(self, alert: Alert, words: str | None) -> None:
        """What reporters wrote, in the responder's own chat alone: an SMS is read by whoever sees the phone."""
        row = self._people[alert.responder_id]
        if Channel.LINE not in responders.written(row):
            return
        if words is None:
            where = accounts.addresses(self._reports)
            lines = accounts.words(self._reports, accounts.notes(self._tx, self._incident.id))
        else:
            where, lines = [], words.splitlines()
        if where or lines:
            letter = written_letter(self._texts, self._incident, alert, where, lines)
            self._queue(row, Channel.LINE, letter, WRITTEN, alert=alert)

    def _inform_soon(self, province: str) -> None:
        """A task of its own looks them up and tells them: the alerts of this transaction do not wait for it."""
        if not self._rows.incident.drill:
            # With the instant, so that it is never the row of an earlier promise: that would fail the alerts.
            subject = f"{province} {self._tx.now.isoformat()}"
            self._tx.promise(INFORM, self._tx.now, incident_id=self._incident.id, subject=subject)

    def inform(self, row: tables.Responder) -> bool:
        """What happens and where, for their information; false where they can read nothing."""
        channel = _channel(responders.written(row), self._down)
        if channel:
            self._queue(row, channel, informed_letter(self._texts, self._about, channel), "informed")
        return channel is not None

    def _tell_reporter(
        self, key: str, arrival_at: datetime | None, report_id: UUID | None, holder: UUID | None
    ) -> None:
        """In the chat in which they reported, else by SMS where they said that they may be written to.

        Silently, unless they want to be contacted.  By SMS, which cannot be silent, the promises alone.
        """
        who = self._name(holder or self._incident.lead.holder)
        heard = set()
        reports = [self._tx.session.get_one(tables.Report, report_id)] if report_id else self._reports
        for report in reports:
            line_user, phone = report.details.get("line_user_id"), report.details.get("phone")
            channel: Literal[Channel.LINE, Channel.SMS]  # nothing that rings
            if line_user:
                channel, to = Channel.LINE, line_user
            elif phone and report.contact != Contact.NONE and key in _PROMISED:
                channel, to = Channel.SMS, phone
            else:
                continue
            letters = reporter_letter(self._texts, key, self._incident, channel, who, arrival_at)
            if to in heard:  # whoever reported twice hears it once
                continue
            heard.add(to)
            token = self._reply_token if channel is Channel.LINE else None
            self._reply_token = None if token else self._reply_token  # good once
            queue(
                self._tx,
                channel,
                to,
                letters,
                key,
                self._until,
                incident_id=self._incident.id,
                reply_token=token,
                silent=report.contact != Contact.ANY,
            )

    def _tell_supervisors(self, key: str, follow_up_id: UUID | None) -> None:
        if self._rows.incident.drill:
            return
        for row in responders.supervisors(self._tx):
            channel = _channel(responders.written(row), self._down)
            if follow_up_id is not None:
                self.ask_follow_up(self._follow_ups[follow_up_id], key, row)
            elif channel is not None:
                self._tell_over(row, channel, key)

    def tell_instead(self, row: tables.Responder, failed: Delivery) -> bool:
        """The same words, at once, over the first channel that works and has not tried; false where there is none.

        They go first over the one by which the responder was last reached, which need not be the first of theirs.
        """
        told = select(Delivery).where(
            Delivery.incident_id == failed.incident_id,
            Delivery.responder_id == failed.responder_id,
            Delivery.message == failed.message,
        )
        at = _asked_at(failed)
        tried = {Channel(other.channel) for other in self._tx.session.exec(told) if _asked_at(other) == at}
        channel = next((each for each in responders.written(row) if each not in {*tried, *self._down}), None)
        if channel is None:
            return False
        alert = self._alerts.get(failed.alert_id) if failed.alert_id else None
        self._tell_over(row, channel, failed.message, alert, asked_at=at)
        return True

    def _tell_over(
        self,
        row: tables.Responder,
        channel: Channel,
        key: str,
        alert: Alert | None = None,
        *,
        asked_at: datetime | None = None,
    ) -> None:
        place, who = self._texts.place(self._incident.place), self._name(self._incident.lead.holder)
        doubt = self._incident.place.contradicted_by if self._incident.place else None
        said = self._texts.province(doubt) if doubt else ""
        letter = self._texts.say(key, channel, code=self._incident.code, place=place, who=who, said=said)
        self._queue(row, channel, letter, key, alert=alert, asked_at=asked_at)

    def _queue(
        self,
        row: tables.Responder,
        channel: Channel,
        letter: Message,
        key: str,
        *,
        alert: Alert | None = None,
        follow_up: FollowUp | None = None,
        asked_at: datetime | None = None,
        can_wait: bool = False,
    ) -> None:
        to = responders.address(row, channel)
        if to is None:
            raise AssertionError(f"{row.ref} was given a channel without an address")
        queue(
            self._tx,
            channel,
            to,
            (letter,),
            key,
            max(self._until, follow_up.due_at) if follow_up else self._until,
            incident_id=self._incident.id,
            alert_id=alert.id if alert else None,
            follow_up_id=follow_up.id if follow_up else None,
            responder_id=row.id,
            asked_at=asked_at,
            can_wait=can_wait,
        )

    def confirm(self, alert: Alert) -> bool:
        """By a channel that can be read: where it is, and what can be done next; false where they can read nothing."""
        row = self._people[alert.responder_id]
        channel = _channel(responders.readable(row), self._down)
        if channel:
            self._queue(row, channel, self.progress("next", alert, channel), "next", alert=alert)
        return channel is not None

    def progress(self, key: str, alert: Alert, channel: Channel) -> Message:
        """That something of the alert is recorded, or the question how far they are, with what can be done next."""
        code = self._code(alert) if self._engine.sms_two_way else None
        link = self._link(alert, channel)
        return progress_letter(self._texts, key, self._incident, alert, channel, code, link)

    def _name(self, alert_id: UUID | None) -> str:
        return self._people[self._alerts[alert_id].responder_id].name_th if alert_id else ""

    def _code(self, alert: Alert) -> str | None:
        return self._rows.alerts[alert.id].reply_code

    def _told_over(self, alert: Alert, key: str, row: tables.Responder) -> Channel | None:
        """The channel over which they were last written to, else the first; who is only called is asked by call."""
        order = responders.written(row)
        if not order and key in _HOW_FAR and Channel.VOICE in self._ringing(row):
            return Channel.VOICE
        reached_over = self._reached_over(alert)
        works = reached_over and responders.address(row, reached_over)
        return reached_over if works else _channel(order, self._down)

    def _reached_over(self, alert: Alert) -> Channel | None:
        """The channel over which the responder was last written to; what reporters wrote goes over LINE anyway."""
        query = (
            select(Delivery.channel)
            .where(Delivery.alert_id == alert.id, Delivery.channel != Channel.VOICE, Delivery.message != WRITTEN)
            .order_by(col(Delivery.created_at).desc())
            .limit(1)
        )
        found = self._tx.session.exec(query).first()
        return Channel(found) if found else None

    def _waits(self, alert_id: UUID) -> bool:
        """Whether the alert is still to be sent."""
        query = select(Delivery.id).where(
            Delivery.alert_id == alert_id,
            Delivery.message == "alert",
            col(Delivery.state).in_({DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNKNOWN}),
        )
        return self._tx.session.exec(query).first() is not None


def alarm(engine: Engine, tx: Transaction, key: str, **values: str) -> None:
    """Tell whoever supervises of something that is no single incident's, over a channel that works."""
    down = outages.active(tx)
    for row in responders.supervisors(tx):
        channel = _channel(responders.written(row), down)
        to = responders.address(row, channel) if channel else None
        if channel and to:
            letter = engine.texts.say(key, channel, (), **values)
            queue(tx, channel, to, (letter,), key, tx.now + _ALARM_LIVES, responder_id=row.id)


def _channel(order: Sequence[Channel], down: Collection[Channel]) -> Channel | None:
    """The first channel that works.

    Where all are down for everyone, the first: its message waits for the channel to come back.
    """
    return next((channel for channel in order if channel not in down), order[0] if order else None)


def _next_channel(order: Sequence[Channel], after: Channel, without: Collection[Channel]) -> Channel | None:
    """The next channel after `after` that is not one of `without`."""
    later = order[order.index(after) + 1 :] if after in order else order
    return next((channel for channel in later if channel not in without), None)


@dataclass(frozen=True)
class Turn:
    """A channel's turn to ask, as its deadline's subject names it."""

    alert_id: UUID
    channel: Channel
    #: From the alert on.
    wait: timedelta

    @property
    def subject(self) -> str:
        """The alert's id first, so that all of an alert's turns are found by it."""
        return f"{self.alert_id} {self.channel} {self.wait.total_seconds():.0f}"

    @classmethod
    def read(cls, subject: str) -> Self:
        """The turn that a deadline's subject names."""
        alert_id, channel, wait_s = subject.split()
        return cls(UUID(alert_id), Channel(channel), timedelta(seconds=int(wait_s)))


def _after_s(row: tables.Responder) -> dict[Channel, int] | None:
    """When the turn of each of the responder's channels comes; None where their row does not say."""
    if row.channel_after_s is None:
        return None
    return dict(zip(map(Channel, row.channels), row.channel_after_s, strict=False))


def asked_beside(tx: Transaction, delivery: Delivery) -> list[Delivery]:
    """The other deliveries by which an alert is asked in the same round."""
    asked = _asked(tx, delivery.alert_id, _asked_at(delivery)) if delivery.alert_id else []
    return [other for other in asked if other.id != delivery.id]


def _asked(tx: Transaction, alert_id: UUID, asked_at: datetime) -> list[Delivery]:
    found = tx.session.exec(select(Delivery).where(Delivery.alert_id == alert_id, Delivery.message == "alert"))
    return [delivery for delivery in found if _asked_at(delivery) == asked_at]


def _asked_at(delivery: Delivery) -> datetime:
    """When its round began (UTC); the release before had no rounds, and each delivery is one."""
    said = delivery.envelope.get("asked_at")
    return datetime.fromisoformat(said) if said else delivery.created_at
