"""When to leave a provider alone: its rate, a breaker for when it fails again and again, and its share of the threads.

Rate and breaker are kept on Redis, so that all workers count together; neither blocks a worker, and where Redis is away
neither stops a message.  The share is each worker's own: a provider that hangs leaves threads to the others.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError, CircuitRedisStorage
from redis import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from ess.channels.envelope import Envelope, Sender
from ess.domain.errors import ChannelDown, PermanentFailure, ReplyRefused, TransientFailure

log = structlog.get_logger()

A = TypeVar("A")
R = TypeVar("R")

#: After a full second: the next one has room, and not everybody comes back at its very beginning.
_NEXT_SECOND = timedelta(seconds=1)
#: Longer than until a provider that answers has answered somebody; short for a thread that others could use.
_ROOM_WITHIN_S = 0.25
#: How long a worker goes by what it knows of a breaker: to ask Redis before each call is one more round trip.
_STATE_GOOD_FOR_S = 1.0


class Share:
    """How many of a worker's threads may wait for one provider's answers at the same time."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name = name
        self._at_once = settings.provider_calls_at_once
        self._room = threading.BoundedSemaphore(self._at_once)

    @contextmanager
    def held(self) -> Iterator[None]:
        """One of them waits inside the block; TransientFailure where so many do already."""
        if not self._room.acquire(timeout=_ROOM_WITHIN_S):
            raise TransientFailure(f"{self._name}: {self._at_once} calls wait for an answer", after=_NEXT_SECOND)
        try:
            yield
        finally:
            self._room.release()


class _State(CircuitRedisStorage):
    """What all workers know of a breaker.

    Where another opens it, this one calls for a second more; whatever this one does to it counts at once.
    """

    def __init__(self, client: Redis, namespace: str) -> None:
        try:
            super().__init__(STATE_CLOSED, client, namespace)
        except RedisError as error:  # it knows all the same where to ask the next time
            log.warning("breaker_unknown", breaker=namespace, error=type(error).__name__)
        self._known = STATE_CLOSED
        self._good_until = 0.0

    @property
    def state(self) -> str:
        """One of pybreaker's."""
        if time.monotonic() >= self._good_until:
            self._known = super().state
            self._good_until = time.monotonic() + _STATE_GOOD_FOR_S
        return self._known

    @state.setter
    def state(self, state: str) -> None:
        self._known = state
        CircuitRedisStorage.state.fset(self, state)  # type: ignore[attr-defined]  # a property, which mypy takes for none


class Guard:
    """The rate limit, the breaker and the share of one provider, by its name."""

    def __init__(self, name: str, settings: Settings, *, rate_per_s: int) -> None:
        broker_url = str(settings.broker_url)
        self._name = name
        self._share = Share(name, settings)
        self._rate: RateLimitItem = RateLimitItemPerSecond(rate_per_s)
        self._limiter = FixedWindowRateLimiter(
            storage_from_string(broker_url, socket_timeout=1, socket_connect_timeout=1)
        )
        self._state = _State(Redis.from_url(broker_url, socket_timeout=1, socket_connect_timeout=1), f"ess:{name}")
        self._failures = settings.breaker_failures
        self._pause_s = settings.channel_pause_s
        self._mine = threading.local()

    def call(self, do: Callable[[A], R], argument: A) -> R:
        """As `do` does; above the rate or the share TransientFailure, and while the breaker is open ChannelDown."""
        with self._share.held():
            if not self._is_below_rate():
                raise TransientFailure(
                    f"{self._name}: more than {self._rate.amount} calls a second", after=_NEXT_SECOND
                )
            try:
                found: R = self._breaker().call(do, argument)
            except CircuitBreakerError:
                raise ChannelDown(f"{self._name} failed {self._failures} times in a row", code="breaker") from None
            return found

    def _breaker(self) -> CircuitBreaker:
        """One for each thread, all on the same state: pybreaker holds a lock for as long as a call lasts."""
        breaker: CircuitBreaker | None = getattr(self._mine, "breaker", None)
        if breaker is None:
            breaker = self._mine.breaker = CircuitBreaker(
                fail_max=self._failures,
                reset_timeout=self._pause_s,
                # A number that cannot be reached, or a token that is too old, says nothing about the provider.
                exclude=[PermanentFailure, ReplyRefused],
                # The failure that opens it is still what happened to this message: its outcome may be unknown.
                throw_new_error_on_trip=False,
                state_storage=self._state,
                name=self._name,
            )
        return breaker

    def _is_below_rate(self) -> bool:
        try:
            return self._limiter.hit(self._rate, "ess", self._name)
        except RedisError as error:
            log.warning("rate_unknown", channel=self._name, error=type(error).__name__)
            return True


class Guarded:
    """A channel behind its guard."""

    def __init__(self, sender: Sender, guard: Guard) -> None:
        self._sender = sender
        self._guard = guard

    def send(self, envelope: Envelope) -> str:
        """As the channel does, or as `Guard.call` refuses."""
        return self._guard.call(self._sender.send, envelope)
