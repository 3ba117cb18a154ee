"""Which official outlines are in force: a row says so, and every process that looks pins up follows it.

The look is one small query; the outlines are read only where they are others than before, beside the work and never
within it.  A database that is away changes nothing, and a set that cannot be read leaves the shipped outlines in
force: nothing that can fail stands before the first alert.
"""

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ess.domain.errors import Misconfigured
from ess.store import Store, outline_sets

log = structlog.get_logger()

_LOOK_EVERY_S = 5.0


class Follower:
    """Keeps this process on the set that is in force."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used: int | None = None

    def look(self) -> bool:
        """Use the set that is in force now; whether it is another than before.

        Misconfigured where it cannot be read: the shipped outlines are used then.
        """
        with self._store.transaction() as tx:
            wanted = outline_sets.in_force(tx)
            if wanted == self._used:
                return False
            body = outline_sets.read(tx, wanted).body if wanted else None
        from ess.geo import official, outlines  # noqa: PLC0415  # 20 MiB, where nothing was imported for nothing

        self._used, found = wanted, None
        try:
            found = official.unpack(body) if body else None
        finally:
            outlines.use(found)
        return True

    def run(self, stop: threading.Event) -> None:
        """Look again and again until told to stop, in a thread of its own."""
        while not stop.wait(_LOOK_EVERY_S):
            self.look_safely()

    def look_safely(self) -> None:
        """Look; what fails is logged and leaves a process that can look pins up."""
        try:
            if self.look():
                log.info("outlines_in_force", set=self._used)
        except SQLAlchemyError as error:
            log.warning("database_unreachable", error=type(error).__name__)
        except Misconfigured as error:
            log.error("outlines_unreadable", why=str(error))  # noqa: TRY400
        except Exception:
            log.exception("outlines_failed")  # a bug here must not end the looks to come, nor stop a worker
