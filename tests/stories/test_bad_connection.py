"""A frightened person on a bad connection: steps come late, twice or newest first, and the menu is pressed again."""

import pytest
from sqlmodel import select
from story import UBON_RATCHATHANI, Citizen, Incident, Story

from ess.store import tables


def phones(story: Story, incident: Incident) -> list[str | None]:
    """What the reports of an incident say of their reporters' phones."""
    with story.deployment.store.transaction() as tx:
        query = select(tables.Report).where(tables.Report.incident_id == incident.id)
        return [report.details["phone"] for report in tx.session.exec(query)]


def hears_questions(citizen: Citizen) -> None:
    """Which of them depends on what came first."""
    for words in ("เกิดเหตุอะไรขึ้น", "แชร์พิกัดตำแหน่ง", "บันทึกเบอร์แล้ว"):
        citizen.may_hear(words)


@pytest.mark.parametrize("how", [{"reverse": True}, {"together": True}, {"reverse": True, "together": True}])
def test_steps_in_any_order_are_one_incident_with_its_phone(story: Story, how: dict[str, bool]) -> None:
    station = story.station(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    citizen = story.citizen()
    hears_questions(citizen)
    with story.webhooks_come_late(**how):
        citizen.presses("action=report")
        citizen.presses("type=confinement")
        citizen.shares(UBON_RATCHATHANI)
        citizen.writes("081 234 5678")
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    story.deployment.settle()
    incident = story.new_incident()
    assert incident.now["type"] == "confinement"
    assert phones(story, incident) == ["+66812345678"]
    story.comes_due("draft")  # nothing is asked any more, and nothing else is filed


def test_a_menu_that_is_pressed_again_takes_nothing_from_the_incident(story: Story) -> None:
    station = story.station(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UBON_RATCHATHANI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    citizen.presses("action=report")
    citizen.hears("เกิดเหตุอะไรขึ้น")

    citizen.writes("081 234 5678")
    asked = citizen.hears("บันทึกเบอร์แล้ว")
    assert "เกิดเหตุอะไรขึ้น" in asked["text"], "and the question that was open is asked again"
    assert phones(story, incident) == ["+66812345678"]
    citizen.writes("สถานะครับ")
    citizen.hears("แจ้งเจ้าหน้าที่แล้ว รอการตอบรับ")
    citizen.writes("เขามีมีด")
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    incident.told("reporter_wrote")
    citizen.presses("say=in_danger")
    citizen.hears("ให้เจ้าหน้าที่ติดต่อคุณอย่างไร")
    station.hears("ห้ามโทรกลับ")
    citizen.writes("ปลอดภัยแล้วค่ะ")
    citizen.hears("เจ้าหน้าที่จะตรวจสอบก่อนยุติเรื่อง")
    incident.told("reporter_safe")
    story.comes_due("draft")


def test_a_menu_that_was_pressed_before_comes_too_late_to_begin_anew(story: Story) -> None:
    station = story.station(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    citizen = story.citizen()
    with story.webhooks_come_late():
        citizen.presses("action=report")
        citizen.presses("type=assault")
        story.holds_webhooks = False
        citizen.presses("type=assault")
        citizen.hears("แชร์พิกัดตำแหน่ง")
        citizen.shares(UBON_RATCHATHANI)
        citizen.hears("รับเรื่องแล้ว")
        station.hears("เหตุด่วน")
    story.deployment.settle()
    incident = story.new_incident()
    citizen.writes("081 234 5678")
    citizen.hears("บันทึกเบอร์แล้ว")
    assert phones(story, incident) == ["+66812345678"]
