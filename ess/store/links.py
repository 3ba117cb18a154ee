"""Links by which one responder sees and answers one alert: in each SMS that cannot be answered by SMS (ADR 10), and
in one SMS to whoever has taken it, who must know where to go.

Eleven letters and digits without look-alikes are 64 bits; only their keyed hash is kept, so that whoever reads
the table cannot answer for anybody.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlmodel import select

from ess.store import tables
from ess.store.store import Transaction

_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
LENGTH = 11
#: As long as a reply code is not given to another alert; the alert's own end comes earlier.
_LIVES = timedelta(hours=24)


@dataclass(frozen=True)
class Link:
    """What a secret opens."""

    alert_id: UUID
    #: It only shows the state any more.
    is_old: bool


def make(tx: Transaction, alert_id: UUID) -> str:
    """A new secret for an alert that this transaction has written or read."""
    secret = "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))
    expires_at = tx.now + _LIVES
    tx.write_last(tables.AnswerLink, id=_index(tx, secret), alert_id=alert_id, expires_at=expires_at)
    return secret


def has_one(tx: Transaction, alert_id: UUID) -> bool:
    """Whether a link was sent that still opens the alert."""
    query = select(tables.AnswerLink.id).where(
        tables.AnswerLink.alert_id == alert_id, tables.AnswerLink.expires_at > tx.now
    )
    return tx.session.exec(query).first() is not None


def find(tx: Transaction, secret: str) -> Link | None:
    """What the secret opens; None for a guess."""
    row = tx.session.get(tables.AnswerLink, _index(tx, secret))
    return Link(row.alert_id, row.expires_at <= tx.now) if row else None


def _index(tx: Transaction, secret: str) -> bytes:
    return tx.vault.index(f"answer link {secret}")
