"""What the audit found wrong and is still wrong: a row for each, so that a person is told once and not every minute."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import not_, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select

from ess.store import tables
from ess.store.store import Transaction

#: A person is told again of what is still wrong after this.
_AGAIN_AFTER = timedelta(minutes=15)


#: Begins the names of alarms about duty that is not filled: people must act, and the engine itself is well.
DUTY = "duty:"


def keep(
    tx: Transaction, found: Mapping[str, str], *, about: str = "", again_after: timedelta = _AGAIN_AFTER
) -> list[str]:
    """Write down what is wrong now (name → detail) and forget the rest; the names that a person is to be told now.

    `about` is DUTY where all names begin with it; other alarms are left alone.
    """
    on_duty = col(tables.Alarm.name).startswith(DUTY)
    mine = on_duty if about == DUTY else not_(on_duty)
    tx.session.execute(delete(tables.Alarm).where(mine, col(tables.Alarm.name).not_in(found)))
    due = []
    for name, detail in found.items():
        row = {"name": name, "detail": detail, "began_at": tx.now}
        statement = insert(tables.Alarm).values(row)
        tx.session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"detail": detail}))
        alarm = tx.session.get_one(tables.Alarm, name, populate_existing=True, with_for_update=True)
        if alarm.told_at is None or alarm.told_at + again_after <= tx.now:
            alarm.told_at = tx.now
            due.append(name)
    return due


def not_told(tx: Transaction, names: Collection[str]) -> None:
    """Nobody could be told of these: they are due again the next time that they are found."""
    tx.session.execute(update(tables.Alarm).where(col(tables.Alarm.name).in_(names)).values(told_at=None))


def standing(tx: Transaction) -> dict[str, str]:
    """What is wrong, by name, with its detail."""
    return {row.name: row.detail for row in tx.session.exec(select(tables.Alarm).order_by(tables.Alarm.name))}
