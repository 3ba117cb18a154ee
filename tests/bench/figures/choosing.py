"""Who is chosen, from a roster of the size of a country's, and from one of a tenth of it."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import uuid4

import geothai
from figure import Figure, Scale, Spread
from plans import explained, nodes
from sqlalchemy import insert
from world import World

from config.settings import HERE
from ess import geo
from ess.domain.duty import Role
from ess.domain.incident import Incident
from ess.domain.place import Place
from ess.domain.policy import Target, Within
from ess.domain.report import IncidentType
from ess.domain.selection import choose
from ess.policies import load_policies
from ess.store import Transaction, candidates, tables
from ess.store.incidents import Rows

#: Of a hundred more people in the roster, so many have this role.
_MIX = {Role.POLICE_STATION: 20, Role.ONE_HOME: 5, Role.SOCIAL_WORKER: 15, Role.VOLUNTEER: 60}
_BATCH = 5_000
#: What policies ask; the last is what all tracks of one incident ask at first.
_ASKED = {
    "station of the district": (Target(Role.POLICE_STATION, Within.DISTRICT),),
    "three stations of the province": (Target(Role.POLICE_STATION, Within.PROVINCE, count=3),),
    "two of the province's volunteers within 10 km": (Target(Role.VOLUNTEER, Within.PROVINCE, count=2, max_km=10),),
    "all first steps": (
        Target(Role.POLICE_STATION, Within.DISTRICT),
        Target(Role.ONE_HOME, Within.PROVINCE),
        Target(Role.VOLUNTEER, Within.DISTRICT, count=2, max_km=(5, 15)),
    ),
}
#: Places, all over the country.
_N = 200
#: How far from the seat of their district people live, in degrees.
_AROUND = 0.1

_ALERTED = (
    "INSERT INTO alert (id, incident_id, responder_id, role, track, step, state, created_at)"
    " SELECT gen_random_uuid(), (SELECT id FROM incident LIMIT 1), id, role, 'bench', 1, 'stood_down',"
    " clock_timestamp() - random() * interval '2 days' FROM responder WHERE ref LIKE 'BENCH-%'"
)


def choice(world: World, scale: Scale) -> Figure:
    """Candidates are read and the best chosen, as the steps of a track do it."""
    places = list(_places(_N))
    world.report(0)
    world.settle()
    smaller, larger = scale.responders // 10, scale.responders
    _enrol(world, 0, smaller)
    before, _, _ = _measured(world, places)
    _enrol(world, smaller, larger)
    spreads, bare, read = _measured(world, places)
    plan = explained(world, lambda tx: _find(tx, _ASKED["all first steps"], *places[0]))
    world.tell(
        "DELETE FROM alert WHERE track = 'bench'",
        "DELETE FROM responder WHERE ref LIKE 'BENCH-%'",
    )
    worst = max(spreads.values(), key=lambda spread: spread.p99)
    growth = max(spreads[name].p50 / before[name].p50 for name in spreads)
    return Figure(
        f"choosing among {larger:,} responders",
        "p99 ≤ 20 ms, growing slower than the roster",
        "; ".join(f"{name}: {spread}" for name, spread in spreads.items())
        + f"; with {smaller:,}: "
        + "; ".join(f"{name}: {spread}" for name, spread in before.items()),
        f"{bare}: the ids of the stations of the district, one query",
        worst.p99 <= 20 and growth < larger / smaller,
        f"{larger // smaller} times the people take {growth:.1f} times as long, at most;"
        f" {read} at most are read whole, by {', '.join(node for found in plan for node in nodes(found['plan']))}",
        {"spreads": spreads, "smaller": before, "floor": bare, "plan": plan},
    )


def _measured(world: World, places: list[tuple[Place, tuple[float, float]]]) -> tuple[dict[str, Spread], Spread, int]:
    spreads: dict[str, Spread] = {}
    bare: list[float] = []
    read = 0
    for name, targets in _ASKED.items():
        took = []
        # The first ones warm up: the statement is prepared when it comes for the sixth time.
        for place, pin in [*places[:10], *places]:
            with world.store.transaction() as tx:
                _ = tx.now
                began = time.perf_counter()
                read = max(read, _choose(tx, targets, place, pin))
                took.append(time.perf_counter() - began)
                tx.session.rollback()
                began = time.perf_counter()
                _ids(tx, place)
                bare.append(time.perf_counter() - began)
        spreads[name] = Spread.of_seconds(took[10:])
    return spreads, Spread.of_seconds(bare), read


def _choose(tx: Transaction, targets: tuple[Target, ...], place: Place, pin: tuple[float, float]) -> int:
    pool = {person.id: person for found in _find(tx, targets, place, pin) for person in found.responders}
    choose(targets, pool.values(), place, pin, frozenset(), tx.now)
    return len(pool)


def _find(
    tx: Transaction, targets: tuple[Target, ...], place: Place, pin: tuple[float, float]
) -> Iterable[candidates.Found]:
    incident = replace(_incident(), place=place)
    tx.loaded[incident.id] = Rows(tables.Incident(id=incident.id, pin=list(pin), drill=False))
    return candidates.find(tx, incident, targets, {}).values()


@cache
def _incident() -> Incident:
    policy = load_policies(HERE / "policies")[IncidentType.ASSAULT]
    return Incident(uuid4(), "BENCH2", policy.type, policy)


def _ids(tx: Transaction, place: Place) -> None:
    query = "SELECT responder_id FROM jurisdiction WHERE role = %s AND area_code = %s"
    district = place.district or place.province
    tx.session.connection().exec_driver_sql(query, (Role.POLICE_STATION, district.code)).all()


def _places(n: int) -> Iterator[tuple[Place, tuple[float, float]]]:
    codes = [district.code for province in geothai.provinces() for district in geothai.districts(province.code)]
    for code in codes[:: len(codes) // n][:n]:
        pin = geo.district_position(code)
        place = geo.locate(*pin) if pin else None
        if pin and place:
            yield place, pin


def _enrol(world: World, first: int, n: int) -> None:
    """People up to so many, in every district alike, each with a sealed phone and LINE account, and alerted once."""
    districts = [(p.code, d.code) for p in geothai.provinces() for d in geothai.districts(p.code)]
    roles = [role for role, share in _MIX.items() for _ in range(share)]
    random.Random(191).shuffle(roles)
    for start in range(first, n, _BATCH):
        rows = [
            _person(i, *districts[i % len(districts)], roles[i % len(roles)])
            for i in range(start, min(start + _BATCH, n))
        ]
        areas = [{"role": row["role"], "area_code": row["district_code"], "responder_id": row["id"]} for row in rows]
        with world.store.transaction() as tx:
            for row in rows:
                row |= {"phone_index": tx.vault.index(row["phone"]), "line_index": tx.vault.index(row["line_user_id"])}
            tx.session.execute(insert(tables.Responder), rows)
            tx.session.execute(insert(tables.Jurisdiction), areas)
    world.tell("DELETE FROM alert WHERE track = 'bench'", _ALERTED, "ANALYZE responder, jurisdiction, alert")


def _person(i: int, province: str, district: str, role: Role) -> dict[str, Any]:
    chance = random.Random(i)
    seat = geo.district_position(district)
    at = [degrees + chance.uniform(-_AROUND, _AROUND) for degrees in seat] if seat else [None, None]
    return {
        "id": uuid4(),
        "ref": f"BENCH-{i}",
        "name_th": f"คนที่ {i}",
        "name_en": f"Person {i}",
        "agency": "volunteer",
        "role": role,
        "province_code": province,
        "district_code": district,
        "latitude": at[0],
        "longitude": at[1],
        "phone": f"+6600{i:07d}",
        "line_user_id": f"U{i:032x}",
        "skills": ["children"] if i % 3 == 0 else [],
        "capacity": 1 if role is Role.VOLUNTEER else None,
        "rest_s": 3600 if role is Role.VOLUNTEER else 0,
        "channels": ["line", "sms"],
        "active": True,
    }
