"""Rotas and covers: who is off duty at an instant, in two queries at most."""

from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from sqlmodel import col, delete

from ess.domain.duty import NATIONAL_ROLES
from ess.domain.reason import Phrase, Why
from ess.domain.roster import NATION
from ess.domain.rota import Away, Cover, Rota, Standing, members, on_duty
from ess.store import responders, tables
from ess.store.store import Transaction

log = structlog.get_logger()

_ROTA: TypeAdapter[Rota] = TypeAdapter(Rota)
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


_BETWEEN = text(
    """
    SELECT rota.name, rota.body::text AS body,
           cover.starts_at, cover.ends_at, cover.ref, cover.created_at, cover.reason
    FROM rota LEFT JOIN cover ON cover.rota = rota.name AND cover.ends_at > :start AND cover.starts_at <= :end
    WHERE :everywhere OR left(rota.area_code, 2) = ANY(:provinces)
    ORDER BY rota.name, cover.starts_at
    """
)


@dataclass(frozen=True)
class Kept:
    """A rota with the covers that touch the time that was asked for."""

    rota: Rota
    covers: tuple[Cover, ...]


@dataclass(frozen=True)
class Now:
    """Who has the duty of each rota at one instant."""

    standings: tuple[tuple[Rota, Standing], ...]

    def off_duty(self, provinces: Container[str]) -> dict[str, Phrase]:
        """Whoever is in a rota of these provinces or of the nation and not on duty: their `ref`, and why.

        A national rota in which nobody has the duty sends nobody home: whoever is the last resort is asked, all of
        them.
        """
        here = [(rota, standing) for rota, standing in self.standings if _is_of(rota, provinces)]
        on = {ref for _, standing in here for ref in standing.refs}
        return {
            ref: _off(rota, standing)
            for rota, standing in here
            if standing.refs or rota.role not in NATIONAL_ROLES
            for ref in members(rota) - on
        }


def _is_of(rota: Rota, provinces: Container[str]) -> bool:
    return rota.area == NATION or rota.area[:2] in provinces


def now(tx: Transaction, provinces: Collection[str], holidays: Container[date]) -> Now:
    """The rotas of these provinces and of the nation, in one query where there are none.

    One that cannot be worked out counts for nothing, because nothing that can fail may stand before an alert.
    """
    kept = between(tx, tx.now, tx.now, provinces)
    absent = away(tx, {ref for each in kept for ref in mentioned(each)}) if kept else {}
    standings: list[tuple[Rota, Standing]] = []
    for each in kept:
        try:
            standings.append((each.rota, on_duty(each.rota, each.covers, holidays, tx.now, absent)))
        except Exception:
            log.exception("rota_failed", rota=each.rota.name)
    return Now(tuple(standings))


def _off(rota: Rota, standing: Standing) -> Phrase:
    return Phrase.of(Why.OFF_DUTY, rota=rota.name, who=", ".join(standing.refs) or "—")


def mentioned(kept: Kept) -> frozenset[str]:
    """Everybody who may have the duty."""
    return members(kept.rota) | {cover.ref for cover in kept.covers if cover.ref}


def between(tx: Transaction, start: datetime, end: datetime, provinces: Collection[str] | None = None) -> list[Kept]:
    """The rotas of these provinces and of the nation, or all, by name, with the covers from `start` to `end`.

    One that cannot be read is logged and left out.
    """
    areas = {"everywhere": provinces is None, "provinces": [*(provinces or ()), NATION]}
    kept: dict[str, Kept] = {}
    for row in tx.session.execute(_BETWEEN, {"start": start, "end": end, **areas}):
        if row.name not in kept:
            try:
                kept[row.name] = Kept(_rota(row.body), ())
            except ValidationError:
                log.exception("rota_failed", rota=row.name)
                continue
        if row.created_at is not None:
            made = Cover(row.name, row.starts_at, row.ends_at, row.ref, row.created_at, row.reason)
            kept[row.name] = Kept(kept[row.name].rota, (*kept[row.name].covers, made))
    return list(kept.values())


@lru_cache(maxsize=4096)
def _rota(body: str) -> Rota:
    return _ROTA.validate_json(body)


def away(tx: Transaction, refs: Collection[str]) -> Away:
    """Until when these cannot be alerted: on leave, or for ever where inactive, gone, or nothing reaches them."""
    people = {person.ref: person for person in responders.by_refs(tx, refs)}
    absent: dict[str, datetime] = {}
    for ref in refs:
        person = people.get(ref)
        if person is None or not person.active or not person.channels:
            absent[ref] = _FOR_EVER
        elif person.leave_until is not None:
            absent[ref] = person.leave_until
    return absent


# --- changes ---------------------------------------------------------------------------------------------
def upsert(tx: Transaction, rotas: Iterable[Rota]) -> tuple[list[str], list[str]]:
    """Keep these as they are given; the names of the new and of the changed ones.  The others stay as they are."""
    known = {each.rota.name: each.rota for each in between(tx, tx.now, tx.now)}
    added: list[str] = []
    changed: list[str] = []
    for rota in rotas:
        if known.get(rota.name) == rota:
            continue
        (changed if rota.name in known else added).append(rota.name)
        body = _ROTA.dump_python(rota, mode="json")
        tx.session.merge(tables.Rota(name=rota.name, area_code=rota.area, role=rota.role, body=body))
    tx.session.flush()
    return added, changed


def remove(tx: Transaction, name: str) -> bool:
    """The rota is gone with its covers, and its members are always on call; false where there was none."""
    gone = tx.session.execute(delete(tables.Rota).where(col(tables.Rota.name) == name))
    return bool(getattr(gone, "rowcount", 0))


def add_covers(tx: Transaction, covers: Sequence[Cover]) -> None:
    """Keep these."""
    tx.session.add_all(
        tables.Cover(
            rota=cover.rota,
            starts_at=cover.starts_at,
            ends_at=cover.ends_at,
            ref=cover.ref,
            reason=cover.reason,
            created_at=cover.decided_at,
        )
        for cover in covers
    )
