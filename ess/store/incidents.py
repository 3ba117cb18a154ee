"""Incidents between rows and domain: load under lock, save what a decision changed."""

import hashlib
import json
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from ess.domain.duty import Role
from ess.domain.errors import NotFound
from ess.domain.follow_up import FollowUp, FollowUpState, Outcome
from ess.domain.incident import (
    Alert,
    AlertState,
    Deadline,
    DeadlineKind,
    Decision,
    Fact,
    Incident,
    State,
    Track,
)
from ess.domain.place import Place
from ess.domain.policy import FollowUpPlan, Policy
from ess.domain.report import IncidentType
from ess.store import tables
from ess.store.store import Transaction

_POLICY = TypeAdapter(Policy)
_PLAN = TypeAdapter(FollowUpPlan)
_TRACKS = TypeAdapter(tuple[Track, ...])
_policies: dict[str, Policy] = {}


def lock(tx: Transaction, incident_id: UUID) -> Incident:
    """The incident, held until the transaction ends: whoever comes second waits and sees what the first did."""
    query = select(tables.Incident).where(tables.Incident.id == incident_id).with_for_update()
    row = tx.session.exec(query).one_or_none()
    if row is None:
        raise NotFound(f"there is no incident {incident_id}")
    return _incident(tx, row)


def read(tx: Transaction, incident_id: UUID) -> Incident:
    """The incident as it is now, to look at only."""
    row = tx.session.get(tables.Incident, incident_id)
    if row is None:
        raise NotFound(f"there is no incident {incident_id}")
    return _incident(tx, row)


def _incident(tx: Transaction, row: tables.Incident) -> Incident:
    session = tx.session
    alerts = session.exec(
        select(tables.Alert).where(tables.Alert.incident_id == row.id).order_by(col(tables.Alert.created_at))
    )
    follow_ups = session.exec(select(tables.FollowUp).where(tables.FollowUp.incident_id == row.id))
    deadlines = session.exec(select(tables.Deadline).where(tables.Deadline.incident_id == row.id))
    kinds = set(DeadlineKind)
    return Incident(
        id=row.id,
        code=row.code,
        type=IncidentType(row.type),
        policy=_policy(tx, row.policy_id),
        state=State(row.state),
        place=Place.from_json(row.place) if row.place else None,
        tracks=_TRACKS.validate_python(row.tracks),
        alerts=tuple(
            Alert(
                alert.id,
                alert.responder_id,
                Role(alert.role),
                alert.track,
                alert.step,
                AlertState(alert.state),
                alert.eta_at,
            )
            for alert in alerts
        ),
        follow_ups=tuple(_follow_up(follow_up) for follow_up in follow_ups),
        deadlines=frozenset(
            Deadline(deadline.due_at, DeadlineKind(deadline.kind), deadline.subject)
            for deadline in deadlines
            if deadline.kind in kinds
        ),
    )


def _follow_up(row: tables.FollowUp) -> FollowUp:
    return FollowUp(
        row.id,
        _PLAN.validate_python(row.plan),
        row.responder_id,
        row.due_at,
        FollowUpState(row.state),
        row.tries,
        row.reminders,
        Outcome(row.outcome) if row.outcome else None,
    )


def _policy(tx: Transaction, policy_id: str) -> Policy:
    if policy_id not in _policies:
        row = tx.session.get_one(tables.Policy, policy_id)
        _policies[policy_id] = _POLICY.validate_python(row.body)
    return _policies[policy_id]


def freeze_policy(tx: Transaction, policy: Policy) -> str:
    """Keep the policy as it reads today, once; its id is what an incident refers to."""
    body = _POLICY.dump_python(policy, mode="json")
    policy_id = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    if policy_id not in _policies:
        row = {"id": policy_id, "type": policy.type, "body": body}
        tx.session.exec(insert(tables.Policy).values(row).on_conflict_do_nothing())
    return policy_id


def create(
    tx: Transaction, decision: Decision, pin: tuple[float, float] | None, *, drill: bool = False
) -> tables.Incident:
    """The row of a new incident; `save` does the rest."""
    incident = decision.incident
    row = tables.Incident(
        id=incident.id,
        code=incident.code,
        type=incident.type,
        state=incident.state,
        policy_id=freeze_policy(tx, incident.policy),
        tracks=[],
        pin=list(pin) if pin else None,
        drill=drill,
        received_at=tx.now,
        updated_at=tx.now,
    )
    tx.session.add(row)
    tx.session.flush()
    return row


def save(tx: Transaction, decision: Decision) -> None:
    """Write what the decision changed; the session knows the rows that were loaded under the lock."""
    incident = decision.incident
    session = tx.session
    row = session.get_one(tables.Incident, incident.id)
    row.state = incident.state
    row.place = incident.place.to_json() if incident.place else None
    row.province_code = incident.place.province.code if incident.place else None
    tracks = _TRACKS.dump_python(incident.tracks, mode="json")
    if row.tracks != tracks:
        row.tracks = tracks
    row.updated_at = tx.now
    for alert in incident.alerts:
        _save_alert(tx, incident, alert)
    for follow_up in incident.follow_ups:
        _save_follow_up(tx, incident, follow_up)
    _save_deadlines(tx, incident)
    note(tx, incident.id, *decision.facts)
    session.flush()


def _save_alert(tx: Transaction, incident: Incident, alert: Alert) -> None:
    row = tx.session.get(tables.Alert, alert.id)
    if row is None:
        tx.session.add(
            tables.Alert(
                id=alert.id,
                incident_id=incident.id,
                responder_id=alert.responder_id,
                role=alert.role,
                track=alert.track,
                step=alert.step,
                state=alert.state,
                created_at=tx.now,
            )
        )
        return
    if row.state != alert.state:
        row.state = alert.state
        row.answered_at = tx.now
    row.eta_at = alert.eta_at


def _save_follow_up(tx: Transaction, incident: Incident, follow_up: FollowUp) -> None:
    row = tx.session.get(tables.FollowUp, follow_up.id)
    values: dict[str, Any] = {
        "due_at": follow_up.due_at,
        "state": follow_up.state,
        "tries": follow_up.tries,
        "reminders": follow_up.reminders,
        "outcome": follow_up.outcome,
    }
    if row is None:
        plan = _PLAN.dump_python(follow_up.plan, mode="json")
        row = tables.FollowUp(
            id=follow_up.id, incident_id=incident.id, plan=plan, responder_id=follow_up.responder_id, **values
        )
        tx.session.add(row)
        return
    for name, value in values.items():
        setattr(row, name, value)


def _save_deadlines(tx: Transaction, incident: Incident) -> None:
    kinds = set(DeadlineKind)
    rows = tx.session.exec(select(tables.Deadline).where(tables.Deadline.incident_id == incident.id))
    stored = {Deadline(row.due_at, DeadlineKind(row.kind), row.subject): row for row in rows if row.kind in kinds}
    for deadline, row in stored.items():
        if deadline not in incident.deadlines:
            tx.session.delete(row)
    tx.session.flush()  # a deadline that moves keeps its key: the old row goes before the new one comes
    for deadline in sorted(incident.deadlines - stored.keys()):
        tx.promise(deadline.kind, deadline.due_at, incident_id=incident.id, subject=deadline.subject)


def note(tx: Transaction, incident_id: UUID, *facts: Fact) -> None:
    """Add to the incident's timeline, in the order given."""
    for fact in facts:
        data = json.loads(json.dumps(fact.data, default=_plain))
        tx.session.add(tables.Fact(incident_id=incident_id, at=tx.now, fact=fact.name, data=data))


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
