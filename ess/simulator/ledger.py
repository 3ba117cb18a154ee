"""The ledger: everything that was sent, shown or said, in order."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Any

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


class Provider(StrEnum):
    """Whose HTTP is spoken."""

    LINE = "line"
    TWILIO = "twilio"


class Kind(StrEnum):
    """What an entry is about."""

    PUSH = "push"
    REPLY = "reply"
    SMS = "sms"
    #: A phone rings.
    CALL = "call"
    #: Something said in a call.
    SPOKEN = "spoken"
    #: Two phones can talk with one another from now on; one entry for each.
    CONNECTED = "connected"
    #: Something that a person did on the phone.
    INBOUND = "inbound"
    #: How the edge answered the delivery of something inbound.
    WEBHOOK = "webhook"
    STATUS_CALLBACK = "status_callback"


#: Kinds that put something on somebody's phone, or in their ear.
OUTBOUND = frozenset({Kind.PUSH, Kind.REPLY, Kind.SMS, Kind.CALL, Kind.SPOKEN})


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    #: Starts at 1 and never goes back, not even after a reset.
    seq: int
    at: datetime
    provider: Provider
    kind: Kind
    #: Whose phone it concerns: a LINE user id or an E.164 number.
    person: str
    #: The recipient: the person, or empty where the person is the sender.
    to: str = ""
    #: All words of the messages, one message to a line.
    text: str = ""
    #: LINE message objects as sent; empty for SMS.
    messages: list[dict[str, Any]] = field(default_factory=list)
    #: The HTTP status answered (by the simulator for API calls, by the edge for webhooks); None without one.
    status: int | None = None
    retry_key: str | None = None
    #: Twilio's message sid, or LINE's webhook event id.
    sid: str | None = None
    #: Whether the person can see it on the phone.
    shown: bool = False
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry with the instant in ISO 8601."""
        return vars(self) | {"at": self.at.isoformat()}


class Ledger:
    """Entries in the order in which they happened; any thread may read and write."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._entries: list[Entry] = []
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def record(self, provider: Provider, kind: Kind, person: str, **fields: Any) -> Entry:
        """The entry now stands in the ledger, and whoever waits has been woken."""
        with self._lock:
            entry = Entry(next(self._numbers), self._clock(), provider, kind, person, **fields)
            self._entries.append(entry)
            waiting = list(self._waiting)
        for loop, woken in waiting:
            loop.call_soon_threadsafe(woken.set)
        return entry

    def since(self, seq: int = 0) -> list[Entry]:
        """Entries after that one, oldest first."""
        with self._lock:
            # numbers have no gaps, so the place of an entry follows from its number
            start = seq + 1 - self._entries[0].seq if self._entries else 0
            return self._entries[max(start, 0) :]

    def of(self, person: str) -> list[Entry]:
        """Everything that concerns this phone, oldest first."""
        return [entry for entry in self.since() if entry.person == person]

    def reset(self) -> None:
        """The ledger is empty; numbers go on from where they were."""
        with self._lock:
            self._entries.clear()

    async def wait(self, wanted: Callable[[Entry], bool], since: int, timeout_s: float) -> Entry | None:
        """The first entry after `since` that is wanted; None when the time is up."""
        woken = asyncio.Event()
        ticket = (asyncio.get_running_loop(), woken)
        with self._lock:
            self._waiting.add(ticket)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    woken.clear()
                    for entry in self.since(since):
                        since = entry.seq
                        if wanted(entry):
                            return entry
                    await woken.wait()
        except TimeoutError:
            return None
        finally:
            with self._lock:
                self._waiting.discard(ticket)
