"""Photos and voice notes that a citizen sends, before, between or after the steps of a report.

The webhook brings no more than an id; the content is fetched from LINE afterwards, sealed, and kept with the incident.
LINE deletes it after a while, so it is fetched at once and not when somebody wants to see it.
https://developers.line.biz/en/reference/messaging-api/#get-content
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import defer
from sqlmodel import col, select

from ess.domain.errors import NotFound, PermanentFailure, TransientFailure
from ess.domain.incident import Fact
from ess.engine import Engine
from ess.store import Transaction, incidents, tables
from ess.wake import FETCH

log = structlog.get_logger()

#: Types of LINE messages whose content is kept.
KINDS = frozenset({"image", "audio", "video", "file"})
#: Above every timeout of one call.
_CALL_AT_MOST = timedelta(seconds=30)
#: What LINE has not given by then it will not give any more.
_TRIED_FOR = timedelta(days=1)
_LONGEST_PAUSE_S = 60


@dataclass(frozen=True)
class Content:
    """What LINE holds of a message."""

    content_type: str
    data: bytes


class Contents(Protocol):
    """Where the content of a message is fetched."""

    def fetch(self, message_id: str) -> Content:
        """TransientFailure where it must be tried again, PermanentFailure where it is gone or too large."""
        ...


def keep(tx: Transaction, chat_id: bytes, incident_id: UUID | None, message: Mapping[str, Any]) -> None:
    """Remember what was sent, and promise to fetch it; the same message again changes nothing."""
    row = {
        "id": str(message["id"]),
        "chat_id": chat_id,
        "incident_id": incident_id,
        "kind": message["type"],
        "received_at": tx.now,
    }
    added = tx.session.execute(
        insert(tables.Attachment).values(row).on_conflict_do_nothing().returning(col(tables.Attachment.id))
    ).first()
    if added is None:
        return
    tx.promise(FETCH, tx.now, incident_id=incident_id, subject=row["id"])
    if incident_id:
        incidents.note(tx, incident_id, Fact("reporter_sent", {"kind": message["type"]}))


def adopt(tx: Transaction, chat_id: bytes, incident_id: UUID) -> None:
    """What the chat had sent before it began an incident belongs to the incident."""
    query = select(tables.Attachment).where(
        tables.Attachment.chat_id == chat_id, col(tables.Attachment.incident_id).is_(None)
    )
    for row in tx.session.exec(query):
        row.incident_id = incident_id
        incidents.note(tx, incident_id, Fact("reporter_sent", {"kind": row.kind}))


def fetch(engine: Engine, contents: Contents, deadline_id: int) -> None:
    """Fetch and seal one content; no transaction is open during the call."""
    with engine.store.transaction() as tx:
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update={"skip_locked": True})
        if deadline is None or deadline.due_at > tx.now:
            return
        message_id = deadline.subject
        deadline.due_at = deadline.wake_at = tx.now + _CALL_AT_MOST
    content: Content | None = None
    try:
        content = contents.fetch(message_id)
    except TransientFailure as error:
        with engine.store.transaction() as tx:
            if _try_later(tx, deadline_id, message_id):
                return
        log.warning("attachment_lost", why=str(error))
    except PermanentFailure as lost:
        log.warning("attachment_lost", why=str(lost))
    with engine.store.transaction() as tx:
        deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
        row = tx.session.get_one(tables.Attachment, message_id)
        if deadline is None:
            return  # somebody else has fetched it
        tx.session.delete(deadline)
        if content:
            row.content_type = content.content_type
            row.body = {"base64": b64encode(content.data).decode()}
            row.fetched_at = tx.now
        elif row.incident_id:
            incidents.note(tx, row.incident_id, Fact("attachment_lost", {"kind": row.kind}))


def _try_later(tx: Transaction, deadline_id: int, message_id: str) -> bool:
    """Each time twice as late, a minute at most; false where it was tried for long enough."""
    deadline = tx.session.get(tables.Deadline, deadline_id, with_for_update=True)
    if deadline is None:
        return True  # somebody else has fetched it
    if tx.now - tx.session.get_one(tables.Attachment, message_id).received_at >= _TRIED_FOR:
        return False
    deadline.failures += 1
    pause = timedelta(seconds=min(_LONGEST_PAUSE_S, 2 ** min(deadline.failures, 6)))
    deadline.due_at = deadline.wake_at = tx.now + pause
    return True


def kept_of(tx: Transaction, incident_id: UUID) -> Sequence[tables.Attachment]:
    """What was sent about an incident, the first one first, with the content left in the database."""
    query = (
        select(tables.Attachment)
        .where(tables.Attachment.incident_id == incident_id)
        .order_by(col(tables.Attachment.received_at))
        .options(defer(tables.Attachment.body, raiseload=True))  # type: ignore[arg-type]  # a column of SQLModel
    )
    return tx.session.exec(query).all()


def summary(row: tables.Attachment) -> dict[str, Any]:
    """What it is and whether it is here, without the content."""
    return {
        "attachment_id": row.id,
        "kind": row.kind,
        "received_at": row.received_at.isoformat(),
        "fetched_at": row.fetched_at.isoformat() if row.fetched_at else None,
    }


def read(tx: Transaction, incident_id: UUID, attachment_id: str) -> Content:
    """The content itself, for a person who works on the incident."""
    row = tx.session.get(tables.Attachment, attachment_id)
    if row is None or row.incident_id != incident_id:
        raise NotFound(f"this incident has no attachment {attachment_id}")
    if row.body is None:
        raise NotFound(f"attachment {attachment_id} has not been fetched from LINE yet: try again in a moment")
    return Content(row.content_type or "application/octet-stream", b64decode(row.body["base64"]))
