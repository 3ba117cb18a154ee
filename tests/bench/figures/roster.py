"""How long it takes until a whole nation's roster is in the database."""

import time

from figure import Figure, Scale, Spread
from sqlalchemy import text
from world import World

from ess import roster
from ess.store import enrolment

_TIMES = 5
_TARGET_S = 10


def enrolling(world: World, _scale: Scale) -> Figure:
    """The sample is read and enrolled on an empty roster, and then on itself."""
    csv = roster.sample_csv()
    first, again, bare = [], [], []
    n_added = n_wrong = 0
    for _ in range(_TIMES):
        with world.store.transaction() as tx:
            tx.session.execute(text("DELETE FROM responder WHERE NOT drill"))
            began = time.perf_counter()
            n_added, _ = enrolment.upsert(tx, roster.parse_csv(csv))
            enrolled = time.perf_counter()
            n_wrong += sum(enrolment.upsert(tx, roster.parse_csv(csv)))
            twice = time.perf_counter()
            tx.session.execute(text("CREATE TEMP TABLE copy AS SELECT * FROM responder"))
            bare.append(time.perf_counter() - twice)
            tx.session.rollback()
        first.append(enrolled - began)
        again.append(twice - enrolled)
    return Figure(
        "loading the nationwide sample roster",
        f"≤ {_TARGET_S} s, and the same again changes nothing",
        f"{n_added:,} units: {Spread.of_seconds(first)}; again: {Spread.of_seconds(again)}, {n_wrong} changed",
        f"{Spread.of_seconds(bare)}: PostgreSQL copies the rows",
        max(first) <= _TARGET_S and n_wrong == 0,
        "reading the file, sealing the addresses, a bulk INSERT of each table",
        {"first": Spread.of_seconds(first), "again": Spread.of_seconds(again), "floor": Spread.of_seconds(bare)},
    )
