"""A number in the roster is put right while its owner has an alert: whoever answers is heard, or told what to do."""

from dataclasses import replace
from typing import Any

from story import CHIANG_RAI, SMS_ONLY, Citizen, Responder, Story

from ess import deliveries
from ess.domain.duty import Channel
from ess.engine import Engine
from ess.store import enrolment


def the_roster_says(engine: Engine, responder: Responder, **different: Any) -> None:
    """As `ess responders import` does with a file in which these columns of theirs are different."""
    with engine.store.transaction() as tx:
        entry = next(each for each in enrolment.enrolled(tx) if each.ref == responder.ref)
        plan = enrolment.planned(tx, [replace(entry, **different)])
        enrolment.enrol(tx, plan)
        deliveries.roster_changed(engine, tx, plan.changed)


def alerted(story: Story) -> tuple[Responder, Citizen]:
    """A station with an alert by SMS, and the phone that it has in truth."""
    station, phone = story.station(CHIANG_RAI, SMS_ONLY), story.citizen(line=False)
    story.care_team(CHIANG_RAI)
    story.citizen().reports_by_api("assault", at=CHIANG_RAI)
    station.hears("ตอบ 10 1")
    return station, phone


def test_who_has_another_phone_by_now_is_asked_there_and_the_one_before_is_told(story: Story, engine: Engine) -> None:
    station, phone = alerted(story)
    (incident,) = story.incidents
    the_roster_says(engine, station, phone=phone.phone)
    phone.hears("ตอบ 10 1")
    station.hears(f"{incident.code} ตอบจากเบอร์นี้ไม่ได้แล้ว")
    station.texts("{n} 1")
    phone.texts("{n} 1")
    phone.hears("บันทึกแล้ว")
    incident.reaches("acknowledged")
    assert len(incident.facts("accepted")) == 1


def test_who_has_taken_it_goes_on_from_the_other_phone(story: Story, engine: Engine) -> None:
    station, phone = alerted(story)
    (incident,) = story.incidents
    station.texts("{n} 1")
    station.hears("บันทึกแล้ว")
    the_roster_says(engine, station, phone=phone.phone)
    station.hears(f"{incident.code} ตอบจากเบอร์นี้ไม่ได้แล้ว")
    phone.hears("10 4 ถึง")
    phone.texts("10 4")
    phone.hears("บันทึกแล้ว")
    incident.reaches("on_scene")


def test_who_has_no_phone_any_more_is_asked_over_their_other_channel(story: Story, engine: Engine) -> None:
    station = story.station(CHIANG_RAI, (Channel.SMS, Channel.LINE))
    story.care_team(CHIANG_RAI)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_RAI)
    station.hears("ตอบ 10 1", by=Channel.SMS)
    the_roster_says(engine, station, phone=None, channels=(Channel.LINE,))
    station.hears("ตอบจากเบอร์นี้ไม่ได้แล้ว", by=Channel.SMS)
    station.hears("เหตุด่วน", by=Channel.LINE)
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว", by=Channel.LINE)
    incident.reaches("acknowledged")
