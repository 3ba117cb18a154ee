"""Everything that `ess up`, `ess demo` and the story tests run: which programs, with which environment."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from config.settings import Settings
from ess.embedded.processes import Process
from ess.wake import DISPATCH, FOLLOWUP, INTAKE, NOTIFY, QUEUES

_ROOT = Path(__file__).parent.parent.parent


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
                *(sys.executable, "-m", "celery", "-A", "workers.app", "flower"),
                *(f"--address={self.host}", f"--port={self.flower_port}", "--read-only", "--logging=warning"),
            ],
            ready=f"{self.flower_url}/healthcheck",
        )

    def _http(self, name: str, factory: str, port: int, ready: str) -> Process:
        argv = [sys.executable, "-m", "uvicorn", "--factory", factory, "--host", self.host, "--port", str(port)]
        return self._process(name, [*argv, "--log-level", "warning", "--no-access-log"], ready=ready)

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
    """The queues and threads of one worker: sending waits for providers, so it never holds up deciding."""
    if of == 1:
        return QUEUES, 12
    return ((INTAKE, DISPATCH, FOLLOWUP), 4) if index % 2 else ((NOTIFY,), 16)


def answers(url: str, status: int = 200) -> bool:
    """Whether the URL answers with that status."""
    try:
        return httpx.get(url, timeout=2.0).status_code == status
    except httpx.HTTPError:
        return False


def make_stack(
    settings: Settings,
    *,
    database_url: str,
    broker_url: str,
    secrets: Mapping[str, str],
    simulator: bool,
    more: Mapping[str, str] | None = None,
) -> Stack:
    """The stack for these settings, its programs told where everything is."""
    environment = {
        **secrets,
        **os.environ,
        "ESS_DATABASE_URL": database_url,
        "ESS_BROKER_URL": broker_url,
        "ESS_DATA_DIR": str(settings.data_dir.resolve()),
        "ESS_HOST": settings.host,
        "ESS_PORT": str(settings.port),
        "ESS_FLOWER_PORT": str(settings.flower_port),
        "PYTHONUNBUFFERED": "1",
        **(more or {}),
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
