"""Every pin is shown to the 191 centre of the province, for its information, behind the first alert."""

from sqlalchemy import text
from stack import wait_for
from story import CHIANG_MAI, LINE_ONLY, PHITSANULOK, VOICE_ONLY, Responder, Story, at

FOR_INFORMATION = "เพื่อทราบ"


def test_the_191_centre_hears_where_it_is_and_is_asked_nothing(story: Story) -> None:
    station = story.station(CHIANG_MAI)
    in_line, elsewhere = story.radio_191(CHIANG_MAI, LINE_ONLY), story.radio_191(PHITSANULOK)
    story.care_team(CHIANG_MAI)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_MAI)
    station.hears("เหตุด่วน")
    told = in_line.hears(FOR_INFORMATION)
    assert f"{FOR_INFORMATION} — เหตุ {incident.code}" in told["text"]
    assert "อ.เมือง จ.เชียงใหม่" in told["text"]
    assert "https://www.google.com/maps" in str(told["messages"])
    assert "รับทราบ" not in told["text"]

    informed = incident.told("informed", responder=in_line.ref)
    assert at(informed) >= at(incident.told("alerted", responder=station.ref))
    assert not incident.facts("alerted", responder=in_line.ref)
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    story.deployment.settle()
    assert len(in_line.messages()) == 1
    assert elsewhere.messages() == []


def test_by_sms_it_is_one_segment_and_when_nobody_answers_the_alert_comes_behind_it(story: Story) -> None:
    story.station(CHIANG_MAI).may_hear("เหตุด่วน")
    radio, only_called = story.radio_191(CHIANG_MAI), story.radio_191(PHITSANULOK, VOICE_ONLY)
    story.care_team(CHIANG_MAI)
    incident = story.citizen().reports_by_api("assault", at=CHIANG_MAI)
    assert radio.hears(f"{FOR_INFORMATION} {incident.code}")["detail"]["segments"] == 1
    story.comes_due("acknowledge", subject="police")
    radio.hears(f"ESS {incident.code}")

    story.station(PHITSANULOK).may_hear("เหตุด่วน")
    story.care_team(PHITSANULOK)
    other = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    other.told("alerted", track="police")
    story.deployment.settle()
    assert not other.facts("informed"), "no phone rings for information"
    assert only_called.messages() == []


def test_who_is_alerted_at_the_same_time_is_not_informed_as_well(story: Story) -> None:
    station, radio = story.station(CHIANG_MAI), story.radio_191(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    incident = story.citizen().reports_by_api("running_amok", at=CHIANG_MAI)
    station.hears("เหตุด่วน")
    radio.hears("ESS")
    story.deployment.settle()
    assert not incident.facts("informed")
    assert len(radio.messages()) == 1


def test_when_the_place_moves_to_another_province_its_centre_hears_of_it_too(story: Story) -> None:
    wrong, right = story.station(PHITSANULOK), story.station(CHIANG_MAI)
    before, after = story.radio_191(PHITSANULOK), story.radio_191(CHIANG_MAI)
    for spot in (PHITSANULOK, CHIANG_MAI):
        story.care_team(spot)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=PHITSANULOK)
    citizen.hears("รับเรื่องแล้ว")
    wrong.hears("เหตุด่วน")
    before.hears(FOR_INFORMATION)
    citizen.shares(CHIANG_MAI)
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    right.hears("เหตุด่วน")
    wrong.hears("แก้ไขสถานที่เป็น")
    assert "จ.เชียงใหม่" in after.hears(FOR_INFORMATION)["text"]
    story.deployment.settle()
    assert (len(before.messages()), len(after.messages())) == (1, 1)
    assert [fact["responder"]["ref"] for fact in incident.facts("informed")] == [before.ref, after.ref]


def test_what_fails_when_somebody_is_informed_holds_up_no_alert(story: Story) -> None:
    """The address of the centre cannot be read: the station is alerted and answers all the same."""
    story.expects_complaints = True
    station, radio = story.station(CHIANG_MAI), story.radio_191(CHIANG_MAI)
    story.care_team(CHIANG_MAI)
    with story.deployment.store.transaction() as tx:
        kept = tx.session.execute(text("SELECT phone FROM responder WHERE id = :id"), {"id": radio.row_id}).scalar_one()
    is_written(story, radio, b"nothing that can be read")
    incident = story.citizen().reports_by_api("assault", at=CHIANG_MAI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    failed = "SELECT count(*) FROM deadline WHERE kind = 'inform' AND failures > 0"
    wait_for(lambda: story.deployment.count(failed), "the failure is noticed")
    assert not incident.facts("informed")

    is_written(story, radio, kept)
    radio.hears(FOR_INFORMATION, within_s=20)


def is_written(story: Story, responder: Responder, phone: bytes) -> None:
    """Into the row itself: the phone is sealed in these bytes."""
    change = text("UPDATE responder SET phone = :phone WHERE id = :id")
    with story.deployment.store.transaction() as tx:
        tx.session.execute(change, {"phone": phone, "id": responder.row_id})
