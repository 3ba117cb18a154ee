"""Travel times by road, where a deployment has a router: an OSRM of its own, or whoever speaks the same HTTP.

They are asked for after a choice and kept for the next one (`ess/travel.py`): nothing waits for them.
"""

from collections.abc import Sequence
from typing import Protocol

import httpx

from config.settings import Settings
from ess.channels.guard import Guard
from ess.domain.errors import PermanentFailure, TransientFailure
from ess.domain.place import Pin


class Router(Protocol):
    """Somebody who knows the roads."""

    def minutes(self, bases: Sequence[Pin], to: Pin) -> list[float | None]:
        """From each base to the place; None where no road leads there.

        TransientFailure where it may answer later, PermanentFailure where it cannot answer this.
        """


class Osrm:
    """The table service of OSRM: https://project-osrm.org/docs/v5.24.0/api/#table-service."""

    def __init__(self, settings: Settings) -> None:
        self._base = str(settings.router_url).rstrip("/")
        self._client = httpx.Client(timeout=settings.router_timeout_s, trust_env=False)

    def minutes(self, bases: Sequence[Pin], to: Pin) -> list[float | None]:
        """As `Router` says."""
        points = ";".join(f"{longitude:.5f},{latitude:.5f}" for latitude, longitude in (to, *bases))
        sources = ";".join(str(i) for i in range(1, len(bases) + 1))
        asked = {"sources": sources, "destinations": "0", "annotations": "duration"}
        try:
            answer = self._client.get(f"{self._base}/table/v1/driving/{points}", params=asked)
            if answer.is_client_error and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                raise PermanentFailure(f"router: {answer.status_code}")
            rows = answer.raise_for_status().json()["durations"]
            found = [None if row[0] is None else float(row[0]) / 60 for row in rows]
        except (httpx.HTTPError, httpx.InvalidURL, LookupError, TypeError, ValueError) as error:
            # By its name alone: its text holds the address that was asked, and with it where people live.
            raise TransientFailure(f"router: {type(error).__name__}") from None
        if len(found) != len(bases):
            raise TransientFailure("router: not one duration for each base")
        return found


class GuardedRouter:
    """A router behind its rate and its breaker."""

    def __init__(self, router: Router, guard: Guard) -> None:
        self._router = router
        self._guard = guard

    def minutes(self, bases: Sequence[Pin], to: Pin) -> list[float | None]:
        """As `Router` says, or as `Guard.call` refuses."""
        return self._guard.call(lambda starts: self._router.minutes(starts, to), bases)


def router(settings: Settings) -> Router | None:
    """The one that the settings name; None where they name none."""
    if settings.router_url is None:
        return None
    return GuardedRouter(Osrm(settings), Guard("router", settings, rate_per_s=settings.router_rate_per_s))
