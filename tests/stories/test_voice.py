"""A phone that rings: what a digit does, what no digit does, whom a busy line brings forward, and what is read then."""

from datetime import timedelta

from story import ALL_THREE, SURAT_THANI, UBON_RATCHATHANI, VOICE_ONLY, Story, at

from ess.domain.duty import Channel

BY = Channel.VOICE
QUESTION = "กด 1 รับเหตุ"


def test_a_digit_answers_a_call(story: Story) -> None:
    station = story.station(UBON_RATCHATHANI, VOICE_ONLY)
    story.care_team(UBON_RATCHATHANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UBON_RATCHATHANI)
    citizen.hears("รับเรื่องแล้ว")

    phone = station.rings()
    said = phone.is_picked_up()["text"]
    assert " ".join(incident.code) in said
    assert "จังหวัดอุบลราชธานี" in said
    assert "ทำร้าย" not in said, "whoever picks up must not hear what happened"
    assert incident.now["state"] == "alerting", "that somebody picks up is no acknowledgement"

    phone.presses("3")
    station.hears(QUESTION, by=BY)
    phone.presses("7")
    assert QUESTION in station.hears("ไม่มีตัวเลือกนี้", by=BY)["text"]
    phone.presses("1")
    assert "จะถึงในอีกกี่นาที" in station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=BY)["text"]
    citizen.hears("รับทราบแล้ว")
    incident.reaches("acknowledged")
    assert incident.facts("accepted")[0]["via"] == "voice"
    incident.told("delivery_delivered", channel="voice")

    phone.presses("15#")
    station.hears("จะถึงในอีก 15 นาที", by=BY)
    station.hears("รายละเอียดอยู่ในข้อความ", by=BY)
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    expected = incident.told("estimated", via="voice")
    assert at(expected, "eta_at") - at(expected) == timedelta(minutes=15)


def test_who_takes_it_in_a_call_reads_where_to_go(story: Story) -> None:
    """The call named the district alone, and so may an SMS: the link says the rest, to them alone."""
    station = story.station(UBON_RATCHATHANI, VOICE_ONLY)
    story.care_team(UBON_RATCHATHANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UBON_RATCHATHANI)
    citizen.hears("รับเรื่องแล้ว")
    phone = station.rings()
    phone.presses("1")
    station.hears(QUESTION, by=BY)
    station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=BY)
    phone.hangs_up()  # silence says no time
    citizen.hears("รับทราบแล้ว")

    sms = station.hears("บันทึกแล้ว", by=Channel.SMS)
    assert sms["detail"]["segments"] <= 2
    assert "ทำร้าย" not in sms["text"]
    page = station.opens_link(sms)
    for words in ("อ.เมือง จ.อุบลราชธานี", "ทำร้าย", "google.com/maps"):
        page.shows(words)
    page.presses("ถึงที่เกิดเหตุ")
    citizen.hears("ถึงที่เกิดเหตุแล้ว")
    incident.reaches("on_scene")


def test_who_is_only_ever_called_is_asked_by_call_how_far_they_are(story: Story) -> None:
    """The shipped wait of 10 min for leaving is over at once here."""
    station = story.station(UBON_RATCHATHANI, VOICE_ONLY)
    story.care_team(UBON_RATCHATHANI)
    supervisor = story.supervisor()
    citizen = story.citizen()
    incident = citizen.reports("assault", at=UBON_RATCHATHANI)
    citizen.hears("รับเรื่องแล้ว")
    phone = station.rings()
    phone.presses("1")
    station.hears(QUESTION, by=BY)
    station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=BY)
    phone.hangs_up()
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    citizen.hears("รับทราบแล้ว")

    story.comes_due("depart")
    phone = station.rings()
    said = phone.is_picked_up()["text"]
    for words in (" ".join(incident.code), "ท่านออกเดินทางหรือยัง", "กด 3", "กด 4", "กด 5", "กด 9", "กด 2"):
        assert words in said
    assert "ทำร้าย" not in said
    phone.presses("1")
    station.hears("ไม่มีตัวเลือกนี้", by=BY)
    phone.presses("3")
    station.hears("บันทึกแล้วว่าท่านกำลังเดินทาง", by=BY)
    assert incident.told("departed")["via"] == "voice"
    phone.presses("60#")
    station.hears("จะถึงในอีก 60 นาที", by=BY)
    station.hears("รายละเอียดอยู่ในข้อความ", by=BY)
    citizen.hears("คาดว่าถึง")

    story.comes_due("arrive")
    supervisor.hears("ยังไม่แจ้งว่าถึงที่เกิดเหตุ")
    phone = station.rings()
    phone.presses("5")
    station.hears("ท่านถึงที่เกิดเหตุหรือยัง", by=BY)
    station.hears("แจ้งหน่วยเสริมแล้ว", by=BY)
    supervisor.hears("มีหน่วยขอกำลังเสริม")
    assert incident.told("backup_wanted")["via"] == "voice"

    station.texts("4")
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    citizen.hears("ถึงที่เกิดเหตุแล้ว")
    incident.ask("close", reason="enough seen")
    citizen.hears("ยุติแล้ว")
    station.hears("ยุติแล้ว", by=Channel.SMS)
    supervisor.may_hear("")


def test_a_machine_says_nothing_of_how_far_they_are(story: Story) -> None:
    station, radio = story.station(UBON_RATCHATHANI, VOICE_ONLY), story.radio_191(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    incident = story.citizen().reports_by_api("assault", at=UBON_RATCHATHANI)
    phone = station.rings()
    phone.presses("1")
    station.hears(QUESTION, by=BY)
    station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=BY)
    phone.hangs_up()
    station.hears("บันทึกแล้ว", by=Channel.SMS)

    station.lets_it("machine")
    story.comes_due("depart")
    station.rings()
    incident.told("delivery_failed", channel="voice", message="departed_yet")
    assert not incident.facts("departed")
    story.comes_due("back_up")
    radio.hears("ESS")
    station.may_hear("")


def test_a_machine_that_picks_up_answers_nothing_and_brings_the_next_forward(story: Story) -> None:
    station, radio = story.station(UBON_RATCHATHANI, VOICE_ONLY), story.radio_191(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    station.lets_it("machine")
    incident = story.citizen().reports_by_api("assault", at=UBON_RATCHATHANI)

    station.rings()
    radio.hears("ESS")
    incident.told("delivery_failed", channel="voice")
    pause = at(incident.told("alerted", responder=radio.ref)) - at(incident.told("alerted", responder=station.ref))
    assert pause < timedelta(seconds=10), "the shipped wait of 60 s was not waited for"
    assert not incident.facts("accepted")
    station.may_hear("")


def test_who_presses_nothing_has_said_nothing(story: Story) -> None:
    station, radio = story.station(UBON_RATCHATHANI, VOICE_ONLY), story.radio_191(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    station.lets_it("silent")
    incident = story.citizen().reports_by_api("confinement", at=UBON_RATCHATHANI)

    station.rings()
    station.hears(QUESTION, by=BY)
    station.hears(QUESTION, by=BY)
    station.hears("ยังไม่ได้รับคำตอบ", by=BY)
    radio.hears("ESS")
    incident.told("step_expired", track="police", step=1)
    assert not incident.facts("delivery_delivered", channel="voice")
    assert not incident.facts("accepted")
    incident.ask("cancel", reason="enough seen")
    radio.hears("ยุติแล้ว")


def test_a_line_that_is_busy_brings_the_next_person_forward_at_once(story: Story) -> None:
    station, radio = story.station(UBON_RATCHATHANI, VOICE_ONLY), story.radio_191(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    station.lets_it("busy")
    incident = story.citizen().reports_by_api("assault", at=UBON_RATCHATHANI)

    station.rings()
    radio.hears("ESS")
    assert incident.alert_of(station)["state"] == "unreachable"
    assert not incident.facts("step_expired")


def test_a_decline_by_digit_hands_on_at_once(story: Story) -> None:
    station, radio = story.station(UBON_RATCHATHANI, VOICE_ONLY), story.radio_191(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    incident = story.citizen().reports_by_api("assault", at=UBON_RATCHATHANI)

    station.rings().presses("2")
    station.hears(QUESTION, by=BY)
    station.hears("บันทึกแล้วว่าท่านไปไม่ได้", by=BY)
    radio.hears("ESS")
    assert incident.facts("declined")[0]["via"] == "voice"


def test_who_picks_up_too_late_hears_that_somebody_else_has_it(story: Story) -> None:
    station, other = story.station(UBON_RATCHATHANI, VOICE_ONLY), story.radio_191(UBON_RATCHATHANI)
    story.care_team(UBON_RATCHATHANI)
    incident = story.citizen().reports_by_api("running_amok", at=UBON_RATCHATHANI)
    other.hears("ESS")
    phone = station.rings()
    other.texts("{n} 1")
    other.hears("บันทึกแล้ว")
    incident.told("stood_down")

    assert "หน่วยอื่นรับเหตุนี้แล้ว" in phone.is_picked_up()["text"]


def test_channels_follow_one_another_while_nobody_reacts(story: Story) -> None:
    station = story.station(SURAT_THANI, ALL_THREE, channel_after_s=[0, 1, 3])
    story.care_team(SURAT_THANI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=SURAT_THANI)
    citizen.hears("รับเรื่องแล้ว")

    first = station.hears("เหตุด่วน")
    second = station.hears("ESS", by=Channel.SMS)
    phone = station.rings()
    third = phone.is_picked_up()
    assert [entry["person"] for entry in (first, second, third)] == [station.line_id, station.phone, station.phone]
    asked = incident.facts("asked_further")
    assert [(line["channel"], line["responder"]["ref"]) for line in asked] == [
        ("sms", station.ref),
        ("voice", station.ref),
    ]
    phone.presses("1")
    station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=BY)
    phone.hangs_up()
    station.hears("บันทึกแล้ว")  # with the buttons for what comes next
    citizen.hears("รับทราบแล้ว")
    incident.reaches("acknowledged")


def test_who_has_answered_is_asked_no_further(story: Story) -> None:
    station = story.station(SURAT_THANI, ALL_THREE, channel_after_s=[0, 1, 2])
    story.care_team(SURAT_THANI)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)
    station.hears("เหตุด่วน")
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    incident.reaches("acknowledged")

    no_turns = "SELECT count(*) FROM deadline WHERE kind = 'ask_further'"
    story.deployment.wait_until_none(no_turns)
    assert not incident.facts("asked_further")
    assert [line["channel"] for line in incident.facts("delivery_sent", message="alert") if line.get("responder")][
        :1
    ] == ["line"]


def test_a_channel_that_fails_brings_the_next_forward_and_none_comes_twice(story: Story) -> None:
    station = story.station(SURAT_THANI, ALL_THREE, channel_after_s=[0, 2, 3], mistyped_line_id=True)
    story.care_team(SURAT_THANI)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)

    station.hears("ESS", by=Channel.SMS)  # at once: the account does not exist
    assert not incident.facts("asked_further")
    phone = station.rings()
    incident.told("asked_further", channel="voice")
    assert len(incident.facts("delivery_sent", channel="sms", message="alert")) == 1
    phone.hangs_up()
    incident.told("delivery_failed", channel="voice")
    story.deployment.settle()
    assert incident.alert_of(station)["state"] == "open", "the SMS still asks them"


def test_a_call_whose_outcome_is_unknown_rings_once(story: Story) -> None:
    station = story.station(SURAT_THANI, VOICE_ONLY)
    story.care_team(SURAT_THANI)
    story.breaks("twilio", "drop_after_accept", to=station.phone)
    incident = story.citizen().reports_by_api("assault", at=SURAT_THANI)

    phone = station.rings()
    phone.presses("1")
    station.hears(QUESTION, by=BY)
    station.hears("บันทึกแล้วว่าท่านรับเหตุนี้", by=BY)
    phone.hangs_up()
    station.hears("บันทึกแล้ว", by=Channel.SMS)
    incident.reaches("acknowledged")


def test_a_phone_that_reported_is_never_asked(story: Story) -> None:
    """Not even where its owner stands in the roster: it does not ring, and lights up for no alert."""
    station = story.station(SURAT_THANI, ALL_THREE, channel_after_s=[0, 1, 2])
    story.care_team(SURAT_THANI)
    reporter = story.citizen()
    reporter.phone = station.phone
    incident = reporter.reports_by_api("assault", at=SURAT_THANI, contact="any")
    station.hears("รับเรื่องแล้ว", by=Channel.SMS)
    station.hears("เหตุด่วน")
    incident.told("delivery_sent", message="alert", responder=station.ref)  # a moment after the phone shows it
    assert story.deployment.count("SELECT count(*) FROM deadline WHERE kind = 'ask_further'") == 0
    assert {fact["channel"] for fact in incident.facts("delivery_sent", message="alert", responder=station.ref)} == {
        "line"
    }


def test_who_does_not_take_the_call_is_asked_in_line_that_is_back_by_then(story: Story) -> None:
    """LINE was down when they were to be asked, so their phone rang first."""
    only_line, station = story.station(UBON_RATCHATHANI), story.station(SURAT_THANI, (Channel.LINE, Channel.VOICE))
    story.care_team(UBON_RATCHATHANI)
    story.care_team(SURAT_THANI)
    story.breaks("line", "429_quota", to=only_line.line_id)
    waiting = story.citizen(line=False).reports_by_api("assault", at=UBON_RATCHATHANI)
    waiting.told("unreachable", responder=only_line.ref)
    incident = story.citizen(line=False).reports_by_api("assault", at=SURAT_THANI)
    phone = station.rings()
    only_line.hears("เหตุด่วน", within_s=30)
    phone.hangs_up()
    station.hears("เหตุด่วน", by=Channel.LINE)
    assert [delivery["channel"] for delivery in incident.alert_of(station)["deliveries"]] == ["voice", "line"]
    lost = [fact["alert_id"] for fact in incident.facts("unreachable")]
    assert incident.alert_of(station)["alert_id"] not in lost
