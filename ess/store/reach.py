"""Whom an alert would reach: what is known of each channel of a responder, and who has none that works."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_
from sqlalchemy import select as select_columns
from sqlmodel import col

from ess.domain.duty import Channel
from ess.store import tables
from ess.store.store import Store, Transaction

#: That a channel works is written down once in so long, not with every answer.
_KNOWN_FOR = timedelta(days=1)

_VERIFIED_AT = {
    Channel.LINE: "line_verified_at",
    **dict.fromkeys((Channel.SMS, Channel.VOICE), "phone_verified_at"),
}


class Why(StrEnum):
    """Why a responder is thought to be out of reach."""

    NO_CHANNEL = "no_channel"
    #: To the last roll call, nor to anything since.
    NO_ANSWER = "no_answer"
    #: They have nothing to answer a roll call by, and have answered nothing since the last: nobody knows.
    NOT_ASKED = "not_asked"


@dataclass(frozen=True)
class Unreached:
    """A responder whom an alert would not reach, as far as is known."""

    ref: str
    name_th: str
    name_en: str
    role: str
    province_code: str | None
    #: By channel, in order of preference: whether there is an address that works, and when it was last answered from.
    channels: Mapping[str, Mapping[str, Any]]
    why: Why


def verify(tx: Transaction, row: tables.Responder, channel: Channel) -> None:
    """Somebody has answered over this channel: it works."""
    name = _VERIFIED_AT[channel]
    known_at = getattr(row, name)
    if known_at is None or known_at + _KNOWN_FOR <= tx.now:
        setattr(row, name, tx.now)


def verify_alone(store: Store, responder_id: UUID, channel: Channel) -> None:
    """The same in a transaction of its own, for who holds an incident: linking locks the responder's row before it."""
    with store.transaction() as tx:
        verify(tx, tx.session.get_one(tables.Responder, responder_id), channel)


def is_at_work(row: tables.Responder, at: datetime) -> bool:
    """Active, not on leave at that instant, and real."""
    return row.active and not row.drill and (row.leave_until is None or row.leave_until <= at)


def channel_states(row: Any) -> dict[str, dict[str, Any]]:
    """By channel, in order of preference: whether it has an address that works, and when it was last answered from."""
    works = {
        Channel.LINE: row.line_index is not None and not row.line_blocked,
        **dict.fromkeys((Channel.SMS, Channel.VOICE), row.phone_index is not None),
    }
    known_at = {channel: getattr(row, name) for channel, name in _VERIFIED_AT.items()}
    return {
        channel: {"works": works[channel], "verified_at": at.isoformat() if (at := known_at[channel]) else None}
        for channel in map(Channel, row.channels)
        if channel in works
    }


def unreached(tx: Transaction) -> list[Unreached]:
    """Everybody at work who has no channel that works, or was silent in the last roll call and since; by `ref`.

    With them those who could not be asked, and have not been heard of since.
    """
    has_channel, was_silent = _has_channel(), _was_silent()
    query = (
        select_columns(*_SHOWN, has_channel.label("has_channel"), was_silent.label("was_silent"))
        .where(AT_WORK, or_(not_(has_channel), was_silent, _was_silent(asked=False)))
        .order_by(tables.Responder.ref)
    )
    return [
        Unreached(
            ref=row.ref,
            name_th=row.name_th,
            name_en=row.name_en,
            role=row.role,
            province_code=row.province_code,
            channels=channel_states(row),
            why=Why.NO_CHANNEL if not row.has_channel else Why.NO_ANSWER if row.was_silent else Why.NOT_ASKED,
        )
        for row in tx.session.execute(query)
    ]


def n_unreached(tx: Transaction) -> int:
    """How many they are, without those of whom nobody knows."""
    query = select_columns(func.count()).select_from(tables.Responder)
    n: int = tx.session.execute(query.where(AT_WORK, or_(not_(_has_channel()), _was_silent()))).scalar_one()
    return n


_SHOWN: tuple[Any, ...] = tuple(
    getattr(tables.Responder, name)
    for name in (
        *("ref", "name_th", "name_en", "role", "province_code", "channels"),
        *("line_index", "phone_index", "line_blocked", "line_verified_at", "phone_verified_at"),
    )
)

#: Active, not on leave, and real.
AT_WORK = and_(
    col(tables.Responder.active),
    col(tables.Responder.drill).is_(False),
    or_(col(tables.Responder.leave_until).is_(None), col(tables.Responder.leave_until) <= func.now()),
)


def _has_channel() -> ColumnElement[bool]:
    by_line = and_(
        col(tables.Responder.channels).contains([Channel.LINE]),
        col(tables.Responder.line_index).is_not(None),
        not_(col(tables.Responder.line_blocked)),
    )
    channels = col(tables.Responder.channels)
    rings = or_(channels.contains([Channel.SMS]), channels.contains([Channel.VOICE]))
    by_phone = and_(rings, col(tables.Responder.phone_index).is_not(None))
    return or_(by_line, by_phone)


def _was_silent(*, asked: bool = True) -> ColumnElement[bool]:
    """They were asked in the last roll call that is over, or could not be, and have answered nothing since."""
    last = (
        select_columns(col(tables.RollCall.id))
        .where(col(tables.RollCall.reported_at).is_not(None))
        .order_by(col(tables.RollCall.asked_at).desc())
        .limit(1)
        .scalar_subquery()
    )
    since = col(tables.RollCall.asked_at)
    return exists().where(
        col(tables.RollCallAnswer.responder_id) == col(tables.Responder.id),
        col(tables.RollCallAnswer.roll_call_id) == last,
        col(tables.RollCall.id) == last,
        col(tables.RollCallAnswer.answered_at).is_(None),
        col(tables.RollCallAnswer.channel).is_not(None) if asked else col(tables.RollCallAnswer.channel).is_(None),
        func.coalesce(col(tables.Responder.line_verified_at) < since, True),
        func.coalesce(col(tables.Responder.phone_verified_at) < since, True),
    )
