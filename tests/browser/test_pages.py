"""What responders open from an SMS, what supervisors have open all day, and what developers look up."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import geothai
import pytest
from playwright.sync_api import expect
from screen import SOON_MS, Screen, needs_a_browser
from stack import Deployment
from story import PHITSANULOK, SMS_ONLY, Incident, Responder, Story

from ess.codes import new_code
from ess.embedded.processes import free_port
from ess.store import links, tables

pytestmark = needs_a_browser

#: More than a screen holds.
MANY = 32


def link_to(story: Story, incident: Incident, responder: Responder) -> str:
    """The path of the address that an SMS would carry where SMS cannot be answered."""
    alert_id = UUID(incident.alert_of(responder)["alert_id"])
    with story.deployment.store.transaction() as tx:
        return f"/a/{links.make(tx, alert_id)}"


def longest_places(count: int) -> list[dict[str, Any]]:
    """Province and district, as an incident's place has them, of the districts whose names take most room."""

    def area(each: Any) -> dict[str, str]:
        return {"code": each.code, "name_th": each.name_th, "name_en": each.name_en}

    every = [(p, d) for p in geothai.provinces() for d in geothai.districts(p.code)]
    longest = sorted(every, key=lambda pair: len(pair[0].name_th + pair[1].name_th), reverse=True)[:count]
    return [{"province": area(province), "districts": [area(district)]} for province, district in longest]


def a_bad_day(story: Story, like: Incident) -> None:
    """Many rows like that incident's, in every state, reported over the last days; none of them comes due today."""
    states = cycle(("acknowledged", "alerting", "unanswered", "on_scene", "resolved", "located", "received"))
    with story.deployment.store.transaction() as tx:
        row = tx.session.get_one(tables.Incident, UUID(like.id))
        assert row.place
        for ago, (place, state) in enumerate(zip(longest_places(MANY), states, strict=False)):
            received_at = tx.now - timedelta(hours=ago)
            changed = {"id": uuid4(), "code": new_code(6), "state": state, "place": row.place | place}
            columns = row.model_dump() | changed | {"received_at": received_at}
            tx.session.add(tables.Incident(**columns))
            tx.session.flush()
            due_at = tx.now + timedelta(days=1, hours=ago)
            tx.session.add(
                tables.Deadline(
                    kind="arrive", incident_id=columns["id"], due_at=due_at, wake_at=due_at, subject="police"
                )
            )


@pytest.fixture
def url(deployment: Deployment) -> str:
    """The web edge."""
    return deployment.stack.url


@pytest.fixture
def english(deployment: Deployment) -> Iterator[str]:
    """A web edge beside the other that speaks English."""
    stack = deployment.stack
    environment = {**stack.environment, "ESS_LANGUAGE": "en"}
    edge = replace(stack, environment=environment, port=free_port(), log_dir=stack.log_dir / "english").web()
    edge.spawn()
    edge.wait_ready()
    yield f"http://{stack.host}:{edge.argv[edge.argv.index('--port') + 1]}"
    edge.stop()


def test_a_link_is_answered_without_javascript(story: Story, url: str, opens: Callable[..., Screen]) -> None:
    station = story.station(PHITSANULOK, SMS_ONLY)
    station.may_hear("")
    story.care_team(PHITSANULOK)
    incident = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    station.hears(incident.code)
    screen = opens(url + link_to(story, incident, station), java_script_enabled=False)

    screen.shows("เหตุด่วน ท่านรับเหตุนี้หรือไม่")
    expect(screen.page).to_have_title(f"{incident.code} · ESS")
    screen.pictured("link-1-open")
    screen.clicks("รับทราบ")
    screen.shows("บันทึกแล้วว่าท่านรับเหตุนี้")
    screen.pictured("link-2-accepted")
    incident.reaches("acknowledged")
    screen.clicks("ออกเดินทาง")
    screen.clicks("ถึงที่เกิดเหตุ")
    screen.shows("บันทึกแล้วว่าท่านถึงที่เกิดเหตุ")
    screen.clicks("ระงับเหตุแล้ว")
    screen.shows("เหตุนี้ยุติแล้ว")
    screen.pictured("link-3-over")
    incident.reaches("resolved")

    screen.opens(f"{url}/a/nobody")
    screen.shows("ลิงก์นี้ใช้ไม่ได้")
    screen.pictured("link-5-unknown")
    screen.forgives("404")


def test_the_board_shows_an_incident_live(story: Story, url: str, opens: Callable[..., Screen], key: str) -> None:
    station = story.station(PHITSANULOK)
    station.may_hear("")
    story.care_team(PHITSANULOK)
    screen = opens(f"{url}/board", key=key)
    screen.shows("ไม่มีเหตุที่ยังไม่ปิด")
    screen.pictured("board-1-empty")

    incident = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    row = screen.page.get_by_role("row").filter(has_text=incident.code)
    link = row.get_by_role("link")
    link.focus(timeout=SOON_MS)
    screen.pictured("board-2-alerting")
    station.hears("🚨 เหตุด่วน")
    station.taps("รับทราบ")
    expect(row).to_contain_text("มีผู้รับเหตุแล้ว", timeout=SOON_MS)
    expect(link).to_be_focused()  # what was renewed leaves whoever works by keyboard where they were
    screen.page.keyboard.press("Enter")

    screen.shows("ลำดับเหตุการณ์")
    expect(screen.page).to_have_title(f"{incident.code} · มีผู้รับเหตุแล้ว · ESS Dispatch")
    station.taps("ออกเดินทาง")
    screen.shows("กำลังเดินทาง")
    screen.pictured("board-3-incident", whole=True)


def test_a_board_that_has_lost_contact_says_so_and_goes_on_by_itself(
    story: Story,  # noqa: ARG001 - an empty country
    url: str,
    opens: Callable[..., Screen],
    key: str,
) -> None:
    screen = opens(f"{url}/board", key=key)
    told = screen.page.get_by_role("alert")
    screen.page.context.set_offline(True)
    expect(told).to_contain_text("ขาดการติดต่อกับระบบ", timeout=SOON_MS)
    screen.pictured("board-4-lost")
    screen.page.context.set_offline(False)
    expect(told).to_be_hidden(timeout=SOON_MS)
    screen.forgives("ERR_INTERNET_DISCONNECTED")


def test_a_bad_day_can_be_read_in_thai_and_in_english(
    story: Story, url: str, english: str, opens: Callable[..., Screen], key: str
) -> None:
    desk, lost = story.desk(), story.station(PHITSANULOK, line_blocked=True)
    desk.may_hear("")
    unanswered = story.citizen(line=False).reports_by_api("confinement", at=PHITSANULOK)
    unanswered.reaches("unanswered")
    a_bad_day(story, unanswered)

    thai = opens(f"{url}/board", key=key)
    expect(thai.page.get_by_role("row")).to_have_count(MANY + 2, timeout=SOON_MS)
    expect(thai.page.get_by_role("row").nth(1)).to_contain_text(unanswered.code)
    thai.pictured("board-5-bad-day", whole=True)
    thai.clicks("ผู้ปฏิบัติงานที่ติดต่อไม่ได้ 1 ราย", "link")
    thai.shows(lost.spoken_name)
    thai.pictured("board-6-unreachable")

    screen = opens(f"{english}/board", key=key)
    screen.shows("unanswered")
    expect(screen.page.locator("html")).to_have_attribute("lang", "en")
    assert not re.search("[ก-๙]", screen.page.locator("main").inner_text())
    screen.pictured("board-7-english")
    screen.clicks(unanswered.code, "link")
    screen.shows("Timeline")
    screen.pictured("board-8-english-incident", whole=True)
    screen.page.goto(english + link_to(story, unanswered, desk))
    screen.pictured("link-4-english")


def test_where_everybody_is_reached_the_page_says_so(
    story: Story,  # noqa: ARG001 - an empty country
    url: str,
    opens: Callable[..., Screen],
    key: str,
) -> None:
    screen = opens(f"{url}/board/unreachable", key=key)
    screen.shows("ทุกรายมีช่องทางที่ใช้ได้")
    screen.pictured("board-9-all-reached")


def test_the_api_is_told_without_anybody_elses_servers(url: str, opens: Callable[..., Screen]) -> None:
    screen = opens(f"{url}/docs")
    screen.shows("/v1/reports")
    screen.pictured("docs-1")
    screen.clicks("ReportBody", "link")
    expect(screen.page.locator("#ReportBody")).to_be_in_viewport()
    screen.pictured("docs-2-a-shape")


def test_a_supervisor_reads_what_was_written_and_closes(
    story: Story, url: str, opens: Callable[..., Screen], key: str
) -> None:
    station = story.station(PHITSANULOK)
    station.may_hear("")
    story.care_team(PHITSANULOK)
    citizen = story.citizen()
    citizen.may_hear("")
    incident = citizen.reports("assault", at=PHITSANULOK)
    station.hears("🚨 เหตุด่วน")
    citizen.sends_a_photo()
    citizen.writes("บ้านเลขที่ 99/9 ซอยสมมุติ ชั้นสอง ห้องริม มีเด็กอยู่ด้วย")
    incident.told("reporter_wrote")
    station.taps("รับทราบ")
    incident.reaches("acknowledged")
    station.writes("ประตูหลังล็อก ขอกุญแจจากผู้ดูแลตึก")
    incident.told("responder_wrote")
    second = {"address": "ตรงข้ามร้านสมมุติ"} | PHITSANULOK.metres_north(80).pin
    other = story.citizen().report("assault", location=second, description="ได้ยินเสียงร้อง", victim_is_minor=True)
    witnessed = Incident(story, story.post_report(other).json()["incident_id"])
    assert witnessed.ask("merge", into=incident.id).status_code == 200

    screen = opens(f"{url}/board/{incident.code}", key=key)
    screen.clicks("อ่านคำแจ้งและไฟล์ (บันทึกผู้อ่าน)", "link")
    screen.shows("ซอยสมมุติ ชั้นสอง ห้องริม")
    screen.shows("ได้ยินเสียงร้อง")
    screen.pictured("board-10-words", whole=True)
    screen.clicks("← กลับไปที่เหตุ", "link")
    screen.shows("อ่านข้อมูลส่วนบุคคล")
    screen.pictured("board-11-incident", whole=True)
    screen.clicks("ดำเนินการกับเหตุนี้", "link")
    screen.pictured("board-12-actions", whole=True)
    for action in ("ส่งมอบให้หน่วยอื่น", "แยกเป็นเหตุใหม่", "รวมเข้ากับเหตุอื่น", "ปิดเรื่อง"):
        screen.page.locator("summary", has_text=action).click()
    screen.pictured("board-13-forms", whole=True)
    form = screen.page.locator("details", has=screen.page.locator("summary", has_text="ปิดเรื่อง"))
    form.get_by_role("textbox").fill("ตรวจสอบแล้ว (สมมุติ)")
    form.get_by_role("button").click()
    screen.shows("ปิดเรื่องแล้ว")
    screen.pictured("board-14-closed", whole=True)
    assert incident.told("closed", by="test-supervisor", reason="ตรวจสอบแล้ว (สมมุติ)")
