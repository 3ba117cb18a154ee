"""Who says "mine", and what became of it: every answer that was given, held against the timeline played again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chaos.evidence import Evidence
from ess.conversation.answer import Verb, read_button, read_sms
from ess.domain.duty import NATIONAL_ROLES
from ess.store import tables

_OVER = {"resolved", "closed", "cancelled", "merged"}


@dataclass
class Holders:
    """Who had one track of one incident, and when."""

    #: From each instant on: the alert whose responder has it, None where nobody does.
    changes: list[tuple[datetime, str | None]] = field(default_factory=list)
    #: Somebody took it who should not have been let.
    conflicts: list[str] = field(default_factory=list)

    def had_it(self, until: datetime) -> set[str]:
        """The alerts whose responders had it at some time until then."""
        return {alert_id for at, alert_id in self.changes if at <= until and alert_id}


def holders(evidence: Evidence, incident: tables.Incident, track: str) -> Holders:
    """The timeline of the track, played again."""
    found, roles = Holders(), evidence.acknowledging_roles(incident, track)
    alerts = {str(alert.id): alert for alert in evidence.alerts if alert.incident_id == incident.id}
    holder: str | None = None
    unanswered = False
    for fact in evidence.timeline_of[incident.id]:
        if fact.fact == "accepted" and fact.data["track"] == track:
            if fact.data.get("backup"):  # beside whoever has it
                continue
            alert = alerts[fact.data["alert_id"]]
            before = alerts[holder] if holder else None
            stops, owns = alert.role in roles, alert.role in NATIONAL_ROLES and unanswered
            if not stops and not owns:
                continue
            # The police are welcome after a desk has taken it on; anybody else comes too late.
            if before and not (stops and before.role in NATIONAL_ROLES):
                names = [f"{found.role} {found.id}" for found in (before, alert)]
                found.conflicts.append(f"{incident.code} {track}: two holders at {fact.at}: {names}")
            holder, unanswered = str(alert.id), unanswered and not stops
        elif fact.fact in {"given_back", "unanswered"} and fact.data["track"] == track:
            holder, unanswered = None, fact.fact == "unanswered"
        elif fact.fact == "handed_over" and fact.data["track"] == track:
            holder = fact.data["alert_id"]
        else:
            continue
        found.changes.append((fact.at, holder))
    return found


@dataclass(frozen=True)
class Acknowledgement:
    """A responder said "mine", and the engine took it."""

    alert: tables.Alert
    #: When it was understood.
    at: datetime
    via: str


def given(evidence: Evidence) -> Iterator[Acknowledgement]:
    """Every acknowledgement that the engine has thanked for, in LINE, by SMS and by API."""
    alerts = {alert.id: alert for alert in evidence.alerts}
    for row in evidence.inbound:
        at = row.handled_at or evidence.at
        if row.kind == "line":
            pressed = read_button(row.body.get("postback", {}).get("data", ""))
            if pressed and pressed.do == Verb.ACCEPT and pressed.alert_id:
                yield Acknowledgement(alerts[pressed.alert_id], at, "line")
        elif row.kind == "sms":
            answer = read_sms(str(row.body.get("Body", "")))
            alert = _meant(evidence, str(row.body.get("From", "")), answer.code, row.received_at)
            if answer.verb is Verb.ACCEPT and alert:
                yield Acknowledgement(alert, at, "sms")
    for alert_id in evidence.promises.accepted_alerts:
        yield Acknowledgement(alerts[UUID(alert_id)], evidence.at, "api")


def _meant(evidence: Evidence, phone: str, code: str | None, at: datetime) -> tables.Alert | None:
    """The newest alert on this phone with this code; codes come again after a day."""
    owners = {person.id for person in evidence.responders if person.phone == phone}
    fitting = [
        alert
        for alert in evidence.alerts
        if alert.responder_id in owners and alert.reply_code == code and alert.created_at <= at
    ]
    return fitting[-1] if fitting else None


class Fate(StrEnum):
    """What became of an acknowledgement."""

    RECORDED = "recorded"
    #: Somebody else had it, or all was over, when it was understood; the responder was told so.
    TOO_LATE = "too late"
    LOST = "lost"


def fate(evidence: Evidence, said: Acknowledgement, recorded: set[str]) -> Fate:
    """`recorded` holds the alerts that the timelines call accepted."""
    if str(said.alert.id) in recorded:
        return Fate.RECORDED
    incident = evidence.incident_of[said.alert.incident_id]
    others = holders(evidence, incident, said.alert.track).had_it(until=said.at)
    over = any(fact.fact in _OVER and fact.at <= said.at for fact in evidence.timeline_of[incident.id])
    return Fate.TOO_LATE if others or over else Fate.LOST


def fates(evidence: Evidence) -> Iterator[tuple[Acknowledgement, Fate]]:
    """Every acknowledgement with what became of it."""
    recorded = {fact.data["alert_id"] for fact in evidence.told("accepted")}
    return ((said, fate(evidence, said, recorded)) for said in given(evidence))


def acknowledgements_lost(evidence: Evidence) -> Iterator[str]:
    """Whoever said "mine" stands in the timeline, unless somebody else had it, or all was over, when it was heard."""
    for said, what in fates(evidence):
        if what is Fate.LOST:
            code = evidence.incident_of[said.alert.incident_id].code
            who = evidence.responder_of[said.alert.responder_id].ref
            yield (
                f"{who} accepted {code} ({said.alert.track} step {said.alert.step}, alert {said.alert.id}) "
                f"by {said.via}, understood at {said.at}: it is {said.alert.state}, and nobody else had it"
            )
