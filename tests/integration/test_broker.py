"""What Redis is told while a message is worked on: real Redis, Celery's own messages, no worker."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from celery import Celery
from kombu import Connection, Consumer
from kombu.transport.virtual import Message
from redis import Redis
from stack import Deployment

from ess.broker import TRANSPORT_OPTIONS
from ess.domain.incident import DeadlineKind
from ess.wake import CELERY_QUEUES, DISPATCH, INTAKE, LISTS, NOTIFY, SEND, SEND_LATER, Waker, WakeUp, producer


@pytest.fixture
def url(deployment: Deployment) -> Iterator[str]:
    """A numbered database of the same server, which no worker consumes."""
    url = deployment.services.broker_url.rsplit("/", 1)[0] + "/3"
    with Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


class Consuming:
    """A consumer as a worker is one: what it has taken, and what Redis knows of that."""

    def __init__(self, url: str) -> None:
        self._end = ExitStack()
        app = self._end.enter_context(producer(url))
        app.conf.broker_transport_options = TRANSPORT_OPTIONS
        self.connection: Connection = self._end.enter_context(app.connection_for_read())
        self.redis = self._end.enter_context(Redis.from_url(url))
        self.taken: list[Message] = []
        self.consumer = Consumer(
            self.connection.default_channel,
            CELERY_QUEUES,
            on_message=self.taken.append,
            accept=["json"],
            prefetch_count=2,
        )
        self.consumer.consume()

    def takes(self, n: int = 1) -> list[Message]:
        self.taken.clear()
        while len(self.taken) < n:
            self.connection.drain_events(timeout=5)
        return list(self.taken)

    def __enter__(self) -> "Consuming":
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def remembered(self) -> int:
        return int(self.redis.hlen("unacked"))


def reports(url: str) -> None:
    with Celery(broker=url, set_as_current=False) as intake:
        intake.send_task("ess.accept_report", kwargs={"report": {}}, queue=INTAKE)


def test_a_wake_up_is_not_remembered_while_it_is_worked_on(url: str) -> None:
    assert Waker(url).publish([WakeUp(1, SEND)]) == []
    with Consuming(url) as worker:
        (message,) = worker.takes()
        assert worker.remembered() == 0
        message.ack()
        assert worker.redis.llen(NOTIFY) == 0


def test_a_report_that_was_enqueued_is_remembered_until_it_has_a_row(url: str) -> None:
    reports(url)
    with Consuming(url) as worker:
        (message,) = worker.takes()
        assert worker.remembered() == 1
        message.ack()
        assert worker.remembered() == 0


def test_a_report_goes_back_when_its_worker_dies_and_a_wake_up_waits_for_the_clock(url: str) -> None:
    reports(url)
    Waker(url).publish([WakeUp(1, SEND)])
    with Consuming(url) as worker:
        worker.takes(2)
        # A worker that is killed says nothing more: this is what Redis still has.
        assert (worker.remembered(), worker.redis.llen(INTAKE), worker.redis.llen(NOTIFY)) == (1, 0, 0)


def test_what_a_worker_gives_back_when_it_ends_is_there_for_the_next(url: str) -> None:
    reports(url)
    Waker(url).publish([WakeUp(1, SEND)])
    with Consuming(url) as worker:
        worker.takes(2)
    with Consuming(url) as other:
        assert {message.headers["task"] for message in other.takes(2)} == {"ess.accept_report", "ess.send_delivery"}


def test_a_wake_up_that_is_given_back_waits_behind_the_others(url: str) -> None:
    Waker(url).publish([WakeUp(1, SEND), WakeUp(2, SEND)])
    with Consuming(url) as worker:
        first = worker.takes()[0]
        first.requeue()
        assert [message.payload[1] for message in worker.takes(2)] == [{"deadline_id": 2}, {"deadline_id": 1}]


def test_no_worker_takes_more_than_it_may(url: str) -> None:
    Waker(url).publish(WakeUp(n, SEND) for n in range(5))
    with Consuming(url) as worker:
        first, _ = worker.takes(2)
        with pytest.raises(TimeoutError):
            worker.connection.drain_events(timeout=0.3)
        first.ack()
        worker.takes(1)


def test_wake_ups_wait_in_the_list_of_their_queue_and_many_of_one_kind_in_one_message(url: str) -> None:
    wake_ups = [WakeUp(n, kind) for kind in (SEND, SEND_LATER, DeadlineKind.SELECT) for n in range(10)]
    assert Waker(url).publish(wake_ups) == []
    with Redis.from_url(url) as client:
        assert {name: client.llen(name) for name in LISTS if client.llen(name)} == {
            NOTIFY: 10,
            next(name for name, queue in LISTS.items() if queue == NOTIFY != name): 10,
            DISPATCH: 1,
        }


def test_where_redis_is_away_all_come_back() -> None:
    wake_ups = [WakeUp(1, SEND), WakeUp(2, SEND)]
    assert Waker("redis://127.0.0.1:1/0").publish(wake_ups) == wake_ups
