"""Where is it?  Pins and addresses as people send them, against the data that the package ships; no mocks."""

from time import perf_counter

import geothai
import pytest
import story
from hypothesis import given
from hypothesis import strategies as st

from ess import geo
from ess.domain.place import Place, distance_km
from ess.domain.selection import SURE

SPOTS = {name: spot for name, spot in vars(story).items() if isinstance(spot, story.Spot) and spot.province}
DISTRICTS = [district for province in geothai.provinces() for district in geothai.districts(province.code)]


def codes(areas: tuple[object, ...]) -> list[str]:
    return [area.code for area in areas]


def placed(latitude: float, longitude: float) -> Place:
    place = geo.locate(latitude, longitude)
    assert place is not None
    return place


def found(text: str) -> Place:
    place = geo.find(text)
    assert place is not None, f"{text!r} says nothing"
    return place


# --- pins ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("spot", SPOTS.values(), ids=SPOTS)
def test_a_city_lies_in_its_province_and_district(spot: story.Spot) -> None:
    place = placed(spot.latitude, spot.longitude)
    assert (place.province.code, place.districts[0].code) == (spot.province, spot.district)
    assert place.source == "pin"


@pytest.mark.parametrize("province", geothai.provinces(), ids=lambda province: province.name_en)
def test_every_provincial_capital_lies_in_its_province(province: geothai.Province) -> None:
    seat = geo.district_position(f"{province.code}01")
    assert seat is not None
    place = placed(*seat)
    assert place.province.to_json() == {
        "code": province.code,
        "name_th": province.name_th,
        "name_en": province.name_en,
    }
    assert place.districts[0].code == f"{province.code}01"


def test_every_district_has_a_seat_and_a_pin_there_finds_it() -> None:
    lost = []
    for district in DISTRICTS:
        seat = geo.district_position(district.code)
        assert seat is not None, district
        place = placed(*seat)
        if place.province.code != district.province_code or district.code not in codes(place.districts):
            lost.append(district.name_en)
    assert not lost


def test_a_district_that_does_not_exist_has_no_seat() -> None:
    assert geo.district_position("9999") is None


@pytest.mark.parametrize(
    ("latitude", "longitude", "district"),
    [
        pytest.param(9.5357, 99.9357, "8404", id="Ko Samui"),
        pytest.param(10.0956, 99.8404, "8405", id="Ko Tao, 36 km from the next outline on the map"),
        pytest.param(9.7319, 100.0136, "8405", id="Ko Pha-ngan"),
        pytest.param(7.8961, 98.2966, "8302", id="Patong beach on Phuket"),
        pytest.param(12.1026, 102.3519, "2307", id="Ko Chang"),
        pytest.param(7.7407, 98.7784, "8101", id="Ko Phi Phi"),
        pytest.param(6.4873, 99.3055, "9101", id="Ko Lipe"),
        pytest.param(12.9167, 100.7800, "2004", id="Ko Lan off Pattaya"),
        pytest.param(12.9256, 100.8620, "2004", id="a pier of Pattaya"),
        pytest.param(13.5170, 100.6550, "1101", id="the pier of Bang Pu"),
    ],
)
def test_islands_and_piers_belong_to_the_coast(latitude: float, longitude: float, district: str) -> None:
    place = placed(latitude, longitude)
    assert place.districts[0].code == district
    assert place.province.code == district[:2]


@pytest.mark.parametrize(
    ("latitude", "longitude", "provinces"),
    [
        pytest.param(14.6480, 101.2020, {"19", "30"}, id="Muak Lek: Saraburi or Nakhon Ratchasima"),
        pytest.param(8.2010, 98.2990, {"82", "83"}, id="Sarasin Bridge: Phang-nga or Phuket"),
        pytest.param(12.6400, 99.9500, {"76", "77"}, id="Cha-am and Hua Hin: Phetchaburi or Prachuap"),
        pytest.param(13.6470, 100.5960, {"10", "11"}, id="Samrong: Bangkok or Samut Prakan"),
        pytest.param(13.9653, 100.6180, {"10", "13"}, id="Rangsit: Bangkok or Pathum Thani"),
    ],
)
def test_near_a_border_both_provinces_are_candidates(latitude: float, longitude: float, provinces: set[str]) -> None:
    place = placed(latitude, longitude)
    assert set(codes(place.candidates)) == provinces
    assert {district.code[:2] for district in place.districts} <= provinces


@pytest.mark.parametrize(
    ("latitude", "longitude", "province"),
    [
        pytest.param(14.904, 101.193, "19", id="a district of Saraburi, drawn 10 km off"),
        pytest.param(15.184, 101.390, "16", id="a district of Lop Buri, drawn 12 km off"),
        pytest.param(7.470, 100.377, "93", id="a district of Phatthalung, drawn 14 km off"),
    ],
)
def test_where_the_shipped_map_errs_the_nearest_places_tell_who_else_may_own_it(
    latitude: float, longitude: float, province: str
) -> None:
    assert province in codes(placed(latitude, longitude).candidates)[1:]


def test_the_nearer_the_border_the_less_sure() -> None:
    on_the_bridge, in_the_city = placed(8.2010, 98.2990), placed(7.8804, 98.3923)
    assert on_the_bridge.confidence < 0.6 < 0.99 < in_the_city.confidence


def test_the_farther_a_pin_may_be_off_the_less_sure_and_the_more_may_own_it() -> None:
    beside_sukhothai = 16.95, 100.14
    sure, off = placed(*beside_sukhothai), geo.locate(*beside_sukhothai, 5_000)
    assert off is not None
    assert off.province == sure.province
    assert off.confidence < SURE <= sure.confidence, "both sides are alerted"
    inland = 16.95, 100.00
    assert codes(placed(*inland).candidates) == ["64"]
    for accuracy_m, provinces in ((10, ["64"]), (6_000, ["64", "65"])):
        place = geo.locate(*inland, accuracy_m)
        assert place is not None
        assert codes(place.candidates) == provinces


def test_a_pin_that_may_be_off_by_more_than_all_is_no_worse_than_a_mast() -> None:
    assert geo.locate(16.95, 100.05, 1e12) == geo.locate(16.95, 100.05, 20_000)


@pytest.mark.parametrize(
    ("latitude", "longitude", "district"),
    [
        pytest.param(17.8785, 102.7420, "4301", id="Nong Khai on the Mekong"),
        pytest.param(18.3605, 103.6464, "3801", id="Bueng Kan, a province since 2011"),
        pytest.param(20.4333, 99.8833, "5709", id="Mae Sai"),
        pytest.param(20.3536, 100.0830, "5708", id="Sop Ruak in the Golden Triangle"),
        pytest.param(6.0297, 101.9664, "9610", id="Su-ngai Kolok"),
        pytest.param(13.6924, 102.5016, "2706", id="Aranyaprathet"),
    ],
)
def test_border_towns_are_in_thailand(latitude: float, longitude: float, district: str) -> None:
    assert placed(latitude, longitude).districts[0].code == district


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        pytest.param(story.ABROAD.latitude, story.ABROAD.longitude, id="near Vientiane"),
        pytest.param(17.9757, 102.6331, id="Vientiane"),
        pytest.param(17.4030, 104.8340, id="Thakhek, across the river from Nakhon Phanom"),
        pytest.param(13.6600, 102.5530, id="Poipet"),
        pytest.param(20.4470, 99.8850, id="Tachileik"),
        pytest.param(16.8400, 96.1700, id="Yangon"),
        pytest.param(5.4140, 100.3300, id="Penang"),
        pytest.param(6.3265, 99.8430, id="Langkawi"),
        pytest.param(13.3600, 103.8600, id="Siem Reap"),
        pytest.param(9.5000, 101.5000, id="the Gulf of Thailand"),
        pytest.param(8.0000, 96.9000, id="the Andaman Sea"),
        pytest.param(0.0, 0.0, id="a phone without a fix"),
        pytest.param(100.2659, 16.8211, id="latitude and longitude exchanged"),
    ],
)
def test_abroad_and_on_the_open_sea_there_is_no_province(latitude: float, longitude: float) -> None:
    assert geo.locate(latitude, longitude) is None


@given(st.floats(), st.floats())
def test_any_two_numbers_are_a_pin_or_none(latitude: float, longitude: float) -> None:
    check(geo.locate(latitude, longitude))


@given(st.floats(5.5, 20.5), st.floats(97.3, 105.7))
def test_any_pin_around_thailand_has_districts_or_is_abroad(latitude: float, longitude: float) -> None:
    place = geo.locate(latitude, longitude)
    check(place)
    if place is not None:
        assert len(place.districts) == 3


def check(place: Place | None) -> None:
    """What callers rely on."""
    if place is None:
        return
    assert place.candidates[0] == place.province
    assert len(set(place.candidates)) == len(place.candidates)
    assert len(set(place.districts)) == len(place.districts) <= 3
    assert {district.code[:2] for district in place.districts} <= set(codes(place.candidates))
    assert place.district is None or place.district.code[:2] == place.province.code
    assert 0 <= place.confidence <= 1


# --- addresses -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "district"),
    [
        ("ช่วยด้วย อยู่หลังตลาด อ.วังทอง จ.พิษณุโลก ครับ", "6508"),
        ("123/4 หมู่ 5 ต.ในเมือง อ.เมืองขอนแก่น จ.ขอนแก่น 40000", "4001"),
        ("ตำบลวังทองอำเภอวังทองจังหวัดพิษณุโลก๖๕๑๓๐", "6508"),
        ("อ วังทอง จ พิษณุโลก", "6508"),
        ("อำเภอ เมือง จังหวัด น่าน", "5501"),
        ("อำเภอเมือง เชียงใหม่", "5001"),
        ("ปาย แม่ฮ่องสอน", "5803"),
        ("สอง แพร่", "5406"),
        ("อ.เฉลิมพระเกียรติ โคราช", "3032"),
        ("แขวงสีลม เขตบางรัก กทม.", "1004"),
        ("99/1 ซอยสุขุมวิท 11 คลองเตยเหนือ วัฒนา กรุงเทพมหานคร 10110", "1039"),
        ("123/4 ถนนเพชรบุรี แขวงถนนพญาไท เขตราชเทวี กรุงเทพฯ", "1037"),
        ("อยู่ที่หาดใหญ่ครับ", "9011"),
        ("อ.วังทอง 65130", "6508"),
        ("65130", "6508"),
        ("พัทยา", "2004"),
        ("Wang Thong, Phitsanulok", "6508"),
        ("Amphoe Wang Thong, Changwat Phitsanulok 65130", "6508"),
        ("Please help! Wang Thong District, Phitsanulok Province", "6508"),
        ("Muang Phitsanulok", "6501"),
        ("Mueang District, Chiang Rai", "5701"),
        ("Hatyai, Songkhla", "9011"),
        ("Koh Samui", "8404"),
        ("Sukhumvit 11, Khlong Toei Nuea, Watthana, Bangkok 10110", "1039"),
    ],
)
def test_an_address_names_its_district(text: str, district: str) -> None:
    place = found(text)
    assert (place.province.code, codes(place.districts)[0]) == (district[:2], district)
    assert place.candidates == (place.province,)
    assert place.source == "text"
    assert place.confidence >= 0.6


@pytest.mark.parametrize(
    ("text", "province"),
    [
        ("พิษณุโลก", "65"),
        ("อยู่โคราชค่ะ", "30"),
        ("แปดริ้ว", "24"),
        ("เมืองกาญจน์", "71"),
        ("เมืองนนท์", "12"),
        ("อุบลฯ", "34"),
        ("สุราษฎร์", "84"),
        ("นครศรีฯ", "80"),
        ("อยุธยา", "14"),
        ("กทม.", "10"),
        ("Krung Thep", "10"),
        ("Ayutthaya", "14"),
        ("เลย", "42"),
        ("จ.ตาก", "63"),
        ("Nan Province", "55"),
    ],
)
def test_a_province_by_the_names_that_people_use(text: str, province: str) -> None:
    place = found(text)
    assert (codes(place.candidates), place.districts) == ([province], ())


@pytest.mark.parametrize(
    ("text", "province"),
    [
        ("จ.พิศณุโลก", "65"),
        ("จ.พิศนุโลกครับ", "65"),
        ("ศรีษะเกษ", "33"),
        ("เพรชบุรี", "76"),
        ("สุราษธานี", "84"),
        ("อุบลราชธานนี", "34"),
        ("จ.เชียงใหม", "50"),
        ("จ.กาญจนบรี", "71"),
        ("จ.นครสววรค์", "60"),
        ("จ.สุพันบุรี", "72"),
        ("Pitsanulok", "65"),
        ("Nakorn Ratchasima", "30"),
        ("Ubon Ratchatani", "34"),
        ("Chiangmai", "50"),
    ],
)
def test_spelling_is_forgiven(text: str, province: str) -> None:
    assert codes(found(text).candidates) == [province]


def test_a_misspelt_district_is_looked_for_in_the_province_that_is_named() -> None:
    assert codes(found("อ.วังทงง จ.พิษณุโลก").districts) == ["6508"]


@pytest.mark.parametrize(
    ("text", "provinces"),
    [
        pytest.param("อ.เฉลิมพระเกียรติ", ["19", "30", "31", "55", "80"], id="a district of five provinces"),
        pytest.param("เฉลิมพระเกียรติ", ["19", "30", "31", "55", "80"], id="the same without its marker"),
        pytest.param("ต.ท่าโพธิ์", ["65", "90"], id="a sub-district of two provinces"),
        pytest.param("ลพบุรีหรือสิงห์บุรี", ["16", "17"], id="two provinces in one breath"),
    ],
)
def test_what_names_several_provinces_is_told_as_unsure(text: str, provinces: list[str]) -> None:
    place = found(text)
    assert codes(place.candidates) == provinces
    assert place.confidence < 0.5


@pytest.mark.parametrize(
    ("text", "district", "province"),
    [
        ("อ.หาดใหญ่ จ.พิษณุโลก", "9011", "65"),
        ("หาดใหญ่ พิษณุโลก", "9011", "65"),
        ("อ.แม่จัน จ.เชียงใหม่", "5707", "50"),
        ("Mae Chan District, Chiang Mai Province", "5707", "50"),
        ("เขตบางรัก จ.นนทบุรี", "1004", "12"),
    ],
)
def test_words_that_contradict_themselves_are_unsure_and_are_where_the_district_is(
    text: str, district: str, province: str
) -> None:
    place = found(text)
    assert not place.is_sure
    assert (codes(place.districts), codes(place.candidates)) == ([district], [district[:2], province])
    assert place.contradicted_by is not None
    assert place.contradicted_by.code == province


@pytest.mark.parametrize(
    ("text", "districts"),
    [
        pytest.param("ต.บ้านใหม่ จ.นครราชสีมา", ["3001", "3002", "3022"], id="a sub-district's name of three districts"),
        pytest.param("อ.วังทอง อ.บางระกำ จ.พิษณุโลก", ["6508", "6504"], id="two districts in one breath"),
        pytest.param("กรุงเทพ 10110", ["1033", "1039"], id="a post code of two districts"),
    ],
)
def test_what_names_several_districts_of_a_province_alike_is_told_as_unsure(text: str, districts: list[str]) -> None:
    place = found(text)
    assert not place.is_sure
    assert (codes(place.districts), codes(place.candidates)) == (districts, [districts[0][:2]])
    assert [district and district.code for district, _ in place.options] == districts


def test_one_more_word_tells_which_of_the_districts_is_meant() -> None:
    place = found("ต.บ้านใหม่ อ.ครบุรี จ.นครราชสีมา")
    assert place.is_sure
    assert codes(place.districts)[0] == "3002"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n\t ",
        "ช่วยด้วยค่ะ สามีเมาเหล้าทำร้ายร่างกาย ลูกร้องไห้",
        "ไม่รู้เลยว่าอยู่ไหน",
        "หนีไม่ได้เลย",
        "แม่สายไปแล้ว ช่วยหนูด้วย",
        "พี่น่านช่วยด้วย",
        "เขาเอาคลิปไปเผยแพร่",
        "นัดเจอที่ท่าเรือ มีคนตีกัน",
        "อยู่ในเมือง แถวบ้านใหม่",
        "อ.เมือง",
        "ต.บ้านใหม่",
        "ค่าไถ่ 50000 บาท",
        "ห้อง 30000",
        "โทร 0812345678",
        "ถ.เพชรบุรี",
        "หน้าธนาคารกรุงเทพ",
        "รถทะเบียน กข 1234 เชียงใหม่",
        "please help me, he has a knife, it is a long way home",
        "near the Bangkok Bank on Phetchaburi Road",
        "😀😀😀",
        "\x00\u200b\ud83d",
        "จ. อ. ต.",
    ],
)
def test_words_that_name_no_place_are_no_answer(text: str) -> None:
    assert geo.find(text) is None


def test_a_number_plate_does_not_outweigh_the_place() -> None:
    assert codes(found("รถทะเบียน กข 1234 กรุงเทพมหานคร หนีไปทาง อ.วังทอง").candidates) == ["65"]


@pytest.mark.parametrize("filler", ["ช่วยด้วย ", "help me ", "😀", "อ.กกกกกก จ.ขขขขขข ", "ก", "9 "])
def test_a_long_text_is_read_quickly(filler: str) -> None:
    geo.find("อ.วังทอง")
    text = (filler * 5_000)[:4_900] + " อ.วังทอง จ.พิษณุโลก"
    began = perf_counter()
    place = found(text)
    assert perf_counter() - began < 0.5
    assert codes(place.districts) == ["6508"]


NAMES = st.sampled_from([area.name_th for area in (*geothai.provinces(), *DISTRICTS)])
PIECES = st.sampled_from(["อ.", "จ.", "ต.", "เขต", "District", "ถนน", "เมือง", " ", ",", "65130", "\u0e4d", "ฯ", "😀"])


@given(st.text() | st.lists(NAMES | PIECES | st.text(max_size=3)).map("".join))
def test_any_text_is_an_address_or_none(text: str) -> None:
    check(geo.find(text))


@pytest.mark.parametrize("province", geothai.provinces(), ids=lambda province: province.name_en)
def test_every_district_is_found_by_its_address(province: geothai.Province) -> None:
    for district in geothai.districts(province.code):
        thai = f"{'' if province.code == '10' else 'อ.'}{district.name_th} จ.{province.name_th}"
        english = f"{district.name_en} District, {province.name_en} Province"
        for text in (thai, english):
            assert codes(found(text).candidates) == [province.code], text
        assert found(thai).districts[0].code == district.code, thai


def test_the_same_place_by_pin_and_by_address() -> None:
    by_text = found("อ.แม่สอด จ.ตาก")
    assert by_text.district is not None
    seat = geo.district_position(by_text.district.code)
    assert seat is not None
    assert distance_km(*seat, 16.7131, 98.5747) < 2
    assert placed(*seat).district == by_text.district
