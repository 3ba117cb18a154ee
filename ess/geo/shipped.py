"""The outlines and places that the package brings along, in `data/`; `data/LICENSES.md` tells where they come from."""

import csv
import gzip
import json
from functools import cache
from importlib.resources import files
from typing import Any

from shapely.geometry import shape

_DATA = files("ess.geo") / "data"

#: The code of the rim of the neighbouring countries.
ABROAD = "abroad"


def outlines() -> dict[str, Any]:
    """Of each province by its code, and the rim of the neighbours; in degrees (WGS 84), longitude first."""
    features = json.loads(gzip.decompress((_DATA / "outlines.json.gz").read_bytes()))["features"]
    return {feature["properties"]["code"]: shape(feature["geometry"]) for feature in features}


@cache
def places() -> dict[str, tuple[tuple[float, float], ...]]:
    """Latitudes and longitudes of the places in each district, its seat first."""
    found: dict[str, tuple[tuple[float, float], ...]] = {}
    for row in csv.DictReader((_DATA / "places.csv").read_text("utf-8").splitlines()):
        position = float(row["latitude"]), float(row["longitude"])
        found[row["district"]] = (*found.get(row["district"], ()), position)
    return found
