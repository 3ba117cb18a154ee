"""The canary: a drill that goes through the whole engine every few minutes, and can reach nobody real.

Its incident alerts units that exist only for drills and whose only channel is `drill`; it is acknowledged, closed,
and after a day removed.  One that is late is a finding of the audit.
"""

import threading
from datetime import timedelta
from uuid import uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from config.settings import Settings
from ess import dispatch
from ess.conversation.answer import Verb
from ess.domain.duty import NATIONAL_ROLES, Channel, Role
from ess.domain.errors import Refused
from ess.domain.incident import ENDED, TAKEN, AlertState
from ess.domain.report import IncidentType, Location, Report, Source
from ess.engine import Engine
from ess.store import Transaction, enrolment, health, tables

log = structlog.get_logger()

#: The middle of เขตพระนคร in Bangkok.
_PIN = Location(13.7563, 100.4989)
_PROVINCE, _DISTRICT = "10", "1001"
#: From the report to the alert; an idle engine takes a tenth of a second.
_LATE_S = 30.0
_LOOK_EVERY_S = 2.0
#: … and where none is out, at most: a tenth of the time between two.
_REST_S = 30.0
_KEPT = timedelta(days=1)
_LOCK = 0x45535302

_PURGE = (
    "DELETE FROM deadline WHERE incident_id = ANY(:old)",
    "DELETE FROM fact WHERE incident_id = ANY(:old)",
    "DELETE FROM delivery WHERE incident_id = ANY(:old)",
    "DELETE FROM follow_up WHERE incident_id = ANY(:old)",
    "DELETE FROM answer_link WHERE alert_id IN (SELECT id FROM alert WHERE incident_id = ANY(:old))",
    "DELETE FROM alert WHERE incident_id = ANY(:old)",
    "DELETE FROM report WHERE incident_id = ANY(:old)",
    "DELETE FROM incident WHERE id = ANY(:old)",
)


def run(stop: threading.Event, engine: Engine, settings: Settings) -> None:
    """Send one out when it is time and see it home, until told to stop; with several clocks, one of them does."""
    pause_s = _LOOK_EVERY_S
    while not stop.wait(pause_s):
        try:
            send_when_due(engine, timedelta(seconds=settings.canary_every_s))
            pause_s = _LOOK_EVERY_S if see_home(engine) else min(_REST_S, settings.canary_every_s / 10)
        except SQLAlchemyError as error:
            log.warning("database_unreachable", error=type(error).__name__)
        except Exception:
            log.exception("canary_failed")  # a bug here must not end the drills to come


def send_when_due(engine: Engine, every: timedelta) -> bool:
    """Report a drill, where the last one is that long ago."""
    with engine.store.transaction() as tx:
        if not tx.session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar_one():
            return False
        newest = tx.session.exec(
            select(tables.Incident.received_at)
            .where(col(tables.Incident.drill))
            .order_by(col(tables.Incident.received_at).desc())
            .limit(1)
        ).first()
        if newest is not None and newest + every > tx.now:
            return False
        _enrol(tx)
        _purge(tx)
        report = Report(IncidentType.ASSAULT, Source.TASK, _PIN)
        dispatch.accept_report_in(engine, tx, report, owner="canary", idempotency_key=str(uuid4()), drill=True)
    return True


def _enrol(tx: Transaction) -> None:
    """One unit of each role, for drills alone."""
    known = set(tx.session.exec(select(tables.Responder.ref).where(col(tables.Responder.drill))))
    for role in Role:
        if f"DRILL-{role}" not in known:
            national = role in NATIONAL_ROLES
            unit = tables.Responder(
                ref=f"DRILL-{role}",
                name_th=f"หน่วยซ้อม {role}",
                name_en=f"Drill unit {role}",
                agency="drill",
                role=role,
                province_code=None if national else _PROVINCE,
                district_code=_DISTRICT if role is Role.POLICE_STATION else None,
                channels=[Channel.DRILL],
                drill=True,
            )
            tx.session.add(unit)
            tx.session.flush()
            tx.session.add_all(enrolment.at_seat(unit))
    tx.session.flush()


def _purge(tx: Transaction) -> None:
    old = tx.session.exec(
        select(tables.Incident.id).where(
            col(tables.Incident.drill),
            tables.Incident.received_at < tx.now - _KEPT,
            col(tables.Incident.state).in_(ENDED),
        )
    ).all()
    if old:
        for statement in _PURGE:
            tx.session.execute(text(statement), {"old": list(old)})


def see_home(engine: Engine) -> bool:
    """Acknowledge and close each drill whose alert has gone out; whether one was out.

    A clock that ended between the two has left it acknowledged.
    """
    with engine.store.transaction() as tx:
        out = select(tables.Incident.id).where(col(tables.Incident.drill), col(tables.Incident.state).not_in(ENDED))
        if tx.session.exec(out.limit(1)).first() is None:
            return False
        arrived = tx.session.exec(
            select(tables.Incident.id, tables.Alert.id, tables.Alert.state)
            .join(tables.Alert, col(tables.Alert.incident_id) == col(tables.Incident.id))
            .join(tables.Delivery, col(tables.Delivery.alert_id) == col(tables.Alert.id))
            .where(
                col(tables.Incident.drill),
                col(tables.Incident.state).not_in(ENDED),
                tables.Alert.role == Role.POLICE_STATION,
                col(tables.Alert.state).in_({AlertState.OPEN, *TAKEN}),
                col(tables.Delivery.sent_at).is_not(None),
            )
        ).all()
    for incident_id, alert_id, state in arrived:
        try:
            if state == AlertState.OPEN:
                dispatch.answer_alert(engine, alert_id, Verb.ACCEPT, via="canary")
            dispatch.close_incident(engine, incident_id, by="canary", reason="drill")
        except Refused as refused:
            log.info("canary_was_seen_home", why=str(refused))
    return True


def overdue_s(tx: Transaction) -> float:
    """For how many seconds the newest drill has waited for its alert beyond what is allowed; 0 where it is fine."""
    newest = health.canary(tx)
    if newest is None:
        return 0.0
    took_s, _ = newest
    return took_s if took_s > _LATE_S else 0.0
