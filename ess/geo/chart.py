"""Outlines on which a pin's distance is measured in metres."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import cos, radians
from typing import Any

import numpy as np
from shapely import Point, Polygon, STRtree, distance, transform

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
        return cls(STRtree(transform(list(outlines.values()), _mercator)), tuple(outlines))

    def metres(self, latitude: float, longitude: float, reach_m: float) -> dict[str, float]:
        """Metres to each outline within reach, 0 inside it, the nearest first."""
        pin, scale = Point(_mercator(np.array([[longitude, latitude]]))[0]), cos(radians(latitude))
        within_reach = self.tree.query(pin, predicate="dwithin", distance=reach_m / scale)
        far = distance(self.tree.geometries[within_reach], pin) * scale
        metres = zip((self.codes[i] for i in within_reach), far.tolist(), strict=True)
        return dict(sorted(metres, key=lambda item: (item[1], item[0])))

    def meets(self, ring: Iterable[tuple[float, float]], reach_m: float) -> set[str]:
        """The codes of all outlines within reach of any point inside the ring of `(latitude, longitude)`."""
        corners = [(longitude, latitude) for latitude, longitude in ring]
        scale = min(cos(radians(latitude)) for _, latitude in corners)
        inside = transform(Polygon(corners), _mercator)
        return {self.codes[i] for i in self.tree.query(inside, predicate="dwithin", distance=reach_m / scale)}


def _mercator(positions: Any) -> Any:
    """Rows of longitude and latitude on a sphere → Mercator's plane."""
    longitudes, latitudes = positions.T
    return np.column_stack([longitudes, np.degrees(np.arcsinh(np.tan(np.radians(latitudes))))]) * _M_PER_DEGREE
