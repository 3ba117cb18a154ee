"""Events that providers sent: whoever handles one claims it first."""

from ess.store import tables
from ess.store.store import Transaction


def done(tx: Transaction, deadline_id: int) -> bool:
    """Mark the event as handled; false where another worker has done so."""
    deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
    if deadline is None:
        return False
    tx.session.get_one(tables.Inbound, deadline.subject).handled_at = tx.now
    tx.session.delete(deadline)
    return True
