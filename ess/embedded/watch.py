"""The end of what an owner leaves behind: a second process that outlives it by a moment.

An owner that is killed with SIGKILL can stop nothing itself. So it starts this file as a script, in a
session of its own, and tells it through a pipe which process groups there are. When the pipe closes, however
the owner ended, the script ends those groups and then itself. It needs nothing but the standard library and
works on Linux and macOS alike.

Its limits: a process that leaves its group (`setsid`) is not followed; the microseconds between the start of
a process and the line that names it are not covered; and whoever kills this script together with the owner
leaves orphans, which the next start of an embedded server looks for.
"""

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

STOP_WITHIN_S = 10.0
"""How long the groups of a dead owner may take to stop of their own accord."""


class Watch:
    """The owner's end of the pipe; the script is started when the first group is named."""

    def __init__(self) -> None:
        self._script: subprocess.Popen[str] | None = None
        self._stop_signals: dict[int, int] = {}
        os.register_at_fork(after_in_child=self._leave_to_parent)
        atexit.register(self._close)

    def add(self, group: int, stop_signal: int) -> None:
        """From now on this group ends with the owner; its leader is first asked to, with this signal."""
        self._stop_signals[group] = stop_signal
        if self._script is not None and self._script.poll() is None:
            self._tell(f"add {group} {stop_signal}")
            return
        self._script = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-I", "-S", str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        for (
            known,
            number,
        ) in self._stop_signals.items():  # all of them: an earlier script may have been killed
            self._tell(f"add {known} {number}")

    def remove(self, group: int) -> None:
        """The group has ended; its number may come to belong to somebody else."""
        if self._stop_signals.pop(group, None) is not None and self._script and self._script.poll() is None:
            self._tell(f"remove {group} 0")

    def _tell(self, line: str) -> None:
        if self._script is not None and self._script.stdin is not None:
            self._script.stdin.write(f"{line}\n")
            self._script.stdin.flush()

    def _close(self) -> None:
        if self._script is not None and self._script.stdin is not None:
            self._script.stdin.close()
            self._script.wait()

    def _leave_to_parent(self) -> None:
        # A forked child that kept the pipe open would hide the owner's death.
        if self._script is not None and self._script.stdin is not None:
            self._script.stdin.close()
            self._script.returncode = 0  # not this process's child, so nothing to wait for
        self._script = None
        self._stop_signals = {}


def end_groups(stop_signals: Mapping[int, int], within_s: float) -> None:
    """No process of these groups is left: their leaders were asked and given time, then all were killed.

    Leaders alone are asked: a Celery worker that is asked lets its children finish their tasks, while
    children that are asked drop them.
    """
    for leader, number in stop_signals.items():
        _sent(os.kill, leader, number)
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and any(runs(leader) for leader in stop_signals):
        time.sleep(0.02)
    for group in stop_signals:
        _sent(os.killpg, group, signal.SIGKILL)


def runs(pid: int) -> bool:
    """There is such a process and it has not ended; one that ended may stay as a zombie until its parent looks."""
    if not _sent(os.kill, pid, 0):
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:  # ended this moment, or macOS, where orphans do not stay as zombies
        return not Path("/proc/self").exists()
    return status.rpartition(")")[2].split()[0] != "Z"


def _sent(send: Callable[[int, int], None], pid: int, number: int) -> bool:
    try:
        send(pid, number)
    except (
        ProcessLookupError,
        PermissionError,
    ):  # ended; on macOS a group of zombies answers "not permitted"
        return False
    return True


def main() -> None:
    """Read groups until the pipe closes, then end those that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stop_signals: dict[int, int] = {}
    for line in sys.stdin:
        verb, group, stop_signal = line.split()
        if verb == "add":
            stop_signals[int(group)] = int(stop_signal)
        else:
            stop_signals.pop(int(group), None)
    end_groups(stop_signals, STOP_WITHIN_S)


if __name__ == "__main__":
    main()
