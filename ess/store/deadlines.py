"""The clock's queue: what is due and has not been done."""

from collections.abc import Collection
from datetime import timedelta

import structlog
from sqlalchemy import func, text
from sqlmodel import col, select

from ess.store import tables
from ess.store.store import Transaction
from ess.wake import REFINE, TRAVEL, WakeUp

log = structlog.get_logger()

#: Sorted by the index and locked row by row, so that several clocks share the work and none waits.  The
#: statement's own time, because `clock_timestamp()` changes while it runs and so cannot bound the index: with a
#: million rows pending it took 119 ms instead of 0.1.
_CLAIM = text(
    """
    UPDATE deadline SET wake_at = statement_timestamp() + :lease
    WHERE id IN (
        SELECT id FROM deadline WHERE wake_at <= statement_timestamp() AND kind = ANY(:kinds)
        ORDER BY wake_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING id, kind
    """
)

#: Whoever has one of the rows at this instant is keeping it: nothing is waited for, and the lease brings it again.
_RELEASE = text(
    "UPDATE deadline SET wake_at = due_at"
    " WHERE id IN (SELECT id FROM deadline WHERE id = ANY(:ids) FOR UPDATE SKIP LOCKED)"
)


#: A call whose worker is dead is due again: it has not been seen for so long, and beats every two seconds.
_FREE_DEAD_CALLS = text(
    """
    WITH dead AS (
        UPDATE delivery SET claimed_until = NULL
        WHERE state = 'sending' AND claimed_until > statement_timestamp() AND NOT EXISTS (
            SELECT FROM heartbeat
            WHERE name = 'worker:' || delivery.claimed_by AND seen_at > statement_timestamp() - interval '6 s'
        )
        RETURNING id, incident_id
    )
    UPDATE deadline SET wake_at = statement_timestamp() FROM dead
    WHERE deadline.kind IN ('send', 'send_later') AND deadline.subject = dead.id::text
      AND (deadline.incident_id = dead.incident_id OR (deadline.incident_id IS NULL AND dead.incident_id IS NULL))
    """
)


def free_dead_calls(tx: Transaction) -> None:
    """What a worker was sending when it was killed is taken up again, without waiting for the call's own limit."""
    tx.session.execute(_FREE_DEAD_CALLS)


def claim(tx: Transaction, kinds: Collection[str], most: int) -> list[WakeUp]:
    """Up to `most` deadlines of these kinds that are due and unpublished, now leased to whoever asked."""
    rows = tx.session.execute(_CLAIM, {"lease": tx.lease, "kinds": list(kinds), "most": most})
    return [WakeUp(row.id, row.kind) for row in rows]


def release(tx: Transaction, wake_ups: list[WakeUp]) -> None:
    """Give back deadlines that could not be published."""
    tx.session.execute(_RELEASE, {"ids": [wake_up.deadline_id for wake_up in wake_ups]})


_NEXT_WAKE = select(func.min(col(tables.Deadline.wake_at)), func.clock_timestamp())


def next_wake_in(tx: Transaction, at_most: timedelta) -> timedelta:
    """How long until something is due, `at_most` where nothing is."""
    earliest, now = tx.session.execute(_NEXT_WAKE).one()
    return at_most if earliest is None else max(timedelta(), min(at_most, earliest - now))


#: Nothing depends on what these do: what fails for no known reason so often is a bug, and they are given up.
_DISPENSABLE = frozenset({REFINE, TRAVEL})
MOST_FAILURES = 5


def postpone(tx: Transaction, deadline_id: int) -> None:
    """After a failure: wake again later, each time twice as late, a minute at most; some not for ever."""
    row = tx.session.get(tables.Deadline, deadline_id)
    if row is None:
        return
    row.failures += 1
    row.wake_at = tx.now + timedelta(seconds=min(60, 2 ** min(row.failures, 6)))
    if row.kind in _DISPENSABLE and row.failures >= MOST_FAILURES:
        log.error("deadline_given_up", deadline_id=deadline_id, kind=row.kind, failures=row.failures)
        tx.session.delete(row)
