"""Whom a choice looks at: the nearest of those who are responsible, with all that the choice must know of them now.

The index of `jurisdiction` finds them, so that the size of the roster does not matter, and only the nearest are read
whole: of a province's thousand volunteers a page, of those who serve the districts that the place names.  The rest is
looked at where too few of them are free.  Nothing is remembered from one choice to the next.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from math import cos, inf, radians
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from ess.domain.duty import Responder
from ess.domain.incident import Incident
from ess.domain.place import Pin, distance_km
from ess.domain.policy import Target
from ess.domain.reason import Phrase, Rest, Why
from ess.domain.selection import Reach, nearby, reaches
from ess.domain.travel import neighbourhood
from ess.store import responders, travel_times
from ess.store.store import Transaction

#: How many of each area are read at first, the nearest; and so many times more where too few of them are free.
PAGE = 16
NEXT_PAGE = 8
#: What somebody was alerted for longer ago keeps nobody busy, and no rest lasts longer.
_LATELY = timedelta(days=2)
_KM_PER_DEGREE = 111.195
#: Of whom nobody knows how far.
_FAR = inf


@dataclass(frozen=True)
class Found:
    """Those of one target who were read."""

    responders: tuple[Responder, ...]
    #: How many more of the role are responsible for the place, and why they were not read.
    left: tuple[Rest, ...]
    #: How many of those are not farther than the target allows.
    n_left_near: int


def find(
    tx: Transaction,
    incident: Incident,
    targets: Collection[Target],
    off: Mapping[str, Phrase],
    *,
    limit: int | None = None,
) -> dict[Target, Found]:
    """For each target the nearest of each area that may hold the incident, in one query.

    `off` says by `ref` who is off duty, and why.

    Without a limit a page of them, from that part of a large area where the nearest live; with one, of the whole area.
    Only what is chosen by is read: addresses stay sealed.  Active responders only; a drill has its own.
    """
    row = tx.loaded[incident.id].incident
    wishes = [
        _Wish(target, part, reach if i == 0 and part != reach else None)
        for target in targets
        for reach in reaches(target.within, incident.place)
        for i, part in enumerate(nearby(reach, incident.place) if limit is None else [reach])
    ]
    latitude, longitude = incident.pin or (None, None)
    answer = tx.session.execute(
        _NEAREST,
        {
            "roles": [wish.target.role for wish in wishes],
            "lows": [wish.reach.code for wish in wishes],
            "highs": [_end(wish.reach) for wish in wishes],
            "whole_lows": [wish.part_of.code if wish.part_of else None for wish in wishes],
            "whole_highs": [_end(wish.part_of) if wish.part_of else None for wish in wishes],
            "skills": [json.dumps(wish.target.skills) if wish.target.skills else None for wish in wishes],
            "far": [_square_degrees(wish.target) for wish in wishes],
            "latitude": latitude,
            "longitude": longitude,
            "shrink": cos(radians(latitude)) if latitude is not None else None,
            "limit": limit or PAGE,
            "drill": row.drill,
            "incident_id": incident.id,
            "since": tx.now - _LATELY,
        },
    ).all()
    people: dict[UUID, Responder] = {}
    read: dict[Target, list[list[Any]]] = {target: [] for target in targets}
    for number, rows in groupby(sorted(answer, key=lambda found: int(found.wish)), key=lambda found: int(found.wish)):
        read[wishes[number - 1].target].append(list(rows))
    for found in answer:
        if found.id is not None and found.id not in people:
            people[found.id] = _person(tx, found, off.get(found.ref))
    if tx.travel_times and incident.pin:
        for known, (base, minutes) in travel_times.known(tx, neighbourhood(incident.pin)).items():
            who = people.get(known)
            if who and (who.latitude, who.longitude) == base:
                people[known] = replace(who, minutes=minutes, roadless=minutes is None)
    return {target: _found(target, areas, people, incident.pin) for target, areas in read.items()}


@dataclass(frozen=True)
class _Wish:
    """One range of the index."""

    target: Target
    reach: Reach
    #: The first part of a larger area says how many serve that.
    part_of: Reach | None


def _end(reach: Reach) -> str:
    """The first code that does not belong to it; every code is ASCII."""
    return f"{reach.code}~" if reach.parts else f"{reach.code} "


def _square_degrees(target: Target) -> float | None:
    return (target.limits_km[-1] / _KM_PER_DEGREE) ** 2 if target.limits_km else None


def _found(target: Target, areas: Iterable[list[Any]], people: Mapping[UUID, Responder], pin: Pin | None) -> Found:
    read: set[UUID] = set()
    n_left = n_left_near = n_whole = 0
    farthest = _FAR
    for rows in areas:
        here = [row for row in rows if row.id is not None]
        read |= {row.id for row in here}
        n_whole += rows[0].n_whole or 0
        if here:
            n_left += here[0].n - len(here)
            n_left_near += here[0].n_near - sum(row.near for row in here)
            if here[0].n > len(here):
                farthest = min(farthest, max(_km(pin, people[row.id]) for row in here))
    # Of a large area only parts were looked at, and whoever lives elsewhere in it may be near as well.
    elsewhere = max(n_whole - len(read), 0)
    left = (Rest(n_left, _behind(target, farthest)), Rest(max(elsewhere - n_left, 0), Phrase(Why.OTHER_PARTS)))
    return Found(
        tuple(people[found] for found in read), tuple(rest for rest in left if rest.n), max(n_left_near, elsewhere)
    )


def _behind(target: Target, farthest: float) -> Phrase:
    """Why those come later who were not read: their order is that of the query."""
    if target.skills:
        return Phrase(Why.ALL_BEHIND)
    return Phrase.of(Why.ALL_FARTHER, km=round(farthest, 2)) if farthest < _FAR else Phrase(Why.ALL_NUMBERED)


def _km(pin: Pin | None, who: Responder) -> float:
    if pin is None or who.latitude is None or who.longitude is None:
        return _FAR
    return distance_km(*pin, who.latitude, who.longitude)


def _person(tx: Transaction, row: Any, off_duty: Phrase | None) -> Responder:
    here = tx.alerted[row.id]
    return responders.domain(
        row,
        jurisdictions=tuple(row.jurisdictions),
        off_duty=off_duty,
        busy=row.busy,
        asked=row.asked + here,
        on_scene=row.on_scene,
        free_since=row.free_since,
        last_alerted_at=tx.now if here else row.last_alerted_at,
    )


def claimed(tx: Transaction, incident: Incident, chosen: Collection[Responder]) -> list[Responder]:
    """These as they are now, so that no other choice of this moment can go on not knowing of this one.

    Whoever somebody else is choosing at this instant counts as asked once more.  Nothing waits: the other choice may
    hang, and the alert must not.
    """
    ids = [responder.id for responder in chosen]
    contested = set(tx.session.scalars(_CONTESTED, {"ids": ids}))
    # A statement of its own, because it must see what was committed before the lock was given.
    values = {"ids": ids, "incident_id": incident.id, "since": tx.now - _LATELY}
    now = {row.id: row for row in tx.session.execute(_LOADS, values)}
    return [
        replace(
            responder,
            busy=now[responder.id].busy,
            asked=now[responder.id].asked + (responder.id in contested) + tx.alerted[responder.id],
            on_scene=now[responder.id].on_scene,
            last_alerted_at=tx.now if tx.alerted[responder.id] else now[responder.id].last_alerted_at,
        )
        for responder in chosen
    ]


#: Of one responder `r`: what other incidents have of them.  The latest alerts will do, so that a desk which is asked
#: thousands of times in a disaster costs no more than anybody.
_MOMENT = """
    SELECT max(a.created_at) AS last_alerted_at,
        count(DISTINCT i.id) FILTER (WHERE a.state IN ('accepted', 'departed', 'arrived')) AS busy,
        count(DISTINCT i.id) FILTER (WHERE a.state = 'open') AS asked,
        coalesce(bool_or(a.state = 'arrived') FILTER (WHERE i.id IS NOT NULL), false) AS on_scene
    FROM (
        SELECT state, incident_id, created_at FROM alert
        WHERE responder_id = r.id AND created_at > :since
        ORDER BY created_at DESC LIMIT 64
    ) a
    LEFT JOIN incident i ON i.id = a.incident_id AND i.id <> :incident_id
        AND a.state IN ('open', 'accepted', 'departed', 'arrived')
        AND i.state NOT IN ('resolved', 'closed', 'cancelled', 'merged')
"""

#: When the last call-out of a responder `r` ended: they had accepted, and it is over or theirs no more.
_REST = """
    SELECT max(coalesce(ending.at, a.answered_at)) AS free_since
    FROM alert a
    JOIN incident i ON i.id = a.incident_id
    LEFT JOIN LATERAL (
        SELECT min(f.at) AS at FROM fact f
        WHERE f.incident_id = i.id AND f.fact IN ('resolved', 'closed', 'cancelled', 'merged')
    ) ending ON a.state IN ('accepted', 'departed', 'arrived')
    WHERE a.responder_id = r.id AND a.created_at > :since
        AND (a.state IN ('stood_down', 'declined') OR i.state IN ('resolved', 'closed', 'cancelled', 'merged'))
        AND EXISTS (
            SELECT FROM fact f
            WHERE f.incident_id = i.id AND f.fact = 'accepted' AND f.data ->> 'alert_id' = a.id::text
        )
"""

_NEAREST: TextClause = text(f"""
    WITH wish AS MATERIALIZED (
        SELECT *, CASE WHEN whole_low IS NOT NULL THEN (
            SELECT count(DISTINCT responder_id) FROM jurisdiction j
            WHERE j.role = asked.role AND j.area_code >= asked.whole_low AND j.area_code < asked.whole_high
        ) END AS n_whole
        FROM unnest(
            CAST(:roles AS text[]), CAST(:lows AS text[]), CAST(:highs AS text[]),
            CAST(:whole_lows AS text[]), CAST(:whole_highs AS text[]), CAST(:skills AS text[]), CAST(:far AS float8[])
        ) WITH ORDINALITY AS asked(role, low, high, whole_low, whole_high, skills, far, wish)
    )
    SELECT wish.wish, wish.n_whole, nearest.n, nearest.n_near, nearest.near,
        r.id, r.ref, r.name_th, r.role, r.province_code, r.district_code, r.latitude, r.longitude, r.outline,
        r.skills, r.capacity, r.rest_s, r.channels, r.active, r.leave_until, r.line_blocked,
        r.line_index IS NOT NULL AS has_line, r.phone_index IS NOT NULL AS has_phone,
        ARRAY(SELECT area_code FROM jurisdiction WHERE responder_id = r.id) AS jurisdictions,
        moment.*, rest.free_since
    FROM wish
    LEFT JOIN LATERAL (
        SELECT id, near, count(*) OVER () AS n, count(*) FILTER (WHERE near) OVER () AS n_near
        FROM (
            SELECT p.id, p.ref, d.square,
                CASE WHEN wish.skills IS NOT NULL THEN (
                    SELECT count(*) FROM jsonb_array_elements_text(CAST(wish.skills AS jsonb)) AS skill
                    WHERE skill = ANY (p.skills)
                ) END AS n_skills,
                coalesce(wish.far IS NULL OR CAST(:latitude AS float8) IS NULL OR d.square <= wish.far,
                    jsonb_typeof(p.outline) = 'array', false) AS near
            FROM (
                SELECT DISTINCT responder_id FROM jurisdiction j
                WHERE j.role = wish.role AND j.area_code >= wish.low AND j.area_code < wish.high
            ) j
            JOIN responder p ON p.id = j.responder_id
            CROSS JOIN LATERAL (
                SELECT (p.latitude - CAST(:latitude AS float8)) ^ 2
                    + ((p.longitude - CAST(:longitude AS float8)) * CAST(:shrink AS float8)) ^ 2 AS square
            ) d
            WHERE p.active AND p.drill = :drill
        ) responsible
        ORDER BY n_skills DESC, square NULLS LAST, ref
        LIMIT :limit
    ) nearest ON true
    LEFT JOIN responder r ON r.id = nearest.id
    LEFT JOIN LATERAL ({_MOMENT}) moment ON true
    LEFT JOIN LATERAL ({_REST}) rest ON r.rest_s > 0
""")  # noqa: S608  # only the two fragments above are put in

_CONTESTED: TextClause = text("""
    SELECT id FROM unnest(CAST(:ids AS uuid[])) AS id
    WHERE NOT pg_try_advisory_xact_lock(hashtextextended(CAST(id AS text), 2))
""")

_LOADS: TextClause = text(f"""
    SELECT r.id, moment.*
    FROM unnest(CAST(:ids AS uuid[])) AS r(id)
    CROSS JOIN LATERAL ({_MOMENT}) moment
""")  # noqa: S608
