"""The clock: `python -m schedules.clock`.

It asks the database what is due, wakes the workers for it, and sleeps until the next deadline, a second at
most.  A deadline that is written meanwhile and is due sooner than that is published by whoever wrote it, so
none is more than a second late.  Several clocks may run: each row is claimed by one of them.
"""

import signal
import socket
import threading
import time
from datetime import timedelta
from types import FrameType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from ess.engine import open_engine
from ess.logs import configure
from ess.store import Store, deadlines, health
from ess.wake import TASKS, Backlog, Waker
from schedules import audit, canary, roll_call

log = structlog.get_logger()

_LONGEST_SLEEP = timedelta(seconds=1)
_FULL_PAUSE = timedelta(seconds=0.2)
_BATCH = 500
_BEAT_EVERY_S = 2.0


def tick(store: Store, waker: Waker, backlog: Backlog) -> timedelta:
    """Publish one batch of what is due; how long to sleep until the next.

    Nothing is sent into a queue that is full: under a flood the same wake-ups would pile up there, lease after
    lease, before what is new.
    """
    with store.transaction() as tx:
        pause = deadlines.next_wake_in(tx, _LONGEST_SLEEP)
    if pause:
        return pause
    kinds = backlog.kinds_with_room()
    with store.transaction() as tx:
        due = deadlines.claim(tx, kinds, _BATCH)
        pause = timedelta() if len(due) == _BATCH else deadlines.next_wake_in(tx, _LONGEST_SLEEP)
    if len(kinds) < len(TASKS):
        pause = max(pause, _FULL_PAUSE)  # what is due and has no room must not be looked for at once
    unpublished = waker.publish(due)
    if unpublished:
        with store.transaction() as tx:
            deadlines.release(tx, unpublished)
        return _LONGEST_SLEEP
    return pause


def run(stop: threading.Event, settings: Settings) -> None:
    """Tick until told to stop; a database that is away is waited for."""
    waker = Waker(str(settings.broker_url))
    engine = open_engine(settings, waker.publish, pool_size=3)
    store = engine.store
    watches = [threading.Thread(target=audit.run, args=(stop, engine, settings), name="audit", daemon=True)]
    if settings.canary_every_s:
        watches.append(threading.Thread(target=canary.run, args=(stop, engine, settings), name="canary", daemon=True))
    if settings.roll_call:
        weekly = (stop, engine, settings.roll_call)
        watches.append(threading.Thread(target=roll_call.run, args=weekly, name="roll_call", daemon=True))
    for watch in watches:
        watch.start()
    backlog = Backlog(str(settings.broker_url))
    last_beat = 0.0
    log.info("clock_started")
    while not stop.is_set():
        try:
            pause = tick(store, waker, backlog)
            if time.monotonic() - last_beat > _BEAT_EVERY_S:
                with store.transaction() as tx:
                    health.beat(tx, health.CLOCK, node=socket.gethostname())
                    deadlines.free_dead_calls(tx)
                last_beat = time.monotonic()
        except SQLAlchemyError as error:
            log.warning("database_unreachable", error=type(error).__name__)
            pause = _LONGEST_SLEEP
        stop.wait(pause.total_seconds())
    for watch in watches:
        watch.join(timeout=5)
    store.close()
    log.info("clock_stopped")


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings()
    configure(settings.log_level)
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    run(stop, settings)


if __name__ == "__main__":
    main()
