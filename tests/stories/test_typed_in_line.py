"""A responder types in the LINE chat instead of tapping; the same account may report, too."""

from story import PHITSANULOK, UDON_THANI, Story


def test_what_is_typed_in_line_answers_the_only_open_alert(story: Story) -> None:
    station = story.station(UDON_THANI)
    story.care_team(UDON_THANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UDON_THANI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")

    station.writes("รับครับ")
    station.hears("บันทึกแล้ว")
    citizen.hears("คาดว่าถึง")
    assert incident.told("accepted")["via"] == "line"
    station.writes("๑๕ นาที")
    station.hears("คาดว่าท่านถึงเวลา")
    incident.told("estimated")
    station.writes("ถึงแล้ว")
    station.hears("บันทึกแล้ว")
    citizen.hears("ถึงที่เกิดเหตุแล้ว")
    incident.reaches("on_scene")

    station.writes("ประตูล็อก ขอกุญแจจากผู้ดูแลตึก")
    station.hears("บันทึกข้อความไว้ให้ผู้ควบคุมเวรแล้ว")
    assert incident.told("responder_wrote", responder=station.ref)


def test_what_may_mean_two_incidents_is_asked_back_with_what_to_type(story: Story) -> None:
    station = story.station(UDON_THANI)
    story.care_team(UDON_THANI)
    first, second = (story.citizen().reports_by_api("assault", at=UDON_THANI.metres_north(n * 500)) for n in range(2))
    station.hears(first.code)
    station.hears(second.code)

    station.writes("ไปไม่ได้")
    asked = station.hears("พิมพ์รหัสเหตุนำหน้า")
    assert f"{first.code} 1 รับ\n{first.code} 2 ไปไม่ได้" in asked["text"]
    assert second.code in asked["text"]
    assert {first.now["state"], second.now["state"]} == {"alerting"}

    station.writes(f"{first.code.lower()} 1 20")
    station.hears(f"เหตุ {first.code} คาดว่าท่านถึงเวลา")
    first.reaches("acknowledged")
    assert second.now["state"] == "alerting"


def test_a_responder_who_needs_help_reports_like_anybody(story: Story) -> None:
    """An alert waits for the station's answer while its officer reports something else from the same account."""
    station, other = story.station(UDON_THANI), story.station(PHITSANULOK)
    story.care_team(UDON_THANI)
    story.care_team(PHITSANULOK)
    waiting = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")

    station.writes("ช่วยด้วย")
    station.hears("เกิดเหตุอะไรขึ้น")
    station.taps("ถูกกักขัง")
    station.hears("แชร์พิกัดตำแหน่ง")
    station.writes("รับ")
    station.hears("บันทึกแล้ว")
    waiting.reaches("acknowledged")

    station.shares(PHITSANULOK)
    station.hears("รับเรื่องแล้ว")
    own = story.new_incident()
    other.hears(own.code)
    station.writes("081 234 5678")
    station.hears("บันทึกเบอร์แล้ว")
    station.writes("อยู่ชั้นสอง ห้องริม")
    own.told("reporter_wrote")
    assert not waiting.facts("responder_wrote")
    station.may_hear("บันทึกไว้ให้เจ้าหน้าที่แล้ว")


def test_who_has_nothing_to_answer_is_a_citizen(story: Story) -> None:
    station = story.station(UDON_THANI)
    station.writes("รับ")
    station.hears("เมื่อต้องการความช่วยเหลือ")
