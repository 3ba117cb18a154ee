"""Redis as Celery's broker: what kombu is told, and where it is told better.

A wake-up has a row behind it: Redis need not remember who works on it, because the clock sends it again.  Kombu's
own way costs two more round trips for each of them, a third of what a worker that sends has to compute.  What has
no row yet, a report that another service enqueued, is remembered as kombu does.
"""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis, virtual
from kombu.transport.virtual import Message
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

#: Of the two lists of each queue the second is looked into when the first ones of all queues are empty.
FIRST, LAST = PRIORITIES = (0, 9)

#: The one task with a body: until it has run there is no row that could bring it back.
_WITHOUT_ROW = frozenset({"ess.accept_report"})

#: A broker that does not answer must not hold the one who publishes.
TRANSPORT_OPTIONS = {
    # A half-open connection is found within seconds; without these a worker never consumes again.
    "socket_timeout": 3,
    "socket_connect_timeout": 3,
    "health_check_interval": 3,
    # Tasks take less than a second each, so an unacknowledged one is lost, not slow: give it back soon.
    "visibility_timeout": 30,
    "unacked_restore_interval": 5,
    # In the order in which a worker is given its queues: who sends decides only while there is nothing to send.
    "queue_order_strategy": "priority",
    "priority_steps": list(PRIORITIES),
}


class _QoS(redis.QoS):
    """Which messages are being worked on; in Redis too, where no row says so."""

    def append(self, message: Message, delivery_tag: str) -> None:
        """This worker has it now."""
        kept_by = virtual.QoS if _has_row(message) else redis.QoS
        kept_by.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """It is done."""
        kept_by = virtual.QoS if _has_row(self._delivered.get(delivery_tag)) else redis.QoS
        kept_by.ack(self, delivery_tag)

    def restore_by_tag(self, tag: str, client: Redis | None = None, leftmost: bool = False) -> None:
        """It goes back to its queue: this worker ends, or cannot do it now."""
        message = self._delivered.get(tag)
        if not _has_row(message):
            super().restore_by_tag(tag, client, leftmost)
            return
        route = message.delivery_info
        with self.channel.conn_or_acquire(client) as redis_client:
            self.channel._do_restore_message(
                message._raw, route["exchange"], route["routing_key"], redis_client, leftmost
            )


def _has_row(message: Message | None) -> bool:
    return message is not None and message.headers.get("task") not in _WITHOUT_ROW


class _Channel(redis.Channel):
    QoS = _QoS
    _client_of_pool: Redis | None = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """One for all that is said over the pool; kombu makes one for every command, which takes longer than that."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        client = self._client_of_pool
        if client is None or client.connection_pool is not self.pool:
            client = self._client_of_pool = super()._create_client()
        return client

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        """Say that its connection is closed, where kombu 5.7 fails on the absent client and takes the worker with it.

        That is when a task ends, or the channel is closed, after Redis has gone (kombu#582).  The message comes back
        anyway: its row is due again, or Redis restores it after the visibility timeout.
        """
        if self.connection.client is None:
            raise RedisConnectionError("this channel's connection is closed")
        return super()._connparams(*args, **kwargs)


class _Transport(redis.Transport):
    Channel = _Channel


class _Connection(Connection):
    """Looks for a broker that is away every second, and outlives its going."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Connection:
        """As kombu does, whose own pauses grow to half a minute."""
        return super().ensure_connection(
            *args, **{"interval_start": 1, "interval_step": 0, "interval_max": 1, **kwargs}
        )

    def get_transport_cls(self) -> type:
        """Ours for Redis; Sentinel's as it is."""
        found = super().get_transport_cls()
        return _Transport if found is redis.Transport else found


class Broker(AMQP):
    """What a Celery app over this broker is given as `amqp`."""

    Connection = _Connection
