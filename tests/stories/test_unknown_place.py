"""No place, or none that anybody can name: a person is alerted all the same.

`gathering` waits 2 s for a place here instead of the shipped minute.
"""

from datetime import timedelta

from story import ABROAD, NAKHON_SAWAN, PHITSANULOK, Story, at


def test_a_pin_outside_of_thailand_goes_to_the_national_desk(story: Story) -> None:
    station, desk, supervisor = story.station(PHITSANULOK), story.desk(), story.supervisor()
    incident = story.citizen().reports_by_api("assault", at=ABROAD)
    desk.hears("ไม่ทราบพื้นที่")
    supervisor.hears("ไม่ทราบพื้นที่")
    incident.reaches("unanswered")
    assert incident.now["place"] is None
    assert incident.facts("alerted", responder=station.ref) == []

    desk.taps("รับทราบ")
    desk.hears("บันทึกแล้ว")
    supervisor.hears(f"{desk.spoken_name} รับทราบแล้ว")
    assert incident.holder() == desk.ref


def test_a_reporter_who_named_no_place_is_asked_and_answers(story: Story) -> None:
    station = story.station(PHITSANULOK)
    story.care_team(PHITSANULOK)
    citizen = story.citizen(line=False)
    incident = citizen.reports_by_api("assault", contact="text_only")
    citizen.hears("โปรดตอบกลับด้วยชื่ออำเภอและจังหวัด")
    assert incident.now["state"] == "received"

    citizen.texts("อำเภอเมืองพิษณุโลก จังหวัดพิษณุโลก")
    station.hears("อ.เมือง จ.พิษณุโลก")
    assert incident.now["place"]["district"]["code"] == "6501"
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    said = station.hears("จากผู้แจ้ง")["text"]
    assert said.count("อำเภอเมืองพิษณุโลก จังหวัดพิษณุโลก") == 1, "the answer is the address, and is read once"
    citizen.hears("เจ้าหน้าที่รับทราบแล้ว")


def test_without_an_answer_the_desk_is_alerted_after_the_wait(story: Story) -> None:
    desk = story.desk()
    citizen = story.citizen(line=False)
    incident = citizen.reports_by_api("gathering", contact="text_only")
    citizen.hears("โปรดตอบกลับด้วยชื่ออำเภอและจังหวัด")
    desk.hears("ไม่ทราบพื้นที่")
    waited = at(incident.told("place_unknown")) - at(incident.told("received"))
    assert timedelta(seconds=2) <= waited <= timedelta(seconds=3)


def test_an_answer_after_the_wait_still_brings_the_station(story: Story) -> None:
    station, desk = story.station(NAKHON_SAWAN), story.desk()
    story.care_team(NAKHON_SAWAN)
    citizen = story.citizen(line=False)
    incident = citizen.reports_by_api("gathering", contact="text_only")
    citizen.hears("โปรดตอบกลับด้วยชื่ออำเภอและจังหวัด")
    desk.hears("ไม่ทราบพื้นที่")
    incident.reaches("unanswered")

    citizen.texts("อ.เมืองนครสวรรค์ จ.นครสวรรค์")
    station.hears("จ.นครสวรรค์")
    incident.reaches("alerting")


def test_who_asked_for_silence_is_not_asked_where_it_is(story: Story) -> None:
    desk = story.desk()
    citizen = story.citizen(line=False)
    citizen.reports_by_api("gathering", contact="none")
    desk.hears("ไม่ทราบพื้นที่")
    story.deployment.settle()
    assert citizen.messages() == []
