"""Faults on demand: what goes wrong at a provider, for whom, and how many times."""

import asyncio
from enum import StrEnum
from typing import Self

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, model_validator
from starlette.types import Receive, Scope, Send

from ess.simulator.ledger import Provider

#: A hanging answer ends after this long at the latest, so that a forgotten fault cannot block a shutdown.
LONGEST_HANG_MS = 60_000


class FaultKind(StrEnum):
    """The ways in which a provider fails."""

    #: HTTP 500, nothing accepted.
    SERVER_ERROR = "500"
    #: HTTP 429 because of too many requests; nothing accepted.
    RATE = "429_rate"
    #: HTTP 429 because the month's messages are spent (LINE alone).
    QUOTA = "429_quota"
    #: Accepted at once, answered `delay_ms` later: a caller that gives up earlier does not know.
    SLOW = "slow"
    #: Neither accepted nor answered, until the caller gives up or `delay_ms` are over.
    HANG = "hang"
    #: Accepted, then the connection breaks: the caller cannot know.
    DROP_AFTER_ACCEPT = "drop_after_accept"
    #: Refused at once with `code` (Twilio alone).
    ERROR_CODE = "error_code"
    #: Accepted, later reported as not delivered, with `code` (Twilio alone).
    UNDELIVERED = "undelivered"


_ONLY_AT = {
    FaultKind.QUOTA: Provider.LINE,
    FaultKind.ERROR_CODE: Provider.TWILIO,
    FaultKind.UNDELIVERED: Provider.TWILIO,
}


class Fault(BaseModel):
    """One thing that goes wrong."""

    provider: Provider
    kind: FaultKind
    #: LINE user id or E.164 number; None hits everybody.
    to: str | None = None
    #: Twilio's error code.
    code: int | None = None
    delay_ms: int = Field(default=0, ge=0)
    #: How many requests it hits; None until cleared.
    times: int | None = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        only_at = _ONLY_AT.get(self.kind, self.provider)
        if self.provider != only_at:
            raise ValueError(f"{self.kind} exists at {only_at} alone; choose another kind or provider")
        if self.kind == FaultKind.ERROR_CODE and self.code is None:
            raise ValueError("error_code needs a code, such as 21211")
        return self


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """The fault hits from the next request on."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Everything works again."""
        self._faults.clear()

    def in_force(self) -> list[Fault]:
        """What still waits to go wrong."""
        return list(self._faults)

    def take(self, provider: Provider, to: str) -> Fault | None:
        """The fault that hits this request, used up by one; None where all is well."""
        for index, fault in enumerate(self._faults):
            if fault.provider == provider and fault.to in {None, to}:
                if fault.times is None:
                    return fault
                if fault.times == 1:
                    del self._faults[index]
                else:
                    self._faults[index] = fault.model_copy(update={"times": fault.times - 1})
                return fault
        return None


class BrokenAnswer(Response):
    """An answer that promises a body and breaks off: the caller sees a failed connection.

    The server notes an incomplete answer in its log and closes the socket: that is the purpose.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Only the head is sent."""
        head = [(b"content-type", b"application/json"), (b"content-length", b"64")]
        await send({"type": "http.response.start", "status": 200, "headers": head})


async def hang(request: Request, delay_ms: int) -> BrokenAnswer:
    """Return once the caller has given up, or the time is over."""
    try:
        async with asyncio.timeout((delay_ms or LONGEST_HANG_MS) / 1000):
            while not await request.is_disconnected():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    return BrokenAnswer()
