"""The invariant, audited in production: every open incident has a future deadline or a named person."""

import time

import structlog
from sqlalchemy import text

from ess.store import Store, health

log = structlog.get_logger()

_EVERY_S = 60.0
#: Any number: the one that all clocks use for "somebody audits".
_LOCK = 0x455353


class _Last:
    at = float("-inf")


def audit_when_due(store: Store) -> None:
    """Once a minute; with several clocks, whichever comes first does it and the others skip the turn."""
    if time.monotonic() - _Last.at < _EVERY_S:
        return
    _Last.at = time.monotonic()
    audit(store)


def audit(store: Store) -> list[str]:
    """The codes of incidents that nobody has in hand; each is an error in the log."""
    with store.transaction() as tx:
        if not tx.session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar_one():
            return []
        lost = health.out_of_hand(tx)
        waiting_s = health.oldest_due_s(tx)
    for code in lost:
        log.error("incident_out_of_hand", code=code)
    log.info("audited", out_of_hand=len(lost), oldest_due_s=round(waiting_s, 1))
    return lost
