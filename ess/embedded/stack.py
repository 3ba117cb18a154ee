"""Everything that `ess up`, `ess demo` and the story tests run: which programs, with which environment."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from config.settings import Settings
from ess.embedded import Services, services
from ess.embedded.processes import POLL_S, Process, StartFailed, Supervisor
from ess.embedded.secrets import embedded_secrets
from ess.store import schema
from ess.wake import DISPATCH, FOLLOWUP, INTAKE, NOTIFY

_ROOT = Path(__file__).parent.parent.parent
_READY_WITHIN_S = 60.0
#: How long a server keeps a connection on which nobody says anything: longer than whoever calls it, because a request
#: that meets its end is lost.
KEEP_ALIVE_S = 150


@dataclass(frozen=True)
class Stack:
    """The programs of one machine: environment and ports are theirs alone."""

    environment: Mapping[str, str]
    log_dir: Path
    host: str
    port: int
    flower_port: int
    simulator_port: int

    @property
    def url(self) -> str:
        """The web edge."""
        return f"http://{self.host}:{self.port}"

    @property
    def simulator_url(self) -> str:
        """The doubles of LINE and Twilio, and the phones."""
        return f"http://{self.host}:{self.simulator_port}"

    @property
    def flower_url(self) -> str:
        """The supervisors' window on the workers."""
        return f"http://{self.host}:{self.flower_port}"

    def web(self) -> Process:
        """The web edge, ready when it answers."""
        return self._http("web", "ess.web.app:create_app", self.port, f"{self.url}/healthz")

    def simulator(self) -> Process:
        """LINE and Twilio, as far as this machine is concerned."""
        return self._http("simulator", "ess.simulator.app:from_environment", self.simulator_port, self.simulator_url)

    def clock(self) -> Process:
        """The clock."""
        return self._process("clock", [sys.executable, "-m", "schedules.clock"])

    def worker(self, index: int, of: int) -> Process:
        """Worker `index` (from 1) of so many: one alone takes every queue, more share deciding and sending."""
        name = f"worker-{index}"
        queues, threads = worker_queues(index, of)
        return self._process(
            name,
            [
                *(sys.executable, "-m", "celery", "-A", "workers.app", "worker"),
                *("-Q", ",".join(queues), "-n", f"{name}@%h", "--pool", "threads", "-c", str(threads)),
                *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
            ],
        )

    def flower(self) -> Process:
        """Flower, to look at and not to touch."""
        return self._process(
            "flower",
            [
                *(sys.executable, "-m", "celery", "-A", "workers.window", "flower"),
                *(f"--address={self.host}", f"--port={self.flower_port}", "--read-only", "--logging=warning"),
            ],
            ready=f"{self.flower_url}/healthcheck",
        )

    def _http(self, name: str, factory: str, port: int, ready: str) -> Process:
        argv = [sys.executable, "-m", "uvicorn", "--factory", factory, "--host", self.host, "--port", str(port)]
        argv += ["--log-level", "warning", "--no-access-log", "--timeout-keep-alive", str(KEEP_ALIVE_S)]
        return self._process(name, argv, ready=ready)

    def _process(self, name: str, argv: list[str], ready: str | None = None) -> Process:
        return Process(
            name,
            argv,
            self.environment,
            log_path=self.log_dir / f"{name}.log",
            ready=(lambda: answers(ready)) if ready else None,
            cwd=_ROOT,
        )


def worker_queues(index: int, of: int) -> tuple[tuple[str, ...], int]:
    """The queues of one worker, the first one first, and its threads.

    Sending waits for providers, so there is one that never sends and is never held up.  Whoever sends helps it to
    decide while there is nothing to send, because a process computes on one core only.
    """
    if of == 1:
        return (INTAKE, NOTIFY, DISPATCH, FOLLOWUP), 16
    return ((INTAKE, DISPATCH, FOLLOWUP), 4) if index % 2 else ((NOTIFY, DISPATCH), 16)


def answers(url: str) -> bool:
    """Whether the URL answers with 200."""
    try:
        return httpx.get(url, timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def make_stack(
    settings: Settings,
    *,
    database_url: str,
    broker_url: str,
    secrets: Mapping[str, str],
    simulator: bool,
    more: Mapping[str, str],
) -> Stack:
    """The stack for these settings, its programs told where everything is."""
    environment = {
        **secrets,
        **os.environ,
        "ESS_DATABASE_URL": database_url,
        "ESS_BROKER_URL": broker_url,
        # The programs run in another folder than the one from which these are meant.
        **{f"ESS_{name.upper()}": str(its.resolve()) for name, its in settings if isinstance(its, Path)},
        "ESS_HOST": settings.host,
        "ESS_PORT": str(settings.port),
        "ESS_FLOWER_PORT": str(settings.flower_port),
        "PYTHONUNBUFFERED": "1",
        # Threads that each keep an arena of memory of their own keep it for good.
        "MALLOC_ARENA_MAX": "2",
        # By the environment, where no list of processes shows it.
        **({"FLOWER_BASIC_AUTH": settings.flower_auth.get_secret_value()} if settings.flower_auth else {}),
        **more,
    }
    if simulator:
        there = f"http://{settings.host}:{settings.simulator_port}"
        environment |= {"ESS_LINE_API_BASE": there, "ESS_TWILIO_API_BASE": there, **secrets}
    return Stack(
        environment,
        settings.data_dir.resolve() / "logs",
        settings.host,
        settings.port,
        settings.flower_port,
        settings.simulator_port,
    )


@dataclass(frozen=True)
class Running:
    """A whole stack that is ready to dispatch."""

    stack: Stack
    services: Services
    supervisor: Supervisor


@contextmanager
def running(
    settings: Settings,
    *,
    workers: int,
    simulator: bool,
    say: Callable[[str], None],
    prepare: Callable[[Services, Mapping[str, str]], None],
    more: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Everything runs for as long as the block lasts: services, schema, programs; ready when it begins.

    `prepare` fills the database before the programs start.  Raises StartFailed, and leaves nothing behind.
    """
    data_dir = settings.data_dir
    with services(data_dir, database_url=settings.database_url, broker_url=settings.broker_url) as found:
        schema.upgrade(found.database_url)
        embedded = settings.database_url is None
        secrets = embedded_secrets(data_dir) if embedded or simulator else {}
        stack = make_stack(
            settings,
            database_url=found.database_url,
            broker_url=found.broker_url,
            secrets=secrets,
            simulator=simulator,
            more=more or {},
        )
        prepare(found, stack.environment)
        with Supervisor(say) as supervisor:
            programs = [stack.simulator()] if simulator else []
            programs += [stack.web(), stack.clock(), *(stack.worker(i + 1, workers) for i in range(workers))]
            programs.append(stack.flower())
            # All at once: what takes long is importing, and each does it alone.
            for program in programs:
                supervisor.spawn(program)
            for program in programs:
                program.wait_ready()
            wait_until_ready(stack, programs)
            yield Running(stack, found, supervisor)


def _unready(stack: Stack) -> str:
    """What the web edge says is missing, while it still runs."""
    try:
        checks = httpx.get(f"{stack.url}/readyz", timeout=2.0).json()["checks"]
    except (httpx.HTTPError, ValueError, KeyError):
        return "the web edge does not answer"
    return "; ".join(f"{name} {what}" for name, what in checks.items() if what != "ok")


def wait_until_ready(stack: Stack, programs: list[Process], within_s: float = _READY_WITHIN_S) -> None:
    """An incident that comes now would be dispatched; StartFailed with what is missing otherwise."""
    end = time.monotonic() + within_s
    while not answers(f"{stack.url}/readyz"):
        dead = [program for program in programs if not program.alive]
        if dead:
            raise StartFailed(f"{dead[0].name} ended while starting:\n{dead[0].last_lines()}")
        if time.monotonic() > end:
            raise StartFailed(f"not ready after {within_s:.0f} s: {_unready(stack)}\n(logs: {stack.log_dir})")
        time.sleep(POLL_S)
