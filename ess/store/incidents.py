"""Incidents between rows and domain: load under lock, save what a decision changed."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    LargeBinary,
    Uuid,
    all_,
    any_,
    bindparam,
    event,
    literal_column,
)
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select

from ess.domain.duty import Role
from ess.domain.errors import NotFound
from ess.domain.follow_up import FollowUp, FollowUpState, Outcome
from ess.domain.incident import (
    OVER,
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
from ess.domain.place import Pin, Place, distance_km, square, squares_around
from ess.domain.policy import FollowUpPlan, Join, Policy
from ess.domain.report import IncidentType
from ess.store import tables
from ess.store.store import Transaction

_POLICY = TypeAdapter(Policy)
_PLAN = TypeAdapter(FollowUpPlan)
_TRACKS = TypeAdapter(tuple[Track, ...])
_policies: dict[str, Policy] = {}
#: Calls are promised when the danger is over.
_WITH_FOLLOW_UPS = frozenset({State.RESOLVED, State.CLOSED})


@dataclass
class Rows:
    """What a transaction has loaded of one incident; held here, because a session forgets what nobody holds."""

    incident: tables.Incident
    alerts: dict[UUID, tables.Alert] = field(default_factory=dict)
    follow_ups: dict[UUID, tables.FollowUp] = field(default_factory=dict)
    deadlines: dict[Deadline, tables.Deadline] = field(default_factory=dict)
    #: The alerts whose responders are inactive or on leave.
    away: set[UUID] = field(default_factory=set)
    #: Read when first asked for.
    reports: list[tables.Report] | None = None


# Built once: putting a query together costs as much as asking it.
_LOCK = (
    select(tables.Incident)
    .where(col(tables.Incident.id) == bindparam("incident_id"))
    # A fact of its timeline may be added meanwhile: its foreign key would else wait for this lock, and whoever then
    # locks the incident too would wait for ever.
    .with_for_update(key_share=True)
    # Whoever has read it before in this transaction sees what was done while the lock was waited for.
    .execution_options(populate_existing=True)
)
#: A new incident that has waited for so long is one of a flood.
_HAS_WAITED: ColumnElement[bool] = literal_column(
    "(deadline.kind = 'locate' AND deadline.due_at < statement_timestamp() - interval '0.2 s')", Boolean
)
_WITH_DEADLINES = select(tables.Incident, tables.Deadline.id, _HAS_WAITED).join(
    tables.Deadline, col(tables.Deadline.incident_id) == col(tables.Incident.id)
)
_WANTED = bindparam("deadline_ids", type_=ARRAY(BigInteger))
#: In the order of their ids, so that two who lock several never wait for each other.
_LOCK_FOR = (
    _WITH_DEADLINES.where(col(tables.Deadline.id) == any_(_WANTED))
    .order_by(col(tables.Incident.id))
    .with_for_update(of=tables.Incident, key_share=True)
)
#: Those that somebody else has at this instant are left to them, and whatever failed is kept alone.
_LOCK_WAITING = (
    _WITH_DEADLINES.where(_HAS_WAITED, col(tables.Deadline.failures) == 0, col(tables.Deadline.id) != all_(_WANTED))
    .order_by(col(tables.Deadline.due_at))
    .limit(bindparam("most", type_=Integer))
    .with_for_update(of=tables.Incident, key_share=True, skip_locked=True)
)
_ITS = bindparam("incident_ids", type_=ARRAY(Uuid))
_IS_AWAY: ColumnElement[bool] = ~col(tables.Responder.active) | func.coalesce(
    col(tables.Responder.leave_until) > func.clock_timestamp(), False
)
_ALERTS = (
    select(tables.Alert, _IS_AWAY)
    .join(tables.Responder, col(tables.Responder.id) == col(tables.Alert.responder_id))
    .where(col(tables.Alert.incident_id) == any_(_ITS))
    .order_by(col(tables.Alert.created_at))
)
_FOLLOW_UPS = select(tables.FollowUp).where(col(tables.FollowUp.incident_id) == any_(_ITS))
#: With the clock, so that it need not be asked for.
_DEADLINES = select(tables.Deadline, func.clock_timestamp()).where(
    col(tables.Deadline.incident_id) == any_(_ITS), col(tables.Deadline.kind).in_(DeadlineKind)
)
_REPORTS = (
    select(tables.Report).where(col(tables.Report.incident_id) == any_(_ITS)).order_by(col(tables.Report.received_at))
)

_NEAR = select(tables.Incident.id, tables.Incident.pin).where(
    col(tables.Incident.cell) == any_(bindparam("cells", type_=ARRAY(LargeBinary))),
    col(tables.Incident.received_at) > bindparam("since"),
    col(tables.Incident.type) == bindparam("type"),
    col(tables.Incident.drill).is_(False),
    col(tables.Incident.state).not_in(OVER),
)


def lock(tx: Transaction, incident_id: UUID) -> Incident:
    """The incident, held until the transaction ends: whoever comes second waits and sees what the first did."""
    row = tx.session.exec(_LOCK, params={"incident_id": incident_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no incident {incident_id}")
    return _incidents(tx, [row])[0]


def lock_for(tx: Transaction, deadline_ids: Collection[int], *, most: int) -> list[tuple[Incident, list[Deadline]]]:
    """The incidents of these deadlines, locked, each with those of them that are due.

    What was met or moved meanwhile is left out, and an incident of which nothing is due.  Where one of them is new and
    had to wait, other new ones that wait come along, the longest first, up to `most` in all.
    """
    wanted: dict[UUID, set[int | None]] = defaultdict(set)
    rows: dict[UUID, tables.Incident] = {}
    these = {"deadline_ids": list(deadline_ids)}
    found = tx.session.exec(_LOCK_FOR, params=these).all()
    if any(has_waited for _, _, has_waited in found) and len(found) < most:
        found = [*found, *tx.session.exec(_LOCK_WAITING, params=these | {"most": most - len(found)})]
    for row, deadline_id, _ in found:
        rows[row.id] = row
        wanted[row.id].add(deadline_id)
    kept_now = []
    for incident in _incidents(tx, list(rows.values())):
        kept = tx.loaded[incident.id].deadlines
        due = [each for each in sorted(kept) if kept[each].id in wanted[incident.id] and each.due_at <= tx.now]
        if due:
            kept_now.append((incident, due))
    return kept_now


def read(tx: Transaction, incident_id: UUID) -> Incident:
    """The incident as it is now, to look at only."""
    row = tx.session.get(tables.Incident, incident_id)
    if row is None:
        raise NotFound(f"there is no incident {incident_id}")
    return _incidents(tx, [row])[0]


def surviving(tx: Transaction, incident_id: UUID) -> UUID:
    """The incident that goes on for this one: itself, or the one that it was merged into at last."""
    while True:
        into = tx.session.exec(select(tables.Incident.merged_into).where(tables.Incident.id == incident_id)).one()
        if into is None:
            return incident_id
        incident_id = into


def lock_surviving(tx: Transaction, incident_id: UUID) -> Incident:
    """The incident that goes on for this one, held; it may be merged while its lock is waited for."""
    while True:
        incident = lock(tx, incident_id)
        goes_on = surviving(tx, incident_id)
        if goes_on == incident_id:
            return incident
        incident_id = goes_on


def reports(tx: Transaction, incident_id: UUID) -> list[tables.Report]:
    """What came in about an incident that this transaction has loaded, the first one first."""
    if tx.loaded[incident_id].reports is None:
        # One query for all that are loaded: whoever asks for the reports of one asks for the others' too.
        missing = [each for each, rows in tx.loaded.items() if rows.reports is None]
        found: defaultdict[UUID, list[tables.Report]] = defaultdict(list)
        for row in tx.session.exec(_REPORTS, params={"incident_ids": missing}):
            found[row.incident_id].append(row)
        for each in missing:
            tx.loaded[each].reports = found[each]
    return tx.loaded[incident_id].reports or []


def drop(tx: Transaction, incident: Incident, deadline: Deadline) -> None:
    """Forget a deadline that decides nothing any more."""
    tx.session.delete(tx.loaded[incident.id].deadlines[deadline])


def _incidents(tx: Transaction, rows: Sequence[tables.Incident]) -> list[Incident]:
    """All that a decision about these needs, in as many queries as for one of them."""
    if not rows:
        return []
    for row in rows:
        tx.loaded[row.id] = Rows(row)
    # Before it is located nobody can have been alerted, and before it is resolved no call was promised.
    begun = [row.id for row in rows if row.state != State.RECEIVED]
    over = [row.id for row in rows if row.state in _WITH_FOLLOW_UPS]
    for alert, is_away in tx.session.exec(_ALERTS, params={"incident_ids": begun}) if begun else ():
        tx.loaded[alert.incident_id].alerts[alert.id] = alert
        if is_away:
            tx.loaded[alert.incident_id].away.add(alert.id)
    for follow_up in tx.session.exec(_FOLLOW_UPS, params={"incident_ids": over}) if over else ():
        tx.loaded[follow_up.incident_id].follow_ups[follow_up.id] = follow_up
    for deadline, at in tx.session.exec(_DEADLINES, params={"incident_ids": [row.id for row in rows]}):
        tx.saw_clock(at)
        if deadline.incident_id is not None:
            kept = Deadline(deadline.due_at, DeadlineKind(deadline.kind), deadline.subject)
            tx.loaded[deadline.incident_id].deadlines[kept] = deadline
    return [_incident(tx, tx.loaded[row.id]) for row in rows]


def _incident(tx: Transaction, rows: Rows) -> Incident:
    row = rows.incident
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
                alert.backup,
                alert.id in rows.away,
            )
            for alert in rows.alerts.values()
        ),
        follow_ups=tuple(map(_follow_up, rows.follow_ups.values())),
        deadlines=frozenset(rows.deadlines),
        pin=(row.pin[0], row.pin[1]) if row.pin else None,
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
        row.ask_at,
        row.promised_at,
        tuple(map(datetime.fromisoformat, row.tried or ())),
        row.service or "",
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
        event.listen(tx.session, "after_commit", lambda _: _policies.setdefault(policy_id, policy), once=True)
    return policy_id


def near(tx: Transaction, incident_type: IncidentType, pin: Pin, join: Join) -> list[UUID]:
    """The running incidents of the type that began within reach of the pin and of now, the nearest first.

    Drills are none of them.  Only the pins of the squares around are read.
    """
    about = {"cells": [cell(tx, each) for each in squares_around(pin)], "since": tx.now - join.within}
    rows = tx.session.exec(_NEAR, params=about | {"type": incident_type})
    metres = {incident_id: 1000 * distance_km(*pin, *found) for incident_id, found in rows if found}
    reached = [incident_id for incident_id, far in metres.items() if far <= join.within_m]
    return sorted(reached, key=lambda incident_id: (metres[incident_id], incident_id))


def cell(tx: Transaction, square_: tuple[int, int]) -> bytes:
    """By which incidents in a square of the map are looked up; it tells nobody where that is."""
    return tx.vault.index("square {} {}".format(*square_))


def create(tx: Transaction, decision: Decision, *, drill: bool = False) -> tables.Incident:
    """The row of a new incident, to be written with what comes next; `save` does the rest."""
    incident = decision.incident
    row = tables.Incident(
        id=incident.id,
        code=incident.code,
        type=incident.type,
        state=incident.state,
        policy_id=freeze_policy(tx, incident.policy),
        tracks=_TRACKS.dump_python(incident.tracks, mode="json"),
        drill=drill,
        received_at=tx.now,
        updated_at=tx.now,
    )
    _save_pin(tx, row, incident.pin)
    tx.session.insert(row)
    tx.loaded[row.id] = Rows(row, reports=[])
    return row


def _save_pin(tx: Transaction, row: tables.Incident, pin: Pin | None) -> None:
    if row.pin != (list(pin) if pin else None):
        row.pin = list(pin) if pin else None
        row.cell = cell(tx, square(pin)) if pin else None


def add_report(tx: Transaction, row: tables.Report) -> None:
    """One more report of an incident that this transaction has loaded."""
    tx.session.insert(row)
    known = tx.loaded[row.incident_id].reports
    if known is not None:
        known.append(row)


def save(tx: Transaction, decision: Decision) -> None:
    """Write what the decision changed in the rows that were loaded under the lock."""
    incident = decision.incident
    rows = tx.loaded[incident.id]
    row = rows.incident
    row.state = incident.state
    row.place = incident.place.to_json() if incident.place else None
    row.province_code = incident.place.province.code if incident.place else None
    _save_pin(tx, row, incident.pin)
    tracks = _TRACKS.dump_python(incident.tracks, mode="json")
    if row.tracks != tracks:
        row.tracks = tracks
    row.updated_at = tx.now
    for alert in incident.alerts:
        _save_alert(tx, rows, alert)
    for follow_up in incident.follow_ups:
        _save_follow_up(tx, rows, follow_up)
    _save_deadlines(tx, rows, incident)
    note(tx, incident.id, *decision.facts)


def _save_alert(tx: Transaction, rows: Rows, alert: Alert) -> None:
    row = rows.alerts.get(alert.id)
    if row is None:
        row = rows.alerts[alert.id] = tables.Alert(
            id=alert.id,
            incident_id=rows.incident.id,
            responder_id=alert.responder_id,
            role=alert.role,
            track=alert.track,
            step=alert.step,
            state=alert.state,
            backup=alert.backup,
            created_at=tx.now,
        )
        tx.session.insert(row)
        return
    row.backup = alert.backup
    if row.state != alert.state:
        row.state = alert.state
        row.answered_at = tx.now
    row.eta_at = alert.eta_at


def _save_follow_up(tx: Transaction, rows: Rows, follow_up: FollowUp) -> None:
    row = rows.follow_ups.get(follow_up.id)
    values: dict[str, Any] = {
        "responder_id": follow_up.responder_id,
        "due_at": follow_up.due_at,
        "state": follow_up.state,
        "tries": follow_up.tries,
        "reminders": follow_up.reminders,
        "outcome": follow_up.outcome,
        "ask_at": follow_up.ask_at,
        "promised_at": follow_up.promised_at,
        "tried": [at.isoformat() for at in follow_up.tried],
        "service": follow_up.service or None,
    }
    if row is None:
        row = rows.follow_ups[follow_up.id] = tables.FollowUp(
            id=follow_up.id,
            incident_id=rows.incident.id,
            plan=_PLAN.dump_python(follow_up.plan, mode="json"),
            **values,
        )
        tx.session.insert(row)
        return
    for name, value in values.items():
        setattr(row, name, value)


def _save_deadlines(tx: Transaction, rows: Rows, incident: Incident) -> None:
    gone = {(it.kind, it.subject): rows.deadlines.pop(it) for it in [*rows.deadlines] if it not in incident.deadlines}
    for deadline in sorted(incident.deadlines - rows.deadlines.keys()):
        moved = gone.pop((deadline.kind, deadline.subject), None)
        if moved:
            tx.move(moved, deadline.due_at)
        rows.deadlines[deadline] = moved or tx.promise(
            deadline.kind, deadline.due_at, incident_id=incident.id, subject=deadline.subject
        )
    for row in gone.values():
        tx.session.delete(row)


def note(tx: Transaction, incident_id: UUID, *facts: Fact) -> None:
    """Add to the incident's timeline, in the order given."""
    for fact in facts:
        tx.write_last(tables.Fact, incident_id=incident_id, at=tx.now, fact=fact.name, data=fact_data(fact.data))


def fact_data(data: Mapping[str, Any]) -> Any:
    """As it stands in the timeline: JSON."""
    return json.loads(json.dumps(data, default=_plain))


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
