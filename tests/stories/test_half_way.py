"""Who stops half-way is asked once, and whoever said where they are is not forgotten; what they sent is kept."""

from stack import wait_for
from story import NAKHON_SAWAN, Story

from ess.store.keys import KeyRole


def test_a_pin_that_nothing_follows_becomes_a_report(story: Story) -> None:
    station = story.station(NAKHON_SAWAN)
    story.care_team(NAKHON_SAWAN)
    citizen = story.citizen()
    citizen.shares(NAKHON_SAWAN)
    citizen.hears("เกิดเหตุอะไรขึ้น")
    story.comes_due("draft")
    assert citizen.hears("ยังอยู่ไหม")["detail"]["silent"], "whoever is with them must not see a screen light up"
    story.comes_due("draft")
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    assert story.new_incident().now["type"] == "assault"


def test_who_answers_the_question_goes_on_where_they_were(story: Story) -> None:
    station = story.station(NAKHON_SAWAN)
    story.care_team(NAKHON_SAWAN)
    citizen = story.citizen()
    citizen.shares(NAKHON_SAWAN)
    citizen.hears("เกิดเหตุอะไรขึ้น")
    story.comes_due("draft")
    citizen.hears("ยังอยู่ไหม")
    citizen.taps("ถูกกักขัง")
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    assert story.new_incident().now["type"] == "confinement"
    story.comes_due("draft")  # and nothing is asked any more


def test_a_pin_outlives_the_menu_button_and_whatever_else_is_sent(story: Story) -> None:
    """Between the steps the missing one is asked for again, to be answered by one tap."""
    station = story.station(NAKHON_SAWAN)
    story.care_team(NAKHON_SAWAN)
    citizen = story.citizen()
    citizen.shares(NAKHON_SAWAN)
    citizen.hears("เกิดเหตุอะไรขึ้น")
    for send in (
        citizen.sends_a_photo,
        citizen.sends_a_voice_note,
        lambda: citizen.writes("เขามีมีด"),
        lambda: citizen.writes("ช่วยด้วยค่ะ"),
        lambda: citizen.presses("action=report"),
    ):
        send()
        citizen.hears("เกิดเหตุอะไรขึ้น")
    citizen.taps("ถูกกักขัง")
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    incident = story.new_incident()
    assert incident.now["type"] == "confinement"
    assert {fact["kind"] for fact in incident.facts("reporter_sent")} == {"image", "audio"}


def test_a_pin_is_waited_for_also_of_who_was_asked_before(story: Story) -> None:
    station = story.station(NAKHON_SAWAN)
    story.care_team(NAKHON_SAWAN)
    citizen = story.citizen()
    citizen.presses("type=assault")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    story.comes_due("draft")
    citizen.hears("ยังอยู่ไหม")
    story.comes_due("draft")
    story.deployment.settle()
    citizen.presses("action=report")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    citizen.shares(NAKHON_SAWAN)
    citizen.hears("เกิดเหตุอะไรขึ้น")
    citizen.presses("action=report")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    story.comes_due("draft")
    citizen.hears("ยังอยู่ไหม")
    story.comes_due("draft")
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    story.new_incident()


def test_control_words_between_the_steps_are_no_address(story: Story) -> None:
    citizen = story.citizen()
    citizen.presses("type=assault")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    citizen.writes("สถานะครับ")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    citizen.writes("ยกเลิกค่ะ")
    citizen.hears("เมื่อต้องการความช่วยเหลือ")
    story.comes_due("draft")


def test_who_chose_a_type_and_left_is_asked_once_and_left_alone(story: Story) -> None:
    citizen = story.citizen()
    citizen.presses("action=report")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    citizen.taps("คนคลุ้มคลั่ง")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    story.comes_due("draft")
    citizen.hears("ยังอยู่ไหม")
    story.comes_due("draft")


def test_photos_before_and_after_the_pin_are_kept_with_the_incident(story: Story) -> None:
    station = story.station(NAKHON_SAWAN)
    story.care_team(NAKHON_SAWAN)
    citizen = story.citizen()
    citizen.sends_a_photo()
    citizen.hears("แจ้งเหตุด่วน")
    incident = citizen.reports("assault", at=NAKHON_SAWAN)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    citizen.sends_a_photo()
    citizen.hears("เก็บไว้ให้เจ้าหน้าที่")
    wait_for(
        lambda: [kept["fetched_at"] is not None for kept in incident.now["attachments"]] == [True, True],
        "both photos are fetched",
    )
    assert len(incident.facts("reporter_sent", kind="image")) == 2
    path = f"{incident.path}/attachments/{incident.now['attachments'][0]['attachment_id']}"
    http, supervisor = story.deployment.http, story.deployment.bearer(KeyRole.SUPERVISOR)
    picture = http.get(path, headers=supervisor)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert http.get(path, headers=story.deployment.bearer(KeyRole.OPERATOR)).status_code == 403


def test_who_reported_falsely_before_is_flagged_and_helped_all_the_same(story: Story) -> None:
    station = story.station(NAKHON_SAWAN)
    story.care_team(NAKHON_SAWAN)
    citizen = story.citizen()
    first = citizen.reports("assault", at=NAKHON_SAWAN)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    first.ask("close", reason="nobody was there", false_report=True)
    station.hears("ยุติแล้ว")
    citizen.hears("ยุติแล้ว")
    second = citizen.reports("confinement", at=NAKHON_SAWAN)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    assert (second.now["earlier_reports"], second.now["earlier_false_reports"]) == (1, 1)
    assert first.facts("closed")[0]["false_report"] is True
