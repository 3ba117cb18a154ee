"""One embedded server, the one owner that runs it, and everybody else who joins.

Beside its data lies a file that holds the server's URL. The owner keeps that file locked for as long as it
lives, and the kernel lets go of the lock however the owner ends. So whoever wants the server either gets the
lock, ends what an earlier owner may have left running, and starts it; or finds it locked, reads the URL, and
joins a server that is not theirs to stop.
"""

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import psutil

from ess.embedded.processes import POLL_S, Process, StartFailed
from ess.embedded.watch import runs

JOIN_WITHIN_S = 30.0
_END_WITHIN_S = 10.0


class Claim:
    """The locked file that says whose server this is and, once it answers, where."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise

    def publish(self, url: str) -> None:
        """Others may now join at this URL; the empty one keeps them waiting."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, url.encode(), 0)

    def release(self) -> None:
        """The next one may be the owner."""
        self.publish("")
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()


class Server:
    """A server at `url`: ours to stop, kill and restart when `owned`, otherwise another process's."""

    def __init__(self, url: str, process: Process | None = None, claim: Claim | None = None) -> None:
        self.url = url
        self._process = process
        self._claim = claim

    @property
    def owned(self) -> bool:
        """We started it, and it ends with us."""
        return self._claim is not None

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._own().pid

    @property
    def alive(self) -> bool:
        """It has not ended."""
        return self._own().alive

    def stop(self) -> None:
        """It has written everything down and ended; a server that we joined goes on."""
        if self._process is not None and self._claim is not None:
            self._process.stop()
            self._claim.release()
            self._claim = None

    def kill(self) -> None:
        """It ended as in a power cut, all its processes with it."""
        children = psutil.Process(self.pid).children(recursive=True)
        self._own().kill()
        wait_ended(children)  # PostgreSQL's end by themselves and hold its memory until then

    def restart(self) -> None:
        """It answers again at the same URL, with the data that it had written down."""
        self._own().restart()

    def _own(self) -> Process:
        if self._process is None:
            raise StartFailed(f"The server at {self.url} was started by another process: ask that one.")
        return self._process


def claim_or_join(path: Path, answers: Callable[[str], bool]) -> Claim | Server:
    """The claim on an unowned server, or the server that a living owner has published in this file.

    `StartFailed` when the owner does not get it to answer in time.
    """
    deadline = time.monotonic() + JOIN_WITHIN_S
    while True:
        try:
            claim = Claim(path)
        except BlockingIOError:
            url = path.read_text()
            if url and answers(url):
                return Server(url)
        except PermissionError as error:
            raise StartFailed(
                f"{path.parent} belongs to {path.parent.owner()}: run as that user, remove it, "
                "or set ESS_DATA_DIR to a folder of your own."
            ) from error
        else:
            claim.publish("")
            return claim
        if time.monotonic() > deadline:
            raise StartFailed(
                f"Another process holds {path} and its server does not answer: stop that process, "
                "or set ESS_DATA_DIR to another folder."
            )
        time.sleep(POLL_S)


def wait_ended(processes: Sequence[psutil.Process]) -> bool:
    """Whether all of them ended in time."""
    deadline = time.monotonic() + _END_WITHIN_S
    while any(runs(process.pid) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def end_orphan(pid_path: Path, program: str, folder: Path, stop_signal: int) -> None:
    """No server of an earlier owner works in this folder, and its pid file is gone.

    The number in a pid file may by now belong to anybody: it is believed when that process is this program
    and works in this folder.
    """
    try:
        pid = int(pid_path.read_text().split("\n", 1)[0])
        orphan = psutil.Process(pid)
        if orphan.name() == program and Path(orphan.cwd()) == folder.resolve():
            children = orphan.children(recursive=True)
            orphan.send_signal(stop_signal)
            if not wait_ended([orphan]):
                orphan.kill()
            wait_ended([orphan, *children])
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        pass  # never started, cut short while it was written, ended, or somebody else's
    pid_path.unlink(missing_ok=True)
