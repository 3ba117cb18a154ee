"""Travel times by road are asked for after a choice and known to the next; whatever the router does, nobody waits.

Its double is a server on loopback (`tests/routers.py`); database and broker are real, and nothing else runs: each
deadline is kept by hand.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from loopback import served
from routers import FakeRouter
from sqlalchemy import event, text
from structlog.testing import capture_logs

from config.settings import Settings
from ess import dispatch, travel, views
from ess.domain.duty import Channel, Role
from ess.domain.errors import ChannelDown, PermanentFailure, TransientFailure
from ess.domain.report import IncidentType, Location, Report, Reporter, Source
from ess.embedded.local import whole
from ess.engine import Engine, open_engine
from ess.geo.routes import Osrm, Router, router
from ess.roster import Entry
from ess.store import deadlines, enrolment, incidents
from ess.store.crypto import EncryptedJson

THE_HOUSE = (16.8211, 100.2659)
#: Three kilometres off, across the river; and eight, along the main road.
ACROSS_THE_RIVER, ALONG_THE_ROAD = (16.848, 100.2659), (16.893, 100.2659)


@pytest.fixture
def fake() -> Iterator[FakeRouter]:
    with served(FakeRouter()) as server:
        server.minutes = {ACROSS_THE_RIVER: 25.0, ALONG_THE_ROAD: 9.0}
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("travel").resolve()
    with whole(Settings(database_url=None, broker_url=None, data_dir=folder), throwaway=True) as settings:
        yield settings


@pytest.fixture
def engine(running: Settings, fake: FakeRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    yield from _opened(running.model_copy(update={"router_url": fake.url}), monkeypatch)


@pytest.fixture
def without_router(running: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    yield from _opened(running, monkeypatch)


def _opened(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(EncryptedJson, "vault", EncryptedJson.vault)  # other tests of this process have a key of theirs
    monkeypatch.setattr(incidents, "_policies", {})  # and another database, which keeps these already
    opened = open_engine(settings, lambda _: [], pool_size=2)
    with opened.store.transaction() as tx:
        enrolment.upsert(tx, [station("PS-near", ACROSS_THE_RIVER), station("PS-far", ALONG_THE_ROAD)])
    yield opened
    with opened.store.transaction() as tx:
        everything = "travel_time, fact, delivery, deadline, alert, report, incident, jurisdiction, responder"
        tx.session.execute(text(f"TRUNCATE {everything} CASCADE"))
    opened.store.close()


def station(ref: str, base: tuple[float, float]) -> Entry:
    return Entry(
        *(ref, f"สถานีทดสอบ {ref}", f"Station {ref}", "police", Role.POLICE_STATION, "65", "6501", *base),
        *("+66000000000", None, (Channel.SMS,), True, ("6501",)),
    )


def asking(fake: FakeRouter, timeout_s: float = 5.0) -> Osrm:
    return Osrm(Settings(router_url=fake.url, router_timeout_s=timeout_s))


def reported(engine: Engine) -> UUID:
    """A report from the house, whose incident has been located, and whose first steps have been chosen."""
    report = Report(IncidentType.ASSAULT, Source.API, Location(*THE_HOUSE), Reporter())
    key = str(uuid4())
    accepted = dispatch.accept_report(engine, report, owner="test", idempotency_key=key, drill=False)
    for deadline_id in due(engine, "locate"):
        dispatch.keep_deadlines(engine, [deadline_id])
    return accepted.incident_id


def due(engine: Engine, kind: str = "travel") -> list[int]:
    question = text("SELECT id FROM deadline WHERE kind = :kind AND due_at <= clock_timestamp()")
    with engine.store.transaction() as tx:
        return list(tx.session.scalars(question, {"kind": kind}))


def measured(engine: Engine, by: Router) -> None:
    for deadline_id in due(engine):
        travel.measure_travel(engine, by, deadline_id)


def asked_first(engine: Engine, incident_id: UUID) -> dict[str, Any]:
    """The station that the first step asked, with the reason."""
    with engine.store.transaction() as tx:
        detail = views.detail(tx, views.find(tx, str(incident_id)))
    (alert,) = (alert for alert in detail["alerts"] if alert["step"] == 1)
    return {"ref": alert["responder"]["ref"], "reason": alert["reason"]}


def end_all(engine: Engine) -> None:
    """So that the next report from there begins an incident of its own."""
    with engine.store.transaction() as tx:
        ids = list(tx.session.scalars(text("SELECT id FROM incident WHERE state NOT IN ('closed', 'cancelled')")))
    for incident_id in ids:
        dispatch.cancel_incident(engine, incident_id, by="test", reason="over")


def test_the_next_choice_knows_who_is_there_sooner(engine: Engine, fake: FakeRouter) -> None:
    first = reported(engine)
    assert asked_first(engine, first) == {"ref": "PS-near", "reason": "the district, 3.0 km away"}
    assert fake.ledger == [], "nobody is asked before somebody was alerted"
    measured(engine, asking(fake))
    ((bases, to),) = fake.ledger
    assert bases == [ACROSS_THE_RIVER, ALONG_THE_ROAD]
    assert to != THE_HOUSE, "the pin is nobody else's to know"
    assert to == pytest.approx(THE_HOUSE, abs=0.006)
    assert due(engine) == []

    end_all(engine)
    second = reported(engine)
    assert asked_first(engine, second) == {"ref": "PS-far", "reason": "the district, 8.0 km away, 9 min by road"}
    measured(engine, asking(fake))
    assert len(fake.ledger) == 1, "what is known is not asked again"


def test_of_a_base_that_was_moved_nothing_is_known(engine: Engine, fake: FakeRouter) -> None:
    reported(engine)
    measured(engine, asking(fake))
    end_all(engine)
    moved = (16.8935, 100.2659)
    with engine.store.transaction() as tx:
        enrolment.upsert(tx, [station("PS-far", moved)])
    second = reported(engine)
    assert asked_first(engine, second)["ref"] == "PS-far", "16 minutes as the crow flies, and 25 by road"
    assert "by road" not in asked_first(engine, second)["reason"]
    measured(engine, asking(fake))
    assert [bases for bases, _ in fake.ledger[1:]] == [[moved]]


@pytest.mark.parametrize("how", ["slow", "busy", "no JSON", "too little", "refused"])
def test_a_router_that_is_slow_or_away_changes_nothing(engine: Engine, fake: FakeRouter, how: str) -> None:
    match how:
        case "slow":
            fake.answers.clear()
        case "busy":
            fake.status = 503
        case "no JSON":
            fake.body = "<html>"
        case "too little":
            fake.body = '{"durations": [[60]]}'
        case _:
            fake.status = 400
    for _ in range(2):
        found = reported(engine)
        assert asked_first(engine, found) == {"ref": "PS-near", "reason": "the district, 3.0 km away"}
        with capture_logs() as logs:
            measured(engine, asking(fake, timeout_s=0.2))
        assert "travel_not_measured" in str(logs)
        assert "100.26" not in str(logs), "where people live is in no log"
        assert due(engine) == []
        end_all(engine)


def test_a_bug_is_told_and_not_tried_for_ever(engine: Engine) -> None:
    class Broken:
        def minutes(self, *_: Any) -> list[float | None]:
            raise ZeroDivisionError

    reported(engine)
    (deadline_id,) = due(engine)
    with capture_logs() as logs:
        for _ in range(deadlines.MOST_FAILURES):
            assert due(engine) == [deadline_id]
            with pytest.raises(ZeroDivisionError):
                travel.measure_travel(engine, Broken(), deadline_id)
            with engine.store.transaction() as tx:
                deadlines.postpone(tx, deadline_id)  # as its task does
            with engine.store.transaction() as tx:  # the time comes
                tx.session.execute(text("UPDATE deadline SET due_at = clock_timestamp() WHERE kind = 'travel'"))
    assert due(engine) == []
    assert "deadline_given_up" in str(logs)


def test_from_where_no_road_leads_there_comes_behind(engine: Engine, fake: FakeRouter) -> None:
    fake.minutes = {ALONG_THE_ROAD: 9.0}
    reported(engine)
    measured(engine, asking(fake))
    end_all(engine)
    assert asked_first(engine, reported(engine)) == {
        "ref": "PS-far",
        "reason": "the district, 8.0 km away, 9 min by road",
    }


def test_where_nobody_has_a_road_the_distance_counts(engine: Engine, fake: FakeRouter) -> None:
    fake.minutes = {}
    reported(engine)
    measured(engine, asking(fake))
    end_all(engine)
    assert asked_first(engine, reported(engine)) == {
        "ref": "PS-near",
        "reason": "the district, 3.0 km away, no road leads there",
    }


def test_while_one_worker_asks_another_does_not(engine: Engine, fake: FakeRouter) -> None:
    reported(engine)
    (deadline_id,) = due(engine)

    class Meanwhile:
        def minutes(self, bases: Any, _: Any) -> list[float | None]:
            travel.measure_travel(engine, asking(fake), deadline_id)
            return [1.0] * len(bases)

    travel.measure_travel(engine, Meanwhile(), deadline_id)
    assert fake.ledger == []


def test_without_a_router_nothing_is_looked_up_and_nothing_promised(without_router: Engine) -> None:
    said: list[str] = []
    event.listen(without_router.store.engine, "before_cursor_execute", lambda *told: said.append(told[2]))
    found = reported(without_router)
    assert asked_first(without_router, found)["ref"] == "PS-near"
    assert due(without_router) == []
    assert said
    assert not [statement for statement in said if "travel_time" in statement]


def test_a_router_is_asked_no_more_where_it_fails_again_and_again(running: Settings, fake: FakeRouter) -> None:
    assert router(Settings()) is None
    patient = router(
        running.model_copy(update={"router_url": fake.url, "breaker_failures": 2, "router_rate_per_s": 100})
    )
    assert patient is not None
    fake.status = 503
    for _ in range(2):
        with pytest.raises(TransientFailure):
            patient.minutes([ACROSS_THE_RIVER], THE_HOUSE)
    with pytest.raises(ChannelDown):
        patient.minutes([ACROSS_THE_RIVER], THE_HOUSE)
    assert len(fake.ledger) == 2
    fake.status = 400
    with pytest.raises(PermanentFailure):
        asking(fake).minutes([ACROSS_THE_RIVER], THE_HOUSE)
