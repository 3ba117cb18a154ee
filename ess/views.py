"""An incident as people and programs read it: plain values, names instead of ids, no personal data of victims."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlmodel import SQLModel, col, select, tuple_
from sqlmodel.sql.expression import SelectOfScalar

from config.settings import HERE
from ess import attachments
from ess.conversation.texts import Texts
from ess.domain.errors import NotFound
from ess.store import Transaction, reach, reporters, responders, tables
from ess.wake import SENDS

Row = TypeVar("Row", bound=SQLModel)


def find(tx: Transaction, id_or_code: str) -> tables.Incident:
    """The incident of that id or code."""
    try:
        row = tx.session.get(tables.Incident, UUID(id_or_code))
    except ValueError:
        query = select(tables.Incident).where(tables.Incident.code == id_or_code.upper())
        row = tx.session.exec(query).one_or_none()
    if row is None:
        raise NotFound(f"there is no incident {id_or_code}")
    return row


def listing(
    tx: Transaction,
    *,
    state: str | None = None,
    province: str | None = None,
    incident_type: str | None = None,
    since: datetime | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> Sequence[tables.Incident]:
    """Incidents, the newest first; `before` is the last one of the page before."""
    order = (col(tables.Incident.received_at), col(tables.Incident.id))
    query = (
        select(tables.Incident)
        .where(col(tables.Incident.drill).is_(False))
        .order_by(order[0].desc(), order[1].desc())
        .limit(limit)
    )
    if state:
        query = query.where(tables.Incident.state == state)
    if province:
        query = query.where(tables.Incident.province_code == province)
    if incident_type:
        query = query.where(tables.Incident.type == incident_type)
    if since:
        query = query.where(tables.Incident.received_at >= since)
    if before:
        query = query.where(tuple_(*order) < before)
    return tx.session.exec(query).all()


def summary(row: tables.Incident) -> dict[str, Any]:
    """One line of a list."""
    return {
        "incident_id": str(row.id),
        "code": row.code,
        "type": row.type,
        "state": row.state,
        "place": place_of(row.place),
        "received_at": row.received_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


def place_of(place: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Where it is, as far as is known; None where the place is unknown."""
    if place is None:
        return None
    districts = place["districts"]
    return {
        "province": place["province"],
        "district": districts[0] if districts else None,
        "districts": districts,
        "subdistrict": next(iter(place.get("subdistricts", ())), None),
        "confidence": place["confidence"],
        "source": place["source"],
        "accuracy_m": place.get("accuracy_m"),
        "candidates": place["candidates"],
        "contradicted_by": place.get("contradicted_by"),
    }


def detail(tx: Transaction, row: tables.Incident) -> dict[str, Any]:
    """State, place, reports, tracks, alerts with deliveries and reasons, every choice, follow-ups, and what is due."""
    alerts = _its(tx, row, tables.Alert, tables.Alert.created_at)
    follow_ups = _its(tx, row, tables.FollowUp, tables.FollowUp.due_at)
    deliveries = _its(tx, row, tables.Delivery, tables.Delivery.created_at)
    due = _its(tx, row, tables.Deadline, tables.Deadline.due_at)
    choices = tx.session.exec(_facts(row).where(tables.Fact.fact == "responders_selected")).all()
    people = responders.by_ids(
        tx,
        {alert.responder_id for alert in alerts}
        | {call.responder_id for call in follow_ups if call.responder_id}
        | {UUID(value) for choice in choices for value in _mentioned(choice.data)},
    )
    reports = _its(tx, row, tables.Report, tables.Report.received_at)
    reasons = {chosen["responder_id"]: chosen["reason"] for choice in choices for chosen in choice.data["chosen"]}
    holders = {str(alert.id): alert.responder_id for alert in alerts}
    known = reporters.earlier(tx, [row.id]).get(row.id)
    return {
        **summary(row),
        "reports": [_report(report) for report in reports],
        "earlier_reports": known.n if known else 0,
        "earlier_false_reports": known.n_false if known else 0,
        "merged_into": str(row.merged_into) if row.merged_into else None,
        "tracks": [
            {**track, "holder": person(people.get(holders.get(track["holder"] or "") or row.id))}
            for track in row.tracks
        ],
        "alerts": [
            {
                "alert_id": str(alert.id),
                "responder": person(people[alert.responder_id]),
                "channels": reach.channel_states(people[alert.responder_id]),
                "track": alert.track,
                "step": alert.step,
                "state": alert.state,
                "backup": alert.backup,
                "eta_at": alert.eta_at.isoformat() if alert.eta_at else None,
                "alerted_at": alert.created_at.isoformat(),
                "answered_at": alert.answered_at.isoformat() if alert.answered_at else None,
                **_reason(reasons.get(str(alert.responder_id), "")),
                "deliveries": [_delivery(delivery) for delivery in deliveries if delivery.alert_id == alert.id],
            }
            for alert in alerts
        ],
        "choices": [{"at": choice.at.isoformat(), **_named(choice.data, people)} for choice in choices],
        "follow_ups": [
            follow_up(call, people.get(call.responder_id) if call.responder_id else None) for call in follow_ups
        ],
        "attachments": [attachments.summary(each) for each in attachments.kept_of(tx, row.id)],
        "due": [
            {"kind": deadline.kind, "subject": deadline.subject, "due_at": deadline.due_at.isoformat()}
            for deadline in due
            if deadline.kind not in SENDS
        ],
    }


def _its(tx: Transaction, row: tables.Incident, table: type[Row], order: Any) -> Sequence[Row]:
    """The incident's rows of a table, in that order; those of one instant always in the same."""
    its: Any = table
    return tx.session.exec(select(table).where(its.incident_id == row.id).order_by(order, its.id)).all()


def _facts(row: tables.Incident) -> SelectOfScalar[tables.Fact]:
    facts = select(tables.Fact).where(tables.Fact.incident_id == row.id)
    return facts.order_by(col(tables.Fact.at), col(tables.Fact.id))


def follow_up(row: tables.FollowUp, who: tables.Responder | None) -> dict[str, Any]:
    """By when, asked for when, who has it, and how it went."""
    return {
        "follow_up_id": str(row.id),
        "plan": row.plan["name"],
        "kind": row.plan.get("kind", "call"),
        "responder": person(who),
        "state": row.state,
        "due_at": row.due_at.isoformat(),
        "promised_at": (row.promised_at or row.due_at).isoformat(),
        "ask_at": row.ask_at.isoformat() if row.ask_at else None,
        "tries": row.tries,
        "outcome": row.outcome,
        "service": row.service,
    }


def _report(row: tables.Report) -> dict[str, Any]:
    """Which reports there are, and nothing of who made them or what they say."""
    return {
        "report_id": str(row.id),
        "source": row.source,
        "received_at": row.received_at.isoformat(),
        "contact": row.contact,
        "external_id": row.external_id,
    }


def person(row: tables.Responder | None) -> dict[str, Any] | None:
    """Who it is, by number, names and role; None where nobody is."""
    if row is None:
        return None
    return {"ref": row.ref, "name_th": row.name_th, "name_en": row.name_en, "role": row.role}


def _delivery(row: tables.Delivery) -> dict[str, Any]:
    return {
        "channel": row.channel,
        "message": row.message,
        "state": row.state,
        "attempt": row.attempt,
        "error": row.error,
        "created_at": row.created_at.isoformat(),
        "sent_at": row.sent_at.isoformat() if row.sent_at else None,
    }


def timeline(tx: Transaction, row: tables.Incident) -> list[dict[str, Any]]:
    """Everything that happened, in order; every responder id also with its name."""
    facts = tx.session.exec(_facts(row)).all()
    people = responders.by_ids(tx, {UUID(value) for fact in facts for value in _mentioned(fact.data)})
    return [{"at": fact.at.isoformat(), "fact": fact.fact, **_named(fact.data, people)} for fact in facts]


def _mentioned(data: Mapping[str, Any]) -> list[str]:
    found = [data["responder_id"]] if data.get("responder_id") else []
    for key in ("chosen", "passed_over"):
        found += [item["responder_id"] for item in data.get(key, [])]
    return found


def _named(data: Mapping[str, Any], people: Mapping[UUID, tables.Responder]) -> dict[str, Any]:
    out = dict(data)
    if out.get("responder_id"):
        out["responder"] = person(people.get(UUID(out["responder_id"])))
    for key in ("chosen", "passed_over"):
        if key in out:
            out[key] = [
                {**item, **_reason(item["reason"]), "responder": person(people.get(UUID(item["responder_id"])))}
                for item in out[key]
            ]
    if "rest" in out:
        out["rest"] = [{"n": rest["n"], **_reason([rest])} for rest in out["rest"]]
    return out


def _reason(stored: str | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Why, as a sentence in English and as the words of `config/messages` that say it in any language.

    Earlier releases stored the sentence alone.
    """
    if isinstance(stored, str):
        return {"reason": stored, "why": []}
    return {"reason": _english().reason(stored), "why": list(stored)}


@cache
def _english() -> Texts:
    return Texts(HERE / "messages", "en")
