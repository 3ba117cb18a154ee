"""The two public promises, and silence where somebody asked for it: a phone that lights up can endanger."""

import pytest
from story import CHIANG_MAI, Responder, Story


def closes(story: Story, station: Responder, social_worker: Responder) -> None:
    """From the alert to the end, by those who were sent."""
    station.hears("เหตุด่วน")
    for label in ("รับทราบ", "ออกเดินทาง", "ถึงที่เกิดเหตุ"):
        station.taps(label)
        station.hears("บันทึกแล้ว")
    station.taps("ระงับเหตุแล้ว")
    station.hears("ยุติแล้ว")
    social_worker.hears("ขอให้โทรติดตามผู้เสียหาย")
    social_worker.taps("ติดต่อได้แล้ว")
    social_worker.hears("บันทึกผลการโทรติดตามแล้ว")
    story.incidents[0].reaches("closed")


def test_in_line_the_reporter_is_told_twice_and_no_more(story: Story) -> None:
    station, social_worker = story.station(CHIANG_MAI), story.social_worker(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=CHIANG_MAI)
    closes(story, station, social_worker)
    story.deployment.settle()
    citizen.hears(f"รับเรื่องแล้ว (รหัส {incident.code})")
    arrival = citizen.hears(f"{station.spoken_name} รับทราบแล้ว (รหัส {incident.code})")
    assert "คาดว่าถึงภายในเวลา" in arrival["text"]
    assert len(citizen.messages()) == 4, "the two questions of the report, and the two promises"


@pytest.mark.parametrize("contact", ["any", "text_only"])
def test_by_sms_the_reporter_is_told_twice_and_never_called(story: Story, contact: str) -> None:
    station, social_worker = story.station(CHIANG_MAI), story.social_worker(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen(line=False)
    citizen.reports_by_api("assault", at=CHIANG_MAI, contact=contact)
    closes(story, station, social_worker)
    story.deployment.settle()
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เจ้าหน้าที่รับทราบแล้ว")
    assert len(citizen.messages()) == 2


def test_who_asked_for_silence_hears_nothing(story: Story) -> None:
    station, social_worker = story.station(CHIANG_MAI), story.social_worker(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen(line=False)
    citizen.reports_by_api("assault", at=CHIANG_MAI, contact="none")
    closes(story, station, social_worker)
    story.deployment.settle()
    assert citizen.messages() == []
