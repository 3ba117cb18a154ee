"""The rows behind a call that connects a social worker with a victim: both ends, and who has picked up.

The call itself is a delivery over the channel voice.  `claimed_until` of one whose digit was pressed says until when
the two may be talking; it is empty again once their call is over.
"""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, or_, select

from ess.domain.bridge import Ends
from ess.domain.duty import NATIONAL_ROLES
from ess.domain.follow_up import FollowUp
from ess.domain.report import Contact, strictest
from ess.store import incidents, tables
from ess.store.store import Transaction
from ess.store.tables import Delivery, DeliveryState

#: The message of such a delivery.
BRIDGE = "bridge"
#: What is kept of the victim's side: the provider's word for who picked up, and that the two were connected.
ANSWERED_BY, CONNECTED = "answered_by", "connected"
_NOT_OVER = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNKNOWN, DeliveryState.SENT})


def ends(tx: Transaction, incident_id: UUID, follow_up: FollowUp, row: tables.Responder, *, number: str | None) -> Ends:
    """Both ends, of an incident that this transaction has loaded; `number` is the engine's own, if it has one."""
    reports = incidents.reports(tx, incident_id)
    return Ends(
        wish=strictest(Contact(report.contact) for report in reports),
        in_danger=any(report.in_danger for report in reports),
        has_victims_phone=victims_phone(tx, incident_id, row) is not None,
        has_own_phone=row.phone is not None,
        is_theirs=row.active and (row.id == follow_up.responder_id or row.role in NATIONAL_ROLES),
        has_number=number is not None,
    )


def victims_phone(tx: Transaction, incident_id: UUID, row: tables.Responder) -> str | None:
    """The phone of whoever reported first, and gave one that is not the caller's own."""
    phones = (
        report.details.get("phone")
        for report in incidents.reports(tx, incident_id)
        if report.phone_index != row.phone_index
    )
    return next((str(phone) for phone in phones if phone), None)


def is_under_way(tx: Transaction, follow_up_id: UUID) -> bool:
    """Whether a call of this follow-up rings, or two talk."""
    rings = col(Delivery.state).in_(_NOT_OVER) & (col(Delivery.expires_at) > tx.now)
    query = select(Delivery.id).where(
        Delivery.follow_up_id == follow_up_id,
        Delivery.message == BRIDGE,
        or_(rings, col(Delivery.claimed_until) > tx.now),
    )
    return tx.session.exec(query).first() is not None


def keep(tx: Transaction, delivery_id: UUID, what: str, said: str) -> None:
    """What is first said about the victim's side: who picked up, or that they were connected."""
    row = {
        "id": f"{what}:{delivery_id}",
        "kind": what,
        "body": {what: said},
        "received_at": tx.now,
        "handled_at": tx.now,
    }
    tx.session.execute(insert(tables.Inbound).values(row).on_conflict_do_nothing())


def kept(tx: Transaction, delivery_id: UUID, what: str) -> str | None:
    """What was said; None where nothing was."""
    row = tx.session.get(tables.Inbound, f"{what}:{delivery_id}")
    return str(row.body[what]) if row else None
