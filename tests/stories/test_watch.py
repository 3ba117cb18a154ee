"""The engine watches itself: what should never be is repaired, and a person hears of it, without Celery.

The audit and the canary run once a minute or less in the clock; here they are asked to run now.
"""

from datetime import timedelta
from uuid import UUID, uuid4

from loopback import Double, served
from sqlalchemy import text
from stack import wait_for
from story import HAT_YAI, Spot, Story

from config.settings import Settings
from ess import dispatch
from ess.conversation.answer import Verb
from ess.domain.duty import Channel
from ess.engine import Engine
from ess.store import health, tables
from schedules import audit, canary

WHERE_DRILLS_ARE = Spot(13.7563, 100.4989, "10", "1001")


def test_an_incident_that_nobody_has_is_taken_up_again_and_told(
    story: Story, engine: Engine, settings: Settings
) -> None:
    station, desk, supervisor = story.station(HAT_YAI), story.desk(), story.supervisor((Channel.SMS,))
    story.care_team(HAT_YAI)
    incident = story.citizen(line=False).reports_by_api("assault", at=HAT_YAI)
    station.hears("เหตุด่วน")
    story.deployment.settle()
    gone = "WITH gone AS (DELETE FROM deadline WHERE incident_id = :id RETURNING 1) SELECT count(*) FROM gone"
    assert story.deployment.count(gone, id=incident.id) > 0
    assert story.deployment.http.get("/readyz").status_code == 503

    found = audit.audit(engine, settings)
    assert found["out_of_hand"] == incident.code
    incident.told("taken_in_hand")
    supervisor.hears("ESS ระบบผิดปกติ")
    desk.hears("ระบบรับแจ้งเหตุผิดปกติ")
    desk.hears("เหตุด่วน")
    supervisor.hears("ESS")
    desk.taps("รับทราบ")
    desk.hears("บันทึกแล้ว")
    supervisor.hears("หน่วยอื่นรับแล้ว")

    assert audit.audit(engine, settings) == {}
    assert story.deployment.http.get("/readyz").status_code == 200


def test_one_that_cannot_be_read_does_not_keep_the_audit_from_the_others(
    story: Story, engine: Engine, settings: Settings
) -> None:
    story.expects_complaints = True
    station, desk, supervisor = story.station(HAT_YAI), story.desk(), story.supervisor((Channel.SMS,))
    story.care_team(HAT_YAI)
    citizen = story.citizen(line=False)
    broken, other = (citizen.reports_by_api("assault", at=HAT_YAI) for _ in range(2))
    for _ in (broken, other):
        station.hears("เหตุด่วน")
    story.deployment.settle()
    gone = "WITH gone AS (DELETE FROM deadline WHERE incident_id = ANY(:ids) RETURNING 1) SELECT count(*) FROM gone"
    assert story.deployment.count(gone, ids=[broken.id, other.id]) > 0
    written = "WITH it AS (UPDATE incident SET state = :state WHERE id = :id RETURNING 1) SELECT count(*) FROM it"
    story.deployment.count(written, id=broken.id, state="no state that anybody knows")

    found = audit.audit(engine, settings)
    story.deployment.count(written, id=broken.id, state="alerting")
    assert found["out_of_hand"] == f"{broken.code}, {other.code}"
    other.told("taken_in_hand")
    assert not broken.facts("taken_in_hand")
    for person in (desk, supervisor):
        person.may_hear("")
    assert audit.audit(engine, settings)["out_of_hand"] == broken.code
    broken.told("taken_in_hand")


def test_what_is_still_wrong_is_told_once_and_the_heartbeat_stops(
    story: Story, engine: Engine, settings: Settings
) -> None:
    supervisor = story.supervisor()
    story.expects_complaints = True
    with served(Double()) as elsewhere:
        watched = settings.model_copy(update={"heartbeat_url": f"{elsewhere.url}/alive"})
        wait_for(lambda: audit.audit(engine, watched) == {}, "all is well", within_s=20)
        assert elsewhere.ledger == ["/alive"]
        elsewhere.ledger.clear()
        story.deployment.clock.kill()
        wait_for(lambda: story.deployment.http.get("/readyz").status_code == 503, "it is noticed", within_s=20)
        for _ in range(2):
            assert audit.audit(engine, watched) == {"absent": "clock"}
        supervisor.hears("โปรแกรมบางส่วนหยุดทำงาน")
        assert elsewhere.ledger == [], "a heartbeat says that all is well"
    assert 'ess_alarm{name="absent"} 1.0' in story.deployment.http.get("/metrics").text
    story.deployment.clock.start()
    wait_for(lambda: audit.audit(engine, settings) == {}, "all is well", within_s=20)
    assert "ess_alarm{" not in story.deployment.http.get("/metrics").text


def test_what_nobody_could_be_told_is_told_as_soon_as_they_can_be_reached(
    story: Story, engine: Engine, settings: Settings
) -> None:
    supervisor = story.supervisor()
    story.expects_complaints = True
    story.deployment.clock.kill()
    wait_for(lambda: story.deployment.http.get("/readyz").status_code == 503, "it is noticed", within_s=20)
    story.breaks("line", "500", times=None)
    assert audit.audit(engine, settings) == {"absent": "clock"}
    assert supervisor.messages() == []
    story.deployment.sim.delete("/sim/faults")
    assert audit.audit(engine, settings) == {"absent": "clock"}
    supervisor.hears("โปรแกรมบางส่วนหยุดทำงาน")
    story.deployment.clock.start()


def test_work_that_lost_its_deadline_is_promised_anew(story: Story, engine: Engine, settings: Settings) -> None:
    citizen = story.citizen()
    event = {"type": "message", "message": {"type": "text", "text": "สวัสดี"}, "source": {"userId": citizen.line_id}}
    with engine.store.transaction() as tx:
        received_at = tx.now - timedelta(minutes=2)
        tx.session.add(tables.Inbound(id=f"line:{uuid4()}", kind="line", body=event, received_at=received_at))
    assert audit.audit(engine, settings) == {"promises_lost": "1"}
    citizen.hears("แจ้งเหตุด่วน")
    assert audit.audit(engine, settings) == {}


def test_a_drill_goes_through_the_whole_engine_and_reaches_nobody(
    story: Story, engine: Engine, settings: Settings
) -> None:
    story.desk()
    story.supervisor()
    story.radio_191(WHERE_DRILLS_ARE)
    assert canary.send_when_due(engine, timedelta())
    assert not canary.send_when_due(engine, timedelta(hours=1)), "one at a time"

    def seen_home() -> int:
        canary.see_home(engine)
        return story.deployment.count("SELECT count(*) FROM incident WHERE drill AND state = 'closed'")

    wait_for(seen_home, "the drill is closed")
    with engine.store.transaction() as tx:
        newest = health.canary(tx)
    assert newest is not None
    took_s, arrived = newest
    assert arrived
    assert took_s < 10
    assert "ess_canary_seconds" in story.deployment.http.get("/metrics").text
    assert story.shown() == []
    informed = "SELECT count(*) FROM fact JOIN incident ON incident.id = incident_id WHERE drill AND fact = 'informed'"
    assert story.deployment.count(informed) == 0
    listed = {row["incident_id"] for row in story.deployment.get("/v1/incidents")["incidents"]}
    assert (
        story.deployment.count("SELECT count(*) FROM incident WHERE drill AND id::text = ANY(:ids)", ids=list(listed))
        == 0
    )

    watching = settings.model_copy(update={"canary_every_s": 300.0})
    assert audit.audit(engine, watching) == {}
    story.deployment.count(
        "WITH late AS (UPDATE incident SET received_at = received_at - interval '1 minute' WHERE drill RETURNING 1)"
        " SELECT count(*) FROM late"
    )
    assert set(audit.audit(engine, watching)) == {"canary"}
    story.expects_complaints = True
    for person in story.people.values():
        person.may_hear("การซ้อมอัตโนมัติไม่ผ่าน")
    audit.audit(engine, settings)


def test_a_drill_that_a_clock_left_half_way_is_closed_by_the_next(story: Story, engine: Engine) -> None:
    story.desk()
    assert canary.send_when_due(engine, timedelta())
    sent = "SELECT delivery.alert_id FROM delivery JOIN incident ON incident.id = incident_id"
    sent += " WHERE drill AND incident.state = 'alerting' AND channel = 'drill' AND sent_at IS NOT NULL"
    sent += " AND responder_id = (SELECT id FROM responder WHERE ref = 'DRILL-police_station')"

    def alert() -> UUID | None:
        with engine.store.transaction() as tx:
            found: UUID | None = tx.session.execute(text(sent)).scalar()
            return found

    dispatch.answer_alert(engine, wait_for(alert, "the drill's alert"), Verb.ACCEPT, via="canary")  # and it ends
    still_open = "SELECT count(*) FROM incident WHERE drill AND state <> 'closed'"
    assert story.deployment.count(still_open) == 1
    assert canary.see_home(engine)
    assert story.deployment.count(still_open) == 0
    assert not canary.see_home(engine), "none is out any more"
