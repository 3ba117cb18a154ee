"""What is known of whoever reports: earlier reports from the same phone or LINE account.

Repeated and false reports are flagged to people and never dropped: the next one may be true.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from ess.store.store import Transaction

_EARLIER = text(
    """
    SELECT mine.incident_id, count(DISTINCT other.incident_id) AS n,
        count(DISTINCT other.incident_id) FILTER (WHERE incident.false_report) AS n_false
    FROM report AS mine
    JOIN report AS other ON (other.phone_index = mine.phone_index OR other.line_index = mine.line_index)
        AND other.received_at < mine.received_at AND other.incident_id <> mine.incident_id
    JOIN incident ON incident.id = other.incident_id
    WHERE mine.incident_id = ANY(:incidents)
    GROUP BY mine.incident_id
    """
)


@dataclass(frozen=True)
class Earlier:
    """Incidents that the reporters of one incident had reported before."""

    n: int
    #: Of these, found to be false by a person.
    n_false: int


def earlier(tx: Transaction, incident_ids: Collection[UUID]) -> dict[UUID, Earlier]:
    """For those of these incidents whose reporters have reported before; in one query."""
    rows = tx.session.execute(_EARLIER, {"incidents": list(incident_ids)})
    return {row.incident_id: Earlier(row.n, row.n_false) for row in rows}
