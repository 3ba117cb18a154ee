"""Who was seen working lately, and whether every open incident is in hand."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlmodel import select

from ess.domain.incident import DeadlineKind
from ess.store import tables
from ess.store.store import Transaction

#: A program that has not been seen for so long is taken for dead.
LATELY = timedelta(seconds=10)

CLOCK = "clock"


_BEAT = text(
    """
    INSERT INTO heartbeat (name, seen_at, detail)
    SELECT name, clock_timestamp(), jsonb_build_object('node', CAST(:node AS text))
    FROM unnest(CAST(:names AS text[])) AS name
    ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, detail = excluded.detail
    """
)


def beat(tx: Transaction, *names: str, node: str) -> None:
    """Seen: the clock, or the queues that a worker consumes."""
    tx.session.execute(_BEAT, {"names": sorted(names), "node": node})


def missing(tx: Transaction, names: tuple[str, ...]) -> list[str]:
    """Those of the names that were not seen lately."""
    rows = tx.session.exec(select(tables.Heartbeat))
    alive = {row.name for row in rows if tx.now - row.seen_at < LATELY}
    return [name for name in names if name not in alive]


#: Of an incident's own life: what is sent, fetched or looked up beside it leads nobody on.
_LEADS_ON = ", ".join(f"'{kind}'" for kind in DeadlineKind)
_OUT_OF_HAND = text(
    f"""
    SELECT id, code FROM incident
    WHERE state NOT IN ('closed', 'cancelled', 'merged')
      AND NOT EXISTS (SELECT FROM deadline WHERE deadline.incident_id = incident.id
                      AND kind IN ({_LEADS_ON}))
      AND (state = 'resolved'
           OR NOT jsonb_path_exists(tracks, '$[*].holder ? (@ != null)'))
    ORDER BY received_at LIMIT 100
    """  # noqa: S608  # only the kinds above are put in
)

_FORGET_RUNS = text(
    "DELETE FROM heartbeat WHERE name LIKE 'worker:%' AND seen_at < statement_timestamp() - interval '1 h'"
)

#: What is still to be said or understood, and nothing wakes anybody for it any more.
_RENEW_DELIVERIES = text(
    """
    INSERT INTO deadline (kind, incident_id, subject, due_at, wake_at, failures)
    SELECT 'send', incident_id, id::text, statement_timestamp(), statement_timestamp(), 0 FROM delivery
    WHERE state IN ('queued', 'sending', 'unknown') AND created_at < statement_timestamp() - :settled
      AND NOT EXISTS (SELECT FROM deadline WHERE deadline.incident_id = delivery.incident_id
                      AND kind IN ('send', 'send_later') AND subject = delivery.id::text)
      AND NOT EXISTS (SELECT FROM deadline WHERE deadline.incident_id IS NULL
                      AND kind IN ('send', 'send_later') AND subject = delivery.id::text)
    ON CONFLICT DO NOTHING RETURNING 1
    """
)
_RENEW_INBOUND = text(
    """
    INSERT INTO deadline (kind, subject, due_at, wake_at, failures)
    SELECT 'handle', id, statement_timestamp(), statement_timestamp(), 0 FROM inbound
    WHERE handled_at IS NULL AND kind <> 'unreadable' AND received_at < statement_timestamp() - :settled
      AND NOT EXISTS (SELECT FROM deadline
                      WHERE incident_id IS NULL AND kind IN ('handle', 'confirm') AND subject = inbound.id)
    RETURNING 1
    """
)
_RENEW_ROLL_CALLS = text(
    """
    INSERT INTO deadline (kind, subject, due_at, wake_at, failures)
    SELECT 'roll_call', id::text, statement_timestamp(), statement_timestamp(), 0 FROM roll_call
    WHERE reported_at IS NULL AND asked_at < statement_timestamp() - :settled
      AND NOT EXISTS (SELECT FROM deadline
                      WHERE incident_id IS NULL AND kind = 'roll_call' AND subject = roll_call.id::text)
    RETURNING 1
    """
)
#: What was written this moment may still be in somebody's hands.
_SETTLED = timedelta(minutes=1)

#: No promise that is due is left longer than a minute before it is woken for again, so the index on that bounds it.
_OVERDUE = text(
    """
    SELECT kind, extract(epoch FROM statement_timestamp() - min(due_at)) AS late_s FROM deadline
    WHERE wake_at < statement_timestamp() + interval '2 min' AND due_at < statement_timestamp() GROUP BY kind
    """
)
_CANARY = text(
    """
    SELECT extract(epoch FROM coalesce(min(delivery.sent_at), statement_timestamp()) - incident.received_at) AS took_s,
           min(delivery.sent_at) IS NOT NULL AS arrived
    FROM incident LEFT JOIN delivery ON delivery.incident_id = incident.id AND delivery.message = 'alert'
    WHERE incident.id = (SELECT id FROM incident WHERE drill ORDER BY received_at DESC LIMIT 1)
    GROUP BY incident.received_at
    """
)


def forget_old_runs(tx: Transaction) -> None:
    """Beats of workers that ended long ago."""
    tx.session.execute(_FORGET_RUNS)


def out_of_hand(tx: Transaction) -> dict[UUID, str]:
    """Ids and codes of open incidents that have neither a deadline nor a named person: there must be none."""
    return {row.id: row.code for row in tx.session.execute(_OUT_OF_HAND)}


def renew_promises(tx: Transaction) -> int:
    """Promise anew what lost its deadline; how many there were, of which there must be none."""
    settled = {"settled": _SETTLED}
    renewals = (_RENEW_DELIVERIES, _RENEW_INBOUND, _RENEW_ROLL_CALLS)
    return sum(len(tx.session.execute(renew, settled).all()) for renew in renewals)


def overdue_s(tx: Transaction) -> dict[str, float]:
    """For how many seconds the most overdue promise of each kind has waited; empty where nothing is due."""
    return {row.kind: float(row.late_s) for row in tx.session.execute(_OVERDUE)}


def canary(tx: Transaction) -> tuple[float, bool] | None:
    """How many seconds the newest drill took to its first alert, or has waited for it; and whether that went out."""
    row = tx.session.execute(_CANARY).one_or_none()
    return (float(row.took_s), row.arrived) if row else None
