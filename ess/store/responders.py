"""The roster: who could be asked, who somebody is, and their addresses."""

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam
from sqlalchemy import select as select_columns
from sqlmodel import col, func, select

from ess.domain.duty import NATIONAL_ROLES, Channel, Responder, Role
from ess.store import outages, tables
from ess.store.store import Transaction

# Built once: putting a query together costs as much as asking it.
_SUPERVISORS = select(tables.Responder).where(
    col(tables.Responder.active),
    col(tables.Responder.drill).is_(False),
    col(tables.Responder.role).in_(NATIONAL_ROLES),
)
_BY_IDS = select(tables.Responder).where(col(tables.Responder.id) == any_(bindparam("ids", type_=ARRAY(Uuid))))
_BESIDE_OUTAGES = (
    select(tables.Responder, tables.Outage)
    .outerjoin(tables.Outage, col(tables.Outage.until) > func.clock_timestamp())
    .where(col(tables.Responder.id) == any_(bindparam("ids", type_=ARRAY(Uuid))))
)


def supervisors(tx: Transaction) -> list[tables.Responder]:
    """Whoever supervises, for the whole country."""
    return list(tx.session.exec(_SUPERVISORS))


def by_ids(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, tables.Responder]:
    """These responders, by id, in one query."""
    if not ids:
        return {}
    return {row.id: row for row in tx.session.exec(_BY_IDS, params={"ids": list(ids)})}


def beside_outages(
    tx: Transaction, ids: Collection[UUID]
) -> tuple[dict[UUID, tables.Responder], dict[Channel, tables.Outage]]:
    """These responders, by id, and the channels that are not to be tried now, in one query."""
    if not ids:
        return {}, outages.active(tx)
    rows = tx.session.exec(_BESIDE_OUTAGES, params={"ids": list(ids)}).all()
    return {row.id: row for row, _ in rows}, {Channel(outage.channel): outage for _, outage in rows if outage}


def by_refs(tx: Transaction, refs: Collection[str]) -> list[Responder]:
    """Those of these numbers that are in the roster, active or not, in one query."""
    return [domain(row) for row in tx.session.execute(_BY_REFS, {"refs": list(refs)})]


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


def written(row: tables.Responder) -> list[Channel]:
    """Those that can be read, in order: whatever is no alert never rings."""
    return [channel for channel in channels(row) if channel is not Channel.VOICE]


def readable(row: tables.Responder) -> list[Channel]:
    """Those by which whoever took an alert in a call can read where to go: an SMS too, unless a desk's phone rang."""
    return written(row) or ([Channel.SMS] if row.phone and not _FIXED_LINE.fullmatch(row.phone) else [])


#: Thailand's fixed lines have eight digits behind +66, its mobile phones nine: the national numbering plan, ITU E.129.
_FIXED_LINE = re.compile(r"\+66[2-57]\d{7}")


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
    *(tables.Responder.province_code, tables.Responder.district_code, tables.Responder.outline),
    *(tables.Responder.latitude, tables.Responder.longitude, tables.Responder.channels),
    *(tables.Responder.skills, tables.Responder.capacity, tables.Responder.rest_s),
    *(tables.Responder.active, tables.Responder.leave_until, tables.Responder.line_blocked),
    col(tables.Responder.line_index).is_not(None).label("has_line"),
    col(tables.Responder.phone_index).is_not(None).label("has_phone"),
)
_BY_REFS = select_columns(*_CHOSEN_BY).where(col(tables.Responder.ref) == any_(bindparam("refs", type_=ARRAY(Text))))


def domain(row: Any, **more: Any) -> Responder:
    """A row of the roster as the domain knows it, and more of the moment.

    The row says `has_line` and `has_phone` instead of the addresses, which stay sealed.
    """
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
        skills=frozenset(row.skills),
        capacity=row.capacity,
        rest=timedelta(seconds=row.rest_s),
        outline=tuple((latitude, longitude) for latitude, longitude in row.outline) if row.outline else None,
        active=row.active,
        leave_until=row.leave_until,
        **more,
    )
