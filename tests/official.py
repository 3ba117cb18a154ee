"""Official outlines, on machines that have them beside the repository, and points of which they tell the areas.

They are not ours to ship: a folder `shared/data` next to the repository, or to a folder that holds it, has the levels 1
and 2 of the COD-AB of Thailand as GeoJSON.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import geothai
import numpy as np
import shapely
from shapely.geometry import shape

from ess.geo import shipped
from ess.geo.names import PROVINCE, areas

_FILES = {1: "cod_province.geojson", 2: "cod_amphoe.geojson"}
#: Points that are drawn for each that is kept, so that those kept lie apart.
_DRAWN = 40
_ROUNDS = 12
_BORDER_DEGREES = 2 / 111.2
_PER_DISTRICT = 8


#: Of made-up areas, in degrees: all but one of a province are squares of 100 m, so far apart.
_CRUMB, _APART = 0.001, 0.002

PROVINCES = {code: outline for code, outline in shipped.outlines().items() if code != shipped.ABROAD}


#: In the official register these are Wang Thong and its sub-district; of what is made up, they are all of Phitsanulok.
WANG_THONG, ITS_SUBDISTRICT = "6508", "650801"


@cache
def made_up(level: int) -> Mapping[str, Any]:
    """Outlines of all areas of the level: in each province one has nearly all land, in most the first."""
    found: dict[str, Any] = {}
    for province, outline in PROVINCES.items():
        codes = [code for code in areas() if len(code) == 2 * level and code[:PROVINCE] == province]
        main = next((code for code in (WANG_THONG, ITS_SUBDISTRICT) if code in codes), codes[0])
        others = [code for code in codes if code != main]
        middle = shapely.maximum_inscribed_circle(outline, tolerance=0.01).coords[0]
        crumbs = [_crumb(middle, n, len(others)) for n in range(len(others))]
        found |= {main: outline.difference(shapely.union_all(crumbs)), **dict(zip(others, crumbs, strict=True))}
    return found


def _crumb(middle: tuple[float, ...], n: int, of: int) -> Any:
    """The nth of so many squares around the middle, row by row."""
    side = round(of**0.5 + 0.5)
    west, south = (middle[i] + _APART * (at - side / 2) for i, at in enumerate((n % side, n // side)))
    return shapely.box(west, south, west + _CRUMB, south + _CRUMB)


class Point(NamedTuple):
    """A pin, and the district that the official outlines put it in."""

    latitude: float
    longitude: float
    district: str


def official_file(level: int) -> Path | None:
    """The file of the level; None where this machine has none."""
    folders = (folder / "shared" / "data" for folder in Path(__file__).parents[1].parents)
    return next((path for folder in folders if (path := folder / _FILES[level]).exists()), None)


@cache
def subdistrict_points() -> tuple[Point, ...]:
    """As many points in each district as it has sub-districts, spread over it; the same on every run."""
    rng = np.random.default_rng(1)
    return tuple(
        Point(latitude, longitude, code)
        for code, outline in _districts().items()
        for longitude, latitude in _spread(outline, len(geothai.subdistricts(code)), rng)
    )


@cache
def border_points() -> tuple[Point, ...]:
    """Points within 2 km of another province; without those that the file itself puts into two areas."""
    rng = np.random.default_rng(2)
    return tuple(
        Point(latitude, longitude, code)
        for code, outline in _districts().items()
        for longitude, latitude in _drawn(outline, _PER_DISTRICT, rng).tolist()
        if _is_near_border(longitude, latitude, code)
    )


@cache
def _districts() -> dict[str, Any]:
    path = official_file(2)
    features = json.loads(path.read_text(encoding="utf-8"))["features"] if path else []
    return {
        feature["properties"]["ADM2_PCODE"].removeprefix("TH"): shapely.make_valid(shape(feature["geometry"]))
        for feature in features
    }


@cache
def _tree() -> tuple[shapely.STRtree, list[str]]:
    return shapely.STRtree(list(_districts().values())), list(_districts())


def _drawn(outline: Any, n: int, rng: np.random.Generator) -> Any:
    """Rows of longitude and latitude within the outline, at random."""
    west, south, east, north = outline.bounds
    shapely.prepare(outline)
    rows = np.empty((0, 2))
    while len(rows) < n:
        tried = rng.uniform((west, south), (east, north), (2 * n, 2))
        rows = np.vstack([rows, tried[shapely.contains_xy(outline, tried)]])
    return rows[:n]


def _spread(outline: Any, n: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """So many points within the outline, each in the middle of its own share of it (k-means)."""
    rows = _drawn(outline, _DRAWN * n, rng)
    centres = rows[:n].copy()
    for _ in range(_ROUNDS):
        nearest = _squares(rows, centres).argmin(1)
        for i in range(n):
            if (nearest == i).any():
                centres[i] = rows[nearest == i].mean(0)
    yield from map(tuple, rows[_squares(rows, centres).argmin(0)].tolist())


def _squares(rows: Any, centres: Any) -> Any:
    return ((rows[:, None] - centres[None]) ** 2).sum(2)


def _is_near_border(longitude: float, latitude: float, code: str) -> bool:
    tree, codes = _tree()
    pin = shapely.Point(longitude, latitude)
    near = {codes[i] for i in tree.query(pin, predicate="dwithin", distance=_BORDER_DEGREES)}
    inside = {codes[i] for i in tree.query(pin, predicate="intersects")}
    return inside == {code} and any(other[:2] != code[:2] for other in near)
