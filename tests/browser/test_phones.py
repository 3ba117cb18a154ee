"""The promise that the public was made, seen and tapped on the page of phones."""

import re
from collections.abc import Callable

from playwright.sync_api import expect
from screen import SOON_MS, Screen, needs_a_browser
from story import PHITSANULOK, SMS_ONLY, TYPE_LABELS, VOICE_ONLY, Person, Responder, Story

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

    officer.hears("🚨 เหตุด่วน")
    screen.pictured("phones-4-alert", of=officer)
    officer.taps("รับทราบ")
    citizen.hears(f"{station.spoken_name} รับทราบแล้ว")
    screen.pictured("phones-5-acknowledged", of=citizen)
    officer.hears("แจ้งความคืบหน้า")
    officer.taps("ออกเดินทาง")
    officer.hears("แจ้งความคืบหน้า", times=2)
    officer.taps("ถึงที่เกิดเหตุ")
    citizen.hears(f"{station.spoken_name} ถึงที่เกิดเหตุแล้ว")
    officer.taps("ระงับเหตุแล้ว")
    citizen.hears("เจ้าหน้าที่แจ้งว่ายุติแล้ว")
    screen.pictured("phones-6-resolved")
    screen.page.get_by_text("บันทึกทุกข้อความและคำตอบ").click()
    screen.pictured("phones-7-ledger")


def test_an_officer_without_line_answers_by_sms(story: Story, opens: Callable[..., Screen]) -> None:
    station = story.station(PHITSANULOK, SMS_ONLY)
    story.care_team(PHITSANULOK)
    on_the_page(story, station)
    screen = opens(story.deployment.stack.simulator_url)
    officer = screen.phone(station.spoken_name)
    incident = story.citizen(line=False).reports_by_api("running_amok", at=PHITSANULOK)

    officer.hears(re.compile(rf"ESS {incident.code} .*ตอบ \d\d 1 รับ"))
    screen.pictured("sms-1-alert", of=officer)
    officer.types(f"{station.code()} 1")
    officer.hears(f"{incident.code} บันทึกแล้ว")
    screen.pictured("sms-2-acknowledged", of=officer)
    incident.reaches("acknowledged")


def test_an_officer_takes_a_call(story: Story, opens: Callable[..., Screen]) -> None:
    station = story.station(PHITSANULOK, VOICE_ONLY)
    story.care_team(PHITSANULOK)
    on_the_page(story, station)
    screen = opens(story.deployment.stack.simulator_url)
    officer = screen.phone(station.spoken_name)
    incident = story.citizen(line=False).reports_by_api("assault", at=PHITSANULOK)

    expect(officer.button("รับสาย")).to_be_visible(timeout=SOON_MS)
    screen.pictured("call-1-rings", of=officer)
    officer.taps("รับสาย")
    officer.hears("เหตุด่วน อี เอส เอส")
    screen.pictured("call-2-asks", of=officer)
    officer.taps("1")
    officer.hears("บันทึกแล้วว่าท่านรับเหตุนี้")
    incident.reaches("acknowledged")


def test_a_fault_is_made_and_mended_on_the_page(story: Story, opens: Callable[..., Screen]) -> None:
    screen = opens(story.deployment.stack.simulator_url)
    screen.page.get_by_text("ทำให้ขัดข้อง").click()
    screen.pictured("fault-1-menu")
    screen.clicks("LINE ล่ม (500)")
    screen.shows("ขัดข้อง: LINE 500")
    screen.pictured("fault-2-made")
    screen.page.get_by_text("ทำให้ขัดข้อง").click()
    screen.clicks("แก้ทั้งหมดให้ปกติ")
    expect(screen.page.get_by_text("ขัดข้อง: ")).to_have_count(0, timeout=SOON_MS)


def test_what_a_phone_does_not_show_is_drawn_as_unseen(story: Story, opens: Callable[..., Screen]) -> None:
    stranger = story.citizen(phone=False)  # who never reported is welcomed
    stranger.may_hear("")
    story.deployment.sim.post("/sim/people", json={"id": stranger.line_id, "name": "คนแปลกหน้า"})
    stranger.writes("สวัสดี")
    screen = opens(story.deployment.stack.simulator_url)
    phone = screen.phone("คนแปลกหน้า")
    phone.hears("กด “แจ้งเหตุด่วน” เมื่อต้องการความช่วยเหลือ")
    phone.taps("บล็อก")
    expect(phone.button("เลิกบล็อก")).to_be_visible(timeout=SOON_MS)
    phone.types("สวัสดีอีกครั้ง")
    phone.hears("ผู้ใช้บล็อกบัญชี")
    screen.pictured("phones-8-unseen", of=phone)
    phone.taps("เลิกบล็อก")
    expect(phone.button("บล็อก")).to_be_visible(timeout=SOON_MS)


def test_a_citizen_reports_by_keyboard_alone(story: Story, opens: Callable[..., Screen]) -> None:
    story.desk().may_hear("")
    on_the_page(story)
    screen = opens(story.deployment.stack.simulator_url)
    citizen, keyboard = screen.phone(CITIZEN_NAME), screen.page.keyboard
    citizen.button("แจ้งเหตุด่วน").focus()
    keyboard.press("Enter")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    for _ in TYPE_LABELS:  # they stand before the button that was pressed
        keyboard.press("Shift+Tab")
    expect(citizen.button("ถูกทำร้าย/ข่มขู่")).to_be_focused()
    keyboard.press("Enter")
    expect(citizen.button("แชร์พิกัดตำแหน่ง")).to_be_focused(timeout=SOON_MS)
    screen.pictured("keyboard-focus")
    keyboard.press("Enter")
    expect(screen.page.get_by_role("button", name="อ.เมืองพิษณุโลก")).to_be_focused()
    keyboard.press("Enter")
    citizen.hears("รับเรื่องแล้ว")
