"""Who was seen working lately, and whether every open incident is in hand."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import select

from ess.store import tables
from ess.store.store import Transaction

#: A program that has not been seen for so long is taken for dead.
LATELY = timedelta(seconds=10)

CLOCK = "clock"


def beat(tx: Transaction, *names: str, node: str) -> None:
    """Seen: the clock, or the queues that a worker consumes."""
    rows = [{"name": name, "seen_at": tx.now, "detail": {"node": node}} for name in names]
    statement = insert(tables.Heartbeat).values(rows)
    tx.session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"seen_at": statement.excluded.seen_at, "detail": statement.excluded.detail}
        )
    )


def missing(tx: Transaction, names: tuple[str, ...]) -> list[str]:
    """Those of the names that were not seen lately."""
    rows = tx.session.exec(select(tables.Heartbeat))
    alive = {row.name for row in rows if tx.now - row.seen_at < LATELY}
    return [name for name in names if name not in alive]


_OUT_OF_HAND = text(
    """
    SELECT code FROM incident
    WHERE state NOT IN ('closed', 'cancelled', 'merged')
      AND NOT EXISTS (SELECT FROM deadline WHERE deadline.incident_id = incident.id AND kind <> 'send')
      AND (state = 'resolved'
           OR NOT jsonb_path_exists(tracks, '$[*].holder ? (@ != null)'))
    ORDER BY received_at LIMIT 100
    """
)

_OVERDUE = text("SELECT coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0) FROM deadline")


def out_of_hand(tx: Transaction) -> list[str]:
    """Codes of open incidents that have neither a deadline nor a named person: there must be none."""
    return list(tx.session.scalars(_OUT_OF_HAND))


def oldest_due_s(tx: Transaction) -> float:
    """For how many seconds the most overdue promise has waited; 0 where nothing is due."""
    return max(0.0, float(tx.session.scalars(_OVERDUE).one()))
