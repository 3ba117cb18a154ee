"""A drawn outline as people paste it, WKT or GeoJSON, and as it is stored: a ring of latitudes and longitudes."""

import json
from typing import Any

import shapely
from shapely.geometry import shape

Ring = tuple[tuple[float, float], ...]

#: A tenth of a metre.
_DECIMALS = 6
#: More would not fit into a cell of Excel, and nobody draws them by hand.
_MOST_CORNERS = 500


def ring_of(text: str) -> Ring:
    """The corners, each once, from `POLYGON ((lon lat, …))` or a GeoJSON polygon; ValueError says what is wrong."""
    outline = shapely.force_2d(_drawn(text))
    if outline.geom_type != "Polygon" or outline.is_empty:
        raise ValueError("must be one polygon: draw the others for responders of their own, or name areas by code")
    if outline.interiors:
        raise ValueError("has a hole: draw it without")
    west, south, east, north = outline.bounds
    if not (5 <= south <= north <= 21 and 97 <= west <= east <= 106):
        raise ValueError("is not in Thailand: degrees, the longitude of each corner before its latitude")
    ring = tuple((round(lat, _DECIMALS), round(lon, _DECIMALS)) for lon, lat in outline.exterior.coords[:-1])
    if len(ring) > _MOST_CORNERS:
        raise ValueError(f"has {len(ring)} corners: simplify it to {_MOST_CORNERS} or fewer")
    if not _polygon(ring).is_valid:
        raise ValueError(f"is no outline: {shapely.is_valid_reason(_polygon(ring))}")
    return ring


def wkt(ring: Ring) -> str:
    """The outline as `POLYGON ((lon lat, …))`."""
    return str(shapely.to_wkt(_polygon(ring), rounding_precision=_DECIMALS, trim=True))


def _polygon(ring: Ring) -> Any:
    return shapely.Polygon([(lon, lat) for lat, lon in ring])


def _drawn(text: str) -> Any:
    try:
        if not text.startswith("{"):
            return shapely.from_wkt(text)
        found = json.loads(text)
        if found.get("type") == "FeatureCollection" and len(found["features"]) == 1:
            found = found["features"][0]
        return shape(found["geometry"] if found.get("type") == "Feature" else found)
    except (shapely.errors.ShapelyError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError("must be a polygon as WKT, `POLYGON ((100.1 16.8, …))`, or as GeoJSON") from error
