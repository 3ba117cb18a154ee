"""The door to the rows: one engine, one transaction for each thing that is done.

What a transaction promises for now is published when it has committed, never before, and never at all
where it failed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from select import POLLIN, poll
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine, Executable, Row, create_engine, event, func, select
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import SQLModel

from ess.domain.incident import DeadlineKind
from ess.store.crypto import EncryptedJson, Vault
from ess.store.new_rows import NewRows
from ess.store.tables import Deadline
from ess.wake import WakeUp

if TYPE_CHECKING:
    from ess.store.incidents import Rows

Publish = Callable[[Iterable[WakeUp]], list[WakeUp]]


class Transaction:
    """One unit of work: a session, the database's clock, and the deadlines that it made due."""

    def __init__(self, session: NewRows, vault: Vault, lease: timedelta, *, travel_times: bool) -> None:
        self.session = session
        self.vault = vault
        self.lease = lease
        #: Whether a router has said how long people take, so that a choice looks it up.
        self.travel_times = travel_times
        self.due: list[Deadline] = []
        self._last: dict[type[SQLModel], list[dict[str, Any]]] = {}
        #: To how many incidents it alerts a responder of whom the database does not know so yet.
        self.alerted: Counter[UUID] = Counter()
        #: What `incidents` has loaded, by the incident's id.
        self.loaded: dict[UUID, Rows] = {}

    @cached_property
    def now(self) -> datetime:
        """The database's clock (UTC) when first asked for: ask after taking locks."""
        now: datetime = self.session.scalars(select(func.clock_timestamp())).one()
        return now

    def saw_clock(self, at: datetime) -> None:
        """A query that ran after the locks has brought the clock along, so that it need not be asked for."""
        self.__dict__.setdefault("now", at)

    def write_last(self, table: type[SQLModel], **values: Any) -> None:
        """A row that nothing else in this transaction reads: it goes before the commit."""
        self._last.setdefault(table, []).append(values)

    def write(self) -> None:
        """Send every change to the database; the commit is still to come."""
        last, self._last = self._last, {}
        self.session.write(last)
        self.session.flush()

    def promise(self, kind: str, due_at: datetime, *, incident_id: UUID | None = None, subject: str = "") -> Deadline:
        """A new deadline; one that is due is published after the commit, and again after the lease."""
        due = due_at <= self.now
        wake_at = self.now + self.lease if due else due_at
        row = Deadline(kind=kind, incident_id=incident_id, subject=subject, due_at=due_at, wake_at=wake_at)
        self.session.insert(row)
        if due:
            self.due.append(row)
        return row

    def move(self, deadline: Deadline, due_at: datetime) -> None:
        """An existing deadline is due at another time; where that is now, it is published as a new one would be."""
        due = due_at <= self.now
        deadline.due_at = due_at
        deadline.wake_at = self.now + self.lease if due else due_at
        deadline.failures = 0
        if due:
            self.due.append(deadline)


class Store:
    """An open database.  Make it after a fork, never before: connections do not survive one."""

    def __init__(
        self,
        database_url: str,
        vault: Vault,
        publish: Publish,
        *,
        lease: timedelta,
        pool_size: int = 5,
        travel_times: bool = False,
    ) -> None:
        EncryptedJson.vault = vault
        self.vault = vault
        self.lease = lease
        self.travel_times = travel_times
        self._publish = publish
        self.engine: Engine = create_engine(
            database_url,
            pool_size=pool_size,
            # The same few again and again: their plans are made, and the others may rest.
            pool_use_lifo=True,
            max_overflow=pool_size,
            pool_timeout=5,
            # An error's text must not carry what was in the row.
            hide_parameters=True,
            connect_args={
                "connect_timeout": 5,
                "options": "-c timezone=UTC -c lock_timeout=5s -c statement_timeout=15s"
                " -c idle_in_transaction_session_timeout=30s"
                # Compiling a query takes longer than any of ours.
                " -c jit=off"
                # A plan that was made while a table was nearly empty stays while it fills, and would read all of it.
                " -c enable_seqscan=off"
                # The same plan whatever the values are: to plan the choice took longer than to make it.
                " -c plan_cache_mode=force_generic_plan",
            },
        )

        event.listen(self.engine, "checkout", _replace_if_dead)
        self._committing = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit on the way out, roll back on an error; then publish what is due."""
        with NewRows(self.engine) as session:
            tx = Transaction(session, self.vault, self.lease, travel_times=self.travel_times)
            yield tx
            tx.write()
            session.commit()
            wake_ups = [WakeUp(row.id, row.kind) for row in _once_each(tx.due) if row.id is not None]
        if wake_ups:
            self._publish(wake_ups)

    def at_once(self, statement: Executable, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """One statement that is a whole transaction: to begin and to commit it were two round trips more."""
        with self._committing.connect() as connection:
            return connection.execute(statement, values).all()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _once_each(due: Iterable[Deadline]) -> Iterable[Deadline]:
    """Without the second choice of the same incident: one task makes them all."""
    choices: set[UUID | None] = set()
    for row in due:
        if row.kind != DeadlineKind.SELECT or row.incident_id not in choices:
            yield row
        if row.kind == DeadlineKind.SELECT:
            choices.add(row.incident_id)


def _replace_if_dead(connection: psycopg.Connection, _record: ConnectionPoolEntry, _proxy: object) -> None:
    """A connection that died with its server is replaced instead of failing a report.

    A server says goodbye, and a connection that ends can be read from: that is seen without asking.
    """
    spoken_to = poll()
    try:
        spoken_to.register(connection.fileno(), POLLIN)
        if spoken_to.poll(0):
            connection.execute("SELECT 1")
            connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error  # the pool throws it away and takes another
