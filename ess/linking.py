"""Linking a responder's LINE account: a code that the supervisor hands out is typed into the chat, once.

A wrong code links nobody and takes nothing from what a citizen says: it is heard as their words, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlmodel import col, select, update

from ess import deliveries, outbox
from ess.channels.envelope import Message
from ess.codes import new_code
from ess.conversation.answer import LINK_LETTERS, UNLINK, read_id, read_link_code, says_unlink, spoken_link_code
from ess.conversation.event import data_of, user_of, words_of
from ess.conversation.letters import unlink_letter
from ess.domain.duty import Channel
from ess.domain.errors import NotFound, Refused
from ess.engine import Engine
from ess.store import Transaction, reach, responders, tables

log = structlog.get_logger()

VALID_FOR = timedelta(hours=24)
#: A reply in a chat is worth nothing later than this.
_REPLY_LIVES = timedelta(minutes=10)


@dataclass(frozen=True)
class Offer:
    """A link code as it is handed out; it cannot be shown again."""

    code: str
    ref: str
    name_th: str
    expires_at: datetime


# --- the supervisor --------------------------------------------------------------------------------------
def offer_link(engine: Engine, ref: str, *, by: str, valid_for: timedelta = VALID_FOR) -> Offer:
    """A new code for this responder, good once; one that was handed out before is withdrawn.

    NotFound where nobody has that number in the roster; Refused where they are inactive.
    """
    code = new_code(LINK_LETTERS)
    with engine.store.transaction() as tx:
        row = _locked(tx, tables.Responder.ref == ref)
        if row is None:
            raise NotFound(f"nobody in the roster has the number {ref}")
        if not row.active:
            raise Refused(f"{ref} is not active in the roster: make them active before they are linked")
        _withdraw_codes(tx, row)
        offer = Offer(spoken_link_code(code), ref, row.name_th, tx.now + valid_for)
        tx.session.add(tables.LinkCode(id=tx.vault.index(code), responder_id=row.id, expires_at=offer.expires_at))
    log.info("link_offered", ref=ref, by=by)
    return offer


def unlink_responder(engine: Engine, ref: str, *, by: str) -> None:
    """No LINE account is linked to this responder, and no code would link one.

    NotFound where nobody has that number in the roster; Refused where no account is linked.
    """
    with engine.store.transaction() as tx:
        row = _locked(tx, tables.Responder.ref == ref)
        if row is None:
            raise NotFound(f"nobody in the roster has the number {ref}")
        _withdraw_codes(tx, row)
        if row.line_user_id is None:
            raise Refused(f"no LINE account is linked to {ref}")
        _unlink(engine, tx, row)
    log.info("unlinked", ref=ref, by=by)


# --- the responder, in the chat --------------------------------------------------------------------------
def code_in(body: Mapping[str, Any]) -> str | None:
    """The letters of the link code that this event of LINE is an attempt at, right or wrong; None for any other."""
    return read_link_code(words_of(body)) if user_of(body) else None


def take_code(engine: Engine, tx: Transaction, body: Mapping[str, Any], code: str | None) -> bool:
    """Link the account to whom the code was handed out for, and say so; None: it has tried too often.

    False where nobody was linked and the account is no responder's: its words are a citizen's.
    """
    user_id = user_of(body)
    row = _redeemed(tx, code) if code else None
    if row is not None:
        _link(engine, tx, row, user_id)
        _say(engine, tx, "linked", user_id, row, reply_token=body.get("replyToken"))
        log.info("linked", ref=row.ref)
        return True
    is_responder = bool(responders.by_line_user(tx, user_id))
    letter = engine.texts.say("link_refused" if code else "link_paused", Channel.LINE)
    # Without the reply token, which belongs to the citizen's answer, and without lighting up a citizen's screen.
    token = body.get("replyToken") if is_responder else None
    _queue(tx, user_id, letter, "link_refused", reply_token=token, silent=not is_responder)
    return is_responder


def hear(engine: Engine, tx: Transaction, body: Mapping[str, Any]) -> bool:
    """Ask back whoever wishes to be unlinked, and unlink whoever has confirmed; false where it is about neither."""
    user_id, token = user_of(body), body.get("replyToken")
    responder_id = read_id(data_of(body), UNLINK)
    if responder_id is not None:
        row = _locked(tx, tables.Responder.id == responder_id)
        if row is None or row.line_index != tx.vault.index(user_id):
            _queue(tx, user_id, engine.texts.say("not_linked", Channel.LINE), "not_linked", reply_token=token)
        else:
            _unlink(engine, tx, row, reply_token=token)
            log.info("unlinked", ref=row.ref, by="themselves")
        return True
    people = responders.by_line_user(tx, user_id) if says_unlink(words_of(body)) else []
    for row in people:
        letter = unlink_letter(engine.texts, row.id, row.name_th)
        _queue(tx, user_id, letter, "unlink_confirm", reply_token=token, row=row)
        token = None  # it is good once
    return bool(people)


def account_seen(engine: Engine, tx: Transaction, user_id: str, *, blocked: bool) -> None:
    """The responders of this account have blocked ours, or let it in again."""
    people = [row for row in responders.by_line_user(tx, user_id) if row.line_blocked != blocked]
    for row in people:
        row.line_blocked = blocked
    tx.session.flush()
    if people and blocked:
        deliveries.account_lost(engine, tx, people, "LINE: the account is blocked")
        for row in people:
            _warn_if_unreachable(engine, tx, row, "blocked")


# --- what both come to -----------------------------------------------------------------------------------
def _link(engine: Engine, tx: Transaction, row: tables.Responder, user_id: str) -> None:
    before = row.line_user_id
    row.line_user_id, row.line_index = user_id, tx.vault.index(user_id)
    row.line_blocked = False
    row.line_verified_at = tx.now
    if Channel.LINE not in row.channels:
        # First, because it carries most; whoever wants another order has it in the roster.
        row.channels = [Channel.LINE, *row.channels]
        row.channel_after_s = [0, *row.channel_after_s] if row.channel_after_s is not None else None
    tx.session.flush()
    if before == user_id:
        return
    if before is not None:
        _say(engine, tx, "link_moved", before, row)
    deliveries.account_changed(engine, tx, row, "LINE: another account was linked")


def _unlink(engine: Engine, tx: Transaction, row: tables.Responder, *, reply_token: str | None = None) -> None:
    before = row.line_user_id
    row.line_user_id = row.line_index = row.line_verified_at = None
    row.line_blocked = False
    tx.session.flush()
    deliveries.account_lost(engine, tx, [row], "LINE: the account was unlinked")
    if before is not None:
        _say(engine, tx, "unlinked", before, row, reply_token=reply_token)
    _warn_if_unreachable(engine, tx, row, "unlinked")


def _warn_if_unreachable(engine: Engine, tx: Transaction, row: tables.Responder, why: str) -> None:
    """A supervisor hears of somebody whom nothing reaches any more, while nobody needs them yet."""
    if reach.is_at_work(row, tx.now) and not responders.channels(row):
        log.warning("responder_unreachable", ref=row.ref, why=why)
        outbox.alarm(engine, tx, "responder_unreachable", who=row.name_th, why=engine.texts.word("unreachable", why))


def _redeemed(tx: Transaction, code: str) -> tables.Responder | None:
    """Whom the code was for, the first time that it comes and before it expires; None for every other code."""
    responder_id = tx.session.exec(
        update(tables.LinkCode)
        .where(
            col(tables.LinkCode.id) == tx.vault.index(code),
            col(tables.LinkCode.used_at).is_(None),
            col(tables.LinkCode.expires_at) > tx.now,
        )
        .values(used_at=tx.now)
        .returning(col(tables.LinkCode.responder_id))
    ).first()
    row = _locked(tx, tables.Responder.id == responder_id[0]) if responder_id else None
    return row if row is not None and row.active else None


def _withdraw_codes(tx: Transaction, row: tables.Responder) -> None:
    tx.session.exec(
        update(tables.LinkCode)
        .where(col(tables.LinkCode.responder_id) == row.id, col(tables.LinkCode.used_at).is_(None))
        .values(expires_at=tx.now)
    )


def _locked(tx: Transaction, whose: Any) -> tables.Responder | None:
    """Locked against others who link, and not against incidents that alert them."""
    query = select(tables.Responder).where(whose).with_for_update(key_share=True)
    return tx.session.exec(query).one_or_none()


def _say(
    engine: Engine, tx: Transaction, key: str, user_id: str, row: tables.Responder, *, reply_token: str | None = None
) -> None:
    letter = engine.texts.say(key, Channel.LINE, who=row.name_th)
    _queue(tx, user_id, letter, key, reply_token=reply_token, row=row)


def _queue(
    tx: Transaction,
    user_id: str,
    letter: Message,
    key: str,
    *,
    reply_token: str | None,
    silent: bool = False,
    row: tables.Responder | None = None,
) -> None:
    outbox.queue(
        tx,
        Channel.LINE,
        user_id,
        (letter,),
        key,
        tx.now + _REPLY_LIVES,
        responder_id=row.id if row else None,
        reply_token=reply_token,
        silent=silent,
    )
