"""Where it happens becomes clearer later, or turns out to be elsewhere: whoever has it keeps it, and hears of it."""

from uuid import UUID

from story import (
    ABROAD,
    BOTH,
    CHIANG_MAI,
    CHIANG_RAI,
    HAT_YAI,
    KHON_KAEN,
    NAKHON_RATCHASIMA,
    PHITSANULOK,
    UDON_THANI,
    Incident,
    Spot,
    Story,
)

from ess import dispatch
from ess.domain.duty import Channel
from ess.domain.report import Location
from ess.engine import Engine
from ess.store.keys import KeyRole

#: A district's name that five provinces know, and one of them.
FIVE_PLACES = "อำเภอเฉลิมพระเกียรติ"
OF_KHORAT = Spot(15.02, 102.24, "30", "3032")
OF_SARABURI = Spot(14.65, 100.91, "19", "1913")
#: Beside the border of Phitsanulok with Sukhothai, and across.
PHROM_PHIRAM = Spot(16.95, 100.14, "65", "6506")
KONG_KRAILAT = Spot(16.95, 99.98, "64", "6404")
SONGKHLA = Spot(7.1898, 100.5954, "90", "9001")
#: A district of Songkhla, in another province.
CONTRADICTORY = "อ.หาดใหญ่ จ.พิษณุโลก"
#: The name of a sub-district in three districts of Nakhon Ratchasima, the third of them Khon Buri.
THREE_DISTRICTS = "ต.บ้านใหม่ จ.นครราชสีมา"
KHON_BURI = Spot(14.52, 102.25, "30", "3002")


# --- a better pin ----------------------------------------------------------------------------------------
def test_a_reporter_shares_a_better_pin_and_the_station_hears_it(story: Story) -> None:
    station = story.station(PHITSANULOK)
    story.care_team(PHITSANULOK)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=PHITSANULOK)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")

    citizen.shares(PHITSANULOK.metres_north(100))
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    told = station.hears("แก้ไขสถานที่เป็น อ.เมือง จ.พิษณุโลก")
    assert f"{PHITSANULOK.latitude + 100 / 111_195:.6f}" in str(told["messages"]), "the card opens the new pin"
    station.taps("รับทราบ")
    station.hears("บันทึกแล้ว")
    citizen.hears(f"{station.spoken_name} รับทราบแล้ว")
    assert len(incident.facts("alerted", responder=station.ref)) == 1
    assert "latitude" not in str(incident.timeline)
    assert str(PHITSANULOK.latitude)[:5] not in str(incident.timeline)

    citizen.shares(PHITSANULOK.metres_north(100))  # the same again is nothing new
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    assert len(incident.facts("place_corrected")) == 1


def test_another_province_is_alerted_and_the_first_one_is_not_stood_down(story: Story) -> None:
    wrong, right = story.station(PHITSANULOK), story.station(CHIANG_MAI)
    story.care_team(PHITSANULOK)
    story.care_team(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=PHITSANULOK)
    citizen.hears("รับเรื่องแล้ว")
    wrong.hears("เหตุด่วน")

    citizen.shares(CHIANG_MAI)
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    right.hears("เหตุด่วน")
    wrong.hears("แก้ไขสถานที่เป็น อ.เมือง จ.เชียงใหม่")
    assert incident.alert_of(wrong)["state"] == "open"
    assert incident.now["place"]["province"]["code"] == CHIANG_MAI.province

    right.taps("รับทราบ")
    right.hears("บันทึกแล้ว")
    wrong.hears("ท่านไม่ต้องดำเนินการ")
    citizen.hears(f"{right.spoken_name} รับทราบแล้ว")


def test_who_has_acknowledged_keeps_it_and_the_supervisor_hears_that_it_is_outside_of_their_area(story: Story) -> None:
    holder, neighbour, supervisor = story.station(PHITSANULOK), story.station(CHIANG_MAI), story.supervisor()
    care, its_care = story.one_home(PHITSANULOK), story.one_home(CHIANG_MAI)
    citizen = story.citizen()
    incident = citizen.reports("assault", at=PHITSANULOK)
    citizen.hears("รับเรื่องแล้ว")
    holder.hears("เหตุด่วน")
    care.hears("เหตุด่วน")
    holder.taps("รับทราบ")
    holder.hears("บันทึกแล้ว")
    citizen.hears("รับทราบแล้ว")

    citizen.shares(CHIANG_MAI)
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    holder.hears("แก้ไขสถานที่เป็น อ.เมือง จ.เชียงใหม่")
    supervisor.hears(f"อยู่นอกพื้นที่ของ {holder.spoken_name}")
    care.hears("แก้ไขสถานที่เป็น")
    its_care.hears("เหตุด่วน")  # social care was not acknowledged: it begins again, there
    assert incident.holder() == holder.ref
    assert incident.now["state"] == "acknowledged"
    assert incident.facts("alerted", responder=neighbour.ref) == []
    incident.told("outside_area", track="police", responder=holder.ref)


def test_an_operator_sets_the_place(story: Story) -> None:
    desk, station = story.desk(), story.station(KHON_KAEN)
    story.care_team(KHON_KAEN)
    incident = story.citizen().reports_by_api("assault", at=ABROAD)
    desk.hears("ไม่ทราบพื้นที่")
    body = {"address": "อ.เมืองขอนแก่น จ.ขอนแก่น"}
    assert story.post(f"{incident.path}/locate", {"address": "ที่ไหนสักแห่ง"}, KeyRole.OPERATOR).status_code == 409
    for words, options in (
        (FIVE_PLACES, ("อ.เฉลิมพระเกียรติ จ.สระบุรี", "อ.เฉลิมพระเกียรติ จ.นครราชสีมา")),
        (CONTRADICTORY, ("อ.หาดใหญ่ จ.สงขลา", "จ.พิษณุโลก")),
    ):
        refused = story.post(f"{incident.path}/locate", {"address": words}, KeyRole.OPERATOR)
        assert refused.status_code == 409
        assert all(option in refused.json()["detail"] for option in options), refused.text
    assert incident.now["place"] is None, "words that fit several places alert none of them"
    answer = story.post(f"{incident.path}/locate", body, KeyRole.OPERATOR)
    assert answer.status_code == 200, answer.text
    station.hears("เหตุด่วน")
    place = incident.now["place"]
    assert (place["source"], place["district"]["code"]) == ("operator", KHON_KAEN.district)
    assert incident.told("located")["by"] == "test-operator"

    pin = KHON_KAEN.pin | {"accuracy_m": 12}
    assert story.post(f"{incident.path}/locate", pin, KeyRole.OPERATOR).status_code == 200
    station.hears("แก้ไขสถานที่เป็น อ.เมือง จ.ขอนแก่น")
    desk.hears("แก้ไขสถานที่เป็น อ.เมือง จ.ขอนแก่น")
    assert incident.now["place"]["accuracy_m"] == 12
    assert story.post(f"{incident.path}/locate", pin, KeyRole.OPERATOR).status_code == 409, "nothing new"


def test_where_a_pin_came_from_and_how_sure_it_is_stay_with_it(story: Story) -> None:
    story.station(PHITSANULOK).may_hear("")
    story.care_team(PHITSANULOK)
    incident = story.citizen().reports_by_api("assault", location=PHITSANULOK.pin | {"accuracy_m": 35})
    incident.told("located", source="device", accuracy_m=35)
    assert (incident.now["place"]["source"], incident.now["place"]["accuracy_m"]) == ("device", 35)


def test_a_position_that_may_be_off_by_more_than_the_border_is_away_is_alerted_on_both_sides(story: Story) -> None:
    ours, theirs = story.station(PHROM_PHIRAM), story.station(KONG_KRAILAT)
    for spot in (PHROM_PHIRAM, KONG_KRAILAT):
        story.care_team(spot)
    exact = story.citizen().reports_by_api("assault", location=PHROM_PHIRAM.pin | {"accuracy_m": 10})
    ours.hears("เหตุด่วน")
    assert exact.facts("alerted", responder=theirs.ref) == []
    story.citizen().reports_by_api("confinement", location=PHROM_PHIRAM.pin | {"accuracy_m": 5_000})
    ours.hears("เหตุด่วน")
    theirs.hears("เหตุด่วน")


# --- a geocoder ------------------------------------------------------------------------------------------
def test_what_an_online_geocoder_finds_refines_words_and_contradicts_what_is_sure(story: Story, engine: Engine) -> None:
    station, supervisor = story.station(UDON_THANI), story.supervisor()
    story.care_team(UDON_THANI)
    by_words = story.citizen().reports_by_api("assault", location={"address": "อ.เมืองอุดรธานี จ.อุดรธานี"})
    station.hears("เหตุด่วน")
    assert refined(engine, by_words, UDON_THANI)
    station.hears("แก้ไขสถานที่เป็น อ.เมือง จ.อุดรธานี")  # now with a pin
    assert by_words.now["place"]["source"] == "geocoder"
    assert not refined(engine, by_words, CHIANG_MAI)
    supervisor.hears("ข้อมูลสถานที่ขัดแย้งกัน")
    assert by_words.now["place"]["province"]["code"] == UDON_THANI.province


def refined(engine: Engine, incident: Incident, spot: Spot) -> bool:
    """What a worker does when a geocoder has answered."""
    with engine.store.transaction() as tx:
        return dispatch.correct_location(engine, tx, UUID(incident.id), Location(**spot.pin), source="geocoder")


# --- pin and words ---------------------------------------------------------------------------------------
def test_words_that_contradict_the_pin_are_shown_to_the_supervisor_and_the_pin_is_alerted(story: Story) -> None:
    station, elsewhere, supervisor = story.station(PHITSANULOK), story.station(CHIANG_MAI), story.supervisor()
    story.care_team(PHITSANULOK)
    location = PHITSANULOK.pin | {"address": "อ.เมืองเชียงใหม่ จ.เชียงใหม่"}
    incident = story.citizen().reports_by_api("assault", location=location)
    station.hears("เหตุด่วน")
    supervisor.hears("ข้อมูลสถานที่ขัดแย้งกัน ระบบแจ้ง อ.เมือง จ.พิษณุโลก แต่มีข้อมูลว่าอยู่ จ.เชียงใหม่")
    fact = incident.told("place_contradicted")
    assert (fact["province"], fact["said"]) == (PHITSANULOK.province, CHIANG_MAI.province)
    place = incident.now["place"]
    assert [area["code"] for area in place["candidates"]] == [PHITSANULOK.province, CHIANG_MAI.province]
    assert place["contradicted_by"]["code"] == CHIANG_MAI.province
    assert incident.facts("alerted", responder=elsewhere.ref) == []


def test_a_pin_far_from_where_the_words_were_is_alerted_and_the_supervisor_hears(story: Story) -> None:
    first, right, supervisor = story.station(CHIANG_MAI), story.station(PHITSANULOK), story.supervisor()
    for spot in (CHIANG_MAI, PHITSANULOK):
        story.care_team(spot)
    citizen = story.citizen()
    citizen.presses("action=report")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    citizen.taps("ถูกทำร้าย/ข่มขู่")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    citizen.writes("อ.เมืองเชียงใหม่ จ.เชียงใหม่")
    incident = story.new_incident()
    citizen.hears("รับเรื่องแล้ว")
    first.hears("เหตุด่วน")

    citizen.shares(PHITSANULOK)
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    right.hears("เหตุด่วน")
    first.hears("แก้ไขสถานที่เป็น อ.เมือง จ.พิษณุโลก")
    supervisor.hears("ข้อมูลสถานที่ขัดแย้งกัน ระบบแจ้ง อ.เมือง จ.พิษณุโลก แต่มีข้อมูลว่าอยู่ จ.เชียงใหม่")
    incident.told("place_contradicted", province=PHITSANULOK.province, said=CHIANG_MAI.province)

    citizen.shares(PHITSANULOK.metres_north(100))  # put better, and no second word to the supervisor
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    for station in (first, right):
        station.hears("แก้ไขสถานที่เป็น")
    assert incident.now["place"]["contradicted_by"]["code"] == CHIANG_MAI.province


def test_words_that_agree_make_the_pin_surer(story: Story) -> None:
    story.station(PHITSANULOK).may_hear("")
    story.care_team(PHITSANULOK)
    alone = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    located = PHITSANULOK.pin | {"address": "อ.เมืองพิษณุโลก จ.พิษณุโลก"}
    both = story.citizen().reports_by_api("assault", location=located)
    assert both.told("located")["confidence"] > alone.told("located")["confidence"]


# --- a guess ---------------------------------------------------------------------------------------------
def test_words_that_fit_several_provinces_are_alerted_and_the_reporter_is_asked_which(story: Story) -> None:
    guess, desk, right = story.station(OF_SARABURI), story.desk(), story.station(OF_KHORAT)
    care, right_care = story.one_home(OF_SARABURI), story.one_home(OF_KHORAT)
    for team in (care, right_care):
        team.may_hear("")
    citizen = story.citizen()
    citizen.presses("action=report")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    citizen.taps("ถูกทำร้าย/ข่มขู่")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    citizen.writes(FIVE_PLACES)
    incident = story.new_incident()
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เหตุเกิดที่ใด")
    guess.hears("เหตุด่วน")
    desk.hears("เหตุด่วน")
    assert incident.told("place_unsure")["fact"] == "place_unsure"

    citizen.taps("จ.นครราชสีมา")
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    guess.hears("แก้ไขสถานที่เป็น อ.เฉลิมพระเกียรติ จ.นครราชสีมา")
    desk.hears("แก้ไขสถานที่เป็น อ.เฉลิมพระเกียรติ จ.นครราชสีมา")
    right.hears("เหตุด่วน")
    right.taps("รับทราบ")
    right.hears(FIVE_PLACES)  # in the reporter's words
    right.hears("บันทึกแล้ว")
    citizen.hears(f"{right.spoken_name} รับทราบแล้ว")
    for other in (guess, desk):
        other.hears("ท่านไม่ต้องดำเนินการ")


def test_a_desk_to_which_every_step_leads_at_once_is_asked_once(story: Story) -> None:
    """Nobody serves any of the places that the words may mean: the desk beside them is the last resort as well."""
    desk = story.desk(BOTH, channel_after_s=[0, 1])
    incident = story.citizen().reports_by_api("assault", location={"address": FIVE_PLACES})
    desk.hears("เหตุด่วน")
    desk.hears("ESS", by=Channel.SMS)  # in its turn
    desk.may_hear("เหตุ")
    desk.may_hear("ESS")
    cards = "SELECT count(*) FROM delivery WHERE channel = 'line' AND message = 'alert' AND incident_id = '{}'"
    n_cards = story.deployment.count(cards.format(incident.id))
    assert n_cards == len(incident.facts("alerted", responder=desk.ref)), "one card for each track"
    desk.taps("รับทราบ")
    desk.hears("บันทึกแล้ว")
    incident.told("owned")


def test_words_that_contradict_themselves_are_asked_about_and_the_supervisor_hears(story: Story) -> None:
    district, far, neighbour = story.station(HAT_YAI), story.station(PHITSANULOK), story.station(SONGKHLA)
    desk, supervisor = story.desk(), story.supervisor()
    for spot in (HAT_YAI, PHITSANULOK):
        story.care_team(spot)
    citizen = story.citizen()
    citizen.presses("action=report")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    citizen.taps("ถูกทำร้าย/ข่มขู่")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    citizen.writes(CONTRADICTORY)
    incident = story.new_incident()
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เหตุเกิดที่ใด")
    district.hears("เหตุด่วน")
    desk.hears("เหตุด่วน")
    for person in (supervisor, desk):
        person.hears("ข้อมูลสถานที่ขัดแย้งกัน ระบบแจ้ง อ.หาดใหญ่ จ.สงขลา แต่มีข้อมูลว่าอยู่ จ.พิษณุโลก")
    assert (incident.told("place_contradicted")["said"], incident.told("place_unsure")["districts"]) == ("65", ["9011"])
    for other in (far, neighbour):
        assert incident.facts("alerted", responder=other.ref) == []

    citizen.taps("จ.สงขลา")
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    district.taps("รับทราบ")
    district.hears("บันทึกแล้ว")
    district.hears(CONTRADICTORY)
    desk.hears("ท่านไม่ต้องดำเนินการ")
    citizen.hears(f"{district.spoken_name} รับทราบแล้ว")
    assert incident.now["place"]["contradicted_by"] is None


def test_words_that_fit_several_districts_are_alerted_and_the_reporter_is_asked_which(story: Story) -> None:
    guess, desk, right = story.station(NAKHON_RATCHASIMA), story.desk(), story.station(KHON_BURI)
    story.care_team(NAKHON_RATCHASIMA)
    citizen = story.citizen()
    citizen.presses("action=report")
    citizen.hears("เกิดเหตุอะไรขึ้น")
    citizen.taps("ถูกทำร้าย/ข่มขู่")
    citizen.hears("แชร์พิกัดตำแหน่ง")
    citizen.writes(THREE_DISTRICTS)
    incident = story.new_incident()
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เหตุเกิดที่อำเภอใด")
    guess.hears("เหตุด่วน")
    desk.hears("เหตุด่วน")
    assert incident.told("place_unsure")["districts"] == ["3001", "3002", "3022"]

    citizen.taps("ครบุรี")
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    for other in (guess, desk):
        other.hears("แก้ไขสถานที่เป็น อ.ครบุรี จ.นครราชสีมา")
    right.hears("เหตุด่วน")
    right.taps("รับทราบ")
    right.hears("บันทึกแล้ว")
    right.hears(THREE_DISTRICTS)
    citizen.hears(f"{right.spoken_name} รับทราบแล้ว")
    for other in (guess, desk):
        other.hears("ท่านไม่ต้องดำเนินการ")


def test_by_sms_the_district_is_answered_in_words_though_others_bear_its_name(story: Story) -> None:
    guess, right = story.station(NAKHON_RATCHASIMA), story.station(OF_KHORAT)
    story.care_team(NAKHON_RATCHASIMA)
    citizen = story.citizen(line=False)
    incident = citizen.reports_by_api("assault", location={"address": "โคราช 30000"}, contact="text_only")
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เหตุเกิดที่อำเภอใด ตอบชื่ออำเภอ เมืองนครราชสีมา เฉลิมพระเกียรติ")
    guess.hears("เหตุด่วน")
    citizen.texts("ช่วยด้วย เขามีมีด")  # no answer, and settles nothing
    citizen.texts("เฉลิมพระเกียรติ")
    right.hears("เหตุด่วน")
    guess.hears("แก้ไขสถานที่เป็น อ.เฉลิมพระเกียรติ จ.นครราชสีมา")
    assert len(incident.facts("place_corrected")) == 1


def test_by_sms_the_province_is_answered_in_words(story: Story) -> None:
    guess, right = story.station(OF_SARABURI), story.station(OF_KHORAT)
    for spot in (OF_SARABURI, OF_KHORAT):
        story.care_team(spot)
    citizen = story.citizen(line=False)
    incident = citizen.reports_by_api("assault", location={"address": FIVE_PLACES}, contact="text_only")
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เหตุเกิดที่ใด ตอบชื่อจังหวัด สระบุรี นครราชสีมา บุรีรัมย์")
    guess.hears("เหตุด่วน")
    citizen.texts("นครราชสีมา")
    right.hears("เหตุด่วน")
    guess.hears("แก้ไขสถานที่เป็น")
    assert incident.now["place"]["district"]["code"] == OF_KHORAT.district, "the district was named before"


def test_words_that_name_no_place_go_to_the_desk_and_the_reporter_is_asked_once_more(story: Story) -> None:
    desk, station = story.desk(), story.station(NAKHON_RATCHASIMA)
    story.care_team(NAKHON_RATCHASIMA)
    citizen = story.citizen(line=False)
    citizen.reports_by_api("assault", location={"address": "แถวตลาด"}, contact="text_only")
    citizen.hears("รับเรื่องแล้ว")
    citizen.hears("เหตุเกิดที่ใด")
    desk.hears("ไม่ทราบพื้นที่")
    citizen.texts("อ.เมืองนครราชสีมา จ.นครราชสีมา")
    station.hears("เหตุด่วน")


def test_one_of_several_witnesses_draws_nobody_away_from_the_others(story: Story) -> None:
    station, supervisor = story.station(CHIANG_RAI), story.supervisor()
    story.care_team(CHIANG_RAI)
    citizen = story.citizen()
    incident = citizen.reports("running_amok", at=CHIANG_RAI)
    citizen.hears("รับเรื่องแล้ว")
    station.hears("เหตุด่วน")
    story.citizen().witnesses(incident, "running_amok", CHIANG_RAI)

    citizen.shares(PHITSANULOK)
    citizen.hears("บันทึกไว้ให้เจ้าหน้าที่แล้ว")
    supervisor.hears("ข้อมูลสถานที่ขัดแย้งกัน")
    incident.told("place_contradicted", said=PHITSANULOK.province)
    assert incident.now["place"]["province"]["code"] == CHIANG_RAI.province
    incident.told("reporter_wrote")
