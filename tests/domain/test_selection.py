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

from ess.domain.duty import Channel, Responder, Role, is_on_call
from ess.domain.place import Area, Place
from ess.domain.policy import Target, Within
from ess.domain.selection import Candidate, choose

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
    return {candidate.responder.ref: candidate.reason for candidate in candidates}


# --- whose area it is ------------------------------------------------------------------------------------
def test_the_station_of_the_district_is_chosen_and_the_reason_says_why() -> None:
    found = chosen_from(station("PS-1", at=(16.83, 100.27)), station("PS-2", BANG_RAKAM))
    assert refs(found) == ["PS-1"]
    assert reasons(found) == {"PS-1": "police_station, the district, 1.1 km away", "PS-2": "another district"}


def test_the_likeliest_district_comes_first_though_another_station_is_nearer() -> None:
    likely, nearby = station("PS-likely", at=(16.95, 100.40)), station("PS-nearby", WANG_THONG, at=THE_PIN)
    found = chosen_from(nearby, likely, target=Target(Role.POLICE_STATION, Within.DISTRICT, 2))
    assert refs(found) == ["PS-likely", "PS-nearby"]
    assert reasons(found)["PS-nearby"] == "police_station, a district nearby, 0.0 km away"


def test_a_district_of_the_same_number_in_another_province_is_another_province() -> None:
    found = chosen_from(station("PS-1", MUEANG, CHIANG_MAI))
    assert reasons(found) == {"PS-1": "another province"}


def test_within_the_province_the_nearest_comes_first() -> None:
    far, near = station("PS-a", BANG_RAKAM, at=(16.6, 100.1)), station("PS-b", WANG_THONG, at=(16.82, 100.3))
    assert refs(chosen_from(far, near, target=STATIONS_OF_THE_PROVINCE)) == ["PS-b"]


def test_near_a_border_those_across_it_come_after_those_of_the_province() -> None:
    own, across = station("PS-own", at=(17.5, 100.9)), station("PS-across", None, SUKHOTHAI, at=THE_PIN)
    target = Target(Role.POLICE_STATION, Within.PROVINCE, 2)
    found = chosen_from(across, own, target=target)
    assert refs(found) == ["PS-own", "PS-across"]
    assert reasons(found)["PS-own"].startswith("police_station, the province, ")
    assert reasons(found)["PS-across"] == "police_station, a province across the border, 0.0 km away"


def test_a_province_that_cannot_own_the_place_is_passed_over() -> None:
    found = chosen_from(station("PS-1", None, CHIANG_MAI), target=STATIONS_OF_THE_PROVINCE)
    assert reasons(found) == {"PS-1": "another province"}


def test_who_works_for_the_whole_country_is_chosen_without_any_place() -> None:
    desk = Responder(an_id("ND-1"), "ND-1", "the desk", Role.NATIONAL_DESK, channels=(Channel.LINE,))
    found = chosen_from(desk, target=Target(Role.NATIONAL_DESK, Within.NATION), place=None, pin=None)
    assert reasons(found) == {"ND-1": "national_desk, for the whole country"}
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
    assert reasons(found)["PS-a"] == "police_station, the district"


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
    assert reasons(found)["PS-2"].endswith("; others nearer")
    assert not reasons(found)["PS-0"].endswith("; others nearer")


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


# --- whatever the roster ---------------------------------------------------------------------------------
AREAS = [(PHITSANULOK, MUEANG), (PHITSANULOK, WANG_THONG), (PHITSANULOK, None), (SUKHOTHAI, None), (CHIANG_MAI, None)]
PLACES = [THE_HOUSE, Place(PHITSANULOK, (), (PHITSANULOK,), 0.6, "text"), None]


@st.composite
def rosters(draw: st.DrawFn) -> list[Responder]:
    """Some units, some of them away, out of reach, or without a known base."""
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
            )
        )
    return units


targets = st.builds(
    Target,
    st.sampled_from([Role.POLICE_STATION, Role.RADIO_191, Role.SUPERVISOR]),
    st.sampled_from(Within),
    st.integers(1, 3),
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
        assert sum(unit.role is role for unit in chosen) <= sum(
            target.count for target in wanted if target.role is role
        )
        times_wanted = sum(target.role is role for target in wanted)
        for unit in (unit for unit in roster if unit.role is role):
            assert sum(candidate.responder is unit for candidate in found) == times_wanted
    assert all(candidate.reason for candidate in found)
    assert [candidate.chosen for candidate in found] == sorted((c.chosen for c in found), reverse=True)

    shuffled = list(roster)
    chance.shuffle(shuffled)
    assert choose(wanted, shuffled, place, pin, asked, EVENING) == found, "the order of the roster decided"
