"""What responders open from an SMS, and what supervisors have open all day."""

from collections.abc import Callable
from uuid import UUID

from screen import Screen, needs_a_browser
from story import PHITSANULOK, SMS_ONLY, Incident, Responder, Story

from ess.store import links

pytestmark = needs_a_browser


def link_to(story: Story, incident: Incident, responder: Responder) -> str:
    """The address that an SMS would carry where SMS cannot be answered."""
    alert_id = UUID(incident.alert_of(responder)["alert_id"])
    with story.deployment.store.transaction() as tx:
        return f"{story.deployment.stack.url}/a/{links.make(tx, alert_id)}"


def test_a_link_is_answered_without_javascript(story: Story, opens: Callable[..., Screen]) -> None:
    station = story.station(PHITSANULOK, SMS_ONLY)
    station.may_hear("")
    story.care_team(PHITSANULOK)
    incident = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    station.hears(incident.code)
    screen = opens(link_to(story, incident, station), java_script_enabled=False)

    screen.shows("เหตุด่วน ท่านรับเหตุนี้หรือไม่")
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


def test_the_board_shows_an_incident_live(story: Story, opens: Callable[..., Screen], key: str) -> None:
    station = story.station(PHITSANULOK)
    station.may_hear("")
    story.care_team(PHITSANULOK)
    screen = opens(f"{story.deployment.stack.url}/board", key=key)
    screen.shows("ไม่มีเหตุที่ยังไม่ปิด")
    screen.pictured("board-1-empty", whole=True)

    incident = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    screen.shows(incident.code)
    screen.pictured("board-2-alerting", whole=True)
    screen.clicks(incident.code, "link")
    screen.shows("ลำดับเหตุการณ์")
    station.taps("รับทราบ")
    screen.shows("มีผู้รับเหตุแล้ว")
    screen.pictured("board-3-incident", whole=True)
