"""What responders say, and what comes of it: yes, no, twice, together, by SMS."""

from datetime import timedelta

import pytest
from story import BOTH, LINE_ONLY, NAKHON_RATCHASIMA, SMS_ONLY, UDON_THANI, Story, at, at_once

from ess.domain.duty import Channel
from ess.store import tables


def test_a_station_that_declines_hands_on_at_once(story: Story) -> None:
    station, radio = story.station(UDON_THANI), story.radio_191(UDON_THANI)
    story.care_team(UDON_THANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UDON_THANI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")

    station.taps("ไปไม่ได้")
    station.hears("บันทึกว่าไปไม่ได้")
    radio.hears("ESS")
    pause = at(incident.told("alerted", responder=radio.ref)) - at(incident.told("declined"))
    assert pause < timedelta(seconds=5), "the shipped wait of 60 s was not waited for"
    assert not incident.facts("step_expired")


def test_who_gives_back_what_they_accepted_hands_on_at_once(story: Story) -> None:
    station, radio = story.station(UDON_THANI), story.radio_191(UDON_THANI)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    incident.reaches("acknowledged")

    station.taps("ไปไม่ได้")
    station.hears("บันทึกว่าไปไม่ได้")
    radio.hears("ESS")
    incident.reaches("alerting")
    assert incident.holder() is None


def test_an_sms_answers_an_alert(story: Story) -> None:
    station = story.station(UDON_THANI, SMS_ONLY)
    story.care_team(UDON_THANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UDON_THANI)
    citizen.hears("รับเรื่องแล้ว")
    sms = station.hears("ESS")
    assert sms["detail"]["segments"] == 1
    assert incident.code in sms["text"]
    assert "ทำร้าย" not in sms["text"], "whoever sees the phone must not read what happened"
    assert "100.2" not in sms["text"]

    station.texts("{n} รับครับ")
    taken = station.hears("บันทึกแล้ว")
    citizen.hears("รับทราบแล้ว")
    assert taken["detail"]["segments"] <= 2
    assert "ทำร้าย" not in taken["text"]
    page = station.opens_link(taken)  # the way there, which no SMS may say
    for words in ("จ.อุดรธานี", "ทำร้าย", "google.com/maps"):
        page.shows(words)

    station.texts("{n} 1")
    station.hears("บันทึกไว้แล้ว")
    assert len(incident.facts("accepted")) == 1
    assert incident.facts("accepted")[0]["via"] == "sms"

    station.texts("ถึง")  # one alert alone is open, so it needs no code
    assert "http" not in station.hears("บันทึกแล้ว")["text"], "they have the way"
    incident.reaches("on_scene")
    citizen.hears("ถึงที่เกิดเหตุแล้ว")


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("{n} 3", ["accepted", "acknowledged", "departed"]),
        ("{n} ไปครับ", ["accepted", "acknowledged", "departed"]),
        ("{n} 4", ["accepted", "acknowledged", "arrived"]),
        ("15 นาที", ["accepted", "acknowledged"]),
    ],
)
def test_who_answers_an_alert_by_coming_has_accepted_it(story: Story, words: str, facts: list[str]) -> None:
    """Nobody on the way to a victim is told to press another digit first."""
    station, radio = story.station(UDON_THANI, SMS_ONLY), story.radio_191(UDON_THANI, SMS_ONLY)
    story.care_team(UDON_THANI)
    citizen = story.citizen()
    incident = citizen.reports("running_amok", at=UDON_THANI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("ESS")
    radio.hears("ESS")

    station.texts(words)
    station.hears(incident.code)
    citizen.hears("รับทราบแล้ว")
    radio.hears("หน่วยอื่นรับแล้ว")
    assert [line["fact"] for line in incident.timeline if line["fact"] in {*facts, "estimated"}] == facts
    assert incident.facts("accepted")[0]["via"] == "sms"
    assert incident.holder() == station.ref
    if "arrived" in facts:
        citizen.hears("ถึงที่เกิดเหตุแล้ว")

    radio.texts("{n} 3")
    radio.hears("หน่วยอื่นรับไปก่อนแล้ว")
    assert len(incident.facts("accepted")) == 1


def test_a_bare_verb_is_asked_back_where_two_alerts_are_open(story: Story) -> None:
    station = story.station(UDON_THANI, SMS_ONLY)
    story.care_team(UDON_THANI)
    citizen = story.citizen(line=False)
    first = citizen.reports_by_api("assault", at=UDON_THANI)
    station.hears(first.code)
    first_code = station.code()
    second = citizen.reports_by_api("assault", at=UDON_THANI)
    station.hears(second.code)

    station.texts("1")
    question = station.hears("ตอบด้วยรหัสนำหน้า")
    assert first_code in question["text"]
    assert station.code() in question["text"]
    assert {first.now["state"], second.now["state"]} == {"alerting"}

    station.texts(f"{first_code} 1")
    station.hears(f"{first.code} บันทึกแล้ว")
    first.reaches("acknowledged")
    assert second.now["state"] == "alerting"


def test_a_code_whose_incident_has_ended_takes_no_older_one_that_had_it_before(story: Story) -> None:
    station = story.station(UDON_THANI, SMS_ONLY)
    story.care_team(UDON_THANI)
    citizen = story.citizen(line=False)
    first = citizen.reports_by_api("assault", at=UDON_THANI)
    station.hears(first.code)
    code = station.code()
    second = citizen.reports_by_api("assault", at=UDON_THANI)
    station.hears(second.code)
    again = "WITH same AS (UPDATE alert SET reply_code = :code WHERE id = :id RETURNING 1) SELECT count(*) FROM same"
    assert story.deployment.count(again, code=code, id=second.alert_of(station)["alert_id"]) == 1, "a day later"
    assert second.ask("cancel", reason="a drill").status_code == 200
    station.hears(f"{second.code} ยุติแล้ว")

    station.texts(f"{code} 1")
    station.hears(f"ESS {second.code} ทำรายการนี้ไม่ได้")
    assert first.now["state"] == "alerting"


def test_an_sms_from_a_stranger_gets_no_answer(story: Story) -> None:
    stranger = story.citizen(line=False)
    stranger.texts("12 1")
    story.deployment.settle()
    assert story.shown() == []


def test_who_has_a_phone_now_answers_for_nobody_who_had_it_before(story: Story) -> None:
    station, radio = story.station(UDON_THANI, SMS_ONLY), story.radio_191(UDON_THANI)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("ESS")
    story.deployment.settle()
    index = story.deployment.store.vault.index
    with story.deployment.store.transaction() as tx:  # as an import of the roster does
        tx.session.get_one(tables.Responder, station.row_id).phone_index = index("+66199999999")
        tx.session.get_one(tables.Responder, radio.row_id).phone_index = index(str(station.phone))
    station.texts("{n} 1")
    station.hears("ไม่มีเหตุที่รอการตอบจากท่าน", by=Channel.SMS)
    assert not incident.facts("accepted")


def test_a_forwarded_card_is_nobody_elses_to_press(story: Story) -> None:
    station, thief = story.station(UDON_THANI), story.citizen()
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    alert_id = incident.alert_of(station)["alert_id"]
    (theirs,) = (data for data in station.buttons() if data.startswith("do=accept"))
    thief.presses(theirs)
    thief.presses_again(f"do=accept&alert={alert_id}")
    story.deployment.settle()
    assert incident.now["state"] == "alerting"
    assert not incident.facts("accepted")


def test_a_button_that_was_never_sent_like_this_does_nothing(story: Story) -> None:
    station = story.station(UDON_THANI)
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("assault", at=UDON_THANI)
    station.hears("เหตุด่วน")
    (sent,) = (data for data in station.buttons() if data.startswith("do=accept"))
    for forged in (sent.partition("&sig=")[0], sent[:-1], sent.replace("do=accept", "do=arrive")):
        station.presses(forged)
    story.deployment.settle()
    assert not incident.facts("accepted")
    station.presses(sent)
    incident.told("accepted", responder=station.ref)
    station.hears("บันทึกแล้ว")


@pytest.mark.parametrize("channels", [LINE_ONLY, SMS_ONLY], ids=["both in LINE", "one by SMS"])
def test_two_accept_at_once_and_one_has_it(story: Story, channels: tuple[Channel, ...]) -> None:
    station, radio = story.station(NAKHON_RATCHASIMA), story.radio_191(NAKHON_RATCHASIMA, channels)
    story.care_team(NAKHON_RATCHASIMA)
    for n in range(3):  # each in another street, or they would be witnesses of one
        citizen = story.citizen(line=False)
        incident = citizen.reports_by_api("running_amok", at=NAKHON_RATCHASIMA.metres_north(500 * n))
        station.hears(incident.code)
        radio.hears(incident.code)
        by_line, by_sms = lambda: radio.taps("รับทราบ"), lambda: radio.texts("{n} 1")
        at_once(lambda: station.taps("รับทราบ"), by_sms if channels == SMS_ONLY else by_line)
        incident.reaches("acknowledged")

        accepted = incident.told("accepted")
        holder, other = (station, radio) if accepted["responder"]["ref"] == station.ref else (radio, station)
        holder.hears(f"{incident.code} บันทึกแล้ว" if holder.line_id is None else f"บันทึกแล้ว — เหตุ {incident.code}")
        # Told when the race was decided, and told again because they pressed.
        if other.line_id:
            other.hears(f"{holder.spoken_name} รับไปก่อนแล้ว")
            other.hears(f"{holder.spoken_name} รับทราบแล้ว ท่านไม่ต้องดำเนินการ")
        else:
            other.hears("หน่วยอื่นรับไปก่อนแล้ว")
            other.hears("หน่วยอื่นรับแล้ว")
        assert len(incident.facts("accepted")) == 1
        assert incident.holder() == holder.ref


def test_the_others_are_stood_down_and_told_who_has_it(story: Story) -> None:
    station, radio = story.station(NAKHON_RATCHASIMA), story.radio_191(NAKHON_RATCHASIMA, BOTH)
    one_home = story.one_home(NAKHON_RATCHASIMA)
    incident = story.citizen().reports_by_api("running_amok", at=NAKHON_RATCHASIMA)
    station.hears("เหตุด่วน")
    radio.hears("เหตุด่วน")
    one_home.hears("เหตุด่วน")

    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    radio.hears(f"{station.spoken_name} รับทราบแล้ว ท่านไม่ต้องดำเนินการ")
    assert incident.alert_of(radio)["state"] == "stood_down"
    assert incident.alert_of(one_home)["state"] == "open", "social care is asked on a track of its own"


def test_who_does_not_say_that_they_arrived_is_asked_and_the_supervisors_are_told(story: Story) -> None:
    """`gathering` gives 2 s to arrive here instead of the shipped 20 min."""
    station, supervisor = story.station(UDON_THANI), story.supervisor()
    story.care_team(UDON_THANI)
    incident = story.citizen().reports_by_api("gathering", at=UDON_THANI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")

    station.hears("ท่านถึงที่เกิดเหตุหรือยัง")
    supervisor.hears(f"{station.spoken_name} ยังไม่แจ้งว่าถึงที่เกิดเหตุ")
    station.taps("ถึงที่เกิดเหตุ")
    station.hears("บันทึกแล้ว")
    incident.reaches("on_scene")
