"""What programs cost: CPU over a stretch of time, and memory."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil


@dataclass
class Usage:
    """CPU of each program while something ran."""

    wall_s: float = 0.0
    #: Seconds of CPU, by program.
    cpu_s: dict[str, float] = field(default_factory=dict)

    def share(self, name: str) -> float:
        """Of one core, in percent."""
        return 100 * self.cpu_s[name] / self.wall_s if self.wall_s else 0.0

    def __str__(self) -> str:
        """The programs that took the most first, in percent of one core."""
        busy = sorted(self.cpu_s, key=lambda name: -self.cpu_s[name])
        return ", ".join(f"{name} {self.share(name):.0f} %" for name in busy if self.share(name) >= 1)


@contextmanager
def measured(pids: Mapping[str, int]) -> Iterator[Usage]:
    """What these programs and their children use until the block ends."""
    usage = Usage()
    before, began = {name: _cpu_s(pid) for name, pid in pids.items()}, time.perf_counter()
    yield usage
    usage.wall_s = time.perf_counter() - began
    usage.cpu_s = {name: max(0.0, _cpu_s(pid) - before[name]) for name, pid in pids.items()}


def _cpu_s(pid: int) -> float:
    """So far, with the children that have ended: PostgreSQL makes one for each connection."""
    if pid == os.getpid():
        return sum(psutil.Process().cpu_times()[:2])  # its children are what it measures
    total = 0.0
    for process in _family(pid):
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def memory_mib(pid: int) -> float:
    """Proportional set size: what several processes share is counted once, divided among them."""
    total = 0
    for process in _family(pid):
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 2**20


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def yardstick_ms() -> float:
    """How long a fixed sum takes one core just now: shared machines differ from minute to minute."""
    began = time.process_time()
    sum(range(2_000_000))
    return 1000 * (time.process_time() - began)
