"""Which channels are down for everyone: a row for each, so that nobody waits for what cannot answer."""

from datetime import timedelta

from sqlalchemy import literal_column
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select

from ess.domain.duty import Channel
from ess.store import tables
from ess.store.store import Transaction

_ALL = select(tables.Outage)


def standing(tx: Transaction) -> dict[Channel, tables.Outage]:
    """The channels that were down when last tried."""
    return {Channel(row.channel): row for row in tx.session.exec(_ALL)}


def active(tx: Transaction) -> dict[Channel, tables.Outage]:
    """The channels that are not to be tried now."""
    return {channel: row for channel, row in standing(tx).items() if row.until > tx.now}


def begin(tx: Transaction, channel: Channel, reason: str, lasts: timedelta) -> bool:
    """The channel is left alone for so long; true where it had worked until now."""
    row = {"channel": channel, "reason": reason, "began_at": tx.now, "until": tx.now + lasts}
    statement = insert(tables.Outage).values(row)
    is_new = tx.session.execute(
        statement.on_conflict_do_update(
            index_elements=["channel"], set_={"until": statement.excluded.until, "reason": statement.excluded.reason}
        ).returning(literal_column("xmax = 0"))  # PostgreSQL's word for a row that nobody had before
    )
    return bool(is_new.scalar_one())


def end(tx: Transaction, channel: Channel) -> None:
    """The channel works again."""
    tx.session.execute(delete(tables.Outage).where(col(tables.Outage.channel) == channel))
