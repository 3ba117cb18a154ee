"""What machines watch: alive, ready, and numbers.  No label and no value is personal."""

from collections.abc import Iterator, Sequence
from typing import Any

import redis
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, func, select

from config.settings import Settings
from ess.engine import Engine
from ess.store import alarms, health, tables
from ess.wake import LISTS, QUEUES
from ess.web.auth import engine_of

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> PlainTextResponse:
    """This process answers."""
    return PlainTextResponse("alive\n")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether an incident that comes now would be dispatched: 200, or 503 with what is missing."""
    checks = await run_in_threadpool(_checks, engine_of(request), request.app.state.broker)
    ready = all(check == "ok" for check in checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


def broker(settings: Settings) -> redis.Redis:
    """A client of the broker that asks how long the queues are, and never waits for long."""
    return redis.Redis.from_url(str(settings.broker_url), socket_timeout=1, socket_connect_timeout=1)


def _checks(engine: Engine, client: redis.Redis) -> dict[str, str]:
    checks: dict[str, str] = {}
    try:
        with engine.store.transaction() as tx:
            absent = health.missing(tx, (health.CLOCK, *QUEUES))
            lost = health.out_of_hand(tx)
            wrong = {name: what for name, what in alarms.standing(tx).items() if not name.startswith(alarms.DUTY)}
        checks["database"] = "ok"
        for name in (health.CLOCK, *QUEUES):
            what = "the clock" if name == health.CLOCK else f"a worker of the queue {name}"
            checks[name] = (
                "ok" if name not in absent else f"{what} was not seen for {health.LATELY.seconds} s: start it"
            )
        checks["incidents"] = "ok" if not lost else f"in nobody's hand: {', '.join(lost.values())}"
        checks["audit"] = "ok" if not wrong else "; ".join(f"{name}: {detail}" for name, detail in wrong.items())
    except SQLAlchemyError as error:
        checks["database"] = f"cannot be reached ({type(error).__name__}): check ESS_DATABASE_URL and the server"
    try:
        client.ping()
        checks["broker"] = "ok"
    except redis.RedisError as error:
        checks["broker"] = f"cannot be reached ({type(error).__name__}): check ESS_BROKER_URL and the server"
    return checks


class _Numbers:
    """Read from the rows when asked, so that every web process tells the same."""

    def __init__(self, engine: Engine, client: redis.Redis) -> None:
        self._engine = engine
        self._client = client

    def collect(self) -> Iterator[Metric]:
        with self._engine.store.transaction() as tx:
            by_state: Any = tx.session.exec(
                select(tables.Incident.state, func.count())
                .where(col(tables.Incident.drill).is_(False))
                .group_by(tables.Incident.state)
            ).all()
            by_delivery: Any = tx.session.exec(
                select(tables.Delivery.channel, tables.Delivery.state, func.count()).group_by(
                    tables.Delivery.channel, tables.Delivery.state
                )
            ).all()
            seen = [
                (row.name, (tx.now - row.seen_at).total_seconds())
                for row in tx.session.exec(
                    select(tables.Heartbeat).where(col(tables.Heartbeat.name).not_like("worker:%"))
                )
            ]
            lost, late = len(health.out_of_hand(tx)), health.overdue_s(tx)
            wrong, canary = alarms.standing(tx), health.canary(tx)
        yield _gauge("ess_incidents", "Incidents by state", ["state"], [((state,), n) for state, n in by_state])
        yield _gauge(
            "ess_deliveries",
            "Deliveries by channel and state",
            ["channel", "state"],
            [((channel, state), n) for channel, state, n in by_delivery],
        )
        yield _gauge("ess_seen_seconds", "Since a program was seen", ["name"], [((name,), s) for name, s in seen])
        yield _gauge("ess_incidents_out_of_hand", "Open incidents without deadline or person", [], [((), lost)])
        yield _gauge(
            "ess_oldest_due_seconds", "How late the most overdue promise is", [], [((), max([0.0, *late.values()]))]
        )
        yield _gauge("ess_alarm", "What the audit found wrong", ["name"], [((name,), 1) for name in wrong])
        if canary:
            yield _gauge("ess_canary_seconds", "From the newest drill's report to its alert", [], [((), canary[0])])
        try:
            waiting = {name: float(self._client.llen(name)) for name in LISTS}
        except redis.RedisError:
            return
        lengths = [((queue,), sum(n for name, n in waiting.items() if LISTS[name] == queue)) for queue in QUEUES]
        yield _gauge("ess_queue_length", "Messages waiting in a queue", ["queue"], lengths)


def _gauge(name: str, what: str, labels: list[str], values: Sequence[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for label_values, value in values:
        family.add_metric(list(label_values), value)
    return family


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Numbers(engine_of(request), request.app.state.broker))
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")
