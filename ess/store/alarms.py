"""What the audit found wrong and is still wrong: a row for each, so that a person is told once and not every minute."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select

from ess.store import tables
from ess.store.store import Transaction

#: A person is told again of what is still wrong after this.
_AGAIN_AFTER = timedelta(minutes=15)


def keep(tx: Transaction, found: Mapping[str, str]) -> list[str]:
    """Write down what is wrong now (name → detail) and forget the rest; the names that a person is to be told now."""
    tx.session.execute(delete(tables.Alarm).where(col(tables.Alarm.name).not_in(found)))
    due = []
    for name, detail in found.items():
        row = {"name": name, "detail": detail, "began_at": tx.now}
        statement = insert(tables.Alarm).values(row)
        tx.session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"detail": detail}))
        alarm = tx.session.get_one(tables.Alarm, name, populate_existing=True, with_for_update=True)
        if alarm.told_at is None or alarm.told_at + _AGAIN_AFTER <= tx.now:
            alarm.told_at = tx.now
            due.append(name)
    return due


def standing(tx: Transaction) -> dict[str, str]:
    """What is wrong, by name, with its detail."""
    return {row.name: row.detail for row in tx.session.exec(select(tables.Alarm).order_by(tables.Alarm.name))}
