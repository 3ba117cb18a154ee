"""The promise that the public was made, seen and tapped on the page of phones."""

import re
from collections.abc import Callable

from screen import Screen, needs_a_browser
from story import PHITSANULOK, SMS_ONLY, Person, Responder, Story

from ess.simulator.world import CITIZEN, CITIZEN_NAME

pytestmark = needs_a_browser


def on_the_page(story: Story, *responders: Responder) -> None:
    """The citizen's phone is drawn from the start; responders have the names that their colleagues know."""
    citizen = story.citizen(phone=False)
    citizen.line_id = CITIZEN
    story.people[CITIZEN] = citizen
    everybody: list[Person] = [citizen, *responders]
    for person in everybody:
        person.may_hear("")  # the browser sees what they hear
    names = [
        {"id": address, "name": responder.spoken_name}
        for responder in responders
        for address in (responder.line_id, responder.phone)
        if address
    ]
    story.deployment.sim.post("/sim/people", json=names)


def test_a_citizen_reports_in_three_taps_and_sees_who_comes(story: Story, opens: Callable[..., Screen]) -> None:
    station = story.station(PHITSANULOK)
    story.care_team(PHITSANULOK)
    on_the_page(story, station)
    screen = opens(story.deployment.stack.simulator_url)
    citizen, officer = screen.phone(CITIZEN_NAME), screen.phone(station.spoken_name)
    screen.pictured("phones-1-empty")

    citizen.taps("แจ้งเหตุด่วน")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    screen.pictured("phones-2-type")
    citizen.taps("ถูกทำร้าย/ข่มขู่")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    citizen.taps("แชร์พิกัดตำแหน่ง")
    screen.pictured("phones-3-pin")
    screen.page.get_by_role("dialog").get_by_role("button", name="อ.เมืองพิษณุโลก").click()
    citizen.hears("รับเรื่องแล้ว")

    officer.hears("เหตุด่วน")
    screen.pictured("phones-4-alert")
    officer.taps("รับทราบ")
    citizen.hears(f"{station.spoken_name} รับทราบแล้ว")
    screen.pictured("phones-5-acknowledged")
    officer.taps("ออกเดินทาง")
    officer.hears("แจ้งความคืบหน้า")
    officer.taps("ถึงที่เกิดเหตุ")
    citizen.hears(f"{station.spoken_name} ถึงที่เกิดเหตุแล้ว")
    officer.taps("ระงับเหตุแล้ว")
    citizen.hears("เจ้าหน้าที่แจ้งว่ายุติแล้ว")
    screen.pictured("phones-6-resolved")


def test_an_officer_without_line_answers_by_sms(story: Story, opens: Callable[..., Screen]) -> None:
    station = story.station(PHITSANULOK, SMS_ONLY)
    story.care_team(PHITSANULOK)
    on_the_page(story, station)
    screen = opens(story.deployment.stack.simulator_url)
    officer = screen.phone(station.spoken_name)
    incident = story.citizen(line=False).reports_by_api("running_amok", at=PHITSANULOK)

    officer.hears(re.compile(rf"ESS {incident.code} .*ตอบ \d\d 1 รับ"))
    screen.pictured("sms-1-alert")
    officer.types(f"{station.code()} 1")
    officer.hears(f"{incident.code} บันทึกแล้ว")
    screen.pictured("sms-2-acknowledged")
    incident.reaches("acknowledged")
