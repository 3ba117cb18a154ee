"""Where something happens: areas as they are stored, and how far apart two points are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import PHITSANULOK, SUKHOTHAI, THE_HOUSE

from ess.domain.place import Area, Place, distance_km
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
