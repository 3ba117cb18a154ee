"""What breaks while somebody waits for help: seconds are lost, never an alert."""

import time
from uuid import uuid4

import pytest
from celery import Celery
from sqlalchemy import text
from stack import wait_for
from story import BOTH, HAT_YAI, SMS_ONLY, SURAT_THANI, Story

from ess import receipts
from ess.domain.duty import Channel

#: A worker that died while it called a provider is taken for dead after 20 s.
PATIENCE_S = 60.0


def test_a_broker_that_is_down_at_intake_loses_no_report(story: Story) -> None:
    story.expects_complaints = True
    station, radio = story.station(SURAT_THANI), story.radio_191(SURAT_THANI, BOTH)
    story.care_team(SURAT_THANI)
    citizen = story.citizen()

    story.deployment.redis.kill()
    began = time.monotonic()
    by_api = citizen.reports_by_api("assault", at=SURAT_THANI)
    assert time.monotonic() - began < 2.0, "the answer does not wait for the broker"
    citizen.presses("action=report")
    story.deployment.redis.restart()

    station.hears("เหตุด่วน", within_s=PATIENCE_S)
    citizen.hears("เกิดเหตุอะไรขึ้น", within_s=PATIENCE_S)
    station.taps("ไปไม่ได้")
    station.hears("บันทึกว่าไปไม่ได้", within_s=PATIENCE_S)
    radio.hears("เหตุด่วน", within_s=PATIENCE_S)
    by_api.told("alerted", responder=radio.ref)


def test_workers_that_are_killed_lose_nothing(story: Story) -> None:
    story.expects_complaints = True
    station, social_worker = story.station(HAT_YAI), story.social_worker(HAT_YAI)
    story.care_team(HAT_YAI)
    citizen = story.citizen()

    def kill_and_restart_workers() -> None:
        for worker in story.deployment.workers:
            worker.kill()
        for worker in story.deployment.workers:
            worker.start()

    incident = citizen.reports("assault", at=HAT_YAI)
    kill_and_restart_workers()
    citizen.hears("รับเรื่องแล้ว", within_s=PATIENCE_S)
    station.hears("เหตุด่วน", within_s=PATIENCE_S)

    station.taps("รับทราบ")
    kill_and_restart_workers()
    station.hears("บันทึกแล้ว", within_s=PATIENCE_S)
    citizen.hears("รับทราบแล้ว", within_s=PATIENCE_S)

    station.taps("ระงับเหตุแล้ว")
    kill_and_restart_workers()
    station.hears("ยุติแล้ว", within_s=PATIENCE_S)
    citizen.hears("เจ้าหน้าที่แจ้งว่ายุติแล้ว", within_s=PATIENCE_S)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย", within_s=PATIENCE_S)
    social_worker.taps("ติดต่อได้แล้ว")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว", within_s=PATIENCE_S)
    incident.reaches("closed")


def test_a_broker_that_forgets_everything_loses_nothing(story: Story) -> None:
    story.expects_complaints = True
    station, social_worker = story.station(HAT_YAI), story.social_worker(HAT_YAI)
    story.care_team(HAT_YAI)
    citizen = story.citizen()
    forget_everything = story.deployment.broker.flushall

    incident = citizen.reports("assault", at=HAT_YAI)
    forget_everything()
    citizen.hears("รับเรื่องแล้ว", within_s=PATIENCE_S)
    station.hears("เหตุด่วน", within_s=PATIENCE_S)
    station.taps("รับทราบ")
    forget_everything()
    station.hears("บันทึกแล้ว", within_s=PATIENCE_S)
    citizen.hears("รับทราบแล้ว", within_s=PATIENCE_S)
    station.taps("ระงับเหตุแล้ว")
    forget_everything()
    station.hears("ยุติแล้ว", within_s=PATIENCE_S)
    citizen.hears("เจ้าหน้าที่แจ้งว่ายุติแล้ว", within_s=PATIENCE_S)
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย", within_s=PATIENCE_S)
    social_worker.taps("ติดต่อได้แล้ว")
    forget_everything()
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว", within_s=PATIENCE_S)
    incident.reaches("closed")


def test_a_clock_that_is_killed_goes_on_where_it_was(story: Story) -> None:
    station, radio = story.station(SURAT_THANI), story.radio_191(SURAT_THANI)
    story.care_team(SURAT_THANI)
    incident = story.citizen().reports_by_api("confinement", at=SURAT_THANI)
    station.hears("เหตุด่วน")
    story.deployment.clock.kill()
    story.deployment.clock.start()
    radio.hears("ESS")
    incident.told("step_expired", track="police", step=1)
    incident.ask("cancel", reason="enough seen")
    station.hears("ยุติแล้ว")
    radio.hears("ยุติแล้ว")


def test_line_that_has_used_up_its_month_fails_over_to_sms_at_once(story: Story) -> None:
    station = story.station(SURAT_THANI, BOTH)
    story.care_team(SURAT_THANI)
    story.breaks("line", "429_quota", to=station.line_id, times=None)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)
    station.hears("ESS", by=Channel.SMS)
    assert not incident.facts("step_expired")
    assert [delivery["channel"] for delivery in incident.alert_of(station)["deliveries"]] == ["line", "sms"]

    station.texts("{n} 1")
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    incident.reaches("acknowledged")


def test_a_line_account_that_never_was_fails_over_to_sms_at_once(story: Story) -> None:
    station = story.station(SURAT_THANI, BOTH, mistyped_line_id=True)
    story.care_team(SURAT_THANI)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)
    station.hears("ESS", by=Channel.SMS)
    assert incident.told("delivery_failed")["error"] == "LINE answered 400"


@pytest.mark.parametrize(
    "fault", [{"kind": "error_code", "code": 21211}, {"kind": "undelivered", "code": 30005}], ids=["refused", "receipt"]
)
def test_a_number_that_reaches_nobody_brings_the_next_forward_at_once(story: Story, fault: dict[str, object]) -> None:
    station, radio = story.station(SURAT_THANI, SMS_ONLY), story.radio_191(SURAT_THANI)
    story.care_team(SURAT_THANI)
    story.breaks("twilio", to=station.phone, times=None, **fault)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)
    radio.hears("ESS")
    incident.told("unreachable", responder=station.ref)
    assert not incident.facts("step_expired")
    station.may_hear("ESS")


def test_a_number_that_reaches_nobody_is_found_out_though_its_receipt_was_lost(story: Story) -> None:
    """Twilio says it once, to a web edge that is away."""
    story.loses_webhooks = True
    station, radio = story.station(SURAT_THANI, SMS_ONLY), story.radio_191(SURAT_THANI)
    story.care_team(SURAT_THANI)
    story.breaks("twilio", to=station.phone, times=None, kind="undelivered", code=30005)
    deployment = story.deployment
    report = story.citizen().report("assault", SURAT_THANI) | {"idempotency_key": str(uuid4())}
    deployment.web.kill()
    with Celery(broker=deployment.services.broker_url, set_as_current=False) as intake:
        intake.send_task("ess.accept_report", kwargs={"report": report}, queue="intake")
    statuses = lambda: [  # noqa: E731
        entry["detail"]["message_status"]
        for entry in deployment.sim.get("/sim/ledger", params={"kind": "status_callback"}).json()
        if entry["person"] == station.phone
    ]
    wait_for(lambda: "undelivered" in statuses(), "Twilio has said it to nobody")
    deployment.web.start()
    incident = story.new_incident()
    incident.told("delivery_sent", responder=station.ref)
    assert not incident.facts("unreachable", responder=station.ref)

    with deployment.store.transaction() as tx:  # a minute later the audit looks
        tx.session.execute(text("UPDATE delivery SET sent_at = sent_at - interval '1 minute' WHERE channel = 'sms'"))
        receipts.promise(tx)
    incident.told("unreachable", responder=station.ref)
    radio.hears("ESS")
    assert not incident.facts("step_expired")


def test_a_line_that_stumbles_once_is_tried_again_and_says_it_once(story: Story) -> None:
    station = story.station(SURAT_THANI)
    story.care_team(SURAT_THANI)
    story.breaks("line", "drop_after_accept", to=station.line_id)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)
    station.hears("เหตุด่วน")
    incident.told("delivery_sent", responder=station.ref)
    story.breaks("line", "500", to=station.line_id)
    story.citizen().reports_by_api("assault", at=SURAT_THANI)
    station.hears("เหตุด่วน")


def test_line_that_is_down_for_everyone_is_left_alone_until_it_is_back(story: Story) -> None:
    """After five failures in a row nobody waits for it; the supervisor is told once, by SMS."""
    station, supervisor = story.station(SURAT_THANI, BOTH), story.supervisor(BOTH)
    story.care_team(SURAT_THANI)
    only_line = story.station(HAT_YAI)
    story.care_team(HAT_YAI)
    story.breaks("line", "500", times=None)
    incident = story.citizen(line=False).reports_by_api("assault", at=SURAT_THANI)
    waiting = story.citizen(line=False).reports_by_api("assault", at=HAT_YAI)
    supervisor.hears("ESS LINE ใช้ไม่ได้", by=Channel.SMS, within_s=30)
    station.hears("ESS", by=Channel.SMS, within_s=30)
    supervisor.may_hear("เหตุ")
    supervisor.may_hear("ESS")
    station.texts("{n} 1")
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    incident.reaches("acknowledged")

    waiting.told("unreachable", responder=only_line.ref, within_s=30)
    story.deployment.sim.delete("/sim/faults")
    only_line.hears("เหตุด่วน", within_s=30)
    only_line.taps("รับทราบ")
    only_line.hears("บันทึกแล้ว")
    waiting.reaches("acknowledged")
    alarms = [text for text in supervisor.messages() if "ESS LINE ใช้ไม่ได้" in text]
    assert len(alarms) == 1


def test_who_blocks_the_account_is_asked_by_sms_at_once(story: Story) -> None:
    station = story.station(SURAT_THANI, BOTH)
    story.care_team(SURAT_THANI)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)
    station.hears("เหตุด่วน")
    station.blocks()
    station.hears("ESS", by=Channel.SMS)
    assert not incident.facts("step_expired")

    second = story.citizen().reports_by_api("assault", at=SURAT_THANI)
    station.hears(second.code, by=Channel.SMS)
    assert [delivery["channel"] for delivery in second.alert_of(station)["deliveries"]] == ["sms"]


def test_who_blocks_the_account_and_has_no_other_brings_the_next_forward(story: Story) -> None:
    station, radio, supervisor = story.station(SURAT_THANI), story.radio_191(SURAT_THANI), story.supervisor()
    story.care_team(SURAT_THANI)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)
    station.hears("เหตุด่วน")
    station.blocks()
    radio.hears("ESS")
    supervisor.hears(f"{station.spoken_name} บล็อกบัญชี LINE")
    incident.told("unreachable", responder=station.ref)


def test_a_message_that_is_too_old_is_not_sent_and_the_next_is_asked(story: Story) -> None:
    station, radio = story.station(SURAT_THANI), story.radio_191(SURAT_THANI)
    story.care_team(SURAT_THANI)
    sender = story.deployment.workers[1]
    sender.kill()
    incident = story.citizen(line=False).reports_by_api("assault", at=SURAT_THANI)
    incident.told("alerted", responder=station.ref)
    age = "WITH old AS (UPDATE delivery SET expires_at = clock_timestamp() WHERE responder_id = :id RETURNING 1)"
    assert story.deployment.count(f"{age} SELECT count(*) FROM old", id=station.row_id) == 1
    sender.start()
    radio.hears("ESS", within_s=PATIENCE_S)
    assert incident.told("delivery_expired", responder=station.ref)["error"] == "older than its message is good for"
    assert station.messages() == []


def test_an_alert_that_was_taken_back_before_it_left_lights_up_no_phone(story: Story) -> None:
    station, radio = story.station(SURAT_THANI), story.radio_191(SURAT_THANI)
    story.care_team(SURAT_THANI)
    sender = story.deployment.workers[1]
    sender.kill()
    incident = story.citizen(line=False).reports_by_api("running_amok", at=SURAT_THANI)
    incident.told("alerted", responder=radio.ref)
    assert incident.answer_for(station, "accept").status_code == 200
    sender.start()
    incident.told("delivery_expired", responder=radio.ref, times=2, within_s=PATIENCE_S)
    assert radio.messages() == [], "neither the alert nor its being taken back"
    station.may_hear("เหตุด่วน")


def test_who_could_not_be_reached_hears_nothing_of_what_somebody_else_has_by_then(story: Story) -> None:
    station, radio = story.station(SURAT_THANI), story.radio_191(SURAT_THANI, SMS_ONLY)
    story.care_team(SURAT_THANI)
    story.breaks("line", "429_quota", to=station.line_id)
    incident = story.citizen(line=False).reports_by_api("assault", at=SURAT_THANI)
    incident.told("unreachable", responder=station.ref)
    radio.hears("ESS")
    radio.texts("{n} 1")
    radio.hears("บันทึกแล้ว")
    incident.reaches("acknowledged")
    expired = incident.told("delivery_expired", responder=station.ref, within_s=30)
    assert expired["error"] == "somebody else has it"
    assert station.messages() == []


def test_numbers_that_all_fail_at_once_wait_for_nobody(story: Story) -> None:
    """Each failure looks for the next person in the same incident, at the same instant."""
    stations = [story.station(SURAT_THANI, SMS_ONLY, district=f"84{i:02}") for i in range(2, 6)]
    desk = story.desk()
    story.care_team(SURAT_THANI)
    story.breaks("twilio", "error_code", code=21211, times=None)
    incidents = [story.citizen(line=False).reports_by_api("assault", at=SURAT_THANI) for _ in range(4)]
    for incident in incidents:
        desk.hears(incident.code, within_s=30)
    assert "DeadlockDetected" not in story.deployment.log_text("worker-1", "worker-2")
    assert not any(incident.facts("step_expired") for incident in incidents)
    for station in stations:
        station.may_hear("ESS")


def test_a_refusal_that_passes_is_tried_again_and_reaches_the_same_person(story: Story) -> None:
    station = story.station(SURAT_THANI, SMS_ONLY)
    story.care_team(SURAT_THANI)
    story.breaks("twilio", "error_code", code=21611, to=station.phone)
    incident = story.citizen(line=False).reports_by_api("assault", at=SURAT_THANI)
    station.hears("ESS")
    assert not incident.facts("unreachable")
