"""Where an SMS cannot be answered: a link, and a page that works on the oldest phone.

A deployment of its own, because which way SMS go is one setting for all.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from stack import Deployment, deployed
from story import ALL_THREE, BOTH, SMS_ONLY, UDON_THANI, Story, at

from config.settings import Settings
from ess.domain.duty import Channel

LESS_THAN_10_KB = 10_000


@pytest.fixture(scope="module")
def one_way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder, shipped = tmp_path_factory.mktemp("one-way").resolve(), Settings().channel_turns
    with deployed(folder, ESS_SMS_TWO_WAY="false", ESS_CHANNEL_TURNS=shipped) as running:
        yield running


@pytest.fixture
def story(one_way: Deployment) -> Iterator[Story]:
    told = Story(one_way)
    yield told
    try:
        told.check_nobody_heard_more()
    finally:
        told.end()


def test_a_link_leads_to_a_page_that_answers(story: Story) -> None:
    station = story.station(UDON_THANI, SMS_ONLY)
    story.care_team(UDON_THANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UDON_THANI)
    citizen.hears("รับเรื่องแล้ว")
    sms = station.hears(incident.code)
    assert sms["detail"]["segments"] == 1
    assert "ตอบ" not in sms["text"], "nobody reads an answer"
    page = station.opens_link(sms)

    for _ in range(2):  # previews of links look too
        seen = page.get()
        assert seen.status_code == 200
    assert incident.now["state"] == "alerting"
    assert len(seen.content) < LESS_THAN_10_KB
    assert "<script" not in seen.text
    assert seen.headers["cache-control"] == "no-store"
    assert seen.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in seen.headers["x-robots-tag"]
    for words in (incident.code, "จ.อุดรธานี", "ทำร้าย", "google.com/maps", "ท่านรับเหตุนี้หรือไม่"):
        assert words in seen.text
    assert citizen.phone
    assert citizen.phone not in seen.text

    page.presses("รับทราบ")
    page.shows("บันทึกแล้วว่าท่านรับเหตุนี้")
    citizen.hears("รับทราบแล้ว")
    incident.reaches("acknowledged")
    assert incident.facts("accepted")[0]["via"] == "link"
    page.presses("ออกเดินทาง")
    page.presses("ถึงที่เกิดเหตุ")
    citizen.hears("ถึงที่เกิดเหตุแล้ว")
    incident.reaches("on_scene")
    page.presses("ระงับเหตุแล้ว")
    citizen.hears("ยุติแล้ว")
    incident.reaches("resolved")
    after = page.shows("เหตุนี้ยุติแล้ว")
    assert "<form" not in after
    assert "maps" not in after


def test_the_page_shows_the_address_as_long_as_the_alert_is_theirs(story: Story) -> None:
    station, radio = story.station(UDON_THANI, SMS_ONLY), story.radio_191(UDON_THANI)
    story.care_team(UDON_THANI)
    where = UDON_THANI.pin | {"address": "บ้านเลขที่ 99/9 (สมมุติ)"}
    incident = story.citizen().reports_by_api("assault", location=where, description="คำบอกเล่า (สมมุติ)")
    sms = station.hears(incident.code)
    page = station.opens_link(sms)
    assert "สมมุติ" not in page.get().text, "it is only asked"
    assert not incident.facts("personal_data_read")
    page.presses("รับทราบ")
    shown = page.shows("บ้านเลขที่ 99/9 (สมมุติ)")
    assert len(shown.encode()) < LESS_THAN_10_KB
    assert incident.told("personal_data_read", what="address", responder=station.ref)
    page.presses("ไปไม่ได้")
    assert "สมมุติ" not in page.get().text
    radio.hears("ESS")
    station.may_hear("บันทึก")
    assert not [words for words in station.messages() if "สมมุติ" in words]


def test_the_page_takes_the_minutes_until_they_are_there(story: Story) -> None:
    station = story.station(UDON_THANI, SMS_ONLY)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    page = station.opens_link(station.hears(incident.code))
    assert "นาที" not in page.get().text, "not before they have accepted"
    page.presses("รับทราบ")
    page.presses("30 นาที")
    told = incident.told("estimated", via="link")
    assert at(told, "eta_at") - at(told) == timedelta(minutes=30)
    assert len(page.shows("คาดว่าถึง")) < LESS_THAN_10_KB
    forged = page.form("30 นาที") | {"eta_min": "1"}
    assert page.sends(forged).status_code == 303
    assert len(incident.facts("estimated")) == 1, "only what the page offers"


def test_a_link_of_an_alert_that_somebody_else_has_shows_how_it_stands(story: Story) -> None:
    station, radio = story.station(UDON_THANI, SMS_ONLY), story.radio_191(UDON_THANI)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("running_amok", at=UDON_THANI)
    late, first = station.opens_link(station.hears("ESS")), radio.opens_link(radio.hears("ESS"))
    form = late.form("รับทราบ")

    first.presses("รับทราบ")
    station.hears("หน่วยอื่นรับแล้ว")
    assert late.sends(form).status_code == 303, "it was pressed on a page that was opened before"
    after = late.shows("หน่วยอื่นรับเหตุนี้แล้ว")
    for words in ("<form", "maps", "อุดรธานี"):
        assert words not in after
    assert incident.holder() == radio.ref
    assert len(incident.facts("accepted")) == 1


def test_a_decline_by_link_hands_on_at_once_and_may_be_taken_back(story: Story) -> None:
    station, radio = story.station(UDON_THANI, SMS_ONLY), story.radio_191(UDON_THANI)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    page = station.opens_link(station.hears("ESS"))
    page.presses("ไปไม่ได้")
    radio.hears("ESS")
    page.shows("บันทึกแล้วว่าท่านไปไม่ได้")
    page.presses("รับทราบ")
    incident.reaches("acknowledged")
    radio.hears("หน่วยอื่นรับแล้ว")


def test_as_shipped_who_does_not_look_at_line_gets_an_sms_and_is_called(story: Story) -> None:
    """LINE has taken the alert, and the officer sleeps.  The shipped 20 s and 45 s are over at once here."""
    station = story.station(UDON_THANI, ALL_THREE)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    waits = "SELECT count(*) FROM deadline WHERE kind = 'ask_further' AND subject ~ '(sms 20|voice 45)$'"
    assert story.deployment.count(waits) == 2

    story.comes_due("ask_further")
    station.hears("ESS", by=Channel.SMS)
    phone = station.rings()
    phone.presses("1")
    station.hears("กด 1 รับเหตุ", by=Channel.VOICE)
    station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=Channel.VOICE)
    phone.hangs_up()
    station.hears("บันทึกแล้ว")
    incident.reaches("acknowledged")


def test_as_shipped_nobody_is_called_whose_row_names_no_calls(story: Story) -> None:
    station = story.station(UDON_THANI, BOTH)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    story.comes_due("ask_further")
    station.hears("ESS", by=Channel.SMS)
    story.deployment.settle()
    assert [line["channel"] for line in incident.facts("asked_further")] == ["sms"]


def test_who_cannot_answer_by_sms_is_not_asked_in_a_roll_call_and_not_called_silent(story: Story) -> None:
    station = story.station(UDON_THANI, SMS_ONLY)
    supervisor = story.supervisor()
    story.calls_the_roll()
    supervisor.hears("ทดสอบการติดต่อ")
    supervisor.taps("ได้รับแล้ว")
    supervisor.hears("ขอบคุณ")
    story.closes_the_roll()
    assert "จึงไม่ได้ถาม 1 ราย" in supervisor.hears("ถาม 1 ราย ตอบ 1 ราย ไม่ตอบ 0 ราย")["text"]
    (person,) = story.deployment.get("/v1/responders/unreachable")
    assert (person["ref"], person["why"]) == (station.ref, "not_asked")


def test_a_link_is_bound_to_its_alert_and_guessing_is_slow(story: Story) -> None:
    station = story.station(UDON_THANI, SMS_ONLY)
    story.care_team(UDON_THANI)
    first = story.citizen().reports_by_api("assault", at=UDON_THANI)
    page = station.opens_link(station.hears(first.code))
    second = story.citizen().reports_by_api("confinement", at=UDON_THANI)
    other = station.opens_link(station.hears(second.code))

    assert page.sends({"do": "accept", "token": "0" * 32}).status_code == 403
    assert page.sends(other.form("รับทราบ")).status_code == 403, "the form of another page"
    assert page.sends(page.form("รับทราบ"), {"sec-fetch-site": "cross-site"}).status_code == 403
    assert not first.facts("accepted")

    guess = page.url[:-1] + ("x" if page.url[-1] != "x" else "y")
    answers = [page.http.get(guess).status_code for _ in range(22)]
    assert answers[0] == 404
    assert answers[-1] == 429
    second.ask("cancel", reason="enough seen")
    station.hears("ยุติแล้ว")
