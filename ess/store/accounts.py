"""What people wrote and sent about an incident, each with the report that it belongs to; all of it is personal.

Who may read it is decided elsewhere: `ess.personal` for supervisors, the outbox for whoever goes there.
"""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, text, update
from sqlmodel import col, select

from ess.store import tables
from ess.store.store import Transaction


def notes(tx: Transaction, incident_id: UUID) -> Sequence[tables.Note]:
    """What was written after the reports, by reporters and responders, the oldest first."""
    query = select(tables.Note).where(tables.Note.incident_id == incident_id)
    return tx.session.exec(query.order_by(col(tables.Note.at))).all()


#: What adds words or pictures to an incident after its first report.
_ADDED = ("reporter_wrote", "reporter_sent", "responder_wrote", "joined", "absorbed", "split_off")
_UNREAD = text(
    """
    SELECT incident_id FROM fact
    WHERE incident_id = ANY(:incidents)
    GROUP BY incident_id
    HAVING max(id) FILTER (WHERE fact = ANY(:added))
        > coalesce(max(id) FILTER (WHERE fact = 'personal_data_read' AND data ->> 'what' = 'reports'), 0)
    """
)


def unread(tx: Transaction, incident_ids: Collection[UUID]) -> set[UUID]:
    """Those of these incidents of which something was added that no supervisor has read yet."""
    asked = {"incidents": list(incident_ids), "added": list(_ADDED)}
    return set(tx.session.execute(_UNREAD, asked).scalars())


def of_whom(reports: Iterable[tables.Report], who: bytes) -> tables.Report | None:
    """The newest report by whom this keyed hash of a LINE id or a phone stands for."""
    theirs = [report for report in reports if who in {report.line_index, report.phone_index}]
    return theirs[-1] if theirs else None


def addresses(reports: Iterable[tables.Report]) -> list[str]:
    """The place in the words of each reporter, once."""
    said = (report.details["location"].get("address") for report in reports)
    return list(dict.fromkeys(" ".join(words.split()) for words in said if words))


def words(reports: Collection[tables.Report], written: Iterable[tables.Note]) -> list[str]:
    """What reporters said in words beside their address, one line for each time: with their report, and afterwards."""
    said = [report.details.get("description") for report in reports]
    said += [note.text for note in written if note.responder_id is None]
    lines = [" ".join(each.split()) for each in said if each]
    known = addresses(reports)
    return [line for line in lines if line and not any(line in address for address in known)]


def move_all(tx: Transaction, incident_id: UUID, into_id: UUID) -> None:
    """What was written and sent about the one incident is read with the other."""
    _move(tx, into_id, col(tables.Note.incident_id) == incident_id, col(tables.Attachment.incident_id) == incident_id)


def move_with(tx: Transaction, reports: Collection[tables.Report], incident_id: UUID, into_id: UUID) -> None:
    """What belongs to these reports goes where they go; a chat's pictures belong to whoever wrote in it."""
    chats = [report.line_index for report in reports if report.line_index]
    _move(
        tx,
        into_id,
        col(tables.Note.report_id).in_([report.id for report in reports]),
        (col(tables.Attachment.incident_id) == incident_id) & col(tables.Attachment.chat_id).in_(chats),
    )


def _move(tx: Transaction, into_id: UUID, written: ColumnElement[bool], sent: ColumnElement[bool]) -> None:
    for table, which in ((tables.Note, written), (tables.Attachment, sent)):
        tx.session.execute(
            update(table).where(which).values(incident_id=into_id), execution_options={"synchronize_session": False}
        )
