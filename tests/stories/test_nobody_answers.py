"""Silence is not an answer: after each wait the next are asked, and at the end a person must take it.

`confinement` waits 2 s for each step here instead of the shipped minute.
"""

import re
from datetime import timedelta

from story import KHON_KAEN, Incident, Story, at

from ess.store.keys import KeyRole

WAIT = timedelta(seconds=2)
LATE_AT_MOST = timedelta(seconds=1)


def expired_in_time(incident: Incident, step: int) -> None:
    """The step waited as long as it had to, and no deadline fired more than a second late."""
    expired = incident.told("step_expired", track="police", step=step)
    lateness = at(expired) - at(expired, "due_at")
    assert timedelta() <= lateness <= LATE_AT_MOST, f"step {step} expired {lateness} after its deadline"
    alerted = incident.facts("responders_selected", track="police", step=step)[0]
    assert at(expired, "due_at") - at(alerted) == WAIT


def test_the_191_centre_is_alerted_after_the_wait(story: Story) -> None:
    station, radio = story.station(KHON_KAEN), story.radio_191(KHON_KAEN)
    story.care_team(KHON_KAEN)
    citizen = story.citizen()

    incident = citizen.reports("confinement", at=KHON_KAEN)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    radio.hears("ESS")
    expired_in_time(incident, step=1)

    radio.texts("{n} 1")
    radio.hears("บันทึกแล้ว")
    citizen.hears(f"{radio.spoken_name} รับทราบแล้ว")
    station.hears(f"{radio.spoken_name} รับทราบแล้ว ท่านไม่ต้องดำเนินการ")
    incident.reaches("acknowledged")


def test_when_nobody_at_all_answers_a_person_is_named(story: Story) -> None:
    station, radio = story.station(KHON_KAEN), story.radio_191(KHON_KAEN)
    neighbour = story.station(KHON_KAEN, district="4002")
    desk, supervisor = story.desk(), story.supervisor()
    story.care_team(KHON_KAEN)
    citizen = story.citizen(line=False)

    incident = citizen.reports_by_api("confinement", at=KHON_KAEN)
    station.hears("เหตุด่วน")
    radio.hears("ESS")
    neighbour.hears("เหตุด่วน")
    incident.reaches("unanswered")
    for step in (1, 2, 3):
        expired_in_time(incident, step)

    for _ in range(3):  # again and again
        desk.hears("เหตุด่วน")
        supervisor.hears("เหตุด่วน")
    desk.may_hear("เหตุด่วน")
    supervisor.may_hear("เหตุด่วน")
    board = ("anybody", story.deployment.keys[KeyRole.SUPERVISOR])
    page = story.deployment.http.get(f"/board/{incident.code}", auth=board).text
    assert re.search(r"LINE แจ้งเหตุ: ส่งแล้ว × \d", page), "a line for what was sent again and again"

    desk.taps("รับทราบ")
    desk.hears("บันทึกแล้ว")
    supervisor.hears(f"{desk.spoken_name} รับทราบแล้ว")
    assert incident.holder() == desk.ref
    assert not [due for due in incident.now["due"] if due["subject"] == "police"], "nobody is asked again"
    assert incident.now["state"] == "unanswered", "the desk owns it, but no police acknowledgement came"


def test_police_who_answer_late_are_still_welcome(story: Story) -> None:
    station = story.station(KHON_KAEN)
    desk = story.desk()
    story.care_team(KHON_KAEN)
    citizen = story.citizen()

    incident = citizen.reports("confinement", at=KHON_KAEN)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    desk.may_hear("เหตุด่วน")
    incident.reaches("unanswered")
    incident.told("alerted", responder=desk.ref)
    desk.taps("รับทราบ")
    desk.hears("บันทึกแล้ว")
    incident.told("owned")

    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears(f"{station.spoken_name} รับทราบแล้ว")
    desk.hears(f"{station.spoken_name} รับทราบแล้ว ท่านไม่ต้องดำเนินการ")
    incident.reaches("acknowledged")
    assert incident.holder() == station.ref


def test_without_anybody_in_the_roster_the_desk_is_alerted_at_once(story: Story) -> None:
    desk = story.desk()
    story.care_team(KHON_KAEN)
    incident = story.citizen().reports_by_api("assault", at=KHON_KAEN)
    desk.hears("เหตุด่วน")
    incident.reaches("unanswered")
    assert not incident.facts("step_expired"), "an empty step has nobody to wait for"
