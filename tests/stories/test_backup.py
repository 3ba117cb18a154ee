"""Somebody is there and needs more people, or gives it to another unit: nobody is taken anything (ADR 12)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from story import LINE_ONLY, SMS_ONLY, UDON_THANI, Incident, Responder, Story
from test_weeks_later import changes

from ess.store.keys import KeyRole


def _taken(story: Story) -> tuple[Incident, Responder]:
    """An assault in Udon Thani that its station has taken."""
    station = story.station(UDON_THANI)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    return incident, station


def test_backup_that_is_called_on_the_scene_comes_beside_whoever_has_it(story: Story) -> None:
    radio, supervisor = story.radio_191(UDON_THANI, LINE_ONLY), story.supervisor()
    incident, station = _taken(story)
    station.taps("ถึงที่เกิดเหตุ")
    station.hears("บันทึกแล้ว")

    station.taps("ขอกำลังเสริม")
    station.hears("แจ้งหน่วยเสริมแล้ว")
    supervisor.hears("มีหน่วยขอกำลังเสริม")
    asked = radio.hears("เหตุด่วน")
    assert f"กำลังเสริม — {station.spoken_name}" in asked["text"]
    assert incident.told("backup_wanted")["via"] == "line"

    station.taps("ขอกำลังเสริม")
    station.hears("บันทึกไว้แล้ว")

    radio.taps("รับทราบ")
    assert "ระงับเหตุแล้ว" not in radio.hears("บันทึกแล้ว")["text"], "the station says when it is over"
    station.hears(f"{radio.spoken_name} รับเป็นหน่วยเสริม")
    assert (incident.now["state"], incident.holder()) == ("on_scene", station.ref)

    station.taps("ระงับเหตุแล้ว")
    station.hears("ยุติแล้ว")
    radio.hears("ยุติแล้ว")
    incident.reaches("resolved")
    supervisor.hears("การโทรติดตาม")  # there is no social worker here


def test_backup_is_called_by_sms_and_where_no_ring_is_left_the_last_resort_is_asked(story: Story) -> None:
    station, desk = story.station(UDON_THANI, SMS_ONLY), story.desk()
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("ESS")
    station.texts("{n} 1")
    station.hears("บันทึกแล้ว")
    station.texts("{n} 5")
    station.hears("แจ้งหน่วยเสริมแล้ว")
    desk.hears("มีหน่วยขอกำลังเสริม")
    desk.hears("เหตุด่วน")
    assert [fact["step"] for fact in incident.facts("backup_called")] == [2, 3, 4]
    desk.taps("รับทราบ")
    desk.hears("บันทึกแล้ว")
    station.hears("มีหน่วยเสริม")
    assert incident.holder() == station.ref


def test_who_gives_it_back_leaves_it_to_the_backup_that_comes(story: Story) -> None:
    radio, supervisor = story.radio_191(UDON_THANI, LINE_ONLY), story.supervisor()
    incident, station = _taken(story)
    assert incident.answer_for(station, "backup").status_code == 200
    supervisor.hears("มีหน่วยขอกำลังเสริม")
    radio.hears("เหตุด่วน")
    radio.taps("รับทราบ")
    radio.hears("บันทึกแล้ว")
    station.hears("รับเป็นหน่วยเสริม")

    station.taps("ไปไม่ได้")
    station.hears("บันทึกว่าไปไม่ได้")
    radio.hears("ส่งต่อให้ท่าน")
    assert (incident.now["state"], incident.holder()) == ("acknowledged", radio.ref)
    assert incident.told("handed_over", responder=radio.ref)


@pytest.mark.parametrize(
    "by_now", [{"active": False}, {"leave_until": datetime.now(UTC) + timedelta(days=1)}], ids=["gone", "on_leave"]
)
@pytest.mark.parametrize("digit", ["2", "5"], ids=["given_back", "backup"])
def test_who_was_stood_down_and_is_not_at_work_by_now_is_not_asked_again(
    story: Story, by_now: dict[str, Any], digit: str
) -> None:
    station, radio, desk = story.station(UDON_THANI), story.radio_191(UDON_THANI), story.desk()
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    story.comes_due("acknowledge", "police")
    radio.hears("ตอบ 10 1")
    radio.texts("{n} 1")
    radio.hears("บันทึกแล้ว")
    station.hears("รับทราบแล้ว")
    changes(story, station, **by_now)
    radio.texts(f"{{n}} {digit}")
    radio.hears("บันทึกว่าไม่รับ" if digit == "2" else "แจ้งหน่วยเสริมแล้ว")
    incident.told("not_asked_again", responder=station.ref)
    desk.may_hear("ขอกำลังเสริม")
    desk.hears("เหตุด่วน")
    assert incident.alert_of(station)["state"] == "stood_down"


def test_an_operator_hands_it_over_and_the_reporter_hears_of_a_later_arrival(story: Story) -> None:
    station, other = story.station(UDON_THANI), story.station(UDON_THANI, district="4104")
    story.care_team(UDON_THANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UDON_THANI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears("คาดว่าถึง")

    path = f"/v1/alerts/{incident.alert_of(station)['alert_id']}/hand-over"
    assert story.post(path, {"responder": other.ref}, KeyRole.OPERATOR).status_code == 200
    other.hears("เหตุด่วน")
    assert incident.holder() == station.ref, "until the other has accepted"
    assert story.post(path, {"responder": other.ref}).json()["reason"] == "already_recorded"

    assert incident.answer_for(other, "accept", eta_min=50).status_code == 200
    station.hears(f"ส่งต่อให้ {other.spoken_name} แล้ว")
    citizen.hears(f"{other.spoken_name} รับทราบแล้ว")
    assert incident.holder() == other.ref
    assert incident.alert_of(station)["state"] == "stood_down"
    assert story.post(path, {"responder": "nobody"}).status_code == 404
    volunteer = story.volunteer(UDON_THANI)
    mine = f"/v1/alerts/{incident.alert_of(other)['alert_id']}/hand-over"
    refused = story.post(mine, {"responder": volunteer.ref})
    assert refused.status_code == 409
    assert "cannot answer for police" in refused.json()["detail"]


def test_a_tap_on_an_old_card_is_answered_with_how_it_stands(story: Story) -> None:
    incident, station = _taken(story)
    alert_id = incident.alert_of(station)["alert_id"]
    story.post(f"{incident.path}/cancel", {"reason": "nobody is needed"})
    station.hears("ยุติแล้ว")
    for data in (f"do=backup&alert={alert_id}", f"do=eta&alert={alert_id}&eta=10", f"do=depart&alert={alert_id}"):
        station.presses_again(data)
        told = station.hears("ทำรายการนี้ไม่ได้ในขณะนี้")["text"]
        assert told.endswith("สถานะปัจจุบันคือ “ยกเลิกแล้ว”"), "in the words of the board"
    assert not incident.facts("backup_wanted")


def test_a_second_tap_is_answered_with_how_far_they_are(story: Story) -> None:
    incident, station = _taken(story)
    station.taps("ออกเดินทาง")
    station.hears("บันทึกแล้ว")
    incident.told("departed")
    station.presses_again(f"do=accept&alert={incident.alert_of(station)['alert_id']}")
    assert "สถานะปัจจุบันคือ “กำลังเดินทาง”" in station.hears("บันทึกไว้แล้ว ไม่มีการเปลี่ยนแปลง")["text"]
