"""From what was decided to what is said: effects become delivery rows, in the decision's own transaction.

Who is told over which channel is settled here, and the words are composed and kept, so that a repetition
says the very same.  The calls to providers are in `deliveries`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID, uuid4

from sqlalchemy import bindparam, text
from sqlmodel import col, select

from ess.channels.envelope import Message
from ess.conversation.answer import next_code
from ess.conversation.letters import (
    About,
    alert_letter,
    corrected_letter,
    follow_up_letter,
    progress_letter,
    reporter_letter,
)
from ess.domain.duty import Channel
from ess.domain.follow_up import FollowUp
from ess.domain.incident import (
    ENDED,
    TAKEN,
    Alert,
    AlertState,
    AskFollowUp,
    AskResponder,
    Decision,
    Effect,
    Fact,
    Incident,
    State,
    TellReporter,
    TellResponder,
    TellSupervisors,
)
from ess.domain.report import Contact
from ess.engine import Engine
from ess.store import Transaction, incidents, outages, responders, tables
from ess.store.tables import Delivery, DeliveryState
from ess.wake import SEND

#: In the order given, the same everywhere, so that two incidents that alert the same phones never wait for each other.
_LOCK_PHONES = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(key, 0))"
    " FROM (SELECT unnest(CAST(:keys AS text[])) AS key) AS phones"
)
_IS_OPEN = col(tables.Alert.state).in_({AlertState.OPEN, *TAKEN}) & col(tables.Incident.state).not_in(
    {State.RESOLVED, *ENDED}
)
#: Of these phones, the codes of the last day and those that are still open, the oldest first.
_CODES = (
    select(tables.Alert.phone_index, tables.Alert.reply_code, _IS_OPEN)
    .join(tables.Incident, col(tables.Incident.id) == col(tables.Alert.incident_id))
    .where(
        col(tables.Alert.phone_index).in_(bindparam("phones", expanding=True)),
        col(tables.Alert.reply_code).is_not(None),
        (col(tables.Alert.created_at) > bindparam("since")) | _IS_OPEN,
    )
    .order_by(col(tables.Alert.created_at))
)
#: What is told of a channel or a program is old after this.
_ALARM_LIVES = timedelta(minutes=30)
#: What the public was promised to hear, also of an incident that goes on under another code or is in hand already,
#: and the questions without which nobody can come.
_PROMISED = frozenset({"received", "goes_on_as", "where", "which_place", "acknowledged", "in_good_hands"})
#: From the wish that binds most to the one that binds least.
_STRICTEST = (Contact.NONE, Contact.TEXT_ONLY, Contact.ANY)


def carry_out(engine: Engine, tx: Transaction, decision: Decision, *, reply_token: str | None = None) -> None:
    """Write a delivery for everybody whom the decision wants to hear something."""
    if decision.effects:
        # One flush at the end writes all of it: whatever is looked up meanwhile was there before.
        with tx.session.no_autoflush:
            Outbox(engine, tx, decision.incident, reply_token).carry_out(decision.effects)


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
) -> None:
    """Promise one message; it goes out when this transaction has committed, and not after `until`.

    A `silent` one lights up no screen, where the channel can do that.
    """
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
        envelope={"to": to, "messages": [asdict(message) for message in messages], "silent": silent},
        state=DeliveryState.QUEUED,
        attempt=0,
        reply_token=reply_token,
        expires_at=until,
        created_at=tx.now,
    )
    tx.promise(SEND, tx.now, incident_id=incident_id, subject=str(delivery_id))


class Outbox:
    """Writes deliveries about one incident, in one transaction that holds its lock."""

    def __init__(self, engine: Engine, tx: Transaction, incident: Incident, reply_token: str | None = None) -> None:
        self._texts = engine.texts
        self._tx = tx
        self._incident = incident
        self._reply_token = reply_token
        self._until = tx.now + incident.policy.fresh_for
        self._alerts = {alert.id: alert for alert in incident.alerts}
        self._follow_ups = {follow_up.id: follow_up for follow_up in incident.follow_ups}

    # Looked up when first needed: a decision that nobody is told of asks for none of these.
    @cached_property
    def _down(self) -> dict[Channel, tables.Outage]:
        return outages.active(self._tx)

    @property
    def _reports(self) -> list[tables.Report]:
        return incidents.reports(self._tx, self._incident.id)

    @property
    def _rows(self) -> incidents.Rows:
        return self._tx.loaded[self._incident.id]

    @cached_property
    def _people(self) -> dict[UUID, tables.Responder]:
        asked = {alert.responder_id for alert in self._alerts.values()}
        callers = {call.responder_id for call in self._follow_ups.values() if call.responder_id}
        return responders.by_ids(self._tx, asked | callers)

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
            contact=min(
                (Contact(report.contact) for report in self._reports), key=_STRICTEST.index, default=Contact.NONE
            ),
        )

    def carry_out(self, effects: Iterable[Effect]) -> None:
        """One delivery, or a few, for each effect."""
        effects = list(effects)
        self._give_codes([self._alerts[effect.alert_id] for effect in effects if isinstance(effect, AskResponder)])
        for effect in effects:
            match effect:
                case AskResponder(alert_id, again):
                    # What waits to be sent says it already: a stalled channel must not fill up with repetitions.
                    if again and self._waits(alert_id):
                        incidents.note(self._tx, self._incident.id, Fact("alert_waits", {"alert_id": alert_id}))
                    else:
                        self.ask(self._alerts[alert_id])
                case TellResponder(alert_id, key, holder, into):
                    self._tell_responder(self._alerts[alert_id], key, holder, into)
                case TellReporter(key, arrival_at, report_id):
                    self._tell_reporter(key, arrival_at, report_id)
                case TellSupervisors(key, follow_up_id):
                    self._tell_supervisors(key, follow_up_id)
                case AskFollowUp(follow_up_id, reminder):
                    follow_up = self._follow_ups[follow_up_id]
                    if follow_up.responder_id is not None:
                        key = "follow_up_reminder" if reminder else "follow_up"
                        self.ask_follow_up(follow_up, key, self._people[follow_up.responder_id])

    def ask(self, alert: Alert, after: Channel | None = None) -> bool:
        """The alert, over the responder's first channel, or the one after `after`; false where there is none."""
        row = self._people[alert.responder_id]
        channel = _channel(row, after, self._down)
        if channel is None:
            return False
        base = (row.latitude, row.longitude) if row.latitude is not None and row.longitude is not None else None
        letter = alert_letter(self._texts, self._about, alert, channel, self._code(alert), base)
        self._queue(row, channel, letter, "alert", alert=alert)
        return True

    def ask_follow_up(self, follow_up: FollowUp, key: str, row: tables.Responder, after: Channel | None = None) -> bool:
        """The call to make, over the responder's first channel, or the one after `after`."""
        channel = _channel(row, after, self._down)
        if channel is None:
            return False
        letter = follow_up_letter(self._texts, key, self._about, follow_up.id, follow_up.due_at, channel)
        self._queue(row, channel, letter, key, follow_up=follow_up)
        return True

    def _tell_responder(self, alert: Alert, key: str, holder: UUID | None, into: str) -> None:
        row = self._people[alert.responder_id]
        reached_over = self._reached_over(alert)
        works = reached_over and responders.address(row, reached_over)
        channel = reached_over if works else _channel(row, None, self._down)
        if channel is None:
            return
        match key:
            case "arrived_yet":
                letter = progress_letter(self._texts, key, self._incident, alert, channel, self._code(alert))
            case "place_corrected":
                letter = corrected_letter(self._texts, self._about, alert, channel)
            case _:
                letter = self._texts.say(key, channel, code=self._incident.code, who=self._name(holder), into=into)
        self._queue(row, channel, letter, key, alert=alert)

    def _tell_reporter(self, key: str, arrival_at: datetime | None, report_id: UUID | None) -> None:
        """In the chat in which they reported, else by SMS where they said that they may be written to.

        Silently, unless they want to be contacted.  By SMS, which cannot be silent, the two promises alone.
        """
        who = self._name(self._incident.lead.holder)
        heard = set()
        reports = [self._tx.session.get_one(tables.Report, report_id)] if report_id else self._reports
        for report in reports:
            line_user, phone = report.details.get("line_user_id"), report.details.get("phone")
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
        place, who = self._texts.place(self._incident.place), self._name(self._incident.lead.holder)
        doubt = self._incident.place.contradicted_by if self._incident.place else None
        said = self._texts.province(doubt) if doubt else ""
        for row in responders.supervisors(self._tx):
            channel = _channel(row, None, self._down)
            if follow_up_id is not None:
                self.ask_follow_up(self._follow_ups[follow_up_id], key, row)
            elif channel is not None:
                letter = self._texts.say(key, channel, code=self._incident.code, place=place, who=who, said=said)
                self._queue(row, channel, letter, key)

    def _queue(
        self,
        row: tables.Responder,
        channel: Channel,
        letter: Message,
        key: str,
        *,
        alert: Alert | None = None,
        follow_up: FollowUp | None = None,
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
        )

    def _name(self, alert_id: UUID | None) -> str:
        return self._people[self._alerts[alert_id].responder_id].name_th if alert_id else ""

    def _code(self, alert: Alert) -> str | None:
        return self._rows.alerts[alert.id].reply_code

    def _reached_over(self, alert: Alert) -> Channel | None:
        """The channel over which the responder was asked last."""
        query = (
            select(Delivery.channel)
            .where(Delivery.alert_id == alert.id)
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

    def _give_codes(self, alerts: Iterable[Alert]) -> None:
        """Two digits for each new alert, unique among the phone's open alerts and those of the last day."""
        wanted: defaultdict[bytes, list[tables.Alert]] = defaultdict(list)
        for alert in alerts:
            row = self._rows.alerts[alert.id]
            index = self._people[alert.responder_id].phone_index
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


def alarm(engine: Engine, tx: Transaction, key: str, **values: str) -> None:
    """Tell whoever supervises of something that is no single incident's, over a channel that works."""
    down = outages.active(tx)
    for row in responders.supervisors(tx):
        channel = _channel(row, None, down)
        to = responders.address(row, channel) if channel else None
        if channel and to:
            letter = engine.texts.say(key, channel, (), **values)
            queue(tx, channel, to, (letter,), key, tx.now + _ALARM_LIVES, responder_id=row.id)


def _channel(row: tables.Responder, after: Channel | None, down: Collection[Channel]) -> Channel | None:
    """The responder's first channel that works, or the next after `after`.

    Where all are down for everyone, the first: its message waits for the channel to come back.
    """
    order = responders.channels(row)
    later = order[order.index(after) + 1 :] if after in order else order
    working = [channel for channel in later if channel not in down]
    if after is None and not working:
        return later[0] if later else None
    return working[0] if working else None
