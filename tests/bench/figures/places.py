"""Where a pin is: by the outlines that are shipped, and by official ones as an import leaves them."""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import shapely
from figure import Figure, Scale, Spread
from world import World

from ess import geo
from ess.geo import official, outlines, shipped

sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what is told of official outlines
from official import Point, border_points, official_file, subdistrict_points

_ABSENT = "not measured: no official outlines lie beside the repository"
_EVERY_IN_QUICK = 10


@dataclass(frozen=True)
class _Right:
    """Shares, in percent, of the points that were put where the official outlines put them."""

    province: float
    candidates: float
    district: float
    three: float
    n: int

    def __str__(self) -> str:
        return (
            f"province {self.province:.2f} %, among the candidates {self.candidates:.2f} %,"
            f" district {self.district:.2f} %, among the three {self.three:.2f} % (n {self.n:,})"
        )


def shipped_pins(_: World, scale: Scale) -> Figure:
    """With nothing imported."""
    name = "a pin, by the shipped outlines"
    target = "97.5 % province, 99.4 % candidates (near borders too), 94 % among three; p99 ≤ 1 ms"
    if official_file(2) is None:
        return Figure(name, target, _ABSENT, "", passed=False)
    outlines.use(None)
    return _figure(
        *(name, target, scale, shipped.outlines()),
        lambda right, near_border: _reaches(right, 97.5, 99.4, 0, 94) and near_border.candidates >= 99.4,
    )


def imported_pins(_: World, scale: Scale) -> Figure:
    """With official districts, read, simplified, packed and unpacked as an import and its readers do it."""
    name = "a pin, by imported official outlines"
    target = "99.9 % province, 99.5 % district, near borders too; p99 ≤ 1 ms"
    path = official_file(2)
    if path is None:
        return Figure(name, target, _ABSENT, "", passed=False)
    imported = official.unpack(official.pack(official.read(path)[2]))
    outlines.use(imported)
    try:
        return _figure(
            *(name, target, scale, imported),
            lambda *both: all(_reaches(right, 99.9, 0, 99.5, 0) for right in both),
        )
    finally:
        outlines.use(None)


def _reaches(right: _Right, province: float, candidates: float, district: float, three: float) -> bool:
    return (
        right.province >= province
        and right.candidates >= candidates
        and right.district >= district
        and right.three >= three
    )


def _figure(
    name: str, target: str, scale: Scale, chart_of: official.Outlines, is_right: Callable[[_Right, _Right], bool]
) -> Figure:
    """Judged by how right it is where sub-districts are and near borders, and by how long it takes."""
    step = _EVERY_IN_QUICK if scale.quick else 1
    points, border = subdistrict_points()[::step], border_points()[::step]
    geo.locate(*points[0][:2])
    right, took = _located(points)
    near_border, _ = _located(border)
    bare = _bare(points, shapely.STRtree(list(chart_of.values())))
    return Figure(
        name,
        target,
        f"{right}; within 2 km of another province: {near_border}; {took}",
        f"{bare}: asking the tree of outlines which are near",
        is_right(right, near_border) and took.p99 <= 1,
        "the points are derived from simplified official outlines: of the shipped ones this tells how right they are,"
        " of the imported ones what an import keeps of them; within 2 km of another province the shipped ones err by as"
        " much, and tell the province of four in five: both sides are asked there, and an import is the remedy",
        {"right": right, "near_border": near_border, "took": took, "floor": bare},
    )


def _located(points: Iterable[Point]) -> tuple[_Right, Spread]:
    took: list[float] = []
    hits: list[tuple[bool, bool, bool, bool]] = []
    for point in points:
        began = time.perf_counter()
        place = geo.locate(point.latitude, point.longitude)
        took.append(time.perf_counter() - began)
        province, district = point.district[:2], point.district
        hits.append(
            (
                place.province.code == province,
                province in [area.code for area in place.candidates],
                place.districts[0].code == district,
                district in [area.code for area in place.districts],
            )
            if place
            else (False, False, False, False)
        )
    shares = [100 * sum(column) / len(hits) for column in zip(*hits, strict=True)]
    return _Right(*shares, len(hits)), Spread.of_seconds(took)


def _bare(points: Iterable[Point], tree: shapely.STRtree) -> Spread:
    took = []
    for point in points:
        began = time.perf_counter()
        tree.query(shapely.Point(point.longitude, point.latitude))
        took.append(time.perf_counter() - began)
    return Spread.of_seconds(took)
