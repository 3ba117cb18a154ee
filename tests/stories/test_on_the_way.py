"""From "mine" to "I am there": when they come, how they say it, and what becomes of those who do not move."""

from datetime import timedelta

from story import SMS_ONLY, UDON_THANI, Story, at

_MINUTES = timedelta(minutes=1)


def test_who_has_accepted_in_line_taps_how_many_minutes_they_need(story: Story) -> None:
    station = story.station(UDON_THANI)
    story.care_team(UDON_THANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UDON_THANI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    promised = at(incident.told("acknowledged"), "arrival_at")
    citizen.hears("คาดว่าถึง")

    station.taps("10 นาที")
    station.hears("คาดว่าท่านถึงเวลา")
    earlier = at(incident.told("estimated", via="line"), "eta_at")
    assert earlier < promised, "the reporter was told twenty minutes and hears nothing of ten"

    station.taps("60 นาที")
    station.hears("คาดว่าท่านถึงเวลา")
    citizen.hears(f"{station.spoken_name} คาดว่าถึง")
    later = at(incident.told("estimated", times=2), "eta_at")
    assert later - promised > 30 * _MINUTES
    assert incident.alert_of(station)["eta_at"] == later.isoformat()
    assert incident.answer_for(station, "eta").status_code == 422, "by API too, with the minutes"
    assert incident.answer_for(station, "eta", eta_min=60).json()["reason"] == "already_recorded"
    (due,) = [due for due in incident.now["due"] if due["kind"] == "arrive"]
    assert due["due_at"] == later.isoformat()


def test_an_sms_accepts_with_the_minutes_behind_the_verb(story: Story) -> None:
    station = story.station(UDON_THANI, SMS_ONLY)
    story.care_team(UDON_THANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UDON_THANI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("ESS")
    station.texts("{n} 1 ๑๕")
    assert station.hears("ถึง")["detail"]["segments"] <= 2
    citizen.hears("คาดว่าถึง")
    accepted = incident.told("accepted")
    assert abs(at(accepted, "eta_at") - at(accepted) - 15 * _MINUTES) < timedelta(seconds=1)

    station.texts("{n} 3 25 นาที")
    station.hears("ถึง")
    incident.told("departed")
    citizen.hears("คาดว่าถึง")


def test_who_took_it_and_does_not_leave_is_asked_and_then_others_are_alerted_beside_them(story: Story) -> None:
    """The shipped waits are 10 min for leaving and 5 min for the answer: both are over at once here."""
    station, radio = story.station(UDON_THANI), story.radio_191(UDON_THANI)
    supervisor = story.supervisor()
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")

    story.comes_due("depart")
    station.hears("ท่านออกเดินทางหรือยัง")
    incident.told("departure_overdue")
    assert not incident.facts("alerted", responder=radio.ref)

    story.comes_due("back_up")
    station.hears("แจ้งหน่วยเสริมแล้ว")
    supervisor.hears("ระบบแจ้งหน่วยเสริมแล้ว")
    radio.hears("ESS")
    assert (incident.now["state"], incident.holder()) == ("acknowledged", station.ref)

    radio.texts("{n} 1")
    radio.hears("บันทึกแล้ว")
    station.hears(f"{radio.spoken_name} รับเป็นหน่วยเสริม")
    assert incident.holder() == station.ref, "backup takes nothing"
    assert incident.alert_of(radio)["backup"]


def test_who_answers_that_they_are_on_the_way_gets_no_backup(story: Story) -> None:
    station, radio = story.station(UDON_THANI), story.radio_191(UDON_THANI)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    story.comes_due("depart")
    station.hears("ท่านออกเดินทางหรือยัง")
    station.taps("ออกเดินทาง")
    station.hears("บันทึกแล้ว")
    assert {due["kind"] for due in incident.now["due"]} & {"depart", "back_up"} == set()
    assert not incident.facts("alerted", responder=radio.ref)
