"""What several threads want at the same instant is done by one of them for all.

In a flood a transaction then serves many, and nobody waits for more to come: whoever is alone goes on at once.
"""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

Wish = TypeVar("Wish", bound=Hashable)
Result = TypeVar("Result")


class Together(Generic[Wish, Result]):
    """One thing that is done for several at once.

    `all_at_once` does what it can do without waiting for anybody, and says of which wishes; the others, and all where
    it failed, are done by `one`, in the threads that want them.
    """

    def __init__(
        self, all_at_once: Callable[[Sequence[Wish]], Mapping[Wish, Result]], one: Callable[[Wish], Result]
    ) -> None:
        self._all_at_once = all_at_once
        self._one = one
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Wish, Result]] = []

    def __call__(self, wish: Wish) -> Result:
        """Its result; what `one` raises is raised."""
        mine = _Waiting[Wish, Result](wish)
        with self._lock:
            self._waiting.append(mine)
        with self._turn:
            if not mine.was_looked_at:
                self._look()
        return mine.results[wish] if wish in mine.results else self._one(wish)

    def _look(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        wanted: dict[Wish, _Waiting[Wish, Result]] = {}
        for waiting in batch:
            waiting.was_looked_at = True
            wanted.setdefault(waiting.wish, waiting)  # who wants the same finds it done
        try:
            results = self._all_at_once(list(wanted))
        except Exception as error:  # noqa: BLE001  # whoever does it alone meets it again, and says so
            log.warning("done_one_by_one", n=len(wanted), error=type(error).__name__)
            return
        for wish, waiting in wanted.items():
            if wish in results:
                waiting.results[wish] = results[wish]


class _Waiting(Generic[Wish, Result]):
    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.was_looked_at = False
        self.results: dict[Wish, Result] = {}
