"""How often a LINE account may try a link code: counted on Redis, so that all workers count together."""

from collections.abc import Callable
from functools import cached_property, partial

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

#: A person who types from a slip of paper needs two.
_PER_HOUR = 5


class Guesses:
    """Where Redis is away nobody is stopped: the codes are long enough without."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url

    @cached_property
    def _hit(self) -> Callable[[str], bool]:
        # Only a worker that reads chats ever counts: the others do without the library.
        from limits import RateLimitItemPerHour  # noqa: PLC0415
        from limits.storage import storage_from_string  # noqa: PLC0415
        from limits.strategies import FixedWindowRateLimiter  # noqa: PLC0415

        storage = storage_from_string(self._broker_url, socket_timeout=1, socket_connect_timeout=1)
        return partial(FixedWindowRateLimiter(storage).hit, RateLimitItemPerHour(_PER_HOUR), "ess", "link")

    def allows(self, account: bytes) -> bool:
        """Whether this account, known by the keyed hash of its id, may try another code this hour; counts the try."""
        try:
            return self._hit(account.hex())
        except RedisError as error:
            log.warning("guesses_not_counted", error=type(error).__name__)
            return True
