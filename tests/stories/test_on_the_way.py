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
    assert station.hears("ถึง")["detail"]["segments"] == 1
    citizen.hears("คาดว่าถึง")
    accepted = incident.told("accepted")
    assert abs(at(accepted, "eta_at") - at(accepted) - 15 * _MINUTES) < timedelta(seconds=1)

    station.texts("{n} 3 25 นาที")
    station.hears("ถึง")
    incident.told("departed")
    citizen.hears("คาดว่าถึง")
