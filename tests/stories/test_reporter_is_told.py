"""The two public promises, and silence where somebody asked for it: a phone that lights up can endanger."""

import pytest
from story import BOTH, CHIANG_MAI, SMS_ONLY, Responder, Story

from ess.domain.duty import Channel, Role


def closes(story: Story, station: Responder, social_worker: Responder) -> None:
    """From the alert to the end, by those who were sent."""
    station.hears("เหตุด่วน")
    for label in ("รับทราบ", "ออกเดินทาง", "ถึงที่เกิดเหตุ"):
        station.taps(label)
        station.hears("บันทึกแล้ว")
    station.taps("ระงับเหตุแล้ว")
    station.hears("ยุติแล้ว")
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    social_worker.taps("ติดต่อได้แล้ว")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    story.incidents[0].reaches("closed")


def test_in_line_the_reporter_is_told_each_thing_once_and_no_screen_lights_up(story: Story) -> None:
    station, social_worker = story.station(CHIANG_MAI), story.social_worker(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    closes(story, station, social_worker)
    story.deployment.settle()
    received = citizen.hears(f"รับเรื่องแล้ว (รหัส {incident.code})")
    acknowledged = citizen.hears(f"{station.spoken_name} รับทราบแล้ว (รหัส {incident.code})")
    assert "คาดว่าถึงภายในเวลา" in acknowledged["text"]
    arrived = citizen.hears(f"{station.spoken_name} ถึงที่เกิดเหตุแล้ว")
    over = citizen.hears("เจ้าหน้าที่แจ้งว่ายุติแล้ว")
    assert len(citizen.messages()) == 6, "the two questions of the report, and these four"
    assert all(entry["detail"]["silent"] for entry in (received, acknowledged, arrived, over))


def test_in_line_the_reporter_is_told_once_which_team_comes_too_and_when(story: Story) -> None:
    station, team = story.station(CHIANG_MAI), story.one_home(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    team.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears(f"{station.spoken_name} รับทราบแล้ว")
    team.taps("รับทราบ")
    team.hears("บันทึกแล้ว")
    told = citizen.hears(f"{team.spoken_name} จะเข้าร่วมช่วยเหลือด้วย (รหัส {incident.code})")
    assert "คาดว่าไปถึงภายในเวลา" in told["text"]
    assert told["detail"]["silent"]
    team.taps("30 นาที")  # the time was told, and a phone that lights up again and again is noticed
    team.hears("คาดว่าท่านถึงเวลา")
    assert incident.holder("social_care") == team.ref


def test_a_phone_rings_only_where_its_owner_asked_for_that(story: Story) -> None:
    station = story.station(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    citizen.taps("ติดต่อฉันได้")
    citizen.hears("บันทึกไว้แล้ว")
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    assert citizen.hears("รับทราบแล้ว")["detail"]["silent"] is False


def test_what_waited_for_line_lights_up_no_screen_where_its_owner_wishes_for_silence_by_then(story: Story) -> None:
    station, supervisor = story.station(CHIANG_MAI, SMS_ONLY), story.supervisor(SMS_ONLY)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    citizen.taps("ติดต่อฉันได้")
    citizen.hears("บันทึกไว้แล้ว")
    station.hears("ESS")
    story.breaks("line", "429_quota", to=citizen.line_id)
    station.texts("{n} 1")
    station.hears("บันทึกแล้ว")
    supervisor.hears("LINE")
    incident.told("delivery_waits", message="acknowledged")

    citizen.presses(f"say=none&code={incident.code}")
    assert citizen.hears("เปลี่ยนได้ทุกเมื่อ")["detail"]["silent"]
    assert citizen.hears("รับทราบแล้ว")["detail"]["silent"]


def test_who_is_in_danger_says_so_and_those_who_go_there_know(story: Story) -> None:
    station = story.station(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    citizen.reports("confinement", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    citizen.taps("ฉันอยู่ในอันตราย")
    citizen.hears("ให้เจ้าหน้าที่ติดต่อคุณอย่างไร")
    station.hears("ห้ามโทรกลับ")


def test_who_is_safe_is_asked_after_before_anybody_is_stood_down(story: Story) -> None:
    station, supervisor = story.station(CHIANG_MAI), story.supervisor()
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears("รับทราบแล้ว")
    for _ in range(2):  # said twice, passed on once
        citizen.writes("ปลอดภัยแล้ว")
        citizen.hears("เจ้าหน้าที่จะตรวจสอบก่อนยุติเรื่อง")
    supervisor.hears("ผู้แจ้งบอกว่าปลอดภัยแล้ว")
    station.hears("ผู้แจ้งบอกว่าปลอดภัยแล้ว")
    incident.told("reporter_safe")
    assert incident.now["state"] == "acknowledged"


def test_who_cancels_is_asked_after_too_and_nobody_is_told_that_they_are_safe(story: Story) -> None:
    station, supervisor = story.station(CHIANG_MAI), story.supervisor()
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears("รับทราบแล้ว")
    citizen.writes("ยกเลิกค่ะ")
    citizen.hears("เจ้าหน้าที่จะตรวจสอบก่อนยุติเรื่อง")
    supervisor.hears("ผู้แจ้งขอยกเลิก")
    station.hears("ผู้แจ้งขอยกเลิก")
    incident.told("reporter_cancels")
    assert incident.now["state"] == "acknowledged"


def test_who_was_reached_over_their_second_channel_hears_over_their_first_that_somebody_is_not_safe(
    story: Story,
) -> None:
    station, supervisor = story.station(CHIANG_MAI, (Channel.SMS, Channel.LINE)), story.supervisor()
    story.care_team(CHIANG_MAI)
    story.breaks("twilio", "undelivered", code=30005, to=station.phone)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน", by=Channel.LINE)
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว", by=Channel.LINE)
    citizen.hears("รับทราบแล้ว")
    story.breaks("line", "429_quota", to=station.line_id, times=None)
    citizen.presses(f"say=unsafe&code={incident.code}")
    citizen.hears("แจ้งผู้ควบคุมเวรแล้ว")
    station.hears("ผู้แจ้งยังต้องการความช่วยเหลือ", by=Channel.SMS)
    for late in ("ผู้แจ้งบอกว่ายังไม่ปลอดภัย", "ช่องทาง LINE ใช้งานไม่ได้"):
        supervisor.hears(late, within_s=30)


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_who_is_not_safe_when_it_is_over_is_reported_anew_and_the_supervisors_hear_it(story: Story, end: str) -> None:
    """Somebody has to answer; the supervisors hear it every time, over a channel that works."""
    station, supervisor = story.station(CHIANG_MAI), story.supervisor(SMS_ONLY)
    unlucky = Responder(story, Role.SUPERVISOR, None, BOTH, mistyped_line_id=True)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    incident.ask(end, reason="nobody was there")
    station.hears("ยุติแล้ว")
    citizen.hears("ตอนนี้เป็นอย่างไรบ้าง")

    citizen.taps("ยังไม่ปลอดภัย")
    second = story.new_incident()
    citizen.hears(f"รับเรื่องแล้ว (รหัส {second.code})")
    station.hears(second.code)
    assert incident.told("reported_again")["into_code"] == second.code
    assert second.now["place"] == incident.now["place"]
    for person in (supervisor, unlucky):
        words = person.hears("ผู้แจ้งยังต้องการความช่วยเหลือ", by=Channel.SMS)["text"]
        assert incident.code in words

    # Once more from the old question: the new incident is being answered already.
    citizen.presses(f"say=unsafe&code={incident.code}")
    assert citizen.hears("แจ้งผู้ควบคุมเวรแล้ว")["detail"]["silent"]
    for person in (supervisor, unlucky):
        assert incident.code in person.hears("ผู้แจ้งยังต้องการความช่วยเหลือ", by=Channel.SMS)["text"]
    assert len(incident.facts("reporter_unsafe")) == 2
    assert not second.facts("reporter_unsafe")


def test_who_reported_by_a_service_asks_by_sms_and_is_reported_anew_where_they_are_not_safe(story: Story) -> None:
    station, supervisor = story.station(CHIANG_MAI), story.supervisor()
    story.care_team(CHIANG_MAI)
    citizen = story.citizen(line=False)
    incident = citizen.reports_by_api("assault", at=CHIANG_MAI, contact="text_only")
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    citizen.texts("สถานะค่ะ")
    citizen.hears(f"{incident.code} กำลังดำเนินการ")
    incident.ask("close", reason="nobody was there")
    station.hears("ยุติแล้ว")

    citizen.texts("ยังไม่ปลอดภัย")
    second = story.new_incident()
    citizen.hears(f"รับเรื่องแล้ว {second.code}")
    station.hears(second.code)
    supervisor.hears("ผู้แจ้งบอกว่ายังไม่ปลอดภัย")
    assert incident.told("reported_again")["into_code"] == second.code


def test_words_by_sms_go_to_the_incident_that_still_runs_though_a_newer_one_has_ended(story: Story) -> None:
    station = story.station(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen(line=False)
    older, newer = (
        citizen.reports_by_api(kind, at=CHIANG_MAI, contact="text_only") for kind in ("assault", "confinement")
    )
    station.hears(older.code)
    station.hears(newer.code)
    newer.ask("close", reason="nobody was there")
    station.hears(f"{newer.code} ยุติแล้ว")
    for incident in (older, newer):
        citizen.hears(f"รับเรื่องแล้ว {incident.code}")
    citizen.texts("สถานะ")
    citizen.hears(f"{older.code} กำลังดำเนินการ")
    assert not newer.facts("reported_again")


def test_after_the_phone_the_wishes_are_offered_again_and_a_child_is_told_of(story: Story) -> None:
    station = story.station(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    citizen.writes("081 234 5678")
    citizen.hears("บันทึกเบอร์แล้ว")
    citizen.taps("ผู้เสียหายไม่ถึง 18")
    citizen.hears("บันทึกไว้แล้ว เลือกได้ว่าให้เจ้าหน้าที่ติดต่อคุณอย่างไร")
    citizen.taps("ติดต่อฉันได้")
    citizen.hears("เปลี่ยนได้ทุกเมื่อ")
    assert incident.told("victim_is_minor")
    assert [report["contact"] for report in incident.now["reports"]] == ["any"]
    assert story.deployment.count("SELECT count(*) FROM report WHERE victim_is_minor") >= 1


def test_who_asks_how_it_stands_is_told(story: Story) -> None:
    station = story.station(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    citizen.reports("assault", at=CHIANG_MAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    citizen.writes("สถานะ")
    citizen.hears("แจ้งเจ้าหน้าที่แล้ว รอการตอบรับ")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears("รับทราบแล้ว")
    citizen.writes("สถานะ")
    citizen.hears(f"{station.spoken_name} รับทราบแล้ว คาดว่าถึงภายในเวลา")


@pytest.mark.parametrize("contact", ["any", "text_only"])
def test_by_sms_the_reporter_is_told_twice_and_never_called(story: Story, contact: str) -> None:
    station, social_worker = story.station(CHIANG_MAI), story.social_worker(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen(line=False)
    citizen.reports_by_api("assault", at=CHIANG_MAI, contact=contact)
    closes(story, station, social_worker)
    story.deployment.settle()
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เจ้าหน้าที่รับทราบแล้ว")
    assert len(citizen.messages()) == 2


def test_who_asked_for_silence_hears_nothing(story: Story) -> None:
    station, social_worker = story.station(CHIANG_MAI), story.social_worker(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen(line=False)
    citizen.reports_by_api("assault", at=CHIANG_MAI, contact="none")
    closes(story, station, social_worker)
    story.deployment.settle()
    assert citizen.messages() == []
