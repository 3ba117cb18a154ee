"""Telling the workers that something is due.  The row is the promise; this is only the tap on the shoulder.

A wake-up carries the id of a `deadline` row and nothing else.  It is sent once, after the commit, with one
quick try: where the broker is down, or a message is lost, or a worker dies, the row is still there and the
clock sends it again.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import structlog
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import BatchPublishError, OperationalError
from redis import Redis
from redis.exceptions import RedisError

from ess.broker import FIRST, LAST, PRIORITIES, TRANSPORT_OPTIONS, Broker
from ess.domain.incident import DeadlineKind

log = structlog.get_logger()

INTAKE, DISPATCH, NOTIFY, FOLLOWUP = QUEUES = ("intake", "dispatch", "notify", "followup")

#: Each with an exchange of its own: queues that share one would each get every message.
CELERY_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in QUEUES]

#: Deadlines of the shell's own, beside those of an incident's life.
SEND, HANDLE, DRAFT, FETCH, ASK_FURTHER = "send", "handle", "draft", "fetch", "ask_further"
#: A message that says once more what was said, or only informs.
SEND_LATER = "send_later"
SENDS = (SEND, SEND_LATER)
#: That a message was delivered: nobody waits to hear it.
CONFIRM = "confirm"
REFINE, ROLL_CALL, TRAVEL, INFORM = "refine", "roll_call", "travel", "inform"
#: That a receipt is missing.
ASK_RECEIPT = "ask_receipt"

#: What a due deadline wakes: the task's fixed name and its queue.
TASKS: dict[str, tuple[str, str]] = {
    HANDLE: ("ess.handle_inbound", INTAKE),
    # Beside the sends that it confirms: hundreds of them must not stand before those who are still to be alerted.
    CONFIRM: ("ess.handle_inbound", NOTIFY),
    DRAFT: ("ess.mind_draft", INTAKE),
    FETCH: ("ess.fetch_attachment", NOTIFY),
    DeadlineKind.LOCATE: ("ess.locate_incident", DISPATCH),
    DeadlineKind.SELECT: ("ess.select_responders", DISPATCH),
    DeadlineKind.ACKNOWLEDGE: ("ess.fire_deadline", DISPATCH),
    DeadlineKind.DEPART: ("ess.fire_deadline", DISPATCH),
    DeadlineKind.ARRIVE: ("ess.fire_deadline", DISPATCH),
    DeadlineKind.BACK_UP: ("ess.fire_deadline", DISPATCH),
    ASK_FURTHER: ("ess.ask_further", DISPATCH),
    SEND: ("ess.send_delivery", NOTIFY),
    SEND_LATER: ("ess.send_delivery", NOTIFY),
    ASK_RECEIPT: ("ess.ask_receipt", NOTIFY),
    DeadlineKind.OPEN_FOLLOW_UPS: ("ess.open_follow_ups", FOLLOWUP),
    REFINE: ("ess.refine_place", FOLLOWUP),
    TRAVEL: ("ess.measure_travel", FOLLOWUP),
    INFORM: ("ess.inform", FOLLOWUP),
    DeadlineKind.FOLLOW_UP: ("ess.fire_deadline", FOLLOWUP),
    ROLL_CALL: ("ess.roll_call", FOLLOWUP),
}


#: These wait until nothing else does: in a flood, who has heard nothing yet is not behind those who are reminded.
_CAN_WAIT = frozenset({SEND_LATER, CONFIRM, ASK_RECEIPT})


#: Of these, many that are due at once go in one message, and are kept in one transaction.
TOGETHER = frozenset(
    {DeadlineKind.LOCATE, DeadlineKind.SELECT, DeadlineKind.ACKNOWLEDGE}
    | {DeadlineKind.DEPART, DeadlineKind.ARRIVE, DeadlineKind.BACK_UP}
)
KEEP_TOGETHER = ("ess.keep_deadlines", DISPATCH)
#: So many at most: whoever answers about one of them waits until all are kept.
MOST_TOGETHER = 16


@dataclass(frozen=True)
class WakeUp:
    """One due deadline: its row's id and what it is."""

    deadline_id: int
    kind: str


def producer(broker_url: str) -> Celery:
    """A Celery app that only publishes, for every program that has something to wake."""
    app = Celery("ess", broker=broker_url, amqp=Broker, set_as_current=False)
    app.conf.update(
        task_queues=CELERY_QUEUES,
        broker_transport_options={
            **TRANSPORT_OPTIONS,
            # Whoever publishes has somebody waiting: a broker that hangs is given a second, not three …
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
            # … and one that is away is looked for once, where kombu would try for six seconds.
            "max_retries": 0,
            "interval_start": 0,
        },
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_retry=False,
    )
    return app


def _priority(kind: str) -> int:
    return LAST if kind in _CAN_WAIT else FIRST


def _list(queue: str, priority: int) -> str:
    """Where a queue's messages of this priority wait in Redis, as kombu names it."""
    return f"{queue}\x06\x16{priority}" if priority else queue


#: In Redis, each with the queue whose messages it holds.
LISTS = {_list(queue, priority): queue for priority in PRIORITIES for queue in QUEUES}


class Backlog:
    """How full the queues are, as the clock must know: what waits there already need not be sent again."""

    #: Workers empty as many within a second or two; a queue that Redis forgot is empty.
    _FULL = 500

    def __init__(self, broker_url: str) -> None:
        self._client = Redis.from_url(broker_url, socket_timeout=1, socket_connect_timeout=1)

    def kinds_with_room(self) -> list[str]:
        """The kinds of deadlines whose queue is not full; all of them where Redis cannot say."""
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for name in LISTS:
                    pipeline.llen(name)
                lengths = dict(zip(LISTS, pipeline.execute(), strict=True))
        except (RedisError, OSError):
            return list(TASKS)
        return [kind for kind, (_, queue) in TASKS.items() if lengths[_list(queue, _priority(kind))] < self._FULL]


class Waker:
    """Publishes wake-ups over a Celery app of its own."""

    #: After a failure nobody waits for the broker for so long; the rows wait for the clock.
    _PAUSE_S = 1.0

    def __init__(self, broker_url: str) -> None:
        self._app = producer(broker_url)
        self._paused_until = float("-inf")

    def publish(self, wake_ups: Iterable[WakeUp]) -> list[WakeUp]:
        """Send each once; where they could not be sent all come back, and their rows wait for the clock."""
        pending = list(wake_ups)
        if not pending or time.monotonic() < self._paused_until:
            return pending
        try:
            messages = _messages(pending)
            # All of them in one round trip; what fails may have arrived, which is harmless.
            with self._app.producer_or_acquire() as sender, sender.batch() if len(messages) > 1 else nullcontext():
                for together in messages:
                    (task, queue), kwargs = _message(together)
                    priority = _priority(together[0].kind)
                    self._app.send_task(
                        task, kwargs=kwargs, queue=queue, producer=sender, retry=False, priority=priority
                    )
        except (OperationalError, BatchPublishError, RedisError, OSError) as error:
            self._paused_until = time.monotonic() + self._PAUSE_S
            log.warning("broker_unreachable", waiting=len(pending), error=type(error).__name__)
            return pending
        return []


def _messages(wake_ups: Iterable[WakeUp]) -> list[list[WakeUp]]:
    """Which go in one message; those that may go together first, because somebody is to be alerted by them."""
    alone: list[list[WakeUp]] = []
    together: list[WakeUp] = []
    for wake_up in wake_ups:
        if wake_up.kind in TOGETHER:
            together.append(wake_up)
        else:
            alone.append([wake_up])
    return [*(together[i : i + MOST_TOGETHER] for i in range(0, len(together), MOST_TOGETHER)), *alone]


def _message(wake_ups: Sequence[WakeUp]) -> tuple[tuple[str, str], dict[str, Any]]:
    """The task with its queue, and its arguments; one alone goes as it always has."""
    if len(wake_ups) == 1:
        return TASKS[wake_ups[0].kind], {"deadline_id": wake_ups[0].deadline_id}
    return KEEP_TOGETHER, {"deadline_ids": [wake_up.deadline_id for wake_up in wake_ups]}
