"""What is measured: everything that `ess up` runs, on servers of its own that write to disk as in production.

The policies are those shipped, but for two types: `gathering`, whose first step waits only seconds, and
`running_amok`, whose first step asks three stations; and in all of them nobody is only informed.  The roster is the
nationwide sample, and every provider answers after 50 ms.
"""

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import redis
import usage
import yaml
from floor_world import Floor, floor_beside
from load import Answer, Caller
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from config.settings import HERE, Settings
from ess import roster
from ess.embedded import Services
from ess.embedded.postgres import remove_postgres
from ess.embedded.processes import Process, free_port
from ess.embedded.stack import Running, running
from ess.store import Store, Transaction, enrolment
from ess.store.keys import KeyRole, create_key
from ess.up import open_store
from ess.wake import LISTS

PROVIDER_DELAY_MS = 50
#: How long `gathering` waits for the first acknowledgement.
SHORT_WAIT_S = 3

#: Degrees of latitude from one report to the next at the same base: 480 m, too far to be witnesses of one incident,
#: and in five rounds nobody comes within 200 m of another base's either.
_APART = 0.0043

#: What one figure leaves behind, and the next must not meet.
_TRACES = "fact, note, delivery, deadline, answer_link, alert, follow_up, report, inbound, attachment, chat, incident"


def _write_policies(folder: Path) -> None:
    folder.mkdir()
    for path in (HERE / "policies").glob("*.yaml"):
        policy = yaml.safe_load(path.read_text(encoding="utf-8"))
        first = policy["tracks"][0]["steps"][0]
        del policy["informed"]  # what is measured is who is alerted: two in a burst, as on the floor beside it
        match policy["type"]:
            case "gathering":
                first["wait"] = f"{SHORT_WAIT_S} s"
            case "running_amok":
                first |= {"alert": [{"role": "police_station", "within": "province", "count": 3}], "wait": "10 min"}
        (folder / path.name).write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")


class World:
    """The running deployment, the floor beside it, and the clients that talk to both."""

    def __init__(self, engine: Running, store: Store, keys: Mapping[KeyRole, str]) -> None:
        self.engine = engine
        self.store = store
        self._at_end = ExitStack()
        self.api = Caller(engine.stack.url, {"Authorization": f"Bearer {keys[KeyRole.SUPERVISOR]}"})
        self.simulator = httpx.Client(base_url=engine.stack.simulator_url, timeout=120, trust_env=False)
        self.phones = Caller(engine.stack.simulator_url)
        self.broker = redis.Redis.from_url(engine.services.broker_url)
        rows = roster.parse_csv(roster.sample_csv())
        self._pins = sorted({(row.latitude, row.longitude) for row in rows if row.latitude and row.longitude})
        random.Random(191).shuffle(self._pins)  # the same country in every run

    @cached_property
    def floor(self) -> Floor:
        """The floor beside the engine; its programs start when it is first asked for."""
        return self._at_end.enter_context(floor_beside(self.engine))

    def close(self) -> None:
        """The floor has ended, and the connections are given back."""
        self._at_end.close()
        self.simulator.close()
        self.broker.close()

    # --- programs ------------------------------------------------------------------------------------
    @property
    def workers(self) -> list[Process]:
        """The Celery workers."""
        return [process for process in self.engine.supervisor.processes if process.name.startswith("worker")]

    @property
    def pids(self) -> dict[str, int]:
        """Of every program of the engine, its servers included and the simulator not."""
        found = {process.name: process.pid for process in self.engine.supervisor.processes}
        del found["simulator"]
        servers = {"postgres": self.engine.services.postgres, "redis": self.engine.services.redis}
        return found | {name: server.pid for name, server in servers.items() if server}

    @contextmanager
    def watched(self) -> Iterator[usage.Usage]:
        """The CPU of every program, the simulator and this generator of load included."""
        simulator = next(process for process in self.engine.supervisor.processes if process.name == "simulator")
        others = {"simulator": simulator.pid, "load generator": os.getpid()}
        floors = self.floor.pids if "floor" in vars(self) else {}
        with usage.measured(self.pids | others | floors) as used:
            yield used

    # --- what is asked of it ---------------------------------------------------------------------------
    def report(self, i: int, kind: str = "assault") -> Answer:
        """One report, from somewhere in the country."""
        n_rounds, which = divmod(i, len(self._pins))
        latitude, longitude = self._pins[which]
        latitude += _APART * n_rounds  # each its own incident: neighbours who report the same would be witnesses
        body = {"type": kind, "location": {"latitude": latitude, "longitude": longitude}}
        return self.api.post("/v1/reports", body, {"Idempotency-Key": str(uuid4())})

    def ask(self, question: str, **values: Any) -> list[Any]:
        """The rows that answer it."""
        with self.store.transaction() as tx:
            return list(tx.session.execute(text(question), values))

    def tell(self, *statements: str, **values: Any) -> None:
        """Change rows, in one transaction."""
        with self.store.transaction() as tx:
            tx.session.execute(text("SET LOCAL statement_timeout = 0"))
            for statement in statements:
                tx.session.execute(text(statement), values)

    def count(self, question: str, **values: Any) -> int:
        """The number that it counts."""
        return int(self.ask(question, **values)[0][0])

    def comes_true(self, condition: Callable[[], Any], within_s: float, every_s: float = 0.1) -> bool:
        """Whether it holds in time; returns as soon as it does."""
        end = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(every_s)
        return True

    def wait_until(self, condition: Callable[[], Any], what: str, within_s: float = 120, every_s: float = 0.1) -> None:
        """It holds; TimeoutError names what never came."""
        if not self.comes_true(condition, within_s, every_s):
            raise TimeoutError(f"{what}: not within {within_s:g} s")

    def settle(self, within_s: float = 180) -> None:
        """Everything that was due has been done."""
        due = "SELECT count(*) FROM deadline WHERE due_at <= clock_timestamp()"
        self.wait_until(lambda: self.count(due) == 0, "nothing is due any more", within_s, every_s=0.25)

    def forget(self) -> None:
        """No incident is left, nothing is queued, and the tables are as on the first day."""
        self.wait_until(self._is_drained, "the queues are empty", every_s=0.2)
        # Whoever is in the middle of something may want its tables in another order.
        for attempt in Retrying(
            retry=retry_if_exception_type(OperationalError),
            stop=stop_after_attempt(10),
            wait=wait_fixed(0.5),
            reraise=True,
        ):
            with attempt:
                self.tell(f"TRUNCATE {_TRACES}")
        self.simulator.post("/sim/reset").raise_for_status()
        for provider in ("line", "twilio"):
            slow = {"provider": provider, "kind": "slow", "delay_ms": PROVIDER_DELAY_MS, "times": None}
            self.simulator.post("/sim/faults", json=slow).raise_for_status()

    def _is_drained(self) -> bool:
        # Whoever is at work may still promise something, so all is struck out until nothing comes any more.
        self.broker.delete(*LISTS)
        busy = self.count("SELECT count(*) FROM deadline WHERE due_at <= clock_timestamp() + interval '1 minute'")
        self.tell("DELETE FROM deadline WHERE due_at <= clock_timestamp() + interval '1 minute'")
        return busy == 0 and not any(self.broker.llen(name) for name in LISTS)

    def n_published(self) -> int:
        """How many messages Redis has been given to queue so far, by whomever."""
        commands: Any = self.broker.info("commandstats")
        return int(commands.get("cmdstat_lpush", {}).get("calls", 0))

    def ledger(self, since: int = 0) -> list[dict[str, Any]]:
        """What the providers have seen since that entry."""
        entries: list[dict[str, Any]] = self.simulator.get("/sim/ledger", params={"since": since}).json()
        return entries

    def last_seq(self) -> int:
        """The number of the newest entry of the ledger."""
        return max((entry["seq"] for entry in self.ledger()), default=0)

    def wait_for_push(self, since: int) -> dict[str, Any]:
        """The next message that LINE takes after that entry; the simulator answers when it comes."""
        answer = self.simulator.get("/sim/ledger/wait", params={"since": since, "kind": "push", "timeout_s": 30})
        answer.raise_for_status()
        entry: dict[str, Any] = answer.json()
        return entry


@contextmanager
def world() -> Iterator[World]:
    """Everything runs for as long as the block lasts, and nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ess-bench-"))
    _write_policies(folder / "policies")
    settings = Settings(
        database_url=None,
        broker_url=None,
        public_url=None,
        host="127.0.0.1",
        data_dir=folder / "data",
        policy_dir=folder / "policies",
        port=free_port(),
        flower_port=free_port(),
        simulator_port=free_port(),
    )
    keys: dict[KeyRole, str] = {}
    stores: list[Store] = []

    def prepare(services: Services, environment: Mapping[str, str]) -> None:
        stores.append(open_store(services, environment, settings))
        with stores[0].transaction() as tx:
            fill(tx, keys)

    # Nobody answers in most figures: what SMS ask 20 s later would be measured as the load of the next one.
    turns = {"ESS_CHANNEL_TURNS": "off"}
    more = {"ESS_PUBLIC_URL": "", **turns}
    try:
        with running(settings, workers=2, simulator=True, say=lambda _: None, more=more, prepare=prepare) as engine:
            found = World(engine, stores[0], keys)
            try:
                yield found
            finally:
                found.close()
                stores[0].close()
    finally:
        remove_postgres(settings.data_dir)
        shutil.rmtree(folder)


def fill(tx: Transaction, keys: dict[KeyRole, str]) -> None:
    """The nationwide sample, and a key."""
    rows = roster.parse_csv(roster.sample_csv())
    enrolment.upsert(tx, rows)
    keys[KeyRole.SUPERVISOR] = create_key(tx, "bench", KeyRole.SUPERVISOR)
