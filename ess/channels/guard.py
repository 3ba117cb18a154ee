"""When to leave a provider alone: its rate, and a breaker for when it fails again and again.

Both are kept on Redis, so that all workers count together.  Neither blocks a worker, and where Redis is away
neither stops a message.
"""

from datetime import timedelta

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError, CircuitRedisStorage
from redis import Redis
from redis.exceptions import RedisError

from ess.channels.envelope import Envelope, Sender
from ess.domain.duty import Channel
from ess.domain.errors import ChannelDown, PermanentFailure, ReplyRefused, TransientFailure

log = structlog.get_logger()

#: After a full second: the next one has room, and not everybody comes back at its very beginning.
_NEXT_SECOND = timedelta(seconds=1)


class Guarded:
    """A channel behind its rate limit and its breaker."""

    def __init__(
        self, channel: Channel, sender: Sender, broker_url: str, *, rate_per_s: int, failures: int, pause: timedelta
    ) -> None:
        self._channel = channel
        self._sender = sender
        self._rate: RateLimitItem = RateLimitItemPerSecond(rate_per_s)
        self._limiter = FixedWindowRateLimiter(
            storage_from_string(broker_url, socket_timeout=1, socket_connect_timeout=1)
        )
        client = Redis.from_url(broker_url, socket_timeout=1, socket_connect_timeout=1)
        self._breaker = CircuitBreaker(
            fail_max=failures,
            reset_timeout=pause.total_seconds(),
            # A number that cannot be reached, or a token that is too old, says nothing about the provider.
            exclude=[PermanentFailure, ReplyRefused],
            # The failure that opens it is still what happened to this message: its outcome may be unknown.
            throw_new_error_on_trip=False,
            state_storage=CircuitRedisStorage(STATE_CLOSED, client, namespace=f"ess:{channel}"),
            name=channel,
        )

    def send(self, envelope: Envelope) -> str:
        """As the channel does; above the rate TransientFailure, and while the breaker is open ChannelDown, at once."""
        if not self._has_room():
            raise TransientFailure(f"{self._channel}: more than {self._rate.amount} calls a second", after=_NEXT_SECOND)
        try:
            return str(self._breaker.call(self._sender.send, envelope))
        except CircuitBreakerError:
            raise ChannelDown(
                f"{self._channel} failed {self._breaker.fail_max} times in a row", code="breaker"
            ) from None

    def _has_room(self) -> bool:
        try:
            return self._limiter.hit(self._rate, "ess", self._channel)
        except RedisError as error:
            log.warning("rate_unknown", channel=self._channel, error=type(error).__name__)
            return True
