"""Where something happens: areas as they are stored, and how far apart two points are."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import MUEANG, PHITSANULOK, SUKHOTHAI, THE_HOUSE, WANG_THONG

from ess.domain.place import (
    SQUARE_M,
    SURE_ENOUGH,
    Area,
    Place,
    distance_km,
    guess,
    overrules,
    settled,
    square,
    squares_around,
    together,
)
from ess.domain.report import Location

BANGKOK = (13.7563, 100.5018)
CHIANG_MAI = (18.7883, 98.9853)
PHUKET = (7.8804, 98.3923)
GREENWICH, PARIS = (51.4779, 0.0), (48.8566, 2.3522)
#: On a sphere of the Earth's mean radius, 6371.0088 km, one degree of a great circle.
ONE_DEGREE_KM = 111.19508


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (BANGKOK, CHIANG_MAI, 583),
        (BANGKOK, PHUKET, 692),
        (GREENWICH, PARIS, 334),
    ],
)
def test_cities_are_as_far_apart_as_the_map_says(
    one: tuple[float, float], other: tuple[float, float], km: float
) -> None:
    assert distance_km(*one, *other) == pytest.approx(km, rel=0.01)


def test_a_degree_of_latitude_is_as_long_everywhere_and_one_of_longitude_shrinks_to_the_north() -> None:
    assert distance_km(0, 100, 1, 100) == pytest.approx(ONE_DEGREE_KM, rel=1e-6)
    assert distance_km(16, 100, 17, 100) == pytest.approx(ONE_DEGREE_KM, rel=1e-6)
    assert distance_km(0, 100, 0, 101) == pytest.approx(ONE_DEGREE_KM, rel=1e-6)
    assert distance_km(60, 100, 60, 101) == pytest.approx(ONE_DEGREE_KM / 2, rel=1e-4)


latitudes, longitudes = st.floats(-90, 90), st.floats(-180, 180)


@given(latitudes, longitudes, latitudes, longitudes)
def test_there_and_back_is_the_same_way_and_nowhere_is_farther_than_the_other_side_of_the_earth(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float
) -> None:
    there = distance_km(latitude, longitude, other_latitude, other_longitude)
    assert there == pytest.approx(distance_km(other_latitude, other_longitude, latitude, longitude))
    assert 0 <= there <= 180 * ONE_DEGREE_KM + 1
    assert distance_km(latitude, longitude, latitude, longitude) == 0


def test_the_likeliest_district_is_the_first() -> None:
    assert THE_HOUSE.district == THE_HOUSE.districts[0]
    assert Place(PHITSANULOK, (), (PHITSANULOK,), 0.6, "text").district is None


def test_an_area_is_stored_by_its_code_and_both_names() -> None:
    assert PHITSANULOK.to_json() == {"code": "65", "name_th": "พิษณุโลก", "name_en": "Phitsanulok"}


def test_a_place_is_read_back_as_it_was_stored() -> None:
    stored = json.loads(json.dumps(THE_HOUSE.to_json()))
    assert Place.from_json(stored) == THE_HOUSE
    assert stored["candidates"] == [PHITSANULOK.to_json(), SUKHOTHAI.to_json()]


def test_a_place_that_the_release_before_stored_is_read() -> None:
    stored = THE_HOUSE.to_json()
    del stored["subdistricts"]
    assert Place.from_json(stored) == THE_HOUSE
    assert THE_HOUSE.subdistricts == ()


areas = st.builds(Area, st.text(), st.text(), st.text())
places = st.builds(
    Place,
    areas,
    st.lists(areas, max_size=3).map(tuple),
    st.lists(areas, max_size=3).map(tuple),
    st.floats(0, 1),
    st.sampled_from(["pin", "text", "operator"]),
    st.lists(areas, max_size=3).map(tuple),
)


@given(places)
def test_any_place_survives_being_stored(place: Place) -> None:
    assert Place.from_json(json.loads(json.dumps(place.to_json()))) == place


def test_a_location_is_a_pin_or_words_or_nothing() -> None:
    pin, words, nothing = Location(16.8, 100.2), Location(address="อ.เมือง จ.พิษณุโลก"), Location()
    assert (pin.has_pin, words.has_pin, nothing.has_pin) == (True, False, False)
    assert (pin.is_empty, words.is_empty, nothing.is_empty) == (False, False, True)
    assert Location(0.0, 0.0).has_pin, "zero is a coordinate"
    assert not Location(latitude=16.8).has_pin, "half a pin is none"
    assert Location(address="").is_empty


# --- pin and words together ------------------------------------------------------------------------------
NONTHABURI = Area("12", "นนทบุรี", "Nonthaburi")
SAID = Place(PHITSANULOK, (WANG_THONG,), (PHITSANULOK,), 0.8, "text")
GUESS = replace(SAID, candidates=(PHITSANULOK, SUKHOTHAI), confidence=0.4)


def test_words_that_agree_make_a_pin_surer_and_tell_which_of_its_districts() -> None:
    place = together(THE_HOUSE, SAID)
    assert place.districts == (WANG_THONG, MUEANG)
    assert place.confidence == pytest.approx(1 - 0.1 * 0.2)
    assert (place.province, place.source, place.contradicted_by) == (PHITSANULOK, "pin", None)


def test_a_district_that_the_pin_cannot_be_in_is_not_believed() -> None:
    elsewhere = Area("6507", "พรหมพิราม", "Phrom Phiram")
    assert together(THE_HOUSE, replace(SAID, districts=(elsewhere,))).districts == THE_HOUSE.districts


def test_words_that_contradict_a_pin_leave_it_where_it_is_and_both_are_candidates() -> None:
    place = together(THE_HOUSE, Place(NONTHABURI, (), (NONTHABURI,), 0.75, "text"))
    assert place.contradicted_by == NONTHABURI
    assert place.candidates == (PHITSANULOK, SUKHOTHAI, NONTHABURI)
    assert (place.province, place.districts, place.confidence) == (PHITSANULOK, THE_HOUSE.districts, 0.9)


def test_near_a_border_the_surer_of_the_two_tells_the_side() -> None:
    across = Place(SUKHOTHAI, (), (SUKHOTHAI,), 0.8, "text")
    assert together(THE_HOUSE, across) == THE_HOUSE
    place = together(replace(THE_HOUSE, confidence=0.6), across)
    assert (place.province, place.candidates) == (SUKHOTHAI, (SUKHOTHAI, PHITSANULOK))
    assert place.district is None, "no district of that side is known"


def test_a_guess_says_nothing_beside_a_pin() -> None:
    assert together(THE_HOUSE, GUESS) == THE_HOUSE
    assert not GUESS.is_sure
    assert replace(GUESS, source="pin").is_sure, "near a border, but one place is meant"


def test_words_that_are_unsure_of_the_district_alone_tell_the_province_beside_a_pin() -> None:
    tie = replace(SAID, districts=(WANG_THONG, MUEANG), confidence=0.45)
    assert together(THE_HOUSE, tie).districts == (WANG_THONG, MUEANG)
    assert (
        together(replace(THE_HOUSE, province=NONTHABURI, candidates=(NONTHABURI,)), tie).contradicted_by == PHITSANULOK
    )


def test_nothing_is_added_to_a_guess() -> None:
    assert together(GUESS, SAID) == GUESS


def test_talk_of_another_province_moves_nobody_from_the_one_of_which_only_the_district_is_open() -> None:
    tie = replace(SAID, districts=(WANG_THONG, MUEANG), confidence=0.45)
    talk = Place(NONTHABURI, (), (NONTHABURI,), 0.8, "text")
    assert not overrules(talk, tie)
    doubtful = together(tie, talk)
    assert (doubtful.province, doubtful.contradicted_by) == (PHITSANULOK, NONTHABURI)
    assert doubtful.options == ((WANG_THONG, PHITSANULOK), (None, NONTHABURI)), "the reporter is asked which of the two"
    assert overrules(talk, doubtful)


@pytest.mark.parametrize(
    ("found", "place", "counts"),
    [
        (replace(THE_HOUSE, source="device"), replace(THE_HOUSE, source="operator"), True),
        (replace(SAID, source="operator"), THE_HOUSE, True),
        (SAID, THE_HOUSE, False),
        (SAID, SAID, False),
        (SAID, GUESS, True),
        (GUESS, GUESS, False),
        (GUESS, replace(GUESS, confidence=0.3), True),
        (replace(THE_HOUSE, source="geocoder"), THE_HOUSE, False),
        (replace(THE_HOUSE, source="geocoder"), replace(SAID, districts=()), True),
        (replace(THE_HOUSE, source="geocoder"), SAID, False),
        (replace(SAID, source="geocoder"), SAID, True),
        (replace(SAID, source="geocoder", province=NONTHABURI), GUESS, False),
        (replace(SAID, source="geocoder", province=SUKHOTHAI), GUESS, True),
    ],
)
def test_what_comes_later_counts_if_somebody_chose_the_point_or_nothing_sure_was_known(
    found: Place, place: Place, counts: bool
) -> None:
    assert overrules(found, place) is counts


def test_a_province_alone_settles_which_of_the_districts_was_meant() -> None:
    place = replace(GUESS, districts=(Area("6401", "เมืองสุโขทัย", "Mueang Sukhothai"), WANG_THONG))
    assert settled(place, replace(SAID, districts=())).districts == (WANG_THONG,)
    assert settled(place, SAID) == SAID


def test_a_province_alone_settles_nothing_between_districts_of_it() -> None:
    tie = replace(GUESS, candidates=(PHITSANULOK,), districts=(WANG_THONG, MUEANG), confidence=0.45)
    place = settled(tie, replace(SAID, districts=()))
    assert (place.districts, place.is_sure) == ((WANG_THONG, MUEANG), False)
    assert not overrules(place, tie)


def test_the_options_are_three_places_with_the_district_where_one_was_named() -> None:
    provinces = (PHITSANULOK, SUKHOTHAI, NONTHABURI, Area("10", "กรุงเทพมหานคร", "Bangkok"))
    assert replace(GUESS, candidates=provinces).options == (
        (WANG_THONG, PHITSANULOK),
        (None, SUKHOTHAI),
        (None, NONTHABURI),
    )


def test_where_the_province_is_known_the_options_are_its_districts() -> None:
    tie = replace(GUESS, candidates=(PHITSANULOK,), districts=(WANG_THONG, MUEANG))
    assert tie.options == ((WANG_THONG, PHITSANULOK), (MUEANG, PHITSANULOK))
    assert replace(tie, districts=()).options == ((None, PHITSANULOK),)


def test_a_pin_after_sure_words_of_another_province_is_contradicted_and_stays_so_when_it_is_put_better() -> None:
    words = Place(NONTHABURI, (), (NONTHABURI,), 0.75, "text")
    pin = settled(words, THE_HOUSE)
    assert (pin.province, pin.contradicted_by) == (PHITSANULOK, NONTHABURI)
    assert NONTHABURI in pin.candidates, "whoever serves it may be asked when nobody else is left"
    better = settled(pin, replace(THE_HOUSE, source="device"))
    assert (better.province, better.contradicted_by) == (PHITSANULOK, NONTHABURI)
    assert settled(better, replace(words, source="pin")).contradicted_by is None, "the pin came to where the words were"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(SAID, id="words of the same province"),
        pytest.param(Place(SUKHOTHAI, (), (SUKHOTHAI,), 0.75, "text"), id="words of a province across the border"),
        pytest.param(Place(NONTHABURI, (), (NONTHABURI,), 0.4, "text"), id="a guess"),
        pytest.param(Place(NONTHABURI, (), (NONTHABURI,), 0.9, "pin"), id="a pin that was moved"),
    ],
)
def test_a_pin_is_contradicted_by_nothing_less(before: Place) -> None:
    assert settled(before, THE_HOUSE) == THE_HOUSE


def test_an_operator_is_contradicted_by_nothing() -> None:
    words = Place(NONTHABURI, (), (NONTHABURI,), 0.75, "text")
    assert settled(words, replace(THE_HOUSE, source="operator")).contradicted_by is None


@given(st.integers(2, 20))
def test_a_guess_is_never_sure(n: int) -> None:
    assert 0 < guess(n) < SURE_ENOUGH


def test_a_place_of_an_earlier_release_is_read() -> None:
    new = {"subdistricts", "accuracy_m", "contradicted_by"}
    old = {key: value for key, value in THE_HOUSE.to_json().items() if key not in new}
    assert Place.from_json(old) == THE_HOUSE
    full = replace(THE_HOUSE, accuracy_m=12.5, contradicted_by=NONTHABURI, source="device")
    assert Place.from_json(json.loads(json.dumps(full.to_json()))) == full


# --- squares of the map ----------------------------------------------------------------------------------
@given(st.floats(5, 21), st.floats(96, 106.5), st.floats(-300, 300), st.floats(-300, 300))
def test_whoever_is_near_is_in_one_of_the_nine_squares(lat: float, lon: float, north: float, east: float) -> None:
    other = lat + north / 111_195, lon + east / 104_000
    if distance_km(lat, lon, *other) * 1000 <= SQUARE_M:
        assert square(other) in squares_around((lat, lon))
    assert len(set(squares_around((lat, lon)))) == 9
