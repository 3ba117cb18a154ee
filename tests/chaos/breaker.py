"""Breaks the parts of a deployment and mends them, and writes down when."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil
from sqlalchemy.exc import SQLAlchemyError
from stack import wait_for

from chaos.schedule import Break, BreakPart
from chaos.world import World
from ess.embedded.processes import Process
from ess.embedded.server import Server
from ess.store import health, tables

_RESTART_AFTER_S = 0.5
#: Longer than any program takes to come back on a busy machine.
_BACK_WITHIN_S = 60.0


@dataclass(frozen=True)
class Disturbance:
    """One thing that was broken (instants in UTC)."""

    what: Break
    began_at: datetime
    #: When it was started again, or had forgotten.
    mended_at: datetime
    #: When it was seen at work again; None where only its work can tell.
    back_at: datetime | None = None


class Breaker:
    """Carries out the breaks of a schedule; each part is broken by one thread at a time."""

    def __init__(self, world: World) -> None:
        self.disturbances: list[Disturbance] = []
        #: Programs that ended though nobody had broken them.
        self.deaths: list[str] = []
        self._world = world
        deployment = world.deployment
        postgres = deployment.services.postgres
        assert postgres is not None
        self._postgres = postgres
        threaded, forking = world.deciders
        self._deeds: dict[Break, tuple[str, Callable[[float], Disturbance]]] = {
            Break.WORKER: ("worker", lambda s: self._kill(Break.WORKER, threaded, s)),
            Break.SENDER: ("sender", lambda s: self._kill(Break.SENDER, world.sender, s)),
            Break.CHILD: ("forking", lambda _: self._kill_child(forking)),
            Break.PARENT: ("forking", lambda s: self._kill(Break.PARENT, forking, s, alone=True)),
            Break.CLOCK: ("clock", lambda s: self._kill(Break.CLOCK, deployment.clock, s)),
            Break.WEB: ("web", lambda s: self._kill(Break.WEB, deployment.web, s)),
            Break.REDIS: ("redis", self._kill_redis),
            Break.REDIS_FORGETS: ("redis", self._kill_redis_and_its_file),
            Break.FLUSH: ("redis", self._flush),
            Break.REDIS_HANGS: ("redis", self._hang_redis),
            Break.POSTGRES_STOP: ("postgres", self._stop_postgres),
            Break.POSTGRES: ("postgres", self._kill_postgres),
        }
        self._parts = {part: threading.Lock() for part, _ in self._deeds.values()}
        self._programs = {
            "worker": threaded,
            "forking": forking,
            "sender": world.sender,
            "clock": deployment.clock,
            "web": deployment.web,
        }

    def supervise(self, over: threading.Event) -> None:
        """Until the run is over, a program that ended by itself is started again, as `ess up` and Docker do it."""
        while not over.wait(_RESTART_AFTER_S):
            for part, program in self._programs.items():
                if self._parts[part].acquire(blocking=False):  # otherwise it is being broken
                    try:
                        if not program.alive:
                            if not (part == "forking" and self._a_child_was_killed()):
                                code = program.returncode
                                self.deaths.append(f"{program.name} ended by itself at {_now()}, code {code}")
                            program.kill()
                            program.start()
                    finally:
                        self._parts[part].release()

    def _a_child_was_killed(self) -> bool:
        """A worker that loses a child while it starts gives up; Docker and systemd start it again."""
        killed = (found.began_at for found in self.disturbances if found.what is Break.CHILD)
        return any(_now() - at < timedelta(seconds=_BACK_WITHIN_S) for at in killed)

    def break_part(self, deed: BreakPart) -> None:
        """It was broken, is mended, and stands in `disturbances`."""
        part, do = self._deeds[deed.what]
        with self._parts[part]:
            self.disturbances.append(do(deed.for_s))

    def _kill(self, what: Break, program: Process, for_s: float, *, alone: bool = False) -> Disturbance:
        began_at = _now()
        if alone and program.alive:
            os.kill(program.pid, signal.SIGKILL)  # its children stay, as orphans
        else:
            program.kill()
        time.sleep(for_s)
        program.kill()
        mended_at = _now()
        program.start()
        if what is Break.CLOCK:
            wait_for(lambda: self._clock_beats_since(mended_at), "the clock is back", _BACK_WITHIN_S)
            return Disturbance(what, began_at, mended_at, _now())
        return Disturbance(what, began_at, mended_at, _now() if what is Break.WEB else None)

    def _clock_beats_since(self, instant: datetime) -> bool:
        try:
            with self._world.deployment.store.transaction() as tx:
                row = tx.session.get(tables.Heartbeat, health.CLOCK)
                return row is not None and row.seen_at > instant
        except SQLAlchemyError:  # PostgreSQL is broken as well
            return False

    def _kill_child(self, forking: Process) -> Disturbance:
        children = psutil.Process(forking.pid).children() if forking.alive else []
        began_at = _now()
        if children:
            children[0].kill()
        return Disturbance(Break.CHILD, began_at, _now())

    @property
    def _redis(self) -> Server:
        return self._world.deployment.redis

    def _kill_redis(self, for_s: float) -> Disturbance:
        return self._restarted(Break.REDIS, self._redis, self._redis.kill, for_s)

    def _kill_redis_and_its_file(self, for_s: float) -> Disturbance:
        def kill() -> None:
            self._redis.kill()
            (file,) = self._world.folder.glob("throwaway-*/redis/appendonlydir")
            shutil.rmtree(file)

        return self._restarted(Break.REDIS_FORGETS, self._redis, kill, for_s)

    def _flush(self, _for_s: float) -> Disturbance:
        began_at = _now()
        self._world.deployment.broker.flushall()
        return Disturbance(Break.FLUSH, began_at, _now())

    def _hang_redis(self, for_s: float) -> Disturbance:
        began_at = _now()
        os.kill(self._redis.pid, signal.SIGSTOP)
        time.sleep(for_s)
        os.kill(self._redis.pid, signal.SIGCONT)
        return Disturbance(Break.REDIS_HANGS, began_at, _now())

    def _stop_postgres(self, for_s: float) -> Disturbance:
        def stop() -> None:
            os.kill(self._postgres.pid, signal.SIGINT)  # "fast": open sessions are rolled back
            wait_for(lambda: not self._postgres.alive, "PostgreSQL has stopped")

        return self._restarted(Break.POSTGRES_STOP, self._postgres, stop, for_s)

    def _kill_postgres(self, for_s: float) -> Disturbance:
        return self._restarted(Break.POSTGRES, self._postgres, self._postgres.kill, for_s)

    def _restarted(self, what: Break, server: Server, end: Callable[[], None], for_s: float) -> Disturbance:
        began_at = _now()
        end()
        time.sleep(for_s)
        mended_at = _now()
        server.restart()
        return Disturbance(what, began_at, mended_at)


def _now() -> datetime:
    return datetime.now(UTC)
