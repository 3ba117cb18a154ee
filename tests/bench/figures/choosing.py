"""Who is chosen, from a roster of the size of a country's."""

import time
from datetime import datetime
from typing import Any
from uuid import uuid4

import geothai
from figure import Figure, Scale, Spread
from plans import explained, nodes
from sqlalchemy import insert
from world import World

from ess import geo
from ess.domain.duty import Role
from ess.domain.place import Place
from ess.domain.policy import Target, Within
from ess.domain.selection import choose
from ess.store import Transaction, responders, tables

#: Of a hundred more people in the roster, so many have this role.
_MIX = {Role.POLICE_STATION: 20, Role.ONE_HOME: 5, Role.SOCIAL_WORKER: 15, Role.VOLUNTEER: 60}
_BATCH = 5_000
#: What the shipped policies ask, the widest last.
_ASKED = {
    "station of the district": Target(Role.POLICE_STATION, Within.DISTRICT),
    "three stations of the province": Target(Role.POLICE_STATION, Within.PROVINCE, count=3),
}
#: Places, all over the country.
_N = 200


def choice(world: World, scale: Scale) -> Figure:
    """Candidates are read and the nearest chosen, as the step of a track does it."""
    _enrol(world, scale.responders)
    places = list(_places(_N))
    spreads: dict[str, Spread] = {}
    bare: list[float] = []
    pools: list[int] = []
    for name, target in _ASKED.items():
        took = []
        for place, pin in [places[0], *places]:
            with world.store.transaction() as tx:
                now, began = tx.now, time.perf_counter()
                pools.append(_choose(tx, target, place, pin, now))
                took.append(time.perf_counter() - began)
                tx.session.rollback()
                began = time.perf_counter()
                _ids(tx, place)
                bare.append(time.perf_counter() - began)
        spreads[name] = Spread.of_seconds(took[1:])  # the first one warms up
    worst = max(spreads.values(), key=lambda spread: spread.p99)
    target, place = _ASKED["station of the district"], places[0][0]
    plan = explained(world, lambda tx: responders.candidates(tx, [target], place))
    world.tell("DELETE FROM responder WHERE ref LIKE 'BENCH-%'")
    return Figure(
        f"choosing among {scale.responders:,} responders",
        "p99 ≤ 20 ms",
        "; ".join(f"{name}: {spread}" for name, spread in spreads.items()),
        f"{Spread.of_seconds(bare)}: the ids of the role in the province, one query",
        worst.p99 <= 20,
        f"every candidate of the role in the province is read: {max(pools)} at most;"
        f" {', '.join(node for found in plan for node in nodes(found['plan']))}",
        {"spreads": spreads, "floor": Spread.of_seconds(bare), "plan": plan},
    )


def _choose(tx: Transaction, target: Target, place: Place, pin: tuple[float, float], now: datetime) -> int:
    pool = responders.candidates(tx, [target], place)
    choose([target], pool, place, pin, frozenset(), now)
    return len(pool)


def _ids(tx: Transaction, place: Place) -> None:
    query = "SELECT id FROM responder WHERE active AND role = %s AND province_code = %s"
    tx.session.connection().exec_driver_sql(query, (Role.POLICE_STATION, place.province.code)).all()


def _places(n: int) -> Any:
    codes = [district.code for province in geothai.provinces() for district in geothai.districts(province.code)]
    for code in codes[:: len(codes) // n][:n]:
        pin = geo.district_position(code)
        place = geo.locate(*pin) if pin else None
        if pin and place:
            yield place, pin


def _enrol(world: World, n: int) -> None:
    """So many more people, in every district alike, each with a sealed phone and LINE account."""
    districts = [(p.code, d.code) for p in geothai.provinces() for d in geothai.districts(p.code)]
    roles = [role for role, share in _MIX.items() for _ in range(share)]
    for start in range(0, n, _BATCH):
        rows = [_person(i, *districts[i % len(districts)], roles[i % len(roles)]) for i in range(start, start + _BATCH)]
        with world.store.transaction() as tx:
            for row in rows:
                row |= {"phone_index": tx.vault.index(row["phone"]), "line_index": tx.vault.index(row["line_user_id"])}
            tx.session.execute(insert(tables.Responder), rows)
    world.tell("ANALYZE responder")


def _person(i: int, province: str, district: str, role: Role) -> dict[str, Any]:
    at = geo.district_position(district) or (None, None)
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
        "channels": ["line", "sms"],
        "active": True,
    }
