"""The clock's queue: what is due and has not been done."""

from datetime import datetime, timedelta

from sqlalchemy import func, text
from sqlmodel import col, select

from ess.store import tables
from ess.store.store import Transaction
from ess.wake import WakeUp

#: Sorted by the index and locked row by row, so that several clocks share the work and none waits.
_CLAIM = text(
    """
    UPDATE deadline SET wake_at = clock_timestamp() + :lease
    WHERE id IN (
        SELECT id FROM deadline WHERE wake_at <= clock_timestamp()
        ORDER BY wake_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING id, kind
    """
)

_RELEASE = text("UPDATE deadline SET wake_at = due_at WHERE id = ANY(:ids)")


def claim(tx: Transaction, most: int) -> list[WakeUp]:
    """Up to `most` deadlines that are due and unpublished, now leased to whoever asked."""
    rows = tx.session.execute(_CLAIM, {"lease": tx.lease, "most": most})
    return [WakeUp(row.id, row.kind) for row in rows]


def release(tx: Transaction, wake_ups: list[WakeUp]) -> None:
    """Give back deadlines that could not be published."""
    tx.session.execute(_RELEASE, {"ids": [wake_up.deadline_id for wake_up in wake_ups]})


def next_wake_in(tx: Transaction, at_most: timedelta) -> timedelta:
    """How long until something is due, `at_most` where nothing is."""
    earliest: datetime | None = tx.session.exec(select(func.min(col(tables.Deadline.wake_at)))).one()
    return at_most if earliest is None else max(timedelta(), min(at_most, earliest - tx.now))


def postpone(tx: Transaction, deadline_id: int) -> None:
    """After a failure: wake again later, each time twice as late, a minute at most."""
    row = tx.session.get(tables.Deadline, deadline_id)
    if row is not None:
        row.failures += 1
        row.wake_at = tx.now + timedelta(seconds=min(60, 2 ** min(row.failures, 6)))
