"""The programs of the floor, started beside the engine's and told to do nothing but its motions."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import floor
import psycopg
from celery import Celery
from load import Answer, Caller
from sqlalchemy.engine import make_url

from ess.broker import Broker
from ess.embedded.postgres import create_database
from ess.embedded.processes import Process, free_port
from ess.embedded.stack import Running, answers
from ess.wake import CELERY_QUEUES, DISPATCH
from workers.app import app as engine_app

HERE = Path(__file__).parent
_PATIENCE_S = 120.0

#: The settings of the engine's Celery app that decide what a task costs.
_CELERY = (
    *("task_acks_late", "task_reject_on_worker_lost", "worker_prefetch_multiplier", "broker_transport_options"),
    *("task_ignore_result", "task_publish_retry", "worker_send_task_events", "task_send_sent_event"),
    *("worker_hijack_root_logger", "worker_redirect_stdouts", "broker_connection_retry_on_startup"),
)


class Floor:
    """The running floor: what to post to it, and what it has done."""

    def __init__(self, programs: Mapping[str, Process], url: str, database: str, producer: Celery) -> None:
        self.programs = programs
        self.web = Caller(url)
        self.producer = producer
        self._rows = psycopg.connect(database, autocommit=True)

    @property
    def pids(self) -> dict[str, int]:
        """Of each program."""
        return {f"floor {name}": program.pid for name, program in self.programs.items()}

    def report(self, body: Mapping[str, Any]) -> Answer:
        """One empty incident begins."""
        return self.web.post("/reports", body)

    def wait_for_incidents(self, n: int, since: int) -> None:
        """So many incidents are done with since there were `since` commits."""
        end, wanted = time.monotonic() + _PATIENCE_S, since + n * floor.N_COMMITS
        while self.n_commits() < wanted:
            if time.monotonic() > end:
                raise TimeoutError(f"the floor still lacks {wanted - self.n_commits()} commits of {n} incidents")
            time.sleep(0.05)

    def wait_for_fired(self, fired: Mapping[str, float]) -> dict[str, float]:
        """When each of these tasks has committed (epoch)."""
        end = time.monotonic() + _PATIENCE_S
        while not fired.keys() <= (done := self._committed_at()).keys():
            if time.monotonic() > end:
                raise TimeoutError(f"the floor still lacks {len(fired.keys() - done.keys())} of {len(fired)} tasks")
            time.sleep(0.05)
        return {chain: done[chain] for chain in fired}

    def n_commits(self) -> int:
        """So far."""
        row = self._rows.execute("SELECT count(*) FROM step").fetchone()
        return int(row[0]) if row else 0

    def fire(self, n: int, every_s: float = 0.0) -> dict[str, float]:
        """Publish empty tasks, as a clock does that wakes at the very instant; each one's instant (epoch)."""
        fired = {}
        for _ in range(n):
            chain = f"fired {uuid4()}"
            fired[chain] = time.time()
            self.producer.send_task("floor.empty", kwargs={"chain": chain}, queue=DISPATCH, retry=False)
            time.sleep(every_s)
        return fired

    def _committed_at(self) -> dict[str, float]:
        found = self._rows.execute("SELECT chain, at FROM step WHERE chain LIKE 'fired %'").fetchall()
        return {chain: at.timestamp() for chain, at in found}

    def close(self) -> None:
        """Give the connections back."""
        self._rows.close()
        self.producer.close()


@contextmanager
def floor_beside(running: Running) -> Iterator[Floor]:
    """The floor, ready; on the same servers, in a database and a numbered broker of its own."""
    stack = running.stack
    url = create_database(running.services.database_url, "floor")
    database = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    broker = running.services.broker_url.rsplit("/", 1)[0] + "/1"
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE TABLE step (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, chain text,"
            " at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
    environment = {
        **stack.environment,
        floor.DATABASE: database,
        floor.BROKER: broker,
        floor.CELERY: json.dumps({key: engine_app.conf[key] for key in _CELERY}),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH")))),
    }
    port, flower_port = free_port(), free_port()
    # The engine's own commands, so that the floor always has the engine's pools and options.
    changes = {
        "workers.app": "floor",
        "ess.web.app:create_app": "floor:create_web",
        str(stack.port): str(port),
        f"--port={stack.flower_port}": f"--port={flower_port}",
    }
    web_url = f"http://{stack.host}:{port}"
    ours = [stack.web(), *(stack.worker(i, 2) for i in (1, 2)), stack.flower()]
    ready = {"web": f"{web_url}/healthz", "flower": f"http://{stack.host}:{flower_port}/healthcheck"}
    programs: dict[str, Process] = {}
    with ExitStack() as at_end:
        for program in ours:
            url_to_ask = ready.get(program.name)
            copy = Process(
                f"floor-{program.name}",
                [changes.get(word, word) for word in program.argv],
                environment,
                log_path=stack.log_dir / f"floor-{program.name}.log",
                ready=(lambda asked=url_to_ask: answers(asked)) if url_to_ask else None,  # type: ignore[misc]
                cwd=HERE.parent.parent,
            )
            at_end.callback(copy.stop)
            copy.spawn()
            programs[program.name] = copy
        for program in programs.values():
            program.wait_ready()
        producer = Celery("floor", broker=broker, amqp=Broker, set_as_current=False)
        producer.conf.update(task_queues=CELERY_QUEUES)
        found = Floor(programs, web_url, database, producer)
        at_end.callback(found.close)
        found.report({})
        found.wait_for_incidents(1, since=0)  # its workers consume now
        yield found
