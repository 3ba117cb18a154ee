"""Only whoever has the duty is asked; an empty shift is nobody's excuse, and is seen before it is needed."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from stack import Deployment
from story import NAKHON_SAWAN, SMS_ONLY, Responder, Story
from typer.testing import CliRunner, Result

from config.settings import Settings
from ess.cli import app
from ess.conversation.texts import BANGKOK
from ess.engine import Engine
from ess.store import tables
from ess.store.keys import KeyRole
from schedules import audit

Ess = Callable[..., Result]
SPOT = NAKHON_SAWAN
#: Every day, all day long.
ALWAYS = {"starts": "2026-01-05 00:00", "repeats": "FREQ=DAILY", "lasts": "24 h"}
#: Over before any test ran.
NEVER = ALWAYS | {"repeats": "FREQ=DAILY;COUNT=1"}


@pytest.fixture
def ess(deployment: Deployment) -> Iterator[Ess]:
    """The command, on the running deployment; afterwards there are no rotas."""

    def run(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(app, words, env={**deployment.stack.environment, "COLUMNS": "200"})
        assert done.exit_code == code, f"ess {' '.join(words)}: {done.output}{done.exception!r}"
        return done

    yield run
    deployment.count("WITH over AS (DELETE FROM rota RETURNING 1) SELECT count(*) FROM over")


def imports(ess: Ess, folder: Path, *rotas: dict[str, object]) -> None:
    path = folder / "rotas.yaml"
    path.write_text(yaml.safe_dump({"rotas": list(rotas)}), encoding="utf-8")
    ess("duty", "import", str(path))


def stations(
    *turns: Responder, name: str = "stations", shift: dict[str, str] = ALWAYS, **more: object
) -> dict[str, object]:
    """A rota of police stations of the place of these stories."""
    shifts = [{**shift, "turns": [[unit.ref] for unit in turns]}]
    return {"name": name, "area": SPOT.district, "role": "police_station", "shifts": shifts, **more}


def bangkok(at: datetime) -> str:
    return at.astimezone(BANGKOK).strftime("%Y-%m-%dT%H:%M")


def test_a_change_of_duty_counts_for_the_very_next_incident(story: Story, ess: Ess, tmp_path: Path) -> None:
    one, other = story.station(SPOT), story.station(SPOT, SMS_ONLY)
    story.care_team(SPOT)
    citizen = story.citizen()
    imports(ess, tmp_path, stations(one, name="one") | {"substitute": other.ref})

    incident = citizen.reports_by_api("assault", at=SPOT)
    one.hears("เหตุด่วน")
    selected = incident.told("responders_selected", track="police", step=1)
    assert {line["responder"]["ref"]: line["reason"] for line in selected["passed_over"]} == {
        other.ref: f"off duty: {one.ref} has it in the rota one"
    }

    now = datetime.now(UTC)
    times = ("--from", bangkok(now - timedelta(hours=1)), "--to", bangkok(now + timedelta(hours=1)))
    ess("duty", "cover", "one", other.ref, *times, "--reason", "training")
    citizen.reports_by_api("assault", at=SPOT)
    other.hears("ESS")
    story.deployment.settle()
    assert len(one.messages()) == 1


def test_a_shift_that_is_empty_goes_to_the_substitute_then_the_province_then_the_desk_at_once(
    story: Story, ess: Ess, tmp_path: Path
) -> None:
    """`assault` waits a minute for each step: whatever is heard here came without waiting."""
    member, substitute = story.station(SPOT), story.station(SPOT)
    neighbour, desk = story.station(SPOT, district="6002"), story.desk()
    story.care_team(SPOT)
    citizen = story.citizen()
    imports(ess, tmp_path, stations(member, shift=NEVER, substitute=substitute.ref))

    citizen.reports_by_api("assault", at=SPOT)
    substitute.hears("เหตุด่วน")

    on_leave(story, substitute)
    incident = citizen.reports_by_api("assault", at=SPOT)
    neighbour.hears("เหตุด่วน")
    assert not incident.facts("step_expired")

    on_leave(story, neighbour)
    incident = citizen.reports_by_api("assault", at=SPOT)
    desk.hears("เหตุด่วน")
    assert not incident.facts("step_expired")
    assert member.messages() == []


def on_leave(story: Story, responder: Responder) -> None:
    with story.deployment.store.transaction() as tx:
        row = tx.session.get_one(tables.Responder, responder.row_id)
        row.leave_until = tx.now + timedelta(days=1)


def test_a_last_resort_that_nobody_has_is_asked_whole(story: Story, ess: Ess, tmp_path: Path) -> None:
    desk, other_desk = story.desk(), story.desk()
    story.care_team(SPOT)
    nation = {"name": "desks", "area": "TH", "role": "national_desk"}
    imports(ess, tmp_path, nation | {"shifts": [{**NEVER, "turns": [[desk.ref, other_desk.ref]]}]})
    story.citizen().reports_by_api("assault", at=SPOT)
    desk.may_hear("เหตุด่วน")
    other_desk.may_hear("เหตุด่วน")
    story.deployment.settle()
    assert desk.messages() or other_desk.messages()


def test_a_rota_that_cannot_be_read_stops_no_alert(story: Story, ess: Ess, tmp_path: Path) -> None:
    one, other = story.station(SPOT), story.station(SPOT)
    story.care_team(SPOT)
    imports(ess, tmp_path, stations(other, name="broken"), stations(one, name="good", substitute=other.ref))
    with story.deployment.store.transaction() as tx:
        tx.session.get_one(tables.Rota, "broken").body = {"of": "another release"}
    story.expects_complaints = True
    story.citizen().reports_by_api("assault", at=SPOT)
    one.hears("เหตุด่วน")


def test_a_gap_of_the_next_days_is_told_once_and_is_over_when_it_is_filled(
    story: Story, ess: Ess, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    supervisor, station = story.supervisor(), story.station(SPOT)
    imports(ess, tmp_path, stations(station, shift=NEVER))
    assert ess("duty", "gaps", code=1).stdout.startswith("stations: ")

    for _ in range(2):
        assert set(audit.warn_of_gaps(engine, settings)) == {"stations"}
    assert "stations: " in supervisor.hears("มีเวรที่ยังไม่มีผู้ปฏิบัติหน้าที่")["text"]
    assert 'ess_alarm{name="duty:stations"} 1.0' in story.deployment.http.get("/metrics").text
    assert story.deployment.http.get("/readyz").status_code == 200, "the engine itself is well"
    board = story.deployment.http.get("/board", auth=("ward", story.deployment.keys[KeyRole.SUPERVISOR]))
    assert "เวรที่ยังไม่มีผู้ปฏิบัติหน้าที่ stations: " in board.text
    assert audit.audit(engine, settings) == {}
    assert "duty:stations" in story.deployment.http.get("/metrics").text, "the audit of the engine leaves it alone"

    imports(ess, tmp_path, stations(station))
    assert ess("duty", "gaps", "--json").stdout.strip() == "[]"
    assert audit.warn_of_gaps(engine, settings) == {}
    assert "duty:stations" not in story.deployment.http.get("/metrics").text


def test_a_coordinator_sees_and_changes_who_is_on(story: Story, ess: Ess, tmp_path: Path) -> None:
    one, other = story.station(SPOT), story.station(SPOT)
    assert "No rota" in ess("duty", "show", "60").stdout
    path = tmp_path / "rotas.yaml"
    path.write_text(yaml.safe_dump({"rotas": [stations(one, other)]}), encoding="utf-8")
    assert "1 added" in ess("duty", "import", str(path), "--dry-run").output
    assert "1 added" in ess("duty", "import", str(path)).output
    assert "1 as they were" in ess("duty", "import", str(path)).output

    (shown,) = json.loads(ess("duty", "show", "นครสวรรค์", "--at", "2026-01-07T20:00", "--json").stdout)["rotas"]
    assert [person["ref"] for person in shown["now"]["responders"]] == [one.ref]
    assert shown["now"]["until"] == shown["next"]["from"] == "2026-01-07T17:00:00+00:00"
    assert [person["name"] for person in shown["next"]["responders"]] == [other.spoken_name]
    said = ess("duty", "show", "Nakhon Sawan", "--at", "2026-01-07T13:00Z").stdout
    assert one.ref in said
    assert "8 ม.ค. 2569 00:00" in said

    ess("duty", "swap", "stations", other.ref, "2027-01-05T12:00", one.ref, "2027-01-06T12:00")
    on = json.loads(ess("duty", "show", SPOT.district, "--at", "2027-01-05T12:00", "--json").stdout)["rotas"][0]["now"]
    assert ([person["ref"] for person in on["responders"]], on["why"]) == ([one.ref], "cover")
    refused = ess("duty", "swap", "stations", one.ref, "2027-01-07T12:00", other.ref, "2027-01-08T12:00", code=1)
    assert f"stations at 2027-01-07 00:00 (Asia/Bangkok): {other.ref} has" in str(refused.exception)

    exported = tmp_path / "exported.yaml"
    exported.write_text(ess("duty", "export").stdout, encoding="utf-8")
    assert "1 as they were" in ess("duty", "import", str(exported)).output
    ess("duty", "remove", "stations")
    assert "No rota" in ess("duty", "show", "60").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "Atlantis"), "there is no province Atlantis"),
        (("show", "60", "--at", "tonight"), "'tonight' is not a time: write such as 2026-12-05T20:00"),
        (("show", "60", "--at", "2569-12-05T20:00"), "is a year of the Buddhist era: write 2026"),
        (("cover", "no-such", "X", "--from", "2026-12-31", "--to", "2570-01-02"), "of the Buddhist era: write 2027"),
        (("remove", "no-such"), "there is no rota no-such"),
        (("cover", "no-such", "X", "--from", "2027-01-01", "--to", "2027-01-02"), "there is no rota no-such"),
        (("cover", "no-such", "X", "--from", "2027-01-03", "--to", "2027-01-02"), "the cover ends before it begins"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(ess: Ess, words: tuple[str, ...], told: str) -> None:
    assert told in str(ess("duty", *words, code=1).exception)
