"""The roster, read whole and changed in bulk: what its file says, as rows."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, text, update
from sqlalchemy import select as select_columns
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import col, func

from ess.domain.duty import Channel, Role
from ess.domain.errors import Refused
from ess.domain.roster import Change, Changes, Entry, changes, seat
from ess.store import tables
from ess.store.store import Transaction

_LOCK = 0x45535303


def enrolled(tx: Transaction) -> list[Entry]:
    """Everybody in the roster by `ref`, inactive ones included; the units of drills are not in it."""
    areas = (
        select_columns(
            col(tables.Jurisdiction.responder_id).label("responder_id"),
            col(tables.Jurisdiction.role).label("role"),
            func.array_agg(
                aggregate_order_by(col(tables.Jurisdiction.area_code), col(tables.Jurisdiction.area_code))
            ).label("codes"),
        )
        .group_by(col(tables.Jurisdiction.responder_id), col(tables.Jurisdiction.role))
        .subquery()
    )
    query = (
        select_columns(*_SAID, areas.c.codes)
        .outerjoin(areas, (areas.c.responder_id == tables.Responder.id) & (areas.c.role == tables.Responder.role))
        .where(col(tables.Responder.drill).is_(False))
        .order_by(tables.Responder.ref)
    )
    return [_entry(row) for row in tx.session.execute(query)]


def planned(tx: Transaction, wanted: Iterable[Entry], *, remove_missing: bool = False) -> Changes:
    """What enrolling these would change; until the transaction ends nobody else can.

    Refused while somebody else does, and where `changes` refuses.
    """
    if not tx.session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar_one():
        raise Refused("somebody else is importing a roster: try again in a minute")
    return changes(enrolled(tx), wanted, remove_missing=remove_missing)


def enrol(tx: Transaction, planned: Changes) -> None:
    """The roster is as planned, jurisdictions included."""
    ids = {entry.ref: uuid4() for entry in planned.added}
    if planned.added:
        rows = [{"id": ids[entry.ref], **_columns(tx, entry)} for entry in planned.added]
        tx.session.execute(insert(tables.Responder), rows)
    changed = [*planned.changed, *planned.removed]
    if changed:
        refs = [change.after.ref for change in changed]
        known = select_columns(col(tables.Responder.ref), col(tables.Responder.id))
        ids |= {row.ref: row.id for row in tx.session.execute(known.where(col(tables.Responder.ref).in_(refs)))}
        _update(tx, [{"id": ids[change.after.ref], **_different(tx, change)} for change in changed])
    moved = [change.after for change in changed if {"role", "jurisdictions"} & {*change.columns}]
    _assign(tx, ids, planned.added, moved)


def upsert(tx: Transaction, wanted: Iterable[Entry]) -> tuple[int, int]:
    """Add the new ones and change those whose `ref` is there already; how many of each.

    Whoever is not mentioned stays as they are.
    """
    plan = planned(tx, wanted)
    enrol(tx, plan)
    return len(plan.added), len(plan.changed)


def at_seat(row: tables.Responder) -> list[tables.Jurisdiction]:
    """The jurisdiction of a unit that has no more than its seat."""
    codes = seat(row.province_code, row.district_code)
    return [tables.Jurisdiction(role=row.role, area_code=code, responder_id=row.id) for code in codes]


def _update(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    rows = [row for row in rows if len(row) > 1]
    for _, alike in groupby(sorted(rows, key=sorted), key=sorted):
        tx.session.execute(update(tables.Responder), list(alike))


def _assign(tx: Transaction, ids: dict[str, UUID], added: Iterable[Entry], moved: list[Entry]) -> None:
    """Their jurisdictions are these and no others."""
    if moved:
        old = [ids[entry.ref] for entry in moved]
        tx.session.execute(delete(tables.Jurisdiction).where(col(tables.Jurisdiction.responder_id).in_(old)))
    rows = [
        {"role": entry.role, "area_code": code, "responder_id": ids[entry.ref]}
        for entry in (*added, *moved)
        for code in entry.jurisdictions
    ]
    if rows:
        tx.session.execute(insert(tables.Jurisdiction), rows)


#: What the file says, in the columns of the database.
_SAID: tuple[Any, ...] = tuple(
    getattr(tables.Responder, name)
    for name in (
        *("ref", "name_th", "name_en", "agency", "role", "province_code", "district_code", "latitude", "longitude"),
        *(
            "phone",
            "line_user_id",
            "channels",
            "channel_after_s",
            "active",
            "outline",
            "skills",
            "capacity",
            "rest_s",
            "leave_until",
        ),
    )
)


def _entry(row: Any) -> Entry:
    return Entry(
        ref=row.ref,
        name_th=row.name_th,
        name_en=row.name_en,
        agency=row.agency,
        role=Role(row.role),
        province=row.province_code,
        district=row.district_code,
        latitude=row.latitude,
        longitude=row.longitude,
        phone=row.phone,
        line_user_id=row.line_user_id,
        channels=tuple(map(Channel, row.channels)),
        channel_after_s=tuple(row.channel_after_s) if row.channel_after_s else None,
        active=row.active,
        jurisdictions=tuple(row.codes or ()),
        outline=tuple((latitude, longitude) for latitude, longitude in row.outline) if row.outline else None,
        skills=frozenset(row.skills),
        capacity=row.capacity,
        rest=timedelta(seconds=row.rest_s),
        leave_until=row.leave_until,
    )


def _columns(tx: Transaction, entry: Entry) -> dict[str, Any]:
    """What the file says as columns, and the hashes of the addresses to look them up by."""
    return {
        "ref": entry.ref,
        "name_th": entry.name_th,
        "name_en": entry.name_en,
        "agency": entry.agency,
        "role": entry.role,
        "province_code": entry.province,
        "district_code": entry.district,
        "latitude": entry.latitude,
        "longitude": entry.longitude,
        "phone": entry.phone,
        "phone_index": tx.vault.index(entry.phone) if entry.phone else None,
        "line_user_id": entry.line_user_id,
        "line_index": tx.vault.index(entry.line_user_id) if entry.line_user_id else None,
        "channels": list(entry.channels),
        "channel_after_s": list(entry.channel_after_s) if entry.channel_after_s else None,
        "active": entry.active,
        "outline": [list(corner) for corner in entry.outline] if entry.outline else None,
        "skills": sorted(entry.skills),
        "capacity": entry.capacity,
        "rest_s": int(entry.rest.total_seconds()),
        "leave_until": entry.leave_until,
    }


def _different(tx: Transaction, change: Change) -> dict[str, Any]:
    """The columns that change; of a new address nothing is known yet."""
    before = _columns(tx, change.before)
    different = {name: value for name, value in _columns(tx, change.after).items() if before[name] != value}
    if "phone" in different:
        different["phone_verified_at"] = None
    if "line_user_id" in different:
        different |= {"line_verified_at": None, "line_blocked": False}
    return different
