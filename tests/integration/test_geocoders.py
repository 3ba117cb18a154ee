"""Online geocoders refine what words alone said, after the first alert; whatever they do, nobody waits for them.

Their double is a server on loopback (`tests/geocoders.py`); database and broker are real, and nothing else runs: each
deadline is kept by hand.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from geocoders import FakeGeocoder, said
from loopback import served
from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import select
from structlog.testing import capture_logs

from config.settings import Settings
from ess import dispatch, refine
from ess.domain.errors import ChannelDown, Misconfigured, PermanentFailure, TransientFailure
from ess.domain.report import IncidentType, Location, Report, Reporter, Source
from ess.embedded.local import whole
from ess.engine import Engine, open_engine
from ess.geo.online import Geocoder, OnlineGeocoder, geocoder
from ess.store import tables
from ess.store.crypto import EncryptedJson

GEOCODERS = ("nominatim", "google", "longdo")
#: Words in which no area is named, and the house that they mean.
NO_AREA, THE_HOUSE = "บ้านเลขที่ 5 ซอยสุขใจ", (16.8211, 100.2659)
ABROAD = (17.9757, 102.6331)


@pytest.fixture
def fake() -> Iterator[FakeGeocoder]:
    with served(FakeGeocoder()) as server:
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("geocoders").resolve()
    asked = Settings(database_url=None, broker_url=None, data_dir=folder, geocoder="nominatim")
    with whole(asked, throwaway=True) as settings:
        yield settings


@pytest.fixture
def engine(running: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(EncryptedJson, "vault", EncryptedJson.vault)  # other tests of this process have a key of theirs
    opened = open_engine(running, lambda _: [], pool_size=2)
    yield opened
    with opened.store.transaction() as tx:
        tx.session.execute(text("TRUNCATE geocode, fact, delivery, deadline, alert, report, incident CASCADE"))
    opened.store.close()


def asking(fake: FakeGeocoder, name: str = "nominatim", timeout_s: float = 5.0) -> OnlineGeocoder:
    return OnlineGeocoder(
        Settings(geocoder=name, geocoder_key="a key", geocoder_url=fake.url, geocoder_timeout_s=timeout_s)
    )


# --- what they say -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", GEOCODERS)
def test_an_address_becomes_a_point(fake: FakeGeocoder, name: str) -> None:
    fake.says(said(name, THE_HOUSE))
    assert asking(fake, name).find("5 ซอยสุขใจ") == THE_HOUSE
    assert fake.ledger == ["5 ซอยสุขใจ"]


@pytest.mark.parametrize("name", GEOCODERS)
def test_a_place_that_nobody_knows_is_none(fake: FakeGeocoder, name: str) -> None:
    fake.says(said(name, None))
    assert asking(fake, name).find("ไม่มี") is None


@pytest.mark.parametrize(
    ("name", "kind"), [("nominatim", "province"), ("google", "administrative_area_level_1"), ("google", "country")]
)
def test_the_middle_of_a_province_is_no_answer(fake: FakeGeocoder, name: str, kind: str) -> None:
    fake.says(said(name, THE_HOUSE, kind))
    assert asking(fake, name).find("พิษณุโลก") is None


@pytest.mark.parametrize("name", GEOCODERS)
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param("<html>", 200, id="no JSON"),
        pytest.param('{"x": 1}', 200, id="another JSON"),
        pytest.param('{"data": [{}], "status": "OK", "results": [{}]}', 200, id="JSON with holes"),
        pytest.param("[[1]]", 200, id="lists for objects"),
        pytest.param("busy", 500, id="500"),
        pytest.param("busy", 503, id="503"),
        pytest.param("slower", 429, id="429"),
    ],
)
def test_what_passes_is_told_from_what_does_not_and_no_error_holds_the_address(
    fake: FakeGeocoder, name: str, answer: str, status: int
) -> None:
    fake.says(answer, status=status)
    with pytest.raises(TransientFailure) as failed:
        asking(fake, name).find(NO_AREA)
    assert NO_AREA not in str(failed.value)
    assert "key" not in str(failed.value)


def test_how_long_to_wait_is_heard(fake: FakeGeocoder) -> None:
    fake.says("slower", status=429, Retry_After="7")
    with pytest.raises(TransientFailure) as failed:
        asking(fake).find(NO_AREA)
    assert failed.value.after == timedelta(seconds=7)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_does_not_pass(fake: FakeGeocoder, status: int) -> None:
    fake.says("no", status=status)
    with pytest.raises(PermanentFailure):
        asking(fake, "longdo").find(NO_AREA)


def test_a_slow_one_is_not_waited_for(fake: FakeGeocoder) -> None:
    fake.answers.clear()
    with pytest.raises(TransientFailure, match="GeocoderTimedOut"):
        asking(fake, timeout_s=0.2).find(NO_AREA)


def test_one_that_is_away_is_a_failure_that_passes() -> None:
    settings = Settings(geocoder="longdo", geocoder_key="a key", geocoder_url="http://127.0.0.1:1")
    with pytest.raises(TransientFailure):
        OnlineGeocoder(settings).find(NO_AREA)


def test_none_is_asked_unless_the_settings_name_one_and_a_key_that_is_missing_is_told(running: Settings) -> None:
    assert geocoder(Settings()) is None
    with pytest.raises(Misconfigured, match="ESS_GEOCODER=longdo needs ESS_GEOCODER_KEY"):
        open_engine(running.model_copy(update={"geocoder": "longdo"}), lambda _: [])


def test_it_is_asked_no_faster_than_allowed_and_left_alone_where_it_fails_again_and_again(
    running: Settings, fake: FakeGeocoder
) -> None:
    told = {"geocoder_url": fake.url, "breaker_failures": 2, "geocoder_rate_per_s": 100}
    patient = geocoder(running.model_copy(update=told))
    assert patient is not None
    fake.says("busy", status=503)
    for _ in range(2):
        with pytest.raises(TransientFailure):
            patient.find(NO_AREA)
    with pytest.raises(ChannelDown):
        patient.find(NO_AREA)
    assert len(fake.ledger) == 2

    google = running.model_copy(
        update={**told, "geocoder": "google", "geocoder_key": SecretStr("a key"), "geocoder_rate_per_s": 1}
    )
    hasty = geocoder(google)
    assert hasty is not None
    fake.says(said("google", None))
    refused = 0
    for _ in range(4):  # within two seconds at most two have room
        try:
            hasty.find(NO_AREA)
        except TransientFailure:
            refused += 1
    assert refused >= 2


# --- what becomes of an incident ---------------------------------------------------------------------------
PHONE = "+66100000000"  # no Thai number begins with 1 and has nine digits


def reported(engine: Engine, address: str | None, pin: tuple[float, float] | None = None) -> UUID:
    """A report whose incident has been located, and whose first step has been chosen."""
    latitude, longitude = pin or (None, None)
    report = Report(IncidentType.ASSAULT, Source.API, Location(latitude, longitude, address=address), Reporter(PHONE))
    accepted = dispatch.accept_report(engine, report, owner="test", idempotency_key=str(uuid4()))
    for kind in ("locate", "select"):
        keep(engine, kind, lambda held, deadline_id: dispatch.keep_deadlines(held, [deadline_id]))
    return accepted.incident_id


def keep(engine: Engine, kind: str, how: Any) -> None:
    for deadline_id in due(engine, kind):
        how(engine, deadline_id)


def due(engine: Engine, kind: str = "refine") -> list[int]:
    question = text("SELECT id FROM deadline WHERE kind = :kind AND due_at <= clock_timestamp()")
    with engine.store.transaction() as tx:
        return list(tx.session.scalars(question, {"kind": kind}))


def promised(engine: Engine) -> list[tables.Deadline]:
    with engine.store.transaction() as tx:
        return list(tx.session.exec(select(tables.Deadline).where(tables.Deadline.kind == "refine")))


def refined(engine: Engine, by: Geocoder) -> None:
    """Every due promise to ask is kept once."""
    keep(engine, "refine", lambda held, deadline_id: refine.refine_place(held, by, deadline_id))


class Meanwhile:
    """A geocoder that is asked for some words, and while it thinks, something is said."""

    name = "nominatim"

    def __init__(self, answer: tuple[float, float] | None, happens: Callable[[], object]) -> None:
        self.asked: list[str] = []
        self._answer, self._happens = answer, happens

    def find(self, address: str) -> tuple[float, float] | None:
        self.asked.append(address)
        self._happens()
        return self._answer


def incident(engine: Engine, incident_id: UUID) -> tables.Incident:
    with engine.store.transaction() as tx:
        return tx.session.get_one(tables.Incident, incident_id)


def test_a_place_that_no_words_named_is_found_after_the_desk_was_asked(engine: Engine, fake: FakeGeocoder) -> None:
    fake.says(said("nominatim", THE_HOUSE))
    found = reported(engine, NO_AREA)
    assert incident(engine, found).state == "unanswered"
    assert fake.ledger == [], "nothing is asked before somebody was alerted"
    refined(engine, asking(fake))
    assert fake.ledger == [NO_AREA]
    row = incident(engine, found)
    assert row.place is not None
    assert row.place["province"]["code"] == "65"
    assert row.pin == list(THE_HOUSE)
    assert promised(engine) == []


def test_a_province_that_the_words_named_gets_its_district(engine: Engine, fake: FakeGeocoder) -> None:
    fake.says(said("nominatim", THE_HOUSE))
    found = reported(engine, "ซอยสุขใจ จ.พิษณุโลก")
    before = incident(engine, found)
    assert before.place is not None
    assert before.place["districts"] == []
    refined(engine, asking(fake))
    after = incident(engine, found)
    assert after.place is not None
    assert after.place["districts"][0]["code"] == "6501"
    assert (after.place["source"], after.pin) == ("geocoder", list(THE_HOUSE))


def test_an_address_that_is_typed_later_is_kept_with_the_report_and_asked_for(
    engine: Engine, fake: FakeGeocoder
) -> None:
    fake.says(said("nominatim", None))
    found = reported(engine, NO_AREA)
    refined(engine, asking(fake))
    with engine.store.transaction() as tx:
        answer = Location(address="อ.เมืองพิษณุโลก จ.พิษณุโลก")
        assert dispatch.correct_location(engine, tx, found, answer, reporter=tx.vault.index(PHONE))
    assert promised(engine) == [], "nothing is asked before somebody was alerted"
    keep(engine, "select", lambda held, deadline_id: dispatch.keep_deadlines(held, [deadline_id]))
    fake.says(said("nominatim", THE_HOUSE))
    refined(engine, asking(fake))
    assert fake.ledger == [NO_AREA, f"{NO_AREA} อ.เมืองพิษณุโลก จ.พิษณุโลก"]
    row = incident(engine, found)
    assert row.place is not None
    assert (row.place["source"], row.pin) == ("geocoder", list(THE_HOUSE))
    with engine.store.transaction() as tx:
        (kept,) = tx.session.execute(text("SELECT details FROM report")).scalars()
    assert "พิษณุโลก".encode() not in bytes(kept), "as the rest of the report, sealed"


def test_an_answer_to_which_place_it_is_is_asked_for_too(engine: Engine, fake: FakeGeocoder) -> None:
    fake.says(said("nominatim", None))
    found = reported(engine, "ต.บ้านใหม่ จ.นครราชสีมา")
    refined(engine, asking(fake))
    with engine.store.transaction() as tx:
        answer = Location(address="อ.เมืองนครราชสีมา จ.นครราชสีมา")
        assert dispatch.correct_location(engine, tx, found, answer, reporter=tx.vault.index(PHONE))
    refined(engine, asking(fake))
    assert fake.ledger[-1] == "ต.บ้านใหม่ จ.นครราชสีมา อ.เมืองนครราชสีมา จ.นครราชสีมา"


def test_the_same_words_are_asked_once(engine: Engine, fake: FakeGeocoder) -> None:
    fake.says(said("nominatim", THE_HOUSE))
    for _ in range(2):
        found = reported(engine, NO_AREA)
        refined(engine, asking(fake))
        assert incident(engine, found).pin == list(THE_HOUSE)
    assert fake.ledger == [NO_AREA]
    with engine.store.transaction() as tx:
        (kept,) = tx.session.execute(text("SELECT found FROM geocode")).scalars()
    assert b"16.8" not in bytes(kept), "what was found is sealed"


def test_what_it_does_not_know_is_not_asked_again_either(engine: Engine, fake: FakeGeocoder) -> None:
    fake.says(said("nominatim", None))
    for _ in range(2):
        found = reported(engine, NO_AREA)
        refined(engine, asking(fake))
        assert incident(engine, found).place is None
    assert fake.ledger == [NO_AREA]
    assert promised(engine) == []


def test_a_point_outside_of_thailand_changes_nothing(engine: Engine, fake: FakeGeocoder) -> None:
    fake.says(said("nominatim", ABROAD))
    found = reported(engine, NO_AREA)
    refined(engine, asking(fake))
    assert incident(engine, found).place is None
    assert promised(engine) == []


def test_a_point_that_contradicts_the_words_changes_nothing(engine: Engine, fake: FakeGeocoder) -> None:
    fake.says(said("nominatim", (18.7883, 98.9853)))
    found = reported(engine, "อ.วังทอง จ.พิษณุโลก")
    before = incident(engine, found)
    refined(engine, asking(fake))
    assert fake.ledger == ["อ.วังทอง จ.พิษณุโลก"]
    after = incident(engine, found)
    assert (after.place, after.pin) == (before.place, None)


def test_a_failure_is_tried_later_and_not_for_ever_and_the_words_are_in_no_log(
    engine: Engine, fake: FakeGeocoder
) -> None:
    fake.says("busy", status=503)
    reported(engine, NO_AREA)
    with capture_logs() as logs:
        for tries in range(1, 6):
            refined(engine, asking(fake))
            assert len(fake.ledger) == tries
            assert due(engine) == []
            with engine.store.transaction() as tx:
                tx.session.execute(text("UPDATE deadline SET due_at = clock_timestamp() WHERE kind = 'refine'"))
        assert promised(engine) == []
    assert NO_AREA not in str(logs)


def test_while_one_worker_asks_another_does_not(engine: Engine, fake: FakeGeocoder) -> None:
    reported(engine, NO_AREA)
    (deadline_id,) = due(engine)
    fake.says(said("nominatim", None))

    other = Meanwhile(THE_HOUSE, lambda: refine.refine_place(engine, asking(fake), deadline_id))
    refine.refine_place(engine, other, deadline_id)
    assert fake.ledger == []


@pytest.mark.parametrize("answer", [THE_HOUSE, None], ids=["a point", "no point"])
def test_an_answer_for_older_words_does_not_move_what_newer_ones_said_and_these_are_asked_for(
    engine: Engine, fake: FakeGeocoder, answer: tuple[float, float] | None
) -> None:
    found, newer, elsewhere = reported(engine, NO_AREA), "อ.เมืองพิษณุโลก จ.พิษณุโลก", (16.8265, 100.2170)

    def said_more() -> None:
        with engine.store.transaction() as tx:
            where = Location(address=newer)
            assert dispatch.correct_location(engine, tx, found, where, reporter=tx.vault.index(PHONE))

    refined(engine, Meanwhile(answer, said_more))
    row = incident(engine, found)
    assert row.place is not None
    assert (row.place["source"], row.pin) == ("text", None), "the point is that of the words before"
    fake.says(said("nominatim", elsewhere))
    refined(engine, asking(fake))
    assert fake.ledger == [f"{NO_AREA} {newer}"]
    assert incident(engine, found).pin == list(elsewhere)
    assert promised(engine) == []


def test_an_answer_does_not_move_a_pin_that_came_meanwhile(engine: Engine) -> None:
    found, shared = reported(engine, "ซอยสุขใจ จ.พิษณุโลก"), (16.8265, 100.4170)

    def corrected() -> None:
        with engine.store.transaction() as tx:
            assert dispatch.correct_location(engine, tx, found, Location(*shared), reporter=tx.vault.index(PHONE))

    refined(engine, Meanwhile(THE_HOUSE, corrected))
    row = incident(engine, found)
    assert row.place is not None
    assert (row.place["source"], row.pin) == ("pin", list(shared))
    assert promised(engine) == []


def test_nobody_is_asked_where_there_is_a_pin_or_no_geocoder_or_it_is_over(engine: Engine, fake: FakeGeocoder) -> None:
    reported(engine, NO_AREA, pin=THE_HOUSE)
    reported(replace(engine, refines=False), NO_AREA)
    assert promised(engine) == []
    over = reported(engine, NO_AREA)
    dispatch.cancel_incident(engine, over, by="test", reason="over")
    refined(engine, asking(fake))
    assert fake.ledger == []
    assert promised(engine) == []
