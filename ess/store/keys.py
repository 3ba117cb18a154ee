"""API keys: only a hash is kept.  A key is 32 random bytes, so a plain SHA-256 is enough to hide it."""

import hashlib
import secrets
from enum import StrEnum

from sqlmodel import select

from ess.domain.errors import Conflict, NotFound, Refused
from ess.store import tables
from ess.store.store import Transaction


class KeyRole(StrEnum):
    """What a key may do; each may do what those before it may."""

    #: File reports.
    INTAKE = "intake"
    #: See incidents and answer alerts for responders.
    OPERATOR = "operator"
    #: Cancel, escalate, assign, close and merge incidents.
    SUPERVISOR = "supervisor"

    def includes(self, wanted: "KeyRole") -> bool:
        """Whether a key of this role may do what `wanted` may."""
        order = list(KeyRole)
        return order.index(self) >= order.index(wanted)


def create_key(tx: Transaction, name: str, role: KeyRole) -> str:
    """A new key, shown this once; Refused where the name is blank, Conflict where it is taken."""
    if not name.strip():
        raise Refused("an API key needs a name: the timeline says by it who did something")
    if tx.session.get(tables.ApiKey, name) is not None:
        raise Conflict(f"there is an API key called {name} already: choose another name")
    key = f"ess_{secrets.token_urlsafe(32)}"
    tx.session.add(tables.ApiKey(name=name, role=role, key_hash=_hash(key), created_at=tx.now))
    return key


def revoke_key(tx: Transaction, name: str) -> None:
    """The key opens nothing any more; NotFound where there is none of that name."""
    row = tx.session.get(tables.ApiKey, name)
    if row is None:
        raise NotFound(f"there is no API key called {name}")
    tx.session.delete(row)


def find_key(tx: Transaction, key: str) -> tables.ApiKey | None:
    """Whose key this is."""
    return tx.session.exec(select(tables.ApiKey).where(tables.ApiKey.key_hash == _hash(key))).one_or_none()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
