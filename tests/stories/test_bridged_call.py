"""A social worker calls a victim through the engine: both are rung by its number, and neither sees the other's."""

from typing import Any

from story import CHIANG_RAI, Citizen, Incident, Phone, Responder, Story

from ess.domain.duty import Channel

BY = Channel.VOICE
CALL = "ขอให้โทรติดตามผู้เสียหาย"
BUTTON = "โทรผ่านระบบ"
RINGS = "ระบบกำลังโทรหาท่าน"
ASK_FIRST = "โปรดถามก่อนว่าปลอดภัยที่จะคุยหรือไม่"
OURS = "+15005550006"
LINE_AND_PHONE = (Channel.LINE, Channel.SMS)


def over(story: Story, victim: Citizen, contact: str = "any", **report: Any) -> Incident:
    """An incident whose station came and says that the danger is over."""
    station = story.station(CHIANG_RAI)
    station.may_hear("")
    story.care_team(CHIANG_RAI)
    incident = victim.reports_by_api("assault", at=CHIANG_RAI, contact=contact, **report)
    station.hears("เหตุด่วน")
    assert incident.answer_for(station, "accept").status_code == 200
    assert incident.answer_for(station, "resolve").status_code == 200
    incident.told("follow_up_opened")
    return incident


def a_victim(story: Story) -> Citizen:
    """Somebody who reported by an app, and hears the two promises by SMS."""
    victim = story.citizen(line=False)
    victim.may_hear("รับเรื่องแล้ว")
    victim.may_hear("เจ้าหน้าที่รับทราบแล้ว")
    return victim


def asks_for_the_call(worker: Responder) -> Phone:
    """A tap on the card, and the worker's own phone rings."""
    worker.hears(CALL)
    worker.taps(BUTTON)
    worker.hears(RINGS)
    return worker.rings()


def test_a_victim_is_reached_and_neither_sees_the_others_number(story: Story) -> None:
    victim, worker = a_victim(story), story.social_worker(CHIANG_RAI, LINE_AND_PHONE)
    incident = over(story, victim)
    phone = asks_for_the_call(worker)
    said = phone.is_picked_up()["text"]
    assert " ".join(incident.code) in said
    assert ASK_FIRST in said
    phone.presses("1")
    worker.hears("กำลังต่อสาย", by=BY)

    theirs = victim.rings()
    assert (phone.sees, theirs.sees) == (OURS, OURS)
    theirs.is_answered()
    theirs.is_connected()
    phone.is_connected()
    theirs.hangs_up()
    worker.hears("สายสิ้นสุดแล้ว โปรดบันทึกผล", by=BY)
    worker.hears("สายสิ้นสุดแล้ว เหตุ")
    assert incident.told("follow_up_call_bridged")["duration_s"] >= 0
    assert incident.now["follow_ups"][0]["state"] == "open", "that they could talk is not yet an outcome"

    worker.taps("ติดต่อได้แล้ว")
    worker.hears("บันทึกผลการโทรติดตามแล้ว")
    incident.reaches("closed")
    incident.told("delivery_delivered", message="bridge")
