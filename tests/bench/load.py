"""Whoever sends the load: threads over kept connections, cheap enough not to be what is measured.

`http.client` is used bare: it costs a fifth of the CPU of a richer client, and the machine has two cores.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What came back, and when."""

    status: int
    body: Any
    #: Seconds since the epoch, before the first byte was sent.
    sent_at: float
    took_s: float


class Caller:
    """POSTs JSON to one server; each thread keeps a connection of its own."""

    def __init__(self, base_url: str, headers: Mapping[str, str] | None = None) -> None:
        address = urlsplit(base_url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._mine = threading.local()

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer, whatever its status; a kept connection that the server has closed is opened again."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent_at, began = time.time(), time.perf_counter()
        try:
            status, raw = self._exchange(path, data, headers)
        except (http.client.HTTPException, OSError):
            self._mine.connection = None
            status, raw = self._exchange(path, data, headers)
        took_s = time.perf_counter() - began
        return Answer(status, json.loads(raw) if raw.startswith((b"{", b"[")) else raw.decode(), sent_at, took_s)

    def _exchange(self, path: str, data: bytes, headers: Mapping[str, str] | None) -> tuple[int, bytes]:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
        connection.request("POST", path, data, {**self._headers, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()


def at_once(do: Callable[[int], T], n: int, connections: int) -> list[T]:
    """Do it `n` times, as fast as so many connections can."""
    with ThreadPoolExecutor(connections) as pool:
        return list(pool.map(do, range(n)))


def at_rate(do: Callable[[int], T], per_s: float, for_s: float) -> list[T]:
    """Do it so many times a second; one that is slow never holds up the next."""
    with ThreadPoolExecutor(32) as pool:
        return [future.result() for future in [pool.submit(do, i) for i in _beats(per_s, for_s)]]


def _beats(per_s: float, for_s: float) -> Iterator[int]:
    began = time.perf_counter()
    for i in range(round(per_s * for_s)):
        time.sleep(max(0.0, began + i / per_s - time.perf_counter()))
        yield i


def all_taken(answers: Sequence[Answer], status: int) -> None:
    """Raises where one was not: a figure that left out what failed would be a lie."""
    for answer in answers:
        if answer.status != status:
            raise RuntimeError(f"answered {answer.status} instead of {status}: {answer.body}")
