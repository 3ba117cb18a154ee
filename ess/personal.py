"""What is personal about an incident, for the supervisor who must know it: every reading is a fact of its timeline.

`ess.views` is what everybody who works with incidents may see, and holds none of this.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from ess import attachments, views
from ess.attachments import Content
from ess.domain.incident import Fact
from ess.domain.place import distance_km
from ess.domain.report import Contact
from ess.store import Transaction, accounts, incidents, responders, tables


def note_reading(tx: Transaction, incident_id: UUID, what: str, **who: Any) -> None:
    """That somebody reads it, in the transaction that reads: what cannot be recorded is not shown."""
    incidents.note(tx, incident_id, Fact("personal_data_read", {"what": what, **who}))


def reports(tx: Transaction, row: tables.Incident, *, by: str) -> dict[str, Any]:
    """Each report with all that its reporter said, wrote and sent, and what responders wrote; `by` reads it.

    `notes` and `attachments` beside the reports are those of which nobody knows whose they are.
    """
    note_reading(tx, row.id, "reports", by=by)
    incidents.lock(tx, row.id)  # nothing is added between what is shown and that it was read
    found = incidents.reports(tx, row.id)
    written = accounts.notes(tx, row.id)
    kept = [
        (accounts.of_whom(found, each.chat_id), attachments.summary(each)) for each in attachments.kept_of(tx, row.id)
    ]
    people = responders.by_ids(tx, {note.responder_id for note in written if note.responder_id})
    known = {report.id for report in found}
    return {
        "incident_id": str(row.id),
        "code": row.code,
        "reports": [
            {
                **_report(report, row.pin),
                "notes": _notes(note for note in written if note.report_id == report.id),
                "attachments": [each for its_report, each in kept if its_report is report],
            }
            for report in found
        ],
        "responders_wrote": [
            {"at": note.at.isoformat(), "text": note.text, "responder": views.person(people[note.responder_id])}
            for note in written
            if note.responder_id
        ],
        "notes": _notes(note for note in written if not note.responder_id and note.report_id not in known),
        "attachments": [each for its_report, each in kept if its_report is None],
    }


def attachment(tx: Transaction, row: tables.Incident, attachment_id: str, *, by: str) -> Content:
    """A photo or voice note itself; NotFound where the incident has none of that id, or it is not here yet."""
    content = attachments.read(tx, row.id, attachment_id)
    note_reading(tx, row.id, "attachment", attachment_id=attachment_id, by=by)
    return content


def _report(report: tables.Report, pin: list[float] | None) -> dict[str, Any]:
    location = report.details["location"]
    at = (location["latitude"], location["longitude"]) if location.get("latitude") is not None else None
    return {
        "report_id": str(report.id),
        "source": report.source,
        "type": report.type,
        "received_at": report.received_at.isoformat(),
        "reported_at": report.reported_at.isoformat() if report.reported_at else None,
        "external_id": report.external_id,
        "description": report.details.get("description"),
        "address": location.get("address"),
        "pin": {"latitude": at[0], "longitude": at[1]} if at else None,
        "distance_m": round(1000 * distance_km(*at, *pin)) if at and pin else None,
        "name": report.details.get("name"),
        "phone": report.details.get("phone"),
        "contact": report.contact,
        # Silence is the default; None: an earlier release did not keep whether it was asked for.
        "contact_said": report.contact != Contact.NONE or report.details.get("contact_said"),
        "in_danger": report.in_danger,
        "victim_is_minor": report.victim_is_minor,
    }


def _notes(written: Iterable[tables.Note]) -> list[dict[str, Any]]:
    return [{"at": note.at.isoformat(), "text": note.text} for note in written]
