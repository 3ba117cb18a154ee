"""How often a LINE account may try a link code: counted on Redis, so that all workers count together."""

import structlog
from limits import RateLimitItem, RateLimitItemPerHour
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError

log = structlog.get_logger()

#: A person who types from a slip of paper needs two.
_PER_HOUR = 5


class Guesses:
    """Where Redis is away nobody is stopped: the codes are long enough without."""

    def __init__(self, broker_url: str) -> None:
        self._limit: RateLimitItem = RateLimitItemPerHour(_PER_HOUR)
        self._limiter = FixedWindowRateLimiter(
            storage_from_string(broker_url, socket_timeout=1, socket_connect_timeout=1)
        )

    def allows(self, account: bytes) -> bool:
        """Whether this account, known by the keyed hash of its id, may try another code this hour; counts the try."""
        try:
            return self._limiter.hit(self._limit, "ess", "link", account.hex())
        except RedisError as error:
            log.warning("guesses_not_counted", error=type(error).__name__)
            return True
