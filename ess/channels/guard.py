"""When to leave a provider alone: its rate, and a breaker for when it fails again and again.

Both are kept on Redis, so that all workers count together.  Neither blocks a worker, and where Redis is away
neither stops a message.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError, CircuitRedisStorage
from redis import Redis
from redis.exceptions import RedisError

from ess.channels.envelope import Envelope, Sender
from ess.domain.errors import ChannelDown, PermanentFailure, ReplyRefused, TransientFailure

log = structlog.get_logger()

A = TypeVar("A")
R = TypeVar("R")

#: After a full second: the next one has room, and not everybody comes back at its very beginning.
_NEXT_SECOND = timedelta(seconds=1)


class Guard:
    """The rate limit and the breaker of one provider, by its name."""

    def __init__(self, name: str, broker_url: str, *, rate_per_s: int, failures: int, pause: timedelta) -> None:
        self._name = name
        self._rate: RateLimitItem = RateLimitItemPerSecond(rate_per_s)
        self._limiter = FixedWindowRateLimiter(
            storage_from_string(broker_url, socket_timeout=1, socket_connect_timeout=1)
        )
        self._client = Redis.from_url(broker_url, socket_timeout=1, socket_connect_timeout=1)
        self._failures = failures
        self._pause = pause
        self._mine = threading.local()

    def call(self, do: Callable[[A], R], argument: A) -> R:
        """As `do` does; above the rate TransientFailure, and while the breaker is open ChannelDown, at once."""
        if not self._has_room():
            raise TransientFailure(f"{self._name}: more than {self._rate.amount} calls a second", after=_NEXT_SECOND)
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
                reset_timeout=self._pause.total_seconds(),
                # A number that cannot be reached, or a token that is too old, says nothing about the provider.
                exclude=[PermanentFailure, ReplyRefused],
                # The failure that opens it is still what happened to this message: its outcome may be unknown.
                throw_new_error_on_trip=False,
                state_storage=CircuitRedisStorage(STATE_CLOSED, self._client, namespace=f"ess:{self._name}"),
                name=self._name,
            )
        return breaker

    def _has_room(self) -> bool:
        try:
            return self._limiter.hit(self._rate, "ess", self._name)
        except RedisError as error:
            log.warning("rate_unknown", channel=self._name, error=type(error).__name__)
            return True


class Guarded:
    """A channel behind its rate limit and its breaker."""

    def __init__(self, sender: Sender, guard: Guard) -> None:
        self._sender = sender
        self._guard = guard

    def send(self, envelope: Envelope) -> str:
        """As the channel does; above the rate TransientFailure, and while the breaker is open ChannelDown, at once."""
        return self._guard.call(self._sender.send, envelope)
