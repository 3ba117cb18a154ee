"""From a pin to the provinces and districts that may hold it, by the outlines and places in `data/`.

`data/LICENSES.md` tells where they come from.  The figures below were measured in November 2026 against simplified
official outlines (Royal Thai Survey Department), which are not shipped, on 7,436 points: spread over each district,
as many as it has sub-districts.
"""

import csv
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import asinh, cos, degrees, exp, radians, tan

import geothai
from shapely import Point, Polygon, STRtree, distance, transform
from shapely.geometry import shape

from ess.domain.place import Area, Place, distance_km
from ess.geo.names import PROVINCE, areas

_DATA = files("ess.geo") / "data"
_ABROAD = "abroad"
_M_PER_DEGREE = 111_195.0
#: Around Thailand with room to spare: what lies outside is not looked up (nor is what is not a number).
_LATITUDES, _LONGITUDES = (5.0, 21.0), (96.0, 106.5)

#: Provinces so near to a pin may own it, and a pin at sea belongs to the nearest of them: the map errs by up to
#: 2 km, and leaves out piers.  All within reach include the right one for 99.6 %.
_REACH_M = 5_000.0
#: A pin on a neighbour's land is taken for Thailand so near to the border and no farther: downtown Vientiane begins
#: 1.1 km from the line.
_ACROSS_BORDER_M = 1_000.0
#: What is left of the confidence there: the map may err, or the pin is abroad.
_ABROAD_CONFIDENCE = 0.5

#: A district across a province's border counts as so much farther for each metre to that border.
_BORDER_DETOUR = 5.0
#: Districts of more sub-districts reach farther: distances are divided by their number to this power.
_SIZE_POWER = 0.3
_MAX_DISTRICTS = 3


@dataclass(frozen=True)
class _Chart:
    """Outlines in Mercator's plane, where a distance times the cosine of the latitude is in metres."""

    tree: STRtree
    #: Of each outline in the tree: the province's code, or "abroad" for the rim of the neighbours.
    codes: tuple[str, ...]


def locate(latitude: float, longitude: float) -> Place | None:
    """The provinces and districts that may hold the pin (WGS 84 degrees); None abroad and on the open sea.

    The province is the one that holds the pin, else the nearest within reach; it is right for 97.8 %.  The right
    district is the first for 81 %, among the three for 98 %.
    """
    metres = _metres_to_outlines(latitude, longitude)
    is_abroad = metres.pop(_ABROAD, None) == 0
    if not metres or (is_abroad and min(metres.values()) > _ACROSS_BORDER_M):
        return None
    candidates = tuple(areas()[code] for code in metres)
    confidence = _confidence(list(metres.values())) * (_ABROAD_CONFIDENCE if is_abroad else 1)
    return Place(candidates[0], _districts_near(latitude, longitude, metres), candidates, round(confidence, 3), "pin")


def district_position(code: str) -> tuple[float, float] | None:
    """Latitude and longitude of the district's seat (WGS 84 degrees); None for a code that no district has."""
    places = _places().get(code)
    return places[0] if places else None


def provinces_near(ring: Iterable[tuple[float, float]]) -> tuple[str, ...]:
    """The codes of all provinces that may own a place within the ring of `(latitude, longitude)`, sorted.

    By the shipped outlines and with what they err by, so that official ones find no others.
    """
    corners = [(longitude, latitude) for latitude, longitude in ring]
    scale = min(cos(radians(latitude)) for _, latitude in corners)
    outline = transform(Polygon(corners), _mercator)
    found = _chart().tree.query(outline, predicate="dwithin", distance=_REACH_M / scale)
    return tuple(sorted({_chart().codes[i] for i in found} - {_ABROAD}))


# --- provinces -------------------------------------------------------------------------------------------
def _metres_to_outlines(latitude: float, longitude: float) -> dict[str, float]:
    """Metres to each outline within reach, 0 inside it, the nearest first."""
    if not (_LATITUDES[0] < latitude < _LATITUDES[1] and _LONGITUDES[0] < longitude < _LONGITUDES[1]):
        return {}
    chart, pin, scale = _chart(), transform(Point(longitude, latitude), _mercator), cos(radians(latitude))
    within_reach = chart.tree.query(pin, predicate="dwithin", distance=_REACH_M / scale)
    metres = {chart.codes[i]: float(distance(chart.tree.geometries[i], pin)) * scale for i in within_reach}
    return dict(sorted(metres.items(), key=lambda item: (item[1], item[0])))


def _confidence(metres: list[float]) -> float:
    """That the first province is the right one, given that the pin is in Thailand, by how much nearer it is.

    Fitted to the share that was right: 0.56 where the second province is 125 m farther, 0.79 at 900 m, 0.95 at
    2 km, 0.997 where there is no second.
    """
    lead = (metres[1] if len(metres) > 1 else _REACH_M) - metres[0]
    return 1 - 0.5 * exp(-lead / 1_000)


def _mercator(positions: Iterable[Iterable[float]]) -> list[tuple[float, float]]:
    """Longitudes and latitudes on a sphere → Mercator's plane."""
    return [(lon * _M_PER_DEGREE, degrees(asinh(tan(radians(lat)))) * _M_PER_DEGREE) for lon, lat in positions]


@cache
def _chart() -> _Chart:
    """Read once; two threads that come first read it twice, to the same result."""
    features = json.loads(gzip.decompress((_DATA / "outlines.json.gz").read_bytes()))["features"]
    outlines = [transform(shape(feature["geometry"]), _mercator) for feature in features]
    return _Chart(STRtree(outlines), tuple(feature["properties"]["code"] for feature in features))


# --- districts -------------------------------------------------------------------------------------------
def _districts_near(latitude: float, longitude: float, metres: dict[str, float]) -> tuple[Area, ...]:
    """The districts with the nearest places, the first of them in the first province."""
    far = {
        code: (
            min(distance_km(latitude, longitude, *place) for place in _places()[code])
            + _BORDER_DETOUR * metres[province] / 1_000
        )
        / _reach(code)
        for province in metres
        for code in _districts_of(province)
    }
    ranked = sorted(far, key=lambda code: (far[code], code))
    first = next(code for code in ranked if code[:PROVINCE] == next(iter(metres)))
    ranked.remove(first)
    return tuple(areas()[code] for code in (first, *ranked))[:_MAX_DISTRICTS]


@cache
def _reach(district: str) -> float:
    return float(len(geothai.subdistricts(district)) ** _SIZE_POWER)


@cache
def _districts_of(province: str) -> tuple[str, ...]:
    return tuple(code for code in _places() if code[:PROVINCE] == province)


@cache
def _places() -> dict[str, tuple[tuple[float, float], ...]]:
    """Latitudes and longitudes of the places in each district, its seat first."""
    places: dict[str, tuple[tuple[float, float], ...]] = {}
    for row in csv.DictReader((_DATA / "places.csv").read_text("utf-8").splitlines()):
        position = float(row["latitude"]), float(row["longitude"])
        places[row["district"]] = (*places.get(row["district"], ()), position)
    return places
