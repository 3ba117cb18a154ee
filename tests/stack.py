"""A whole running deployment for the tests of one pytest process: servers, programs, keys, and a way to break them.

Nothing in here is a double of the engine: PostgreSQL, Redis, the web edge, the clock and two workers are the
real programs; LINE and Twilio are the simulator.  Only the policies' waits are shorter than those shipped.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import redis
import yaml
from sqlalchemy import text

from config.settings import HERE, Settings
from ess.domain.calling_hours import BANGKOK
from ess.embedded import Services, services
from ess.embedded.processes import Process, free_port
from ess.embedded.secrets import embedded_secrets
from ess.embedded.server import Server
from ess.embedded.stack import Stack, answers, make_stack
from ess.store import Store, Vault, schema
from ess.store.crypto import EncryptedJson
from ess.store.keys import KeyRole, create_key

T = TypeVar("T")

#: How long a story waits for something that should happen at once; generous, because machines are busy.
SOON_S = 15.0


def wait_for(condition: Callable[[], T], what: str, within_s: float = SOON_S) -> T:
    """What the condition returns as soon as it is true of something; AssertionError names what never came."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {within_s:g} s"
        time.sleep(0.03)
    return value


def write_policies(folder: Path) -> None:
    """The shipped policies, with one wait of a kind shortened in each, so that a story meets only its own.

    `assault` and `running_amok` keep every shipped wait.
    """
    folder.mkdir()
    for path in (HERE / "policies").glob("*.yaml"):
        policy = yaml.safe_load(path.read_text(encoding="utf-8"))
        if policy["type"] != "running_amok":  # whose reports join: in other stories several happen in one place
            del policy["join"]
        match policy["type"]:
            case "running_amok":  # a victim is called through the engine, on whatever day the tests run
                policy["follow_ups"][0]["calling_hours"] = False
            case "confinement":  # nobody answers
                for step in policy["tracks"][0]["steps"]:
                    step["wait"] = "2 s"
                policy["last_resort"]["repeat"] = "2 s"
            case "gathering":  # nobody says where, nobody says that they arrived
                policy["place_wait"] = "2 s"
                policy["arrival_target"] = "2 s"
            case "sexual_abuse_risk":  # nobody makes the promised call
                first = policy["follow_ups"][0] | {"due": "2 s", "remind_every": "2 s", "reminders": 1}
                policy["follow_ups"] = [first | {"retry_after": "2 s", "calling_hours": False}]
        (folder / path.name).write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")


def every_day_worked(folder: Path) -> Path:
    """A calendar in which victims are called on each of these days, whenever the tests run."""
    today = datetime.now(BANGKOK).date()
    days = [today + timedelta(days=i) for i in range(-2, 50)]
    path = folder / "holidays.yaml"
    path.write_text(yaml.safe_dump({"working_days": days}), encoding="utf-8")
    return path


class Deployment:
    """Everything that runs, and the clients that talk to it."""

    def __init__(self, stack: Stack, found: Services, store: Store, keys: Mapping[KeyRole, str]) -> None:
        self.stack = stack
        self.services = found
        self.store = store
        self.keys = keys
        self.workers = [stack.worker(1, 2), stack.worker(2, 2)]
        self.web, self.clock, self.simulator = stack.web(), stack.clock(), stack.simulator()
        self.programs: list[Process] = [self.simulator, self.web, self.clock, *self.workers]
        # trust_env: a proxy of the surrounding machine must not see loopback traffic
        self.http = httpx.Client(base_url=stack.url, timeout=15, trust_env=False)
        self.sim = httpx.Client(base_url=stack.simulator_url, timeout=300, trust_env=False)
        self.broker = redis.Redis.from_url(found.broker_url)

    def close(self) -> None:
        for client in (self.http, self.sim, self.broker):
            client.close()

    def bearer(self, role: KeyRole) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def get(self, path: str, **params: Any) -> Any:
        """What the API answers to a supervisor."""
        answer = self.http.get(path, params=params, headers=self.bearer(KeyRole.SUPERVISOR))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def count(self, question: str, **values: Any) -> int:
        """The number that this query counts."""
        with self.store.transaction() as tx:
            return int(tx.session.execute(text(question), values).scalar_one())

    def wait_until_none(self, question: str) -> None:
        """The number that this query counts becomes 0."""
        wait_for(lambda: self.count(question) == 0, question)

    def is_idle(self) -> bool:
        """Whether nothing is due that has not been done."""
        return self.count("SELECT count(*) FROM deadline WHERE due_at <= clock_timestamp()") == 0

    def settle(self) -> None:
        """Everything that was due has been done, what it led to included."""
        wait_for(self.is_idle, "nothing is due any more", within_s=30)

    def mend(self) -> None:
        """Whatever a story broke works again."""
        broken = [program for program in self.programs if not program.alive]
        for program in broken:
            program.kill()
            program.spawn()
        for program in broken:
            program.wait_ready()
        if not self.redis.alive:
            self.redis.restart()
        self.sim.delete("/sim/faults")
        for table in ("outage", "alarm"):
            self.count(f"WITH over AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM over")
        breakers = self.broker.keys("ess:*pybreaker*")
        if breakers:
            self.broker.delete(*breakers)
        wait_for(lambda: answers(f"{self.stack.url}/readyz"), f"ready: {self.http.get('/readyz').text}", within_s=60)

    @property
    def redis(self) -> Server:
        """The broker, to kill and to start again."""
        assert self.services.redis is not None
        return self.services.redis

    def log_text(self, *names: str) -> str:
        """What these programs wrote into their logs."""
        return "\n".join((self.stack.log_dir / f"{name}.log").read_text(errors="replace") for name in names)


@contextmanager
def deployed(folder: Path, policies: Callable[[Path], None] = write_policies, **more: str) -> Iterator[Deployment]:
    """A deployment that is ready to dispatch, with the policies that are written; nothing of it is left afterwards.

    `more` are variables of its own.
    """
    with ExitStack() as at_end:
        # One key a process: the deployment that runs beside this one reads its rows with its own again.
        at_end.callback(setattr, EncryptedJson, "vault", EncryptedJson.vault)
        found = at_end.enter_context(services(folder, database_url=None, broker_url=None, throwaway=True))
        schema.upgrade(found.database_url)
        policies(folder / "policies")
        settings = Settings(data_dir=folder, port=free_port(), flower_port=free_port(), simulator_port=free_port())
        secrets = embedded_secrets(folder)
        stack = make_stack(
            settings,
            database_url=found.database_url,
            broker_url=found.broker_url,
            secrets=secrets,
            simulator=True,
            more={
                "ESS_POLICY_DIR": str(folder / "policies"),
                # Longer than from one try to the next: whoever tries again meets an open breaker, however late that is.
                "ESS_CHANNEL_PAUSE_S": "6",
                "ESS_CANARY_EVERY_S": "0",
                # Stories wait for their own messages: one that nobody answers for 20 s would hear it by SMS, too.
                "ESS_CHANNEL_TURNS": "off",
                "ESS_CALLING_HOURS": "00:00-24:00",
                "ESS_HOLIDAY_FILE": str(every_day_worked(folder)),
                **more,
            },
        )
        store = Store(
            found.database_url, Vault(secrets["ESS_ENCRYPTION_KEY"]), lambda _: [], lease=timedelta(seconds=5)
        )
        at_end.callback(store.close)
        with store.transaction() as tx:
            keys = {role: create_key(tx, f"test-{role}", role) for role in KeyRole}
        deployment = Deployment(stack, found, store, keys)
        at_end.callback(deployment.close)
        for program in deployment.programs:
            at_end.callback(program.stop)
            program.spawn()
        for program in deployment.programs:
            program.wait_ready()
        wait_for(lambda: answers(f"{stack.url}/readyz"), "the deployment is ready", within_s=60)
        yield deployment


def our_processes(folder: Path) -> list[str]:
    """Processes that were started for the deployment in this folder and have not ended."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("ESS_DATA_DIR") == str(folder) or str(folder) in " ".join(process.cmdline())
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.name()}")
        except psutil.Error:  # ended this moment, or somebody else's
            continue
    return found
