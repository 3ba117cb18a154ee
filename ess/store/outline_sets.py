"""Official outlines: each import is a row, and one of them is in force."""

from sqlmodel import col, select

from ess.domain.errors import NotFound
from ess.store.store import Transaction
from ess.store.tables import OutlineSet


def add(tx: Transaction, source: str, level: int, body: bytes) -> OutlineSet:
    """A new set; it is in force after the commit, unless a finer one is."""
    row = OutlineSet(source=source, levels=[level], body=body, imported_at=tx.now)
    tx.session.add(row)
    tx.session.flush()
    return row


def withdraw_last(tx: Transaction) -> OutlineSet:
    """The last import counts no more; NotFound where there is none left."""
    newest = (
        select(OutlineSet)
        .where(col(OutlineSet.withdrawn_at).is_(None))
        .order_by(col(OutlineSet.id).desc())
        .limit(1)
        .with_for_update()
    )
    row = tx.session.exec(newest).first()
    if row is None:
        raise NotFound("there is no import to undo: the outlines that are shipped are in force")
    row.withdrawn_at = tx.now
    tx.session.flush()
    return row


def in_force(tx: Transaction) -> int | None:
    """The id of the set that decides; None where none was imported, or all are withdrawn.

    The finest level, whose codes tell the coarser areas too, so that no two levels contradict each other; of the
    same level the newest.
    """
    query = (
        select(OutlineSet.id)
        .where(col(OutlineSet.withdrawn_at).is_(None))
        .order_by(col(OutlineSet.levels).desc(), col(OutlineSet.id).desc())
        .limit(1)
    )
    return tx.session.exec(query).first()


def read(tx: Transaction, set_id: int) -> OutlineSet:
    """The set with its outlines."""
    return tx.session.get_one(OutlineSet, set_id)
