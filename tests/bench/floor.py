"""The floor: an engine that decides nothing, in the engine's own shape.

The same programs with the same pools, queues and broker options, the same hops, as many commits as the engine
makes between its hops, the same calls to the provider; but each commit is one bare INSERT, each task is
empty, and each call is the bare request.  One incident is

    web edge: commit → locate: commit → 2 × (send: commit, call the provider, commit)

so three tasks, six commits and two calls.  Nothing that runs over Celery, PostgreSQL and HTTP in this
arrangement can be faster on this machine at this moment.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from uuid import uuid4

from celery import Celery
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from load import Caller
from psycopg_pool import ConnectionPool

from ess.broker import Broker
from ess.wake import CELERY_QUEUES, DISPATCH, INTAKE, NOTIFY
from workers.events import GatheredEvents

#: Tracks of an assault, each with one responder in its first step.
N_ALERTS = 2
#: Commits of one incident.
N_COMMITS = 2 + 2 * N_ALERTS
#: About as long as a real alert.
_WORDS = "floor " + "ก" * 300
_NOBODY = "U" + "f" * 32

#: What a program of the floor is told, beside the engine's own environment.
DATABASE, BROKER, CELERY = "FLOOR_DATABASE_URL", "FLOOR_BROKER_URL", "FLOOR_CELERY"

app = Celery("floor", broker=os.environ.get(BROKER), amqp=Broker)
app.conf.update(task_queues=CELERY_QUEUES, **json.loads(os.environ.get(CELERY, "{}")))
app.steps["consumer"].add(GatheredEvents)


@cache
def _pool() -> ConnectionPool:
    return ConnectionPool(os.environ[DATABASE], min_size=1, max_size=20, kwargs={"autocommit": True}, open=True)


@cache
def _provider() -> Caller:
    token = os.environ["ESS_LINE_CHANNEL_ACCESS_TOKEN"]
    return Caller(os.environ["ESS_LINE_API_BASE"], {"Authorization": f"Bearer {token}"})


def _commit(chain: str) -> None:
    with _pool().connection() as connection:
        connection.execute("INSERT INTO step (chain) VALUES (%s)", (chain,))


def _publish(task: str, queue: str, chains: Iterable[str]) -> None:
    with app.producer_or_acquire() as sender, sender.batch():
        for chain in chains:
            app.send_task(task, kwargs={"chain": chain}, queue=queue, producer=sender, retry=False)


@app.task(name="floor.locate")
def locate(chain: str) -> None:
    """The first hop, which alerts for all tracks at once."""
    _commit(chain)
    _publish("floor.send", NOTIFY, [chain] * N_ALERTS)


@app.task(name="floor.send")
def send(chain: str) -> None:
    """The second hop: a claim, a call, its outcome."""
    _commit(chain)
    body = {"to": _NOBODY, "messages": [{"type": "text", "text": f"{_WORDS}\n{chain}"}]}
    _provider().post("/v2/bot/message/push", body, {"X-Line-Retry-Key": str(uuid4())})
    _commit(chain)


@app.task(name="floor.answer")
def answer(chain: str) -> None:
    """What a responder said: everybody else is told."""
    _commit(chain)
    _publish("floor.send", NOTIFY, [chain] * N_ALERTS)


@app.task(name="floor.empty")
def empty(chain: str) -> None:
    """One task and one commit: what a deadline that comes costs at least."""
    _commit(chain)


def create_web() -> FastAPI:
    """The web edge: one commit and one wake-up for each report, in a thread as in the engine."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        _pool().close()

    web = FastAPI(lifespan=lifespan)

    @web.get("/healthz")
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    def begin(task: str, queue: str) -> dict[str, Any]:
        chain, accepted_at = str(uuid4()), time.time()
        _commit(chain)
        _publish(task, queue, [chain])
        return {"chain": chain, "accepted_at": accepted_at}

    @web.post("/reports", status_code=202)
    def report(body: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  # read and parsed, as a report is
        return begin("floor.locate", DISPATCH)

    @web.post("/answers")
    def answered(body: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
        return begin("floor.answer", INTAKE)

    return web
