"""What people write is read: by whoever goes there, in their own chat, and by a supervisor, on record.

Nobody else reads it: not who is only asked, not an operator, not a locked screen, and it goes with its report wherever
that goes.
"""

from typing import Any

from stack import wait_for
from story import BOTH, CHIANG_RAI, SMS_ONLY, SURAT_THANI, UBON_RATCHATHANI, Incident, Story

from ess.store.keys import KeyRole

HOUSE = "บ้านเลขที่ 99/9 ซอยสมมุติ ชั้นสอง ห้องริม"


def read(incident: Incident) -> dict[str, Any]:
    """What a supervisor reads of it by API."""
    found: dict[str, Any] = incident.story.deployment.get(f"{incident.path}/reports")
    return found


def test_what_is_typed_is_read_by_whoever_goes_there(story: Story) -> None:
    station, care = story.station(CHIANG_RAI), story.one_home(CHIANG_RAI)
    citizen = story.citizen()
    citizen.writes("พี่ชายเมาและถือมีด (สมมุติ)")
    citizen.hears("เมื่อต้องการความช่วยเหลือ")
    incident = citizen.reports("assault", at=CHIANG_RAI)
    citizen.hears("รับเรื่องแล้ว")
    asked = station.hears("เหตุด่วน")
    care.hears("เหตุด่วน")
    assert "สมมุติ" not in str(asked), "who is only asked reads nothing of it"

    station.taps("รับทราบ")
    told = station.hears("พี่ชายเมาและถือมีด (สมมุติ)")
    (card,) = told["messages"]
    assert card["altText"] == f"ESS {incident.code} มีข้อมูลเพิ่ม", "all that a locked screen shows"
    station.hears("บันทึกแล้ว")
    citizen.hears("รับทราบแล้ว")
    citizen.writes(HOUSE)
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    station.hears(HOUSE)
    station.taps("15 นาที")  # which a newer message would have taken away
    station.hears("คาดว่าท่านถึงเวลา")
    citizen.writes("เขาออกไปแล้ว")
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    station.hears("เขาออกไปแล้ว")

    station.taps("ไปไม่ได้")  # given back: it is not theirs any more
    station.hears("บันทึกว่าไปไม่ได้")
    citizen.writes("เขากลับมาแล้ว")
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    incident.told("reporter_wrote", times=3)
    care.taps("รับทราบ")  # and whoever comes later reads all of it
    citizen.hears(f"{care.spoken_name} จะเข้าร่วมช่วยเหลือ")
    everything = care.hears("จากผู้แจ้ง")["text"]
    assert [everything.index(words) for words in ("ถือมีด", HOUSE, "ออกไปแล้ว", "กลับมาแล้ว")] == sorted(
        everything.index(words) for words in ("ถือมีด", HOUSE, "ออกไปแล้ว", "กลับมาแล้ว")
    )
    care.hears("บันทึกแล้ว")
    assert "สมมุติ" not in str(incident.timeline)
    assert "สมมุติ" not in str(incident.now)


def test_the_address_goes_to_whoever_has_taken_it_and_never_by_sms(story: Story) -> None:
    station, radio = story.station(CHIANG_RAI, BOTH), story.radio_191(CHIANG_RAI)
    story.care_team(CHIANG_RAI)
    incident = story.citizen().reports_by_api("assault", location=CHIANG_RAI.pin | {"address": HOUSE})
    station.hears("เหตุด่วน")
    station.texts(f"{incident.code} 2")
    station.hears("บันทึกว่าไม่รับ", by=SMS_ONLY[0])
    radio.hears("ESS")
    radio.texts("{n} 1")
    radio.hears("บันทึกแล้ว")
    incident.reaches("acknowledged")
    assert not [words for person in (station, radio) for words in person.messages() if "สมมุติ" in words]


def test_a_supervisor_reads_both_accounts_and_it_is_on_record_and_an_operator_cannot(story: Story) -> None:
    station = story.station(CHIANG_RAI)
    story.care_team(CHIANG_RAI)
    first, second = story.citizen(), story.citizen(line=False)
    incident = first.reports("running_amok", at=CHIANG_RAI)
    first.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    first.taps("อย่าติดต่อฉัน")
    first.hears("บันทึกไว้แล้ว")
    first.writes("081 234 5678 เขาอยู่หน้าร้านสมมุติ")
    first.hears("บันทึกเบอร์แล้ว")
    first.sends_a_photo()
    first.hears("เก็บไว้ให้เจ้าหน้าที่")
    where = CHIANG_RAI.metres_north(100)
    body = second.report(
        "running_amok",
        location=where.pin | {"address": HOUSE},
        description="มีเด็กอยู่ในร้าน (สมมุติ)",
        victim_is_minor=True,
        external_id="B-7",
    )
    assert story.post_report(body).json()["code"] == incident.code
    station.taps("รับทราบ")
    station.hears("มีเด็กอยู่ในร้าน")
    station.hears("บันทึกแล้ว")
    first.hears("รับทราบแล้ว")
    station.writes("ประตูหลังล็อก ขอกุญแจ")
    station.hears("บันทึกข้อความไว้ให้ผู้ควบคุมเวรแล้ว")

    refused = story.deployment.http.get(f"{incident.path}/reports", headers=story.deployment.bearer(KeyRole.OPERATOR))
    assert refused.status_code == 403
    assert "supervisor is needed" in refused.json()["detail"]
    assert not incident.facts("personal_data_read")

    told = wait_for(
        lambda: (found := read(incident))["reports"][0]["attachments"][0]["fetched_at"] and found,
        "the photo is fetched",
    )
    one, other = told["reports"]
    assert (one["source"], one["phone"], one["victim_is_minor"]) == ("line", "+66812345678", None)
    assert (one["contact"], one["contact_said"], one["distance_m"]) == ("none", True, 0)
    assert [note["text"] for note in one["notes"]] == ["081 234 5678 เขาอยู่หน้าร้านสมมุติ"]
    assert (other["contact"], other["contact_said"]) == ("none", True), "an intake service passed it on"
    assert (other["description"], other["address"]) == ("มีเด็กอยู่ในร้าน (สมมุติ)", HOUSE)
    assert (other["victim_is_minor"], other["external_id"], other["distance_m"]) == (True, "B-7", 100)
    assert other["notes"] == other["attachments"] == told["notes"] == told["attachments"] == []
    (wrote,) = told["responders_wrote"]
    assert (wrote["text"], wrote["responder"]["ref"]) == ("ประตูหลังล็อก ขอกุญแจ", station.ref)
    assert incident.told("personal_data_read", what="reports", by="test-supervisor")

    story.deployment.http.get(
        f"{incident.path}/attachments/{one['attachments'][0]['attachment_id']}",
        headers=story.deployment.bearer(KeyRole.SUPERVISOR),
    )
    assert incident.told("personal_data_read", what="attachment", by="test-supervisor")
    assert "สมมุติ" not in str(incident.timeline)


def test_who_said_nothing_of_contact_is_told_from_who_asked_for_silence(story: Story) -> None:
    story.station(CHIANG_RAI).may_hear("")
    story.care_team(CHIANG_RAI)
    body = story.citizen().report("assault", CHIANG_RAI)
    silent = {**body, "reporter": {"name": "a made-up person"}}
    ids = [story.post_report(each).json()["incident_id"] for each in (body, silent)]
    told = [read(Incident(story, incident_id))["reports"][0] for incident_id in ids]
    assert [(report["contact"], report["contact_said"]) for report in told] == [("none", True), ("none", False)]
    assert told[1]["name"] == "a made-up person"
    assert story.post_report(silent, "the same key").json() == story.post_report(silent, "the same key").json()


def test_what_was_sent_and_typed_before_a_merge_is_read_with_the_incident_that_goes_on(story: Story) -> None:
    station, neighbour = story.station(CHIANG_RAI), story.station(UBON_RATCHATHANI)
    story.care_team(CHIANG_RAI)
    story.care_team(UBON_RATCHATHANI)
    goes_on = story.citizen(line=False).reports_by_api("assault", at=CHIANG_RAI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen = story.citizen()
    merged = citizen.reports("assault", at=UBON_RATCHATHANI)
    citizen.hears("รับเรื่องแล้ว")
    neighbour.hears("เหตุด่วน")
    citizen.sends_a_photo()
    citizen.hears("เก็บไว้ให้เจ้าหน้าที่")
    citizen.writes(HOUSE)
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    neighbour.writes("อยู่ไกลเกินไป (สมมุติ)")
    neighbour.hears("บันทึกข้อความไว้ให้ผู้ควบคุมเวรแล้ว")

    assert merged.ask("merge", into=goes_on.id).status_code == 200
    neighbour.hears("เป็นเหตุเดียวกับ")
    citizen.hears("ดำเนินการต่อภายใต้รหัส")
    citizen.hears("รับทราบแล้ว")
    station.hears("มีผู้แจ้งเพิ่ม")
    station.hears(HOUSE)
    citizen.sends_a_photo()  # of an incident that goes on under another code
    citizen.hears("เก็บไว้ให้เจ้าหน้าที่")

    theirs = read(goes_on)["reports"][1]
    assert [note["text"] for note in theirs["notes"]] == [HOUSE]
    assert len(theirs["attachments"]) == 2
    assert [wrote["text"] for wrote in read(goes_on)["responders_wrote"]] == ["อยู่ไกลเกินไป (สมมุติ)"]
    left = read(merged)
    assert (left["reports"], left["notes"], left["attachments"], left["responders_wrote"]) == ([], [], [], [])
    assert merged.now["attachments"] == []


def test_what_was_sent_and_typed_before_a_split_goes_with_its_report_and_with_no_other(story: Story) -> None:
    station = story.station(SURAT_THANI)
    story.care_team(SURAT_THANI)
    one, other = story.citizen(), story.citizen()
    incident = one.reports("running_amok", at=SURAT_THANI)
    one.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    other.presses("action=report")
    other.hears("เกิดเหตุอะไรขึ้น")
    other.taps("คนคลุ้มคลั่ง")
    other.hears("แชร์พิกัดตำแหน่ง")
    other.shares(SURAT_THANI)
    other.hears("รับเรื่องแล้ว")
    for who, words in ((one, "คนแรก (สมมุติ)"), (other, "คนที่สอง (สมมุติ)")):
        who.sends_a_photo()
        who.hears("เก็บไว้ให้เจ้าหน้าที่")
        who.writes(words)
        who.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    report_id = incident.now["reports"][1]["report_id"]

    answer = incident.ask("split", reports=[report_id])
    apart = Incident(story, answer.json()["incident_id"])
    other.hears("รับเรื่องแล้ว")
    station.hears(f"เหตุด่วน {apart.code}")
    for each, words in ((incident, "คนแรก (สมมุติ)"), (apart, "คนที่สอง (สมมุติ)")):
        told = read(each)
        (report,) = told["reports"]
        assert [note["text"] for note in report["notes"]] == [words]
        assert len(report["attachments"]) == 1
        assert told["notes"] == told["attachments"] == []
    station.taps("รับทราบ")
    station.hears("คนที่สอง (สมมุติ)")
    station.hears("บันทึกแล้ว")
    other.hears("รับทราบแล้ว")
