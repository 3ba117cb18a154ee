"""Who is asked first: the nearest who are responsible, on call and reachable, and for everybody the reason."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import EVENING, MUEANG, PHITSANULOK, SUKHOTHAI, THE_HOUSE, WANG_THONG, an_id

from config.settings import HERE
from ess.conversation.texts import Texts
from ess.domain.duty import NATIONAL_ROLES, Channel, Responder, Role, is_on_call
from ess.domain.place import Area, Place
from ess.domain.policy import Target, Within
from ess.domain.reason import Phrase, Rest, Why, summed, told
from ess.domain.selection import Candidate, choose, nearby, reaches

WORDS = Texts(HERE / "messages", "en")
THE_PIN = (16.8211, 100.2659)
BANG_RAKAM = Area("6504", "บางระกำ", "Bang Rakam")
CHIANG_MAI = Area("50", "เชียงใหม่", "Chiang Mai")

STATION_OF_THE_DISTRICT = Target(Role.POLICE_STATION, Within.DISTRICT)
STATIONS_OF_THE_PROVINCE = Target(Role.POLICE_STATION, Within.PROVINCE)


def station(
    ref: str,
    district: Area | None = MUEANG,
    province: Area = PHITSANULOK,
    *,
    at: tuple[float, float] | None = None,
    role: Role = Role.POLICE_STATION,
    channels: tuple[Channel, ...] = (Channel.LINE,),
    active: bool = True,
    leave_until: datetime | None = None,
    **more: Any,
) -> Responder:
    """A made-up unit, a station of the house's district unless told otherwise."""
    latitude, longitude = at or (None, None)
    district_code = district.code if district else None
    unit = Responder(an_id(ref), ref, ref, role, province.code, district_code, latitude, longitude, channels)
    return replace(unit, active=active, leave_until=leave_until, **more)


def chosen_from(
    *responders: Responder,
    target: Target = STATION_OF_THE_DISTRICT,
    place: Place | None = THE_HOUSE,
    pin: tuple[float, float] | None = THE_PIN,
    asked: frozenset[UUID] = frozenset(),
) -> list[Candidate]:
    return choose([target], responders, place, pin, asked, EVENING)


def refs(candidates: list[Candidate]) -> list[str]:
    """Who was chosen, in order."""
    return [candidate.responder.ref for candidate in candidates if candidate.chosen]


def reasons(candidates: list[Candidate]) -> dict[str, str]:
    """As a supervisor reads them in English."""
    return {candidate.responder.ref: WORDS.reason(told(candidate.reason)) for candidate in candidates}


# --- whose area it is ------------------------------------------------------------------------------------
def test_the_station_of_the_district_is_chosen_and_the_reason_says_why() -> None:
    found = chosen_from(station("PS-1", at=(16.83, 100.27)), station("PS-2", BANG_RAKAM))
    assert refs(found) == ["PS-1"]
    assert reasons(found) == {"PS-1": "the district, 1.1 km away", "PS-2": "another district"}


def test_the_likeliest_district_comes_first_though_another_station_is_nearer() -> None:
    likely, nearby = station("PS-likely", at=(16.95, 100.40)), station("PS-nearby", WANG_THONG, at=THE_PIN)
    found = chosen_from(nearby, likely, target=Target(Role.POLICE_STATION, Within.DISTRICT, 2))
    assert refs(found) == ["PS-likely", "PS-nearby"]
    assert reasons(found)["PS-nearby"] == "a district nearby, 0.0 km away"


def test_a_district_of_the_same_number_in_another_province_is_another_province() -> None:
    found = chosen_from(station("PS-1", Area("5001", "เมืองเชียงใหม่", "Mueang Chiang Mai"), CHIANG_MAI))
    assert reasons(found) == {"PS-1": "another province"}


def test_within_the_province_the_nearest_comes_first() -> None:
    far, near = station("PS-a", BANG_RAKAM, at=(16.6, 100.1)), station("PS-b", WANG_THONG, at=(16.82, 100.3))
    assert refs(chosen_from(far, near, target=STATIONS_OF_THE_PROVINCE)) == ["PS-b"]


def test_near_a_border_those_across_it_come_after_those_of_the_province() -> None:
    own, across = station("PS-own", at=(17.5, 100.9)), station("PS-across", None, SUKHOTHAI, at=THE_PIN)
    target = Target(Role.POLICE_STATION, Within.PROVINCE, 2)
    found = chosen_from(across, own, target=target)
    assert refs(found) == ["PS-own", "PS-across"]
    assert reasons(found)["PS-own"].startswith("the province, ")
    assert reasons(found)["PS-across"] == "a province across the border, 0.0 km away"


def test_a_province_that_cannot_own_the_place_is_passed_over() -> None:
    found = chosen_from(station("PS-1", None, CHIANG_MAI), target=STATIONS_OF_THE_PROVINCE)
    assert reasons(found) == {"PS-1": "another province"}


def test_who_works_for_the_whole_country_is_chosen_without_any_place() -> None:
    desk = Responder(an_id("ND-1"), "ND-1", "the desk", Role.NATIONAL_DESK, channels=(Channel.LINE,))
    found = chosen_from(desk, target=Target(Role.NATIONAL_DESK, Within.NATION), place=None, pin=None)
    assert reasons(found) == {"ND-1": "for the whole country"}
    assert refs(found) == ["ND-1"]


@pytest.mark.parametrize("target", [STATION_OF_THE_DISTRICT, STATIONS_OF_THE_PROVINCE])
def test_without_a_place_nobody_is_responsible(target: Target) -> None:
    found = chosen_from(station("PS-1", at=THE_PIN), target=target, place=None)
    assert reasons(found) == {"PS-1": "the place is unknown"}
    assert refs(found) == []


def test_where_only_the_province_is_known_no_district_is_guessed() -> None:
    somewhere = Place(PHITSANULOK, (), (PHITSANULOK,), 0.6, "text")
    assert reasons(chosen_from(station("PS-1"), place=somewhere)) == {"PS-1": "another district"}
    assert refs(chosen_from(station("PS-1"), target=STATIONS_OF_THE_PROVINCE, place=somewhere)) == ["PS-1"]


# --- how far ---------------------------------------------------------------------------------------------
def test_who_has_no_known_base_comes_after_those_who_have() -> None:
    found = chosen_from(station("PS-a"), station("PS-b", at=(18.0, 101.0)), target=STATIONS_OF_THE_PROVINCE)
    assert refs(found) == ["PS-b"]


def test_without_a_pin_the_roster_number_decides_and_no_distance_is_told() -> None:
    found = chosen_from(station("PS-b", at=THE_PIN), station("PS-a", at=(16.9, 100.3)), pin=None)
    assert refs(found) == ["PS-a"]
    assert {candidate.distance_km for candidate in found} == {None}
    assert reasons(found)["PS-a"] == "the district"


def test_a_base_of_which_half_is_missing_is_no_base() -> None:
    for half in ((16.8, None), (None, 100.2)):
        broken = Responder(
            *(an_id("PS-1"), "PS-1", "PS-1", Role.POLICE_STATION, "65", "6501", *half), channels=(Channel.LINE,)
        )
        assert chosen_from(broken)[0].distance_km is None


# --- who is not asked ------------------------------------------------------------------------------------
def test_whoever_was_asked_before_has_it_on_their_phone_and_is_passed_over() -> None:
    found = chosen_from(station("PS-1"), station("PS-2"), asked=frozenset({an_id("PS-1")}))
    assert refs(found) == ["PS-2"]
    assert reasons(found)["PS-1"] == "asked before"


def test_whoever_is_not_at_work_is_passed_over() -> None:
    away = station("PS-away", leave_until=EVENING + timedelta(minutes=1))
    gone = station("PS-gone", active=False)
    found = chosen_from(away, gone)
    assert refs(found) == []
    assert reasons(found) == {"PS-away": "not on call", "PS-gone": "not on call"}


def test_whoever_is_back_from_leave_is_on_call_from_that_instant() -> None:
    assert refs(chosen_from(station("PS-1", leave_until=EVENING))) == ["PS-1"]
    assert not is_on_call(station("PS-1", leave_until=EVENING), EVENING - timedelta(seconds=1))
    assert not is_on_call(station("PS-1", active=False, leave_until=EVENING), EVENING)


def test_whoever_no_channel_reaches_is_passed_over() -> None:
    found = chosen_from(station("PS-1", channels=()))
    assert refs(found) == []
    assert reasons(found) == {"PS-1": "no channel reaches them"}


def test_another_role_is_not_even_considered() -> None:
    assert chosen_from(station("R191-1", role=Role.RADIO_191)) == []
    assert chosen_from() == []


def test_as_many_as_were_wanted_are_chosen_and_the_others_are_told_from_them() -> None:
    stations = [station(f"PS-{n}", at=(16.82 + n / 100, 100.27)) for n in range(4)]
    found = chosen_from(*stations, target=Target(Role.POLICE_STATION, Within.DISTRICT, 2))
    assert refs(found) == ["PS-0", "PS-1"]
    assert [candidate.chosen for candidate in found] == [True, True, False, False]
    assert reasons(found)["PS-2"].startswith("others nearer, ")
    assert not reasons(found)["PS-0"].startswith("others nearer, ")


def test_an_obstacle_takes_nobodys_turn() -> None:
    stations = [station("PS-0", at=THE_PIN, active=False), station("PS-1", at=THE_PIN, channels=()), station("PS-2")]
    assert refs(chosen_from(*stations)) == ["PS-2"]


def test_nobody_is_chosen_for_two_targets_of_one_step() -> None:
    targets = [STATION_OF_THE_DISTRICT, STATIONS_OF_THE_PROVINCE]
    own, other = station("PS-own", at=THE_PIN), station("PS-other", BANG_RAKAM)
    found = choose(targets, [own, other], THE_HOUSE, THE_PIN, frozenset(), EVENING)
    assert refs(found) == ["PS-own", "PS-other"]
    assert [candidate.chosen for candidate in found if candidate.responder is own] == [True, False]


def test_the_chosen_of_every_target_come_before_those_passed_over() -> None:
    targets = [STATION_OF_THE_DISTRICT, Target(Role.RADIO_191, Within.PROVINCE)]
    units = [station("PS-1", active=False), station("R191-65", None, role=Role.RADIO_191)]
    found = choose(targets, units, THE_HOUSE, THE_PIN, frozenset(), EVENING)
    assert [candidate.responder.ref for candidate in found] == ["R191-65", "PS-1"]


# --- what they serve -------------------------------------------------------------------------------------
IN_TOWN = Area("650101", "ในเมือง", "Nai Mueang")
IN_THE_TOWN = replace(THE_HOUSE, subdistricts=(IN_TOWN,))
VOLUNTEERS_NEARBY = Target(Role.VOLUNTEER, Within.SUBDISTRICT, 3)


def serving(ref: str, *codes: str, role: Role = Role.VOLUNTEER, **more: Any) -> Responder:
    """Somebody of Phitsanulok who serves these areas."""
    return station(ref, None, role=role, jurisdictions=codes, **more)


def test_the_subdistricts_own_people_come_before_those_who_serve_more() -> None:
    people = [serving("V-nation", "TH"), serving("V-province", "65"), serving("V-district", "6501")]
    people += [serving("V-own", "650101"), serving("V-next", "650102")]
    found = chosen_from(*people, target=VOLUNTEERS_NEARBY, place=IN_THE_TOWN)
    assert refs(found) == ["V-own", "V-district", "V-province"]
    assert reasons(found) == {
        "V-own": "the sub-district",
        "V-district": "the whole district",
        "V-province": "the whole province",
        "V-nation": "others in a likelier area, for the whole country",
        "V-next": "another sub-district",
    }


def test_where_no_sub_district_is_known_the_district_is_meant() -> None:
    people = [serving("V-own", "650101"), serving("V-district", "6501"), serving("V-elsewhere", "650401")]
    found = chosen_from(*people, target=VOLUNTEERS_NEARBY)
    assert refs(found) == ["V-district", "V-own"]
    assert reasons(found)["V-own"] == "the district"


def test_who_serves_several_areas_is_found_by_the_likeliest() -> None:
    both = serving("PS-both", "6508", "6501", role=Role.POLICE_STATION)
    assert reasons(chosen_from(both)) == {"PS-both": "the district"}


def test_a_drawn_area_decides_where_there_is_a_pin() -> None:
    around = ((16.7, 100.1), (16.7, 100.4), (16.9, 100.4), (16.9, 100.1))
    beside = tuple((latitude + 1, longitude) for latitude, longitude in around)
    inside, outside = serving("V-in", "65", outline=around), serving("V-out", "65", outline=beside)
    village = serving("V-village", "650101")
    found = chosen_from(inside, outside, village, target=VOLUNTEERS_NEARBY, place=IN_THE_TOWN)
    assert refs(found) == ["V-in", "V-village"]
    assert reasons(found)["V-in"] == "the area that is drawn for them"
    assert reasons(found)["V-out"] == "outside the area that is drawn for them"
    assert refs(chosen_from(inside, outside, target=VOLUNTEERS_NEARBY, place=IN_THE_TOWN, pin=None)) == [
        "V-in",
        "V-out",
    ]


@pytest.mark.parametrize("ring", [((16.8, 100.2),), ((16.8, 100.2), (16.9, 100.3)), ((16.8, 100.2),) * 4])
def test_an_area_that_is_none_holds_nobody_and_stops_nothing(ring: tuple[tuple[float, float], ...]) -> None:
    drawn = serving("V-line", "65", outline=ring)
    assert refs(chosen_from(drawn, serving("V-1", "65"), target=VOLUNTEERS_NEARBY)) == ["V-1"]


# --- both sides of a border ------------------------------------------------------------------------------
SI_MAT = Area("6405", "คีรีมาศ", "Khiri Mat")
AT_THE_BORDER = Place(PHITSANULOK, (MUEANG, SI_MAT), (PHITSANULOK, SUKHOTHAI), 0.6, "pin")


def test_at_a_border_both_stations_are_chosen() -> None:
    ours, others = station("PS-ours"), station("PS-theirs", SI_MAT, SUKHOTHAI)
    assert refs(chosen_from(ours, others, place=AT_THE_BORDER)) == ["PS-ours", "PS-theirs"]
    assert refs(chosen_from(ours, others, place=replace(AT_THE_BORDER, confidence=0.9))) == ["PS-ours"]


def test_at_a_border_the_nearest_of_the_other_province_is_chosen_though_none_of_its_districts_was_named() -> None:
    place = replace(AT_THE_BORDER, districts=(MUEANG, WANG_THONG))
    near = station("PS-near", SI_MAT, SUKHOTHAI, at=(16.83, 100.27))
    far = station("PS-far", Area("6401", "เมืองสุโขทัย", "Mueang Sukhothai"), SUKHOTHAI, at=(17.0, 99.8))
    found = chosen_from(station("PS-ours"), far, near, place=place)
    assert refs(found) == ["PS-ours", "PS-near"]
    assert reasons(found)["PS-near"] == "a province across the border, 1.1 km away"


def test_at_a_border_words_of_a_third_province_take_neither_side_away_and_alert_nobody_there() -> None:
    place = replace(AT_THE_BORDER, candidates=(PHITSANULOK, SUKHOTHAI, CHIANG_MAI), contradicted_by=CHIANG_MAI)
    third = station("PS-third", Area("5001", "เมืองเชียงใหม่", "Mueang Chiang Mai"), CHIANG_MAI)
    found = chosen_from(station("PS-ours"), third, station("PS-theirs", SI_MAT, SUKHOTHAI), place=place)
    assert refs(found) == ["PS-ours", "PS-theirs"]


def test_at_a_border_with_nobody_on_one_side_the_other_is_enough() -> None:
    assert refs(chosen_from(station("PS-theirs", SI_MAT, SUKHOTHAI), place=AT_THE_BORDER)) == ["PS-theirs"]
    assert chosen_from(place=AT_THE_BORDER) == []


# --- where to look first ---------------------------------------------------------------------------------
def codes(within: Within, place: Place | None) -> list[str]:
    """The first parts to look in; `*` for all who serve any part of it."""
    parts = [part for reach in reaches(within, place) for part in nearby(reach, place)]
    return [f"{part.code}*" if part.parts else part.code for part in parts]


def test_of_a_province_the_named_districts_are_looked_at_first() -> None:
    assert codes(Within.PROVINCE, THE_HOUSE) == ["6501*", "6508*", "65", "64", "TH"]
    assert codes(Within.DISTRICT, THE_HOUSE) == ["6501*", "6508*", "65", "64", "TH"]
    assert codes(Within.SUBDISTRICT, IN_THE_TOWN) == ["650101*", "6501", "6508", "65", "64", "TH"]
    assert codes(Within.NATION, THE_HOUSE) == ["TH", "65*", "64*"]


def test_where_nothing_is_likelier_all_of_it_is_looked_at() -> None:
    somewhere = Place(PHITSANULOK, (), (PHITSANULOK, SUKHOTHAI), 0.6, "text")
    assert codes(Within.PROVINCE, somewhere) == ["65*", "64*", "TH"]
    assert codes(Within.PROVINCE, replace(AT_THE_BORDER, districts=(MUEANG,))) == ["6501*", "65", "64*", "TH"]
    assert codes(Within.NATION, None) == ["TH", "*"]
    assert codes(Within.PROVINCE, None) == ["TH"]


# --- who can take one more -------------------------------------------------------------------------------
FREE, BUSY = station("PS-free", at=(16.95, 100.4)), station("PS-busy", at=THE_PIN, capacity=1, busy=1)
SINCE = EVENING - timedelta(minutes=10)


@pytest.mark.parametrize(
    ("hindered", "why"),
    [
        (BUSY, "busy with 1 of 1 at most"),
        (replace(BUSY, busy=0, asked=1), "being asked for 1 more, and has room for 1"),
        (replace(BUSY, capacity=None, on_scene=True), "on the scene of another incident"),
        (replace(BUSY, busy=0, free_since=SINCE, rest=timedelta(minutes=30)), "resting, free in 20 min"),
    ],
)
def test_who_can_hardly_take_one_more_is_asked_only_when_nobody_is_free(hindered: Responder, why: str) -> None:
    found = chosen_from(hindered, FREE)
    assert refs(found) == ["PS-free"]
    assert reasons(found)["PS-busy"] == f"{why}, the district, 0.0 km away"

    alone = chosen_from(hindered, replace(FREE, active=False))
    assert refs(alone) == ["PS-busy"], "better a busy officer than none"
    assert reasons(alone)["PS-busy"] == f"the district, 0.0 km away, {why}, and nobody is free"
    assert [candidate.free for candidate in alone] == [False, False]


def test_of_those_who_are_not_free_the_least_hindered_are_asked() -> None:
    resting = station("PS-resting", free_since=SINCE, rest=timedelta(hours=1))
    asked_elsewhere = station("PS-asked", capacity=1, asked=1)
    there = station("PS-there", on_scene=True, busy=1)
    three = Target(Role.POLICE_STATION, Within.DISTRICT, 3)
    everybody = [there, BUSY, asked_elsewhere, resting]
    for least in reversed(everybody):
        assert refs(chosen_from(*everybody, target=three)) == [least.ref]
        everybody.remove(least)


def test_who_has_room_or_no_limit_is_free() -> None:
    assert refs(chosen_from(station("PS-1", capacity=3, busy=1, asked=1))) == ["PS-1"]
    found = chosen_from(station("PS-1", busy=7, asked=9))
    assert found[0].free
    rested = station("PS-1", free_since=SINCE, rest=timedelta(minutes=10))
    assert chosen_from(rested)[0].free, "the rest is over at that instant"


def test_who_is_off_duty_is_passed_over_with_the_rotas_words() -> None:
    found = chosen_from(station("PS-1", off_duty=Phrase.of(Why.OFF_DUTY, rota="nights", who="PS-2")))
    assert refs(found) == []
    assert reasons(found) == {"PS-1": "off duty: PS-2 has it in the rota nights"}


def test_whoever_is_on_a_scene_stays_there_while_anybody_of_the_whole_step_is_free() -> None:
    there, free = station("PS-there", on_scene=True), station("R191-65", None, role=Role.RADIO_191)
    targets = [STATION_OF_THE_DISTRICT, Target(Role.RADIO_191, Within.PROVINCE)]
    found = choose(targets, [there, free], THE_HOUSE, THE_PIN, frozenset(), EVENING)
    assert refs(found) == ["R191-65"]
    assert reasons(found)["PS-there"] == "on the scene of another incident, the district"

    targets[1] = Target(Role.NATIONAL_DESK, Within.NATION)
    desk = station("ND-1", None, role=Role.NATIONAL_DESK)
    found = choose(targets, [there, desk], THE_HOUSE, THE_PIN, frozenset(), EVENING)
    assert refs(found) == ["ND-1", "PS-there"][::-1], "a desk goes nowhere, so that it frees nobody from going"


def test_of_many_it_is_told_how_many_were_passed_over_for_what() -> None:
    away = [station(f"PS-{n}", active=False) for n in range(3)]
    resting = [station(f"PS-{n}", free_since=SINCE, rest=timedelta(minutes=20 + n)) for n in range(3, 5)]
    found = chosen_from(FREE, *away, *resting)
    assert summed(candidate.reason for candidate in found if not candidate.chosen) == (
        Rest(2, Phrase(Why.RESTING)),
        Rest(3, Phrase(Why.NOT_ON_CALL)),
    )


# --- who is better, and whose turn it is -----------------------------------------------------------------
def test_a_wished_skill_comes_before_nearness_and_its_lack_excludes_nobody() -> None:
    wished = replace(STATIONS_OF_THE_PROVINCE, count=2, skills=("children", "sign_language"))
    near, far = station("PS-near", at=THE_PIN), station("PS-far", at=(17.2, 100.5), skills=frozenset({"children"}))
    found = chosen_from(near, far, target=wished)
    assert refs(found) == ["PS-far", "PS-near"]
    assert reasons(found)["PS-far"].endswith(" km away, knows children")
    last = chosen_from(near, far, target=replace(wished, count=1))
    assert reasons(last)["PS-near"].startswith("others with more of the skills, ")


def test_whoever_is_too_far_is_passed_over_and_without_a_pin_nobody_is() -> None:
    target = replace(STATIONS_OF_THE_PROVINCE, max_km=5, count=3)
    near, far, somewhere = station("PS-near", at=THE_PIN), station("PS-far", at=(17.0, 100.3)), station("PS-somewhere")
    found = chosen_from(near, far, somewhere, target=target)
    assert refs(found) == ["PS-near"]
    assert reasons(found)["PS-far"] == "farther than 5 km, 20.2 km away"
    assert reasons(found)["PS-somewhere"] == "no known base, so perhaps farther than 5 km"
    assert len(refs(chosen_from(near, far, somewhere, target=target, pin=None))) == 3


def test_an_area_that_is_drawn_around_the_pin_is_near_where_no_base_is_known() -> None:
    around = ((16.7, 100.1), (16.7, 100.4), (16.9, 100.4), (16.9, 100.1))
    drawn = station("PS-drawn", outline=around)
    too_far = station("PS-far", at=(17.0, 100.3), outline=around)
    found = chosen_from(drawn, too_far, target=replace(STATIONS_OF_THE_PROVINCE, max_km=5, count=2))
    assert refs(found) == ["PS-drawn"]
    assert reasons(found)["PS-far"] == "farther than 5 km, 20.2 km away", "what is known of them counts"


def test_the_distance_is_widened_only_as_far_as_it_takes_to_find_enough() -> None:
    target = replace(STATIONS_OF_THE_PROVINCE, max_km=(2, 10, 30), count=2)
    near, likely = station("PS-near", WANG_THONG, at=THE_PIN), station("PS-likely", at=(16.87, 100.27))
    far, beyond = station("PS-far", at=(17.0, 100.3)), station("PS-beyond", at=(17.3, 100.3))
    found = chosen_from(near, likely, far, beyond, target=target)
    assert refs(found) == ["PS-near", "PS-likely"], "a likelier area does not come before the smaller distance"
    assert reasons(found)["PS-far"] == "others nearer, the province, 20.2 km away"
    assert reasons(found)["PS-beyond"] == "farther than 30 km, 53.4 km away"
    assert refs(chosen_from(near, far, beyond, target=target)) == ["PS-near", "PS-far"]
    busy = replace(likely, capacity=1, busy=1)
    assert refs(chosen_from(near, busy, far, target=target)) == ["PS-near", "PS-far"], "the free go first"
    assert refs(chosen_from(near, far, target=replace(target, max_km=2))) == ["PS-near"]


def test_of_those_about_equally_near_whoever_was_alerted_least_recently_comes_first() -> None:
    lately = station("PS-lately", at=THE_PIN, last_alerted_at=SINCE)
    before = station("PS-before", at=(16.83, 100.2659), last_alerted_at=SINCE - timedelta(hours=1))
    never = station("PS-never", at=(16.8111, 100.2659))
    away = station("PS-away", at=(16.9, 100.2659))
    everybody = [lately, before, never, away]
    found = chosen_from(*everybody, target=replace(STATION_OF_THE_DISTRICT, count=3))
    assert refs(found) == ["PS-never", "PS-before", "PS-lately"]
    assert reasons(found)["PS-away"].startswith("others nearer, ")
    assert reasons(chosen_from(*everybody))["PS-before"].startswith("others alerted less recently, ")


def test_from_where_no_road_leads_there_comes_behind_and_is_excluded_by_nothing() -> None:
    across = station("PS-across", at=(16.848, 100.2659), roadless=True)
    along, beside = station("PS-along", at=(16.893, 100.2659), minutes=9.0), station("PS-beside", at=(16.9, 100.2659))
    found = chosen_from(across, along, beside, target=replace(STATION_OF_THE_DISTRICT, count=2))
    assert refs(found) == ["PS-along", "PS-beside"], "nor is it known that none leads from the second"
    assert reasons(found)["PS-across"] == "others nearer, the district, 3.0 km away, no road leads there"
    widening = replace(STATION_OF_THE_DISTRICT, max_km=(5, 10))
    assert refs(chosen_from(across, along, target=widening)) == ["PS-along"], "five kilometres of water are far"
    assert refs(chosen_from(across, along, target=replace(widening, max_km=(5,)))) == ["PS-across"]
    elsewhere = station("PS-elsewhere", WANG_THONG, at=THE_PIN)
    assert refs(chosen_from(across, elsewhere, target=STATIONS_OF_THE_PROVINCE)) == ["PS-elsewhere"]
    assert refs(chosen_from(across, elsewhere)) == ["PS-across"], "a map has gaps: it is their district"


# --- whatever the roster ---------------------------------------------------------------------------------
AREAS = [(PHITSANULOK, MUEANG), (PHITSANULOK, WANG_THONG), (PHITSANULOK, None), (SUKHOTHAI, None), (CHIANG_MAI, None)]
PLACES = [THE_HOUSE, IN_THE_TOWN, AT_THE_BORDER, Place(PHITSANULOK, (), (PHITSANULOK,), 0.6, "text"), None]
CODES = ["TH", "65", "6501", "650101", "64", "50"]


@st.composite
def rosters(draw: st.DrawFn) -> list[Responder]:
    """Some units, some of them away, out of reach, at work already, or without a known base."""
    units = []
    for n in range(draw(st.integers(0, 8))):
        province, district = draw(st.sampled_from(AREAS))
        units.append(
            station(
                f"U-{n}",
                district,
                province,
                at=draw(st.none() | st.tuples(st.floats(6, 20), st.floats(98, 105))),
                role=draw(st.sampled_from([Role.POLICE_STATION, Role.RADIO_191, Role.SUPERVISOR])),
                channels=draw(st.sampled_from([(), (Channel.SMS,), (Channel.LINE, Channel.SMS)])),
                active=draw(st.booleans()),
                leave_until=draw(st.none() | st.sampled_from([EVENING, datetime(2024, 1, 1, tzinfo=UTC)])),
                jurisdictions=tuple(draw(st.lists(st.sampled_from(CODES), max_size=2))),
                skills=frozenset(draw(st.sets(st.sampled_from(["children", "lang:my"])))),
                capacity=draw(st.none() | st.integers(0, 2)),
                roadless=draw(st.booleans()),
                busy=draw(st.integers(0, 2)),
                asked=draw(st.integers(0, 1)),
                on_scene=draw(st.booleans()),
                last_alerted_at=draw(st.none() | st.just(SINCE)),
            )
        )
    return units


targets = st.builds(
    Target,
    st.sampled_from([Role.POLICE_STATION, Role.RADIO_191, Role.SUPERVISOR]),
    st.sampled_from(Within),
    st.integers(1, 3),
    st.none() | st.floats(1, 500) | st.just((5.0, 50.0, 500.0)),
    st.sampled_from([(), ("children",)]),
)


@given(
    st.lists(targets, max_size=3),
    rosters(),
    st.sampled_from(PLACES),
    st.none() | st.just(THE_PIN),
    st.sets(st.integers(0, 7)),
    st.randoms(use_true_random=False),
)
def test_whatever_the_roster_the_choice_is_fair(
    wanted: list[Target],
    roster: list[Responder],
    place: Place | None,
    pin: tuple[float, float] | None,
    asked_before: set[int],
    chance: random.Random,
) -> None:
    asked = frozenset(an_id(f"U-{n}") for n in asked_before)
    found = choose(wanted, roster, place, pin, asked, EVENING)

    chosen = [candidate.responder for candidate in found if candidate.chosen]
    assert len(chosen) == len({unit.id for unit in chosen}), "somebody was chosen twice"
    for unit in chosen:
        assert is_on_call(unit, EVENING)
        assert unit.channels
        assert unit.id not in asked
    for role in Role:
        sides = 2 if place is AT_THE_BORDER else 1
        assert sum(unit.role is role for unit in chosen) <= sides * sum(
            target.count for target in wanted if target.role is role
        )
        times_wanted = sum(target.role is role for target in wanted)
        for unit in (unit for unit in roster if unit.role is role):
            assert sum(candidate.responder is unit for candidate in found) == times_wanted
    assert all(candidate.reason for candidate in found)
    assert all("{" not in why and "_" not in why for why in reasons(found).values()), "a word is missing"
    if any(c.chosen and c.free and c.responder.role not in NATIONAL_ROLES for c in found):
        assert not any(unit.on_scene for unit in chosen), "somebody was called away from a scene"
    assert [candidate.chosen for candidate in found] == sorted((c.chosen for c in found), reverse=True)

    if len(wanted) == 1 and place is not AT_THE_BORDER:
        free = [candidate for candidate in found if candidate.free]
        assert not free or all(candidate.free for candidate in found if candidate.chosen), "a free one was passed over"
        unskilled = choose([replace(wanted[0], skills=())], roster, place, pin, asked, EVENING)
        assert sum(c.chosen for c in unskilled) == sum(c.chosen for c in found), "a lack of skill excluded somebody"

    shuffled = list(roster)
    chance.shuffle(shuffled)
    assert choose(wanted, shuffled, place, pin, asked, EVENING) == found, "the order of the roster decided"
