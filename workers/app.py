"""The Celery app as a worker runs it: `celery -A workers.app worker -Q intake,dispatch,notify,followup`.

Every setting here is there because of something that was measured: Celery on Redis loses and doubles
messages when processes die, so nothing rests on it but speed (docs/adr/0001).
"""

import os
import threading
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery, bootsteps
from celery.concurrency.prefork import TaskPool as ForkingPool
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown
from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from ess import geo
from ess.attachments import Contents
from ess.broker import TRANSPORT_OPTIONS, Broker
from ess.engine import RUN, Engine, open_engine
from ess.geo.in_force import Follower
from ess.logs import configure
from ess.sending import Sending
from ess.store import Store, health
from ess.wake import CELERY_QUEUES, DISPATCH, FOLLOWUP, INTAKE, NOTIFY, TASKS
from workers.events import GatheredEvents

if TYPE_CHECKING:
    from ess.channels.sms import SmsChannel
    from ess.geo.online import Geocoder
    from ess.geo.routes import Router

log = structlog.get_logger()

settings = Settings()


app = Celery("ess", broker=settings.broker_url, include=["workers.tasks"], amqp=Broker)
app.conf.update(
    task_queues=CELERY_QUEUES,
    task_default_queue=DISPATCH,
    task_routes={task: {"queue": queue} for task, queue in TASKS.values()},
    # A task is given back when its worker dies, instead of being taken for done when it began …
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # … and no worker hoards tasks that another could begin now.
    worker_prefetch_multiplier=1,
    broker_transport_options=TRANSPORT_OPTIONS,
    # A broker that is down is waited for, for ever: a worker that gives up helps nobody.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A child opens what it needs before it says that it is there; on a busy machine that takes a while.
    worker_proc_alive_timeout=30.0,
    # Results would double the cost of a task, and the rows hold them already.
    task_ignore_result=True,
    result_backend=None,
    # Publishing tries once: the row waits for the clock anyway.
    task_publish_retry=False,
    # Flower lives on these.
    worker_send_task_events=True,
    task_send_sent_event=False,
    worker_hijack_root_logger=False,
    # Arguments are ids; nothing else is ever shown.
    worker_redirect_stdouts=False,
    enable_utc=True,
    timezone="UTC",
)


def _senders_room() -> ModuleType:
    """The SDKs: 40 MiB and most of a second, so only a worker that sends has them."""
    return import_module("ess.channels.senders")


class _Hold:
    """What one worker process holds open: made after the fork, because connections do not survive one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._sending: Sending | None = None
        self._geocoder: Geocoder | None = None
        self._router: Router | None = None
        self._contents: Contents | None = None
        self._sms: SmsChannel | None = None

    @property
    def engine(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = open_engine(settings, pool_size=10)
            return self._engine

    @property
    def sending(self) -> Sending:
        engine = self.engine
        with self._lock:
            if self._sending is None:
                self._sending = Sending(engine, _senders_room().senders(settings))
            return self._sending

    @property
    def geocoder(self) -> "Geocoder | None":
        with self._lock:
            if self._geocoder is None and settings.geocoder:
                self._geocoder = import_module("ess.geo.online").geocoder(settings)
            return self._geocoder

    @property
    def router(self) -> "Router | None":
        with self._lock:
            if self._router is None and settings.router_url:
                self._router = import_module("ess.geo.routes").router(settings)
            return self._router

    @property
    def sms(self) -> "SmsChannel":
        with self._lock:
            if self._sms is None:
                self._sms = import_module("ess.channels.sms").SmsChannel(settings)
            return self._sms

    @property
    def contents(self) -> Contents:
        with self._lock:
            if self._contents is None:
                self._contents = import_module("ess.channels.line_content").LineContent(settings)
            return self._contents

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.store.close()
            self._engine = self._sending = self._contents = self._sms = self._geocoder = self._router = None


hold = _Hold()


def _consumed() -> tuple[str, ...]:
    return tuple(app.amqp.queues.consume_from)


def _decides() -> bool:
    return not {DISPATCH, INTAKE, FOLLOWUP}.isdisjoint(_consumed())


def _read_ahead() -> None:
    """What takes long to read is read now, and not within the first incident."""
    if NOTIFY in _consumed():
        _senders_room()
    if _decides():
        geo.locate(13.7563, 100.5018)
        geo.find("จ.กรุงเทพ")


def _open_ahead() -> None:
    """This process works on tasks: what it needs for them is open, and it follows the outlines that are in force."""
    follower = Follower(hold.engine.store)
    if _decides():
        follower.look_safely()
        threading.Thread(target=follower.run, args=(threading.Event(),), name="outlines", daemon=True).start()


class Pulse(bootsteps.StartStopStep):
    """Says every two seconds which queues this worker consumes, for `/readyz`.

    In a thread of its own: a database that hangs must not hold up the consumer.
    """

    def __init__(self, worker: Any, **_: Any) -> None:
        self._stop = threading.Event()
        worker.pulse = self

    def start(self, worker: Any) -> None:
        """Begin with the worker."""
        _read_ahead()
        # Whoever has children opens nothing that they would all talk into: each opens its own.
        forks = issubclass(worker.pool_cls, ForkingPool)
        if not forks:
            _open_ahead()
        store = open_engine(settings, pool_size=1).store if forks else hold.engine.store
        beat = threading.Thread(
            target=self._beat, args=(store, worker.hostname, _consumed()), name="pulse", daemon=True
        )
        beat.start()

    def _beat(self, store: Store, node: str, queues: tuple[str, ...]) -> None:
        while not self._stop.is_set():
            try:
                with store.transaction() as tx:
                    health.beat(tx, *queues, f"worker:{RUN}", node=node)
            except SQLAlchemyError as error:
                log.warning("database_unreachable", error=type(error).__name__)
            self._stop.wait(2.0)

    def stop(self, _worker: Any) -> None:
        """End with the worker."""
        self._stop.set()


app.steps["worker"].add(Pulse)
app.steps["consumer"].add(GatheredEvents)


@setup_logging.connect
def _logging(**_: Any) -> None:
    configure(settings.log_level)


@worker_process_init.connect
def _after_fork(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(pid=os.getpid())
    _open_ahead()


@worker_process_shutdown.connect
def _before_exit(**_: Any) -> None:
    hold.close()
