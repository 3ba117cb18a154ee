"""Other programs report for people: over HTTP, or with a task on the broker."""

from uuid import uuid4

from celery import Celery
from story import CHIANG_MAI, SMS_ONLY, UBON_RATCHATHANI, Story


def test_a_report_by_api_is_dispatched_and_closed(story: Story) -> None:
    station = story.station(CHIANG_MAI)
    one_home = story.one_home(CHIANG_MAI)
    social_worker = story.social_worker(CHIANG_MAI)
    citizen = story.citizen(line=False)

    incident = citizen.reports_by_api("assault", at=CHIANG_MAI, contact="text_only")
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    one_home.hears("เหตุด่วน")

    one_home.taps("รับทราบ")
    one_home.hears("บันทึกแล้ว")
    incident.told("accepted", track="social_care")
    citizen.hears("อีกทีมจะเข้าร่วมช่วยเหลือ")
    assert incident.now["state"] == "alerting", "only a police acknowledgement keeps the promise to the reporter"

    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears("เจ้าหน้าที่รับทราบแล้ว")
    assert incident.holder() == station.ref
    assert incident.holder("social_care") == one_home.ref

    station.taps("ระงับเหตุแล้ว")
    station.hears("ยุติแล้ว")
    one_home.hears("ยุติแล้ว")
    social_worker.hears("ข้อความเท่านั้น ห้ามโทร")
    social_worker.taps("ต้องการความช่วยเหลือ")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")


def test_a_report_by_task_is_dispatched_and_closed(story: Story) -> None:
    station = story.station(UBON_RATCHATHANI, SMS_ONLY)
    social_worker = story.social_worker(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    citizen = story.citizen(line=False)

    incident = citizen.reports_by_task("assault", at=UBON_RATCHATHANI)
    station.hears("ESS")
    station.texts("{n} 1")
    station.hears("บันทึกแล้ว")
    incident.reaches("acknowledged")
    station.texts("{n} 9")
    station.hears("ยุติแล้ว")
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    social_worker.taps("ติดต่อได้แล้ว")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")


def test_the_same_task_twice_is_one_incident(story: Story) -> None:
    station = story.station(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    report = story.citizen().report("assault", UBON_RATCHATHANI) | {"idempotency_key": str(uuid4())}
    with Celery(broker=story.deployment.services.broker_url, set_as_current=False) as intake:
        for _ in range(2):
            intake.send_task("ess.accept_report", kwargs={"report": report}, queue="intake")
    incident = story.new_incident()
    station.hears("เหตุด่วน")
    story.deployment.settle()
    key = report["idempotency_key"]
    assert story.deployment.count("SELECT count(*) FROM report WHERE idempotency_key = :key", key=key) == 1
    assert len(incident.now["alerts"]) == 2
