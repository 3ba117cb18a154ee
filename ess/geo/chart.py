"""Outlines on which a pin's distance is measured in metres."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import asinh, cos, degrees, radians, tan
from typing import Any

from shapely import Point, STRtree, distance, transform

_M_PER_DEGREE = 111_195.0


@dataclass(frozen=True)
class Chart:
    """Outlines in Mercator's plane, where a distance times the cosine of the latitude is in metres."""

    tree: STRtree
    #: Of each outline in the tree.
    codes: tuple[str, ...]

    @classmethod
    def of(cls, outlines: Mapping[str, Any]) -> "Chart":
        """From outlines in degrees (WGS 84), longitude first, by their codes."""
        return cls(STRtree([transform(outline, _mercator) for outline in outlines.values()]), tuple(outlines))

    def metres(self, latitude: float, longitude: float, reach_m: float) -> dict[str, float]:
        """Metres to each outline within reach, 0 inside it, the nearest first."""
        pin, scale = transform(Point(longitude, latitude), _mercator), cos(radians(latitude))
        within_reach = self.tree.query(pin, predicate="dwithin", distance=reach_m / scale)
        metres = {self.codes[i]: float(distance(self.tree.geometries[i], pin)) * scale for i in within_reach}
        return dict(sorted(metres.items(), key=lambda item: (item[1], item[0])))


def _mercator(positions: Iterable[Iterable[float]]) -> list[tuple[float, float]]:
    """Longitudes and latitudes on a sphere → Mercator's plane."""
    return [(lon * _M_PER_DEGREE, degrees(asinh(tan(radians(lat)))) * _M_PER_DEGREE) for lon, lat in positions]
