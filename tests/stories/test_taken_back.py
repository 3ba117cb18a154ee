"""What waits to be sent while its channel is down lights up no phone when it is not wanted any more."""

from story import CHIANG_RAI, LINE_ONLY, SMS_ONLY, Story
from test_follow_up import resolved

_WAITING = "SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending', 'unknown')"


def line_is_back(story: Story) -> None:
    """Whatever waited for it has been sent, or never will be."""
    story.deployment.wait_until_none("SELECT count(*) FROM outage WHERE until > clock_timestamp()")
    story.deployment.wait_until_none(_WAITING)


def test_who_said_that_it_is_over_is_not_alerted_when_line_is_back(story: Story) -> None:
    station = story.station(CHIANG_RAI)
    story.care_team(CHIANG_RAI)
    story.breaks("line", "429_quota", to=station.line_id)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_RAI)
    incident.told("delivery_waits", responder=station.ref)
    assert incident.answer_for(station, "accept").status_code == 200
    assert incident.answer_for(station, "resolve").status_code == 200
    line_is_back(story)
    assert "resolved before it was sent" in incident.told("delivery_expired", message="alert")["error"]
    assert station.messages() == []


def test_a_call_that_was_made_meanwhile_is_not_asked_for_when_line_is_back(story: Story) -> None:
    social_worker, supervisor = story.social_worker(CHIANG_RAI), story.supervisor(SMS_ONLY)
    story.breaks("line", "429_quota", to=social_worker.line_id)
    incident = resolved(story, "assault", CHIANG_RAI)
    supervisor.hears("LINE")
    incident.told("delivery_waits", responder=social_worker.ref)
    call = incident.now["follow_ups"][0]["follow_up_id"]
    assert story.post(f"/v1/follow-ups/{call}/reached", {}).status_code == 200
    incident.reaches("closed")
    line_is_back(story)
    assert social_worker.messages() == []


def test_who_is_needed_after_all_does_not_hear_that_they_are_not_when_line_is_back(story: Story) -> None:
    station, radio, supervisor = story.station(CHIANG_RAI), story.radio_191(CHIANG_RAI), story.supervisor(SMS_ONLY)
    story.care_team(CHIANG_RAI)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_RAI)
    station.hears("เหตุด่วน")
    story.comes_due("acknowledge", "police")
    radio.hears("ตอบ 10 1")
    story.breaks("line", "429_quota", to=station.line_id)
    radio.texts("{n} 1")
    radio.hears("บันทึกแล้ว")
    supervisor.hears("LINE")
    supervisor.may_hear(incident.code)  # the last resort, while LINE is away
    incident.told("delivery_waits", message="stood_down")
    radio.texts("{n} 2")
    radio.hears("บันทึกว่าไม่รับ")
    line_is_back(story)
    station.hears("เหตุด่วน")
    assert "before it was sent" in incident.told("delivery_expired", message="stood_down")["error"]
    assert len(station.messages()) == 2


def test_who_was_to_have_it_does_not_hear_so_when_it_is_over_before_line_is_back(story: Story) -> None:
    station, radio, supervisor = (
        story.station(CHIANG_RAI),
        story.radio_191(CHIANG_RAI, LINE_ONLY),
        story.supervisor(SMS_ONLY),
    )
    story.care_team(CHIANG_RAI)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_RAI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    assert incident.answer_for(station, "backup").status_code == 200
    supervisor.hears("ขอกำลังเสริม")
    radio.hears("เหตุด่วน")
    radio.taps("รับทราบ")
    radio.hears("บันทึกแล้ว")
    station.hears("รับเป็นหน่วยเสริม")
    story.breaks("line", "429_quota", to=radio.line_id)
    assert incident.answer_for(station, "decline").status_code == 200
    supervisor.hears("LINE")
    incident.told("delivery_waits", message="yours_now")
    assert incident.ask("cancel", reason="nobody is needed").status_code == 200
    line_is_back(story)
    radio.hears("ยุติแล้ว")
    assert "cancelled before it was sent" in incident.told("delivery_expired", message="yours_now")["error"]


def test_a_supervisor_is_not_told_of_backup_when_it_is_over_before_line_is_back(story: Story) -> None:
    station, radio, supervisor = story.station(CHIANG_RAI, SMS_ONLY), story.radio_191(CHIANG_RAI), story.supervisor()
    story.care_team(CHIANG_RAI)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_RAI)
    station.hears("ESS")
    station.texts("{n} 1")
    station.hears("บันทึกแล้ว")
    story.breaks("line", "429_quota", to=supervisor.line_id)
    station.texts("{n} 5")
    station.hears("แจ้งหน่วยเสริมแล้ว")
    radio.hears("ตอบ 10 1")
    incident.told("delivery_waits", message="backup_wanted")
    assert incident.ask("cancel", reason="nobody is needed").status_code == 200
    for unit in (station, radio):
        unit.hears("ยุติแล้ว")
    line_is_back(story)
    supervisor.hears("LINE")
    assert "cancelled before it was sent" in incident.told("delivery_expired", message="backup_wanted")["error"]
