"""Processes that the launcher and tests start: ready before use, restarted after a crash, gone at the end.

Everything is synchronous and made for one thread. What the processes are (a worker, the web edge, a database)
is said elsewhere.
"""

import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from ess.embedded.watch import Watch

POLL_S = 0.02
RESTART_AFTER_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Wait before each restart of a process that keeps crashing; the last one repeats."""
STEADY_AFTER_S = 60.0
"""A process that ran this long before it crashed starts again with the shortest wait."""

_WATCH = Watch()


class StartFailed(RuntimeError):
    """A process did not become ready; the message ends with the last lines of its log."""


class Process:
    """One program in a session and process group of its own, its output appended to a log file.

    `env` is its whole environment (`None`: the owner's). `ready` is asked again and again until it says yes;
    without it, a process is ready as soon as it runs. `user` is the account to run as, which only root can
    choose. It ends with its owner, however that ends: `ess.embedded.watch` says within which limits.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        log_path: Path,
        ready: Callable[[], bool] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        ready_within_s: float = 30.0,
        stop_within_s: float = 10.0,
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.env = env
        self.log_path = log_path
        self._ready = ready
        self._cwd = cwd
        self._user = user
        self._stop_signal = stop_signal
        self._ready_within_s = ready_within_s
        self._stop_within_s = stop_within_s
        self._popen: subprocess.Popen[bytes] | None = None
        self._group_ended = True
        self._log_start = 0
        self._log_followed = 0

    @property
    def pid(self) -> int:
        """Its id, which is also that of its group; kept after its end, 0 before its first start."""
        return self._popen.pid if self._popen else 0

    @property
    def returncode(self) -> int | None:
        """How it ended: its exit code, minus the signal that killed it, or `None` while it runs."""
        return self._popen.poll() if self._popen else None

    @property
    def alive(self) -> bool:
        """It was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """It runs and is ready; `StartFailed` otherwise, and then nothing of it is left."""
        self.spawn()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def spawn(self) -> None:
        """It runs, ready or not yet."""
        if self.alive:
            raise RuntimeError(f"{self.name} runs already (pid {self.pid}): stop it first.")
        self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._log_start = self._log_followed = log.tell()
            try:
                self._popen = subprocess.Popen(  # noqa: S603 - what to run is said in code
                    self.argv,
                    env=self.env,
                    cwd=self._cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=self._user,
                    group=pwd.getpwnam(self._user).pw_gid if self._user else None,
                    extra_groups=[] if self._user else None,
                )
            except OSError as error:
                raise StartFailed(f"{self.name} cannot be started ({self.argv[0]}): {error}") from error
        self._group_ended = False
        _WATCH.add(self._popen.pid, self._stop_signal)

    def wait_ready(self) -> None:
        """It answers; `StartFailed` when it ended first or took longer than `ready_within_s`."""
        deadline = time.monotonic() + self._ready_within_s
        while not (self.alive and (self._ready is None or self._ready())):
            if not self.alive:
                raise StartFailed(
                    f"{self.name} ended with code {self.returncode} before it was ready.\n{self.last_lines()}"
                )
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} was not ready within {self._ready_within_s:g} s.\n{self.last_lines()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """It was asked to stop and given time; nothing of its group is left."""
        if self.alive and self._popen is not None:
            self._popen.send_signal(self._stop_signal)
            with suppress(subprocess.TimeoutExpired):  # asked long enough: the group is killed below
                self._popen.wait(self._stop_within_s)
        self.kill()

    def kill(self) -> None:
        """It and all of its group are killed at once, with no chance to tidy up."""
        if self._popen is None or self._group_ended:
            return  # its number may belong to somebody else by now
        # It has ended if there is no such group; macOS says "not permitted" while zombies are left of it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._group_ended = True
        _WATCH.remove(self._popen.pid)

    def restart(self) -> None:
        """It was stopped if it still ran, and is ready again with the same arguments."""
        self.stop()
        self.start()

    def last_lines(self, count: int = 20) -> str:
        """The end of what it wrote since its last start, with the file that holds the rest."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join([*(f"  {line}" for line in lines[-count:]), f"  (log: {self.log_path})"])

    def new_lines(self) -> list[str]:
        """The whole lines that it wrote since they were last asked for."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_followed)
            whole, newline, _ = log.read().rpartition(b"\n")
        self._log_followed += len(whole + newline)
        return whole.decode(errors="replace").splitlines()


class Supervisor:
    """Starts processes in order and, on leaving the `with` block, stops them in reverse order.

    Inside the block SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt` in the main thread, unless SIGHUP is
    ignored already, as under `nohup`. While it stops its processes, which each end within their own limit,
    further signals are without effect. `say` receives a line about each crash and restart and, with `follow`,
    whatever the processes write, each line behind the name of its process.
    """

    def __init__(self, say: Callable[[str], None], *, follow: bool = False) -> None:
        self._say = say
        self._follow = follow
        self._processes: list[Process] = []
        self._handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._busy = False
        self._interrupted = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._busy = True
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        if not self._busy:
            raise KeyboardInterrupt

    @property
    def processes(self) -> tuple[Process, ...]:
        """Those that it keeps running, in the order of their start."""
        return tuple(self._processes)

    def start(self, process: Process) -> None:
        """The process runs, is ready, and is stopped with the others."""
        self.spawn(process)
        process.wait_ready()

    def spawn(self, process: Process) -> None:
        """The process runs, ready or not yet, and is stopped with the others."""
        self._spawn(process)
        self._processes.append(process)

    def _spawn(self, process: Process) -> None:
        # An interruption between the start of a process and knowing it would leave it running.
        self._busy = True
        try:
            process.spawn()
        finally:
            self._busy = False
        if self._interrupted:
            process.kill()
            raise KeyboardInterrupt

    def run(self) -> None:
        """Returns when a signal asks to stop; until then what crashes is started again, ever more slowly."""
        crashed: dict[Process, _Crash] = {}
        try:
            while True:
                for process in self._processes:
                    if self._follow:
                        for line in process.new_lines():
                            self._say(f"{process.name} | {line}")
                    if not process.alive:
                        self._revive(process, crashed.setdefault(process, _Crash()))
                time.sleep(0.1)
        except KeyboardInterrupt:
            return

    def _revive(self, process: Process, crash: "_Crash") -> None:
        now = time.monotonic()
        if crash.restart_at is None:
            wait_s = crash.wait_s(now)
            crash.restart_at = now + wait_s
            self._say(
                f"{process.name} ended with code {process.returncode} and starts again in {wait_s:g} s; "
                f"the end of its log:\n{process.last_lines(5)}"
            )
            process.kill()  # what is left of its group
        elif now >= crash.restart_at:
            crash.restart_at, crash.restarted_at = None, now
            self._spawn(process)
            self._say(f"{process.name} runs again (pid {process.pid}).")

    def stop(self) -> None:
        """Nothing that it started is left."""
        while self._processes:
            self._processes.pop().stop()


@dataclass
class _Crash:
    """What the supervisor remembers of a process that crashed; instants are those of the monotonic clock."""

    in_a_row: int = 0
    restarted_at: float = 0.0
    restart_at: float | None = None

    def wait_s(self, now: float) -> float:
        if now - self.restarted_at > STEADY_AFTER_S:
            self.in_a_row = 0
        self.in_a_row += 1
        return RESTART_AFTER_S[min(self.in_a_row, len(RESTART_AFTER_S)) - 1]


def free_port() -> int:
    """A TCP port of the loopback address on which nobody listens now.

    It lies below the range that Linux and macOS give to outgoing connections, so that it is still free when
    the server that it was meant for is started again.
    """
    for port in random.sample(range(20_000, 32_768), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("No free port among 200 tried between 20000 and 32767: is something holding them all?")
