"""Official outlines as their publishers give them: read from a file, checked, and packed for the table `outline_set`.

They are those of the UN's Common Operational Datasets (COD-AB) and whatever is made alike: features with an
`ADM1_PCODE`, `ADM2_PCODE` or `ADM3_PCODE`, which is "TH" and the official (DOPA) code.  Names are not read: ours
are geothai's.
"""

import io
import json
import re
import struct
import warnings
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import shapefile
import shapely
from geothai.abolished import abolished_areas
from shapely.errors import ShapelyError
from shapely.geometry import shape

from ess.domain.errors import Misconfigured, Refused
from ess.geo import shipped
from ess.geo.names import PROVINCE, areas

#: What the levels are called.
LEVELS = {1: "provinces", 2: "districts", 3: "sub-districts"}

#: Thailand with its islands, and a little more.
_LATITUDES, _LONGITUDES = (5.3, 20.8), (97.0, 106.0)
#: So far from the shipped outline of its own province lies no part of any (Ko Losin: 72 km).
_ASTRAY_KM = 100.0
#: All areas of a province together, beside the shipped outline of it: 0.83 to 1.21 in the official ones.
_WHOLE = (0.7, 1.4)
#: What may be missing of a level: a register is newer than its map now and then, and an import promises the right
#: district for 99.5 % of all pins, so more than the rest cannot be away.  That is 4 districts, or 37 sub-districts.
_MOST_MISSING = 0.005
#: A bend in a border that is smaller is left out: 10 m, and for as long as there are too many points, 20 m and 40 m.
_TOLERANCES_DEGREES = (0.0001, 0.0002, 0.0004)
#: Each point costs each process that looks pins up about 80 bytes.
_MOST_POINTS = 1_000_000
#: What is kept of a coordinate: 0.1 m.
_GRID_DEGREES = 0.000001
#: More problems than this say nothing new.
_MOST_PROBLEMS = 20

_KM_PER_DEGREE = 111.2
_GEOMETRIES = {"Polygon", "MultiPolygon"}
_CODE = re.compile(r"TH(\d\d(?:\d\d){0,2})$", re.IGNORECASE)
_WGS_84 = re.compile(r"CRS:?84|EPSG:(?:.*:)?4326$|WGS.?(?:19)?84", re.IGNORECASE)

Outlines = Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """One collection of features of a file."""

    name: str
    #: What each says of itself, and its geometry: still GeoJSON where it is none, or is no area.
    features: list[tuple[Mapping[str, Any], Any]]
    #: As the file names it; None where it does not: GeoJSON is WGS 84 then.
    crs: str | None = None


def read(path: Path) -> dict[int, Outlines]:
    """The outlines of each level (1 to 3) in the file, in degrees, by DOPA code, simplified, neighbours still touching.

    A GeoJSON file, or a zip of GeoJSON files or shapefiles.  Refused names every problem, with the number of its
    feature (from 1) and what to do; then nothing of the file is used.
    """
    levels: dict[int, Outlines] = {}
    problems: list[str] = []
    for layer in layers(path):
        level = _level(layer)
        if level is None:
            continue
        if level in levels:
            problems.append(f"{layer.name}: a second layer of {LEVELS[level]}: leave one of them in the zip")
            continue
        levels[level], found = checked(layer, level)
        problems += [f"{layer.name}: {problem}" for problem in found]
    if not levels and not problems:
        raise Refused(
            f"{path.name}: no feature is an area with an ADM1_PCODE, ADM2_PCODE or ADM3_PCODE:"
            " take the boundaries (admin levels 1 to 3) of the COD-AB of Thailand"
        )
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        shown = problems[:_MOST_PROBLEMS] + ([f"… and {more} more"] if more > 0 else [])
        raise Refused(f"{path.name} was not imported, nothing has changed:\n  " + "\n  ".join(shown))
    return {level: _simplified(outlines) for level, outlines in sorted(levels.items())}


# --- files -----------------------------------------------------------------------------------------------
def layers(path: Path) -> Iterator[Layer]:
    """Every layer of the file; Refused where it cannot be read as one."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from _zipped(archive)
        elif path.suffix.lower() in {".shp", ".dbf", ".shx"}:
            raise Refused(f"{path.name} is a part of a shapefile: zip it with the .shp, .dbf, .shx and .prj beside it")
        else:
            yield _geojson(path.name, path.read_bytes())
    except (zipfile.BadZipFile, zlib.error) as error:
        raise Refused(f"{path.name} is damaged ({error}): download it again") from error


def _zipped(archive: zipfile.ZipFile) -> Iterator[Layer]:
    names = {name.lower(): name for name in archive.namelist() if not PurePosixPath(name).name.startswith(".")}
    for lower, name in sorted(names.items()):
        if lower.startswith("__macosx/"):
            continue
        if lower.endswith((".geojson", ".json")):
            yield _geojson(name, archive.read(name))
        elif lower.endswith(".shp"):
            parts = {suffix: names.get(f"{lower[:-4]}.{suffix}") for suffix in ("dbf", "shx", "prj", "cpg")}
            missing = [f".{suffix}" for suffix in ("dbf", "prj") if parts[suffix] is None]
            if missing:
                raise Refused(f"{name} comes without its {' and '.join(missing)}: put all parts of it into the zip")
            yield _shapefile(name, {suffix: archive.read(part) for suffix, part in parts.items() if part}, archive)


def _geojson(name: str, content: bytes) -> Layer:
    try:
        data = json.loads(content, object_hook=_shaped)
    except ValueError as error:
        raise Refused(f"{name} is not GeoJSON ({error}): GeoJSON, or a zip of shapefiles, is what is read") from error
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise Refused(f"{name} is no FeatureCollection: export the layer as GeoJSON")
    crs = data.get("crs")
    return Layer(
        name,
        [(feature.get("properties") or {}, feature.get("geometry")) for feature in features],
        str((crs.get("properties") or {}).get("name")) if isinstance(crs, dict) else None,
    )


def _shaped(found: dict[str, Any]) -> Any:
    """A geometry as soon as it is read: as lists of numbers all of them together would fill the memory."""
    if found.get("type") not in _GEOMETRIES:
        return found
    try:
        return shapely.force_2d(shape(found))
    except (ShapelyError, ValueError, TypeError, IndexError, KeyError):
        return found


def _shapefile(name: str, parts: Mapping[str, bytes], archive: zipfile.ZipFile) -> Layer:
    files = {suffix: io.BytesIO(parts[suffix]) for suffix in ("dbf", "shx") if suffix in parts}
    encoding = parts.get("cpg", b"utf-8").decode("ascii", "replace").strip() or "utf-8"
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # what is wrong with a feature, the checks say
            shapefile.Reader(
                shp=io.BytesIO(archive.read(name)), **files, encoding=encoding, encodingErrors="replace"
            ) as reader,
        ):
            features = [
                (row.record.as_dict(), _shaped(row.shape.__geo_interface__)) for row in reader.iterShapeRecords()
            ]
    except (shapefile.ShapefileException, struct.error, LookupError, ValueError, OSError) as error:
        raise Refused(f"{name} cannot be read ({error}): export the layer again") from error
    projection = parts["prj"].decode("utf-8", "replace")
    return Layer(name, features, "projected" if "PROJCS" in projection.upper() else projection)


def _level(layer: Layer) -> int | None:
    """The finest admin level of which every area has a code; None for a layer of countries, lines or points."""
    if not any(_kind(geometry) in _GEOMETRIES for _, geometry in layer.features):
        return None
    names = {str(name).lower() for properties, _ in layer.features for name in properties}
    return max((level for level in LEVELS if f"adm{level}_pcode" in names), default=None)


# --- checks ----------------------------------------------------------------------------------------------
def checked(layer: Layer, level: int) -> tuple[Outlines, list[str]]:
    """The outlines by code, each valid; and what is wrong with the layer, in the words that an operator reads."""
    if layer.crs is not None and not _WGS_84.search(layer.crs):
        return {}, [f"its coordinates are not WGS 84 ({layer.crs[:60]}): reproject the layer to EPSG:4326"]
    found: dict[str, list[Any]] = defaultdict(list)
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, (properties, geometry) in enumerate(layer.features, 1):
        written = {str(name).lower(): value for name, value in properties.items()}.get(f"adm{level}_pcode")
        code, why = _code(written, level)
        outline = None
        if code is not None and seen.setdefault(str(written), number) != number:
            why = f"the same code as feature {seen[str(written)]}: give each its own, or dissolve the layer by its code"
        elif code is not None:
            outline, why = _outline(geometry, code)
        if why:
            problems.append(f"feature {number} ({written or 'no code'}): {why}")
        if code is not None:
            found[code] += [outline] if outline is not None else []
    outlines = {
        code: shapely.union_all(parts) if len(parts) > 1 else parts[0] for code, parts in found.items() if parts
    }
    return dict(sorted(outlines.items())), problems or list(_missing(outlines, level))


def _code(written: Any, level: int) -> tuple[str | None, str]:
    """The DOPA code that a feature names, else what is wrong with it."""
    match = _CODE.match(str(written or "").strip())
    if match is None or len(match[1]) != 2 * level:
        return None, f"ADM{level}_PCODE must be TH and {2 * level} digits, such as TH{'650801'[: 2 * level]}"
    code = match[1]
    if code in areas():
        return code, ""
    successors = _successors().get(code, ())
    if len(successors) == 1 and successors[0] in areas() and len(successors[0]) == len(code):
        return successors[0], ""
    if successors:
        return None, f"DOPA has abolished {code}; divide it among {', '.join(successors)}"
    return None, f"DOPA knows no {LEVELS[level][:-1]} {code}: correct the code, or leave the feature out"


@cache
def _shipped() -> Outlines:
    return shipped.outlines()


@cache
def _successors() -> dict[str, tuple[str, ...]]:
    return {area.code: area.successors for area in abolished_areas()}


def _outline(geometry: Any, code: str) -> tuple[Any, str]:
    """A valid outline, and what is wrong with it."""
    kind = _kind(geometry)
    if kind not in _GEOMETRIES:
        return None, f"an area must be a Polygon or MultiPolygon, this is {kind or 'nothing'}"
    if not isinstance(geometry, shapely.Geometry):
        return None, "its coordinates cannot be read: draw or export it again"
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    if geometry.is_empty or geometry.geom_type not in _GEOMETRIES:
        return None, "its geometry is broken and cannot be repaired: draw or export it again"
    outline = shapely.multipolygons(shapely.get_parts(geometry))
    return outline, _misplaced(outline, code)


def _kind(geometry: Any) -> Any:
    """What GeoJSON calls it; None for nothing."""
    return geometry.geom_type if isinstance(geometry, shapely.Geometry) else (geometry or {}).get("type")


def _misplaced(outline: Any, code: str) -> str:
    """Why the outline cannot be where it says; empty where it can."""
    west, south, east, north = outline.bounds
    if _within(_LATITUDES, west, east) and _within(_LONGITUDES, south, north):
        return "latitude and longitude are exchanged: GeoJSON has the longitude first"
    if not (max(abs(west), abs(east)) <= 180 and max(abs(south), abs(north)) <= 90):
        return "its coordinates are not degrees: reproject the layer to WGS 84 (EPSG:4326)"
    if not (_within(_LONGITUDES, west, east) and _within(_LATITUDES, south, north)):
        return "it reaches out of Thailand: correct its coordinates, or leave the feature out"
    at_home = _shipped()[code[:PROVINCE]]
    astray_km = _KM_PER_DEGREE * max(at_home.distance(part.representative_point()) for part in outline.geoms)
    if astray_km > _ASTRAY_KM:
        province = areas()[code[:PROVINCE]].name_en
        return f"a part lies {astray_km:.0f} km from {province}: the code or the coordinates are another's"
    return ""


def _within(bounds: tuple[float, float], low: float, high: float) -> bool:
    return bounds[0] <= low and high <= bounds[1]


def missing(outlines: Outlines, level: int) -> list[str]:
    """The DOPA codes of all areas of the level that have no outline, in their order."""
    return sorted(code for code in areas() if len(code) == 2 * level and code not in outlines)


def _missing(outlines: Outlines, level: int) -> Iterator[str]:
    """Land of which nobody would say whose it is."""
    lacking = missing(outlines, level)
    if len(lacking) > _MOST_MISSING * (len(lacking) + len(outlines)):
        for code in lacking:
            yield f"TH{code} ({areas()[code].name_en}) is missing: import all {LEVELS[level]} of all provinces together"
        return
    size: dict[str, float] = defaultdict(float)
    for code, outline in outlines.items():
        size[code[:PROVINCE]] += outline.area
    for code, area in areas().items():
        if len(code) != PROVINCE:
            continue
        share = size[code] / _shipped()[code].area
        if not _WHOLE[0] <= share <= _WHOLE[1]:
            yield (
                f"TH{code} ({area.name_en}) has {share:.0%} of the land that it should have: look for {LEVELS[level]}"
                " that are missing, or bear another's code"
            )


def _simplified(outlines: Outlines) -> Outlines:
    """The same with fewer points and without overlaps: what two neighbours share stays one line, and no gap opens."""
    coverage = list(outlines.values())
    try:
        if not shapely.coverage_is_valid(coverage):
            coverage = shapely.coverage_clean(coverage)
        for tolerance in _TOLERANCES_DEGREES:
            simpler = shapely.coverage_simplify(coverage, tolerance)
            if shapely.get_num_coordinates(simpler).sum() <= _MOST_POINTS:
                break
    except ShapelyError as error:
        raise Refused(f"the outlines cross each other beyond repair ({error}): export the layer again") from error
    buried = [code for code, outline in zip(outlines, simpler, strict=True) if outline.is_empty]
    if buried:
        raise Refused(f"TH{', TH'.join(buried)}: another area covers all of it: correct the layer's outlines")
    return dict(zip(outlines, simpler, strict=True))


# --- as stored -------------------------------------------------------------------------------------------
def pack(outlines: Outlines) -> bytes:
    """The outlines as bytes: numpy's npz, with coordinates in millionths of a degree, a third of the text."""
    several = [shapely.multipolygons(shapely.get_parts(outline)) for outline in outlines.values()]
    _, positions, (rings, polygons, parts) = shapely.to_ragged_array(several)
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        codes=np.array(list(outlines), dtype="U6"),
        positions=np.round(positions / _GRID_DEGREES).astype(np.int32),
        rings=rings.astype(np.int32),
        polygons=polygons.astype(np.int32),
        parts=parts.astype(np.int32),
    )
    return packed.getvalue()


def unpack(body: bytes) -> Outlines:
    """The outlines of a row; Misconfigured where it cannot be read."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as packed:
            outlines = shapely.from_ragged_array(
                shapely.GeometryType.MULTIPOLYGON,
                packed["positions"] * _GRID_DEGREES,
                (packed["rings"], packed["polygons"], packed["parts"]),
            )
            return dict(zip(packed["codes"].tolist(), outlines, strict=True))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error, ShapelyError) as error:
        raise Misconfigured(
            f"the imported outlines cannot be read ({error}), those that are shipped are used: `ess geo undo`, and"
            " import them again"
        ) from error
