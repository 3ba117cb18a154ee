"""The follow-ups that are to be made, as a social worker or a supervisor goes through their day; no personal data."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, or_, select

from ess.domain.calling_hours import BANGKOK
from ess.domain.follow_up import FollowUpState
from ess.domain.incident import State
from ess.domain.report import Contact, strictest
from ess.store import Transaction, responders, tables
from ess.views import follow_up, place_of

#: A province has fewer; more than these nobody reads at once.
MOST = 500


def listing(
    tx: Transaction, *, due: bool = False, province: str | None = None, responder: str | None = None
) -> list[dict[str, Any]]:
    """What is not done yet, whatever is due first at the top; at most `MOST`.

    `due`: only what is to be made by the end of today in Thailand, or is late.  `province` is a DOPA code, `responder`
    a number in the roster: what nobody was asked for yet is nobody's.
    """
    query = (
        select(tables.FollowUp, tables.Incident, tables.Policy)
        .join(tables.Incident, col(tables.Incident.id) == col(tables.FollowUp.incident_id))
        .join(tables.Policy, col(tables.Policy.id) == col(tables.Incident.policy_id))
        .where(
            tables.FollowUp.state != FollowUpState.DONE,
            tables.Incident.state == State.RESOLVED,
            col(tables.Incident.drill).is_(False),
        )
        .order_by(col(tables.FollowUp.due_at), col(tables.FollowUp.id))
        .limit(MOST)
    )
    if due:
        today_ends = _midnight_after(tx.now)
        query = query.where(
            or_(
                col(tables.FollowUp.due_at) < today_ends,
                col(tables.FollowUp.ask_at) < today_ends,
                # Late it stays, also where the next reminder is tomorrow's.
                col(tables.FollowUp.state) == FollowUpState.OVERDUE,
                col(tables.FollowUp.reminders) > 0,
            )
        )
    if province:
        query = query.where(tables.Incident.province_code == province)
    if responder:
        query = query.join(tables.Responder, col(tables.Responder.id) == col(tables.FollowUp.responder_id))
        query = query.where(tables.Responder.ref == responder)
    found = tx.session.exec(query).all()
    people = responders.by_ids(tx, {row.responder_id for row, _, _ in found if row.responder_id})
    wishes = _wishes(tx, {incident.id for _, incident, _ in found})
    return [
        {
            **follow_up(row, people.get(row.responder_id) if row.responder_id else None),
            "incident_id": str(incident.id),
            "code": incident.code,
            "type": incident.type,
            "grade": policy.body.get("grade"),
            "place": place_of(incident.place),
            "contact": strictest(wishes[incident.id]),
            "late": row.state == FollowUpState.OVERDUE or row.reminders > 0 or (row.ask_at or row.due_at) < tx.now,
        }
        for row, incident, policy in found
    ]


def _midnight_after(now: datetime) -> datetime:
    local = now.astimezone(BANGKOK)
    return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _wishes(tx: Transaction, incident_ids: set[Any]) -> defaultdict[Any, list[Contact]]:
    wishes: defaultdict[Any, list[Contact]] = defaultdict(list)
    query = select(tables.Report.incident_id, tables.Report.contact)
    for incident_id, contact in tx.session.exec(query.where(col(tables.Report.incident_id).in_(incident_ids))):
        wishes[incident_id].append(Contact(contact))
    return wishes
