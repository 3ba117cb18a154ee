"""How long it takes by road from people's bases to the neighbourhoods of incidents, as a router has said."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from ess.domain.place import Pin
from ess.store import tables
from ess.store.store import Transaction

#: Roads change: so old is as good as unknown to whoever asks the router, and better than nothing to a choice.
_FRESH = timedelta(days=30)


def _sealed(tx: Transaction, neighbourhood: str) -> str:
    """By which it is looked up; it tells nobody where an incident was."""
    return tx.vault.index(f"neighbourhood {neighbourhood}").hex()


def known(tx: Transaction, neighbourhood: str) -> dict[UUID, tuple[Pin, float | None]]:
    """For each responder the base that was asked about and the minutes; None where no road leads there."""
    rows = tx.session.execute(_KNOWN, {"neighbourhood": _sealed(tx, neighbourhood)})
    return {row.responder_id: ((row.latitude, row.longitude), row.minutes) for row in rows}


_KNOWN = text("SELECT responder_id, latitude, longitude, minutes FROM travel_time WHERE neighbourhood = :neighbourhood")


def wanted(tx: Transaction, neighbourhood: str, pin: Pin, provinces: Sequence[str], most: int) -> dict[UUID, Pin]:
    """The bases, at most so many, the nearest, of whoever serves these provinces and whose time is not known."""
    values = {
        "latitude": pin[0],
        "longitude": pin[1],
        "neighbourhood": _sealed(tx, neighbourhood),
        "fresh": tx.now - _FRESH,
    }
    rows = tx.session.execute(_WANTED, {**values, "provinces": list(provinces), "most": most})
    return {row.id: (row.latitude, row.longitude) for row in rows if not row.is_known}


# The nearest first, and only of these those that are not known: what is far never comes nearer.
_WANTED = text("""
    SELECT r.id, r.latitude, r.longitude, t.responder_id IS NOT NULL AS is_known
    FROM (
        SELECT DISTINCT responder_id FROM unnest(CAST(:provinces AS text[])) AS province
        JOIN jurisdiction j ON j.role IN ('police_station', 'radio_191', 'one_home', 'social_worker', 'volunteer')
            AND j.area_code >= province AND j.area_code < province || '~'
    ) serving
    JOIN responder r ON r.id = serving.responder_id
    LEFT JOIN travel_time t ON t.neighbourhood = :neighbourhood AND t.responder_id = r.id
        AND t.latitude = r.latitude AND t.longitude = r.longitude AND t.at > :fresh
    WHERE r.active AND NOT r.drill AND r.latitude IS NOT NULL AND r.longitude IS NOT NULL
    ORDER BY (r.latitude - :latitude) ^ 2 + (r.longitude - :longitude) ^ 2, r.ref
    LIMIT :most
""")


def keep(tx: Transaction, neighbourhood: str, bases: Mapping[UUID, Pin], minutes: Sequence[float | None]) -> None:
    """What the router said of these bases, instead of what it said before."""
    rows: list[dict[str, Any]] = [
        {
            "neighbourhood": _sealed(tx, neighbourhood),
            "responder_id": responder_id,
            "latitude": base[0],
            "longitude": base[1],
            "minutes": took,
            "at": tx.now,
        }
        for (responder_id, base), took in zip(bases.items(), minutes, strict=True)
    ]
    statement = insert(tables.TravelTime).values(rows)
    new = {name: statement.excluded[name] for name in ("latitude", "longitude", "minutes", "at")}
    tx.session.execute(statement.on_conflict_do_update(index_elements=["neighbourhood", "responder_id"], set_=new))
