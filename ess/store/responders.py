"""The roster: who could be asked, who somebody is, and their addresses."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy import select as select_columns
from sqlmodel import col, func, select

from ess.domain.duty import NATIONAL_ROLES, Channel, Responder, Role
from ess.domain.place import Place
from ess.domain.policy import Target, Within
from ess.store import tables
from ess.store.store import Transaction


def candidates(
    tx: Transaction, targets: Iterable[Target], place: Place | None, *, drill: bool = False
) -> list[Responder]:
    """Active responders whose role is wanted and whose jurisdiction may hold the place; a drill has its own."""
    targets = list(targets)
    provinces = [area.code for area in place.candidates] if place else []
    anywhere = [target.role for target in targets if target.within is Within.NATION]
    # Only what is chosen by: the sealed addresses of everybody who is not chosen stay sealed.
    query = select_columns(*_CHOSEN_BY).where(
        col(tables.Responder.active),
        col(tables.Responder.drill).is_(drill),
        col(tables.Responder.role).in_({target.role for target in targets}),
        or_(col(tables.Responder.role).in_(anywhere), col(tables.Responder.province_code).in_(provinces)),
    )
    return [_domain(row) for row in tx.session.execute(query)]


def supervisors(tx: Transaction) -> list[tables.Responder]:
    """Whoever supervises, for the whole country."""
    query = select(tables.Responder).where(
        col(tables.Responder.active),
        col(tables.Responder.drill).is_(False),
        col(tables.Responder.role).in_(NATIONAL_ROLES),
    )
    return list(tx.session.exec(query))


def by_ids(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, tables.Responder]:
    """These responders, by id, in one query."""
    if not ids:
        return {}
    rows = tx.session.exec(select(tables.Responder).where(col(tables.Responder.id).in_(ids)))
    return {row.id: row for row in rows}


def by_line_user(tx: Transaction, line_user_id: str) -> list[tables.Responder]:
    """The responders who own this LINE account; one person may stand in the roster twice."""
    index = tx.vault.index(line_user_id)
    return list(tx.session.exec(select(tables.Responder).where(tables.Responder.line_index == index)))


def by_phone(tx: Transaction, phone: str) -> list[tables.Responder]:
    """The responders who can be reached at this number; several may share a phone."""
    index = tx.vault.index(phone)
    return list(tx.session.exec(select(tables.Responder).where(tables.Responder.phone_index == index)))


def address(row: tables.Responder, channel: Channel) -> str | None:
    """Where this channel reaches the responder."""
    match channel:
        case Channel.LINE:
            return None if row.line_blocked else row.line_user_id
        case Channel.SMS | Channel.VOICE:
            return row.phone
        case Channel.DRILL:
            return row.ref


def channels(row: tables.Responder) -> list[Channel]:
    """In order of preference, only those with an address."""
    return [channel for channel in map(Channel, row.channels) if address(row, channel)]


def upsert(tx: Transaction, people: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Add the new ones and change those whose `ref` is there already; how many of each.

    Whoever is not mentioned stays as they are.
    """
    known = {row.ref: row for row in tx.session.exec(select(tables.Responder))}
    n_added = n_changed = 0
    for person in people:
        phone, line_user_id = person.get("phone"), person.get("line_user_id")
        values = {
            **person,
            "phone_index": tx.vault.index(phone) if phone else None,
            "line_index": tx.vault.index(line_user_id) if line_user_id else None,
        }
        row = known.get(person["ref"])
        if row is None:
            tx.session.add(tables.Responder(**values))
            n_added += 1
            continue
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        n_changed += bool(changed)
    return n_added, n_changed


def names(tx: Transaction) -> dict[str, str]:
    """Every address in the roster and whose it is."""
    return {
        place: row.name_th
        for row in tx.session.exec(select(tables.Responder))
        for place in (row.line_user_id, row.phone)
        if place
    }


def count(tx: Transaction) -> int:
    """How many responders are active."""
    return tx.session.exec(select(func.count()).where(col(tables.Responder.active))).one()


_CHOSEN_BY: tuple[Any, ...] = (
    *(tables.Responder.id, tables.Responder.ref, tables.Responder.name_th, tables.Responder.role),
    *(tables.Responder.province_code, tables.Responder.district_code),
    *(tables.Responder.latitude, tables.Responder.longitude, tables.Responder.channels),
    *(tables.Responder.active, tables.Responder.leave_until, tables.Responder.line_blocked),
    col(tables.Responder.line_index).is_not(None).label("has_line"),
    col(tables.Responder.phone_index).is_not(None).label("has_phone"),
)


def _domain(row: Any) -> Responder:
    works = {Channel.LINE: row.has_line and not row.line_blocked, Channel.DRILL: True}
    works |= dict.fromkeys((Channel.SMS, Channel.VOICE), row.has_phone)
    return Responder(
        id=row.id,
        ref=row.ref,
        name=row.name_th,
        role=Role(row.role),
        province_code=row.province_code,
        district_code=row.district_code,
        latitude=row.latitude,
        longitude=row.longitude,
        channels=tuple(channel for channel in map(Channel, row.channels) if works[channel]),
        active=row.active,
        leave_until=row.leave_until,
    )
