"""What coordinators do with duty: import rotas, have somebody cover, swap shifts, and see who is on and what is open.

A change is a row: the very next incident is decided by it.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from ess import geo
from ess.domain import rota as duty
from ess.domain.errors import NotFound, Refused
from ess.domain.roster import NATION, seat
from ess.domain.rota import Away, Cover, Rota, Span, gaps, spans
from ess.engine import Engine
from ess.geo.names import DISTRICT, PROVINCE, areas
from ess.rotas import Member, read, unfit, write
from ess.store import Transaction, responders, rotas, tables
from ess.store.rotas import Kept

#: How far ahead a gap is looked for and warned of.
AHEAD = timedelta(days=7)
#: How far ahead it is looked for who is next.
_NEXT_WITHIN = timedelta(days=31)


# --- changes ---------------------------------------------------------------------------------------------
def import_rotas(engine: Engine, path: Path, *, dry_run: bool = False) -> tuple[list[str], list[str], int]:
    """Keep the rotas of the file; the names of the new and of the changed ones, and how many are as they were.

    A rota that the file does not have stays as it is.  A dry run changes nothing.  Refused where anything in the
    file is wrong.
    """
    with engine.store.transaction() as tx:
        given = read(path, lambda refs: _roster(tx, refs))
        added, changed = rotas.upsert(tx, given)
        if dry_run:
            tx.session.rollback()
    return added, changed, len(given) - len(added) - len(changed)


def export_rotas(engine: Engine) -> str:
    """Every rota, as a file that `import_rotas` takes."""
    with engine.store.transaction() as tx:
        return write(kept.rota for kept in rotas.between(tx, tx.now, tx.now))


def remove_rota(engine: Engine, name: str) -> None:
    """The rota is gone with its covers; whoever is in no other is always on call."""
    with engine.store.transaction() as tx:
        if not rotas.remove(tx, name):
            raise _no_rota(name)


def cover(
    engine: Engine,
    rota: str,
    ref: str | None,
    start: datetime,
    end: datetime,
    *,
    instead_of: str | None = None,
    reason: str = "",
) -> list[Cover]:
    """`ref` has the duty between the two instants, instead of everybody or of one; None: nobody, on purpose."""
    if start >= end:
        raise Refused("the cover ends before it begins: give an earlier --from or a later --to")
    with engine.store.transaction() as tx:
        kept = _kept(tx, rota, start, end)
        if end <= tx.now:
            raise Refused("that time is over: nothing would change")
        if ref is not None:
            _must_fit(tx, kept.rota, ref)
        if instead_of is not None and ref is not None:
            made = duty.covering(
                *(kept.rota, kept.covers, engine.days_off, start, end),
                ref=ref,
                instead_of=instead_of,
                decided_at=tx.now,
                reason=reason,
            )
        else:
            made = [Cover(rota, start, end, ref, tx.now, reason)]
        rotas.add_covers(tx, made)
        return made


def swap(
    engine: Engine, rota: str, one: tuple[str, datetime], other: tuple[str, datetime], *, reason: str = ""
) -> list[Cover]:
    """Two people take each other's shift, each named with an instant within their own."""
    with engine.store.transaction() as tx:
        instants = sorted((one[1], other[1]))
        kept = _kept(tx, rota, instants[0] - _NEXT_WITHIN, instants[1] + _NEXT_WITHIN)
        for ref in (one[0], other[0]):
            _must_fit(tx, kept.rota, ref)
        made = duty.swap(kept.rota, kept.covers, engine.days_off, one, other, decided_at=tx.now, reason=reason)
        if min(made_cover.ends_at for made_cover in made) <= tx.now:
            raise Refused("one of these shifts is over: nobody can take it any more")
        rotas.add_covers(tx, made)
        return made


def _kept(tx: Transaction, name: str, start: datetime, end: datetime) -> Kept:
    # One change of a rota after another, so that each sees the covers of the one before.
    tx.session.get(tables.Rota, name, with_for_update=True)
    kept = next((each for each in rotas.between(tx, start, end) if each.rota.name == name), None)
    if kept is None:
        raise _no_rota(name)
    return kept


def _no_rota(name: str) -> NotFound:
    return NotFound(f"there is no rota {name}: `ess duty export` lists them")


def _must_fit(tx: Transaction, rota: Rota, ref: str) -> None:
    if what := unfit(rota, ref, _roster(tx, [ref])):
        raise Refused(what)


def _roster(tx: Transaction, refs: Collection[str]) -> Mapping[str, Member]:
    people = {person.id: person for person in responders.by_refs(tx, refs)}
    codes: dict[Any, tuple[str, ...]] = {}
    for row in tx.session.exec(select(tables.Jurisdiction).where(col(tables.Jurisdiction.responder_id).in_(people))):
        codes[row.responder_id] = (*codes.get(row.responder_id, ()), row.area_code)
    return {
        person.ref: Member(person.role, codes.get(person.id) or seat(person.province_code, person.district_code))
        for person in people.values()
    }


# --- questions -------------------------------------------------------------------------------------------
def area_named(text: str) -> str:
    """The code of a province or district, by its code, or of a province by its Thai or English name; or `TH`."""
    if text.upper() == NATION or (text in areas() and len(text) in {PROVINCE, DISTRICT}):
        return text.upper()
    place = geo.find(text)
    if place is None or len(place.candidates) > 1:
        raise NotFound(f"there is no province {text}: give its code, such as 65, its name in Thai or English, or TH")
    return place.province.code


def on_duty(engine: Engine, area: str, at: datetime | None) -> dict[str, Any]:
    """Who has the duty in each rota of the area at that instant (now where None), until when and why, and who is next.

    `until` and `next` are None where nothing changes within a month.
    """
    with engine.store.transaction() as tx:
        at = at or tx.now
        found = [
            kept
            for kept in rotas.between(tx, at, at + _NEXT_WITHIN, [area[:PROVINCE]])
            if kept.rota.area.startswith(area)
        ]
        absent, names = _people(tx, found)
        return {
            "at": at.isoformat(),
            "area": area,
            "rotas": [_shown(engine, kept, at, absent, names) for kept in found],
        }


def _people(tx: Transaction, found: Iterable[Kept]) -> tuple[Away, dict[str, str]]:
    refs = {ref for kept in found for ref in rotas.mentioned(kept)}
    return rotas.away(tx, refs), {person.ref: person.name for person in responders.by_refs(tx, refs)}


def _shown(engine: Engine, kept: Kept, at: datetime, absent: Away, names: Mapping[str, str]) -> dict[str, Any]:
    now, *others = spans(kept.rota, kept.covers, engine.days_off, at, at + _NEXT_WITHIN, absent)
    later = [span for span in others if span.standing.refs != now.standing.refs]
    return {
        "rota": kept.rota.name,
        "area": kept.rota.area,
        "role": str(kept.rota.role),
        "now": {**_standing(now, names), "until": later[0].starts_at.isoformat() if later else None},
        "next": {**_standing(later[0], names), "from": later[0].starts_at.isoformat()} if later else None,
    }


def _standing(span: Span, names: Mapping[str, str]) -> dict[str, Any]:
    people = [{"ref": ref, "name": names.get(ref, ref)} for ref in span.standing.refs]
    return {"responders": people, "why": str(span.standing.why)}


def gaps_ahead(engine: Engine, within: timedelta = AHEAD) -> dict[str, list[tuple[datetime, datetime]]]:
    """When each rota must be filled and is not, from now on; rotas without a gap are left out."""
    with engine.store.transaction() as tx:
        begins = tx.now
        found = rotas.between(tx, begins, begins + within)
        absent, _ = _people(tx, found)
    open_times = {
        kept.rota.name: gaps(kept.rota, kept.covers, engine.days_off, begins, begins + within, absent) for kept in found
    }
    return {name: times for name, times in open_times.items() if times}
