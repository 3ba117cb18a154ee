"""From a pin to the provinces, districts and sub-districts that may hold it.

By the official outlines that are in force, where some were imported (`in_force.py`), else by those that the package
ships.  The figures of the shipped ones were measured in November 2026 against simplified official outlines (Royal Thai
Survey Department), which are not shipped, on 7,436 points: spread over each district, as many as it has sub-districts.
`make bench` measures both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import cos, exp, hypot, radians
from typing import Any

import geothai
import numpy as np

from ess.domain.place import Area, Place, distance_km
from ess.geo import shipped
from ess.geo.chart import Chart
from ess.geo.names import DISTRICT, PROVINCE, SUBDISTRICT, areas

#: Around Thailand with room to spare: what lies outside is not looked up (nor is what is not a number).
_LATITUDES, _LONGITUDES = (5.0, 21.0), (96.0, 106.5)

#: Provinces so near to a pin may own it, and a pin at sea belongs to the nearest of them: the shipped map errs by up
#: to 2 km, in places by far more, and leaves out piers.
_REACH_M = 5_000.0
#: So do those of the nearest shipped places, which know better where the shipped map errs by more than that: together
#: they include the right one for 99.8 %, and for 99.6 % within 2 km of a border, where all within reach do for 97.0 %.
_PLACES_BESIDE = 2
#: What is left of the confidence where the nearest place of all is another province's: of pins that have a lead of more
#: than 2 km, the first is right for 0.90 then.
_PLACE_DISAGREES = 0.85
#: A phone that may be farther off knows its mast alone; more provinces than lie around that say nothing.
_MOST_OFF_M = 20_000.0
#: A pin on a neighbour's land is taken for Thailand so near to the border and no farther: downtown Vientiane begins
#: 1.1 km from the line.
_ACROSS_BORDER_M = 1_000.0
#: What is left of the confidence there: the map may err, or the pin is abroad.
_ABROAD_CONFIDENCE = 0.5
#: So far from every official outline there is a hole in the import, or the sea: the shipped ones decide.
_IN_A_HOLE_M = 1_000.0

#: The lead of the first province over the second at which two thirds of the doubt are gone; for the shipped outlines
#: fitted to the share that was right: 0.56 at 125 m, 0.79 at 900 m, 0.95 at 2 km, 0.997 where there is no second.
_SHIPPED_DOUBT_M = 1_000.0
#: Official ones err by little more than a phone's own position does.
_OFFICIAL_DOUBT_M = 100.0

#: A district across a province's border counts as so much farther for each metre to that border.
_BORDER_DETOUR = 5.0
#: Districts of more sub-districts reach farther: distances are divided by their number to this power.
_SIZE_POWER = 0.3
#: Districts, and sub-districts, that are named.
_MOST = 3


@dataclass
class _Official:
    """The official outlines in force in this process; None: the shipped ones decide."""

    chart: Chart | None = None


_official = _Official()


def use(outlines: Mapping[str, Any] | None) -> None:
    """From now on these official outlines decide (in degrees, by DOPA code); None: the shipped ones.

    A pin that is being looked up meanwhile is decided by either.
    """
    _official.chart = Chart.of(outlines) if outlines else None


def locate(latitude: float, longitude: float, accuracy_m: float = 0) -> Place | None:
    """The areas that may hold the pin (WGS 84 degrees); None abroad and on the open sea.

    `accuracy_m` is how far it may be off: so much farther away lie those that may hold it, and the less sure it is.

    The province is the one that holds the pin, else the nearest within reach; by the shipped outlines it is right for
    97.8 %.  The right district is the first for 81 % then, among the three for 98 %; official outlines of districts
    name those within reach, of which the first holds the pin; where they have a hole, the shipped ones decide.
    """
    if not (_LATITUDES[0] < latitude < _LATITUDES[1] and _LONGITUDES[0] < longitude < _LONGITUDES[1]):
        return None
    off_m = min(accuracy_m, _MOST_OFF_M)
    reach_m = _REACH_M + off_m
    metres = _shipped().metres(latitude, longitude, reach_m)
    is_abroad = metres.pop(shipped.ABROAD, None) == 0
    drawn = _official.chart.metres(latitude, longitude, reach_m) if _official.chart else {}
    official = min(drawn.values(), default=reach_m) <= _IN_A_HOLE_M
    if official:
        metres = drawn
        is_abroad &= min(metres.values()) > 0
    if not metres or (is_abroad and min(metres.values()) > _ACROSS_BORDER_M + off_m):
        return None
    provinces = _by_area(metres, PROVINCE)
    doubt_m = hypot(_OFFICIAL_DOUBT_M if official else _SHIPPED_DOUBT_M, off_m)
    confidence = _confidence([*provinces.values(), reach_m], doubt_m) * (_ABROAD_CONFIDENCE if is_abroad else 1)
    if not official:
        beside = _provinces_of_places(latitude, longitude)
        confidence *= 1 if beside[0] == next(iter(provinces)) else _PLACE_DISAGREES
        provinces |= {code: reach_m for code in beside if code not in provinces}
    districts = list(_by_area(metres, DISTRICT))[:_MOST] or _districts_near(latitude, longitude, provinces)
    return Place(
        province=areas()[next(iter(provinces))],
        districts=_named(districts),
        candidates=_named(provinces),
        confidence=round(confidence, 3),
        source="pin",
        subdistricts=_named(list(_by_area(metres, SUBDISTRICT))[:_MOST]),
    )


def district_position(code: str) -> tuple[float, float] | None:
    """Latitude and longitude of the district's seat (WGS 84 degrees); None for a code that no district has."""
    places = shipped.places().get(code)
    return places[0] if places else None


def provinces_near(ring: Iterable[tuple[float, float]]) -> tuple[str, ...]:
    """The codes of all provinces that may own a place within the ring of `(latitude, longitude)`, sorted.

    By the shipped outlines and with what they err by, so that official ones find no others.
    """
    return tuple(sorted(_shipped().meets(ring, _REACH_M) - {shipped.ABROAD}))


def _by_area(metres: Mapping[str, float], level: int) -> dict[str, float]:
    """Metres to each area of the level, the nearest first; none where the outlines are coarser than that."""
    nearest: dict[str, float] = {}
    for code, far in metres.items():
        if len(code) >= level:
            nearest.setdefault(code[:level], far)
    return nearest


def _confidence(metres: list[float], doubt_m: float) -> float:
    """That the first province is the right one, given that the pin is in Thailand, by how much nearer it is."""
    return 1 - 0.5 * exp(-(metres[1] - metres[0]) / doubt_m)


def _named(codes: Iterable[str]) -> tuple[Area, ...]:
    return tuple(areas()[code] for code in codes)


@cache
def _shipped() -> Chart:
    """Read once; two threads that come first read it twice, to the same result."""
    return Chart.of(shipped.outlines())


# --- districts, where no official outline tells them -----------------------------------------------------
def _provinces_of_places(latitude: float, longitude: float) -> list[str]:
    """The provinces of the nearest places, the nearest first; one that has several of them as often."""
    codes, latitudes, longitudes = _places()
    far = np.hypot(latitudes - latitude, (longitudes - longitude) * cos(radians(latitude)))
    return [codes[i] for i in np.argpartition(far, range(_PLACES_BESIDE))[:_PLACES_BESIDE]]


@cache
def _places() -> tuple[list[str], Any, Any]:
    """Province, latitude and longitude of each place."""
    every = [(code[:PROVINCE], *place) for code, found in shipped.places().items() for place in found]
    codes, latitudes, longitudes = zip(*every, strict=True)
    return list(codes), np.array(latitudes), np.array(longitudes)


def _districts_near(latitude: float, longitude: float, provinces: Mapping[str, float]) -> list[str]:
    """The districts with the nearest places, the first of them in the first province."""
    far = {
        code: (
            min(distance_km(latitude, longitude, *place) for place in shipped.places()[code])
            + _BORDER_DETOUR * metres / 1_000
        )
        / _reach(code)
        for province, metres in provinces.items()
        for code in _districts_of(province)
    }
    ranked = sorted(far, key=lambda code: (far[code], code))
    first = next(code for code in ranked if code[:PROVINCE] == next(iter(provinces)))
    ranked.remove(first)
    return [first, *ranked][:_MOST]


@cache
def _reach(district: str) -> float:
    return float(len(geothai.subdistricts(district)) ** _SIZE_POWER)


@cache
def _districts_of(province: str) -> tuple[str, ...]:
    return tuple(code for code in shipped.places() if code[:PROVINCE] == province)
