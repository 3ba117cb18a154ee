"""Official outlines replace the shipped ones: from the file to every process that looks pins up, and back.

Where real ones lie beside the repository (`tests/official.py`), the figures that they promise are tested too.  The
others are made up of the shipped outlines: each province nearly in one piece.  No real sub-districts are at hand, so
that what is tested of level 3 is that it is read, kept and used, and not how right it is.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import shapefile
import shapely
from official import (
    ITS_SUBDISTRICT,
    PROVINCES,
    WANG_THONG,
    Point,
    border_points,
    made_up,
    official_file,
    subdistrict_points,
)
from stack import Deployment, wait_for
from story import ABROAD, PHITSANULOK, Incident, Spot, Story

from ess import geo
from ess.domain.errors import Refused
from ess.domain.place import Place
from ess.geo import official, outlines
from ess.geo.in_force import Follower
from ess.store import Store, Vault, new_key, outline_sets
from ess.store.crypto import EncryptedJson
from ess.store.keys import KeyRole

WGS_84 = 'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137,298.257223563]]]'
UTM = f'PROJCS["WGS_1984_UTM_Zone_47N",{WGS_84}]'
ESS = Path(sys.executable).parent / "ess"


@pytest.fixture(autouse=True)
def shipped_again() -> Iterator[None]:
    yield
    outlines.use(None)


def features(level: int) -> list[dict[str, Any]]:
    return [
        {
            "type": "Feature",
            "properties": {f"ADM{n}_PCODE": f"TH{code[: 2 * n]}" for n in range(1, level + 1)},
            "geometry": shapely.geometry.mapping(outline),
        }
        for code, outline in made_up(level).items()
    ]


def geojson(found: list[dict[str, Any]]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": found})


def written(folder: Path, level: int, name: str | None = None) -> Path:
    path = folder / (name or f"adm{level}.geojson")
    path.write_text(geojson(features(level)), encoding="utf-8")
    return path


def shapefile_parts(name: str, level: int, projection: str = WGS_84) -> dict[str, bytes]:
    parts = {suffix: io.BytesIO() for suffix in ("shp", "shx", "dbf")}
    with shapefile.Writer(**parts) as writer:
        for n in range(1, level + 1):
            writer.field(f"adm{n}_pcode", "C", size=10)
        for feature in features(level):
            writer.record(*feature["properties"].values())
            writer.shape(feature["geometry"])
    return {f"{name}.{suffix}": part.getvalue() for suffix, part in parts.items()} | {
        f"{name}.prj": projection.encode()
    }


def zipped(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


# --- files -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_geojson_file_is_read(tmp_path: Path, level: int) -> None:
    read = official.read(written(tmp_path, level))
    assert {n: sorted(found) for n, found in read.items()} == {level: sorted(made_up(level))}


def test_a_zip_of_shapefiles_holds_several_levels_and_what_is_no_area_is_left_out(tmp_path: Path) -> None:
    seat = {
        "type": "Feature",
        "properties": {"ADM2_PCODE": "TH6508"},
        "geometry": {"type": "Point", "coordinates": [1, 2]},
    }
    country = {"type": "Feature", "properties": {"ADM0_PCODE": "TH"}, "geometry": features(1)[0]["geometry"]}
    parts: dict[str, str | bytes] = {
        **shapefile_parts("tha_adm1", 1),
        **shapefile_parts("folder/tha_adm2", 2),
        "tha_seats.geojson": geojson([seat]),
        "tha_adm0.geojson": geojson([country]),
        "readme.txt": "how it was made",
        "__MACOSX/._tha_adm1.shp": b"\0",
    }
    read = official.read(zipped(tmp_path / "tha.zip", parts))
    assert {level: len(found) for level, found in read.items()} == {1: 77, 2: 928}


def test_neighbours_neither_overlap_nor_part_where_they_were_simplified(tmp_path: Path) -> None:
    found = list(official.read(written(tmp_path, 1))[1].values())
    assert shapely.coverage_is_valid(found)
    lost = shapely.union_all(list(PROVINCES.values())).area - shapely.union_all(found).area
    assert abs(lost) < 0.0001 * shapely.union_all(found).area


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.geojson", "เขตการปกครอง", "a.geojson is not GeoJSON"),
        ("a.geojson", "[1, 2]", "a.geojson is no FeatureCollection: export the layer as GeoJSON"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', "no feature is an area with an ADM1_PCODE"),
        ("a.shp", "", "zip it with the .shp, .dbf, .shx and .prj beside it"),
    ],
)
def test_a_file_that_is_none_is_refused_with_what_to_do(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(Refused, match=said):
        official.read(path)


def _without_prj() -> dict[str, Any]:
    return {name: part for name, part in shapefile_parts("adm1", 1).items() if not name.endswith("prj")}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param(_without_prj, "adm1.shp comes without its .prj", id="no projection"),
        pytest.param(lambda: shapefile_parts("adm1", 1, UTM), "not WGS 84", id="UTM"),
        pytest.param(
            lambda: {"a.shp": b"x" * 200, "a.dbf": b"", "a.prj": b""}, "a.shp cannot be read", id="no shapefile"
        ),
        pytest.param(
            lambda: {"a.geojson": geojson(features(1)), "b.geojson": geojson(features(1))},
            "b.geojson: a second layer of provinces",
            id="two layers of a level",
        ),
    ],
)
def test_a_zip_that_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path, parts: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        official.read(zipped(tmp_path / "tha.zip", parts()))


# --- what they decide --------------------------------------------------------------------------------------
def imported(folder: Path, level: int) -> None:
    outlines.use(official.unpack(official.pack(official.read(written(folder, level))[level])))


def located(latitude: float, longitude: float) -> Place:
    place = geo.locate(latitude, longitude)
    assert place is not None
    return place


def test_sub_districts_tell_all_three_levels(tmp_path: Path) -> None:
    assert located(PHITSANULOK.latitude, PHITSANULOK.longitude).subdistricts == ()
    imported(tmp_path, 3)
    place = located(PHITSANULOK.latitude, PHITSANULOK.longitude)
    assert place.province.code == "65"
    assert [area.code for area in place.districts] == [WANG_THONG]
    assert [area.code for area in place.subdistricts] == [ITS_SUBDISTRICT]
    assert place.confidence > 0.99


def test_provinces_alone_leave_the_districts_to_the_shipped_places(tmp_path: Path) -> None:
    imported(tmp_path, 1)
    place = located(PHITSANULOK.latitude, PHITSANULOK.longitude)
    assert place.districts[0].code == PHITSANULOK.district
    assert place.subdistricts == ()


def test_near_a_border_both_provinces_are_candidates_and_inside_it_is_sure(tmp_path: Path) -> None:
    imported(tmp_path, 2)
    shared = PROVINCES["10"].boundary.intersection(PROVINCES["13"])
    at_border = shapely.get_parts(shared)[0].interpolate(0.5, normalized=True)
    for metres in (-4_000, 4_000):
        place = located(at_border.y + metres / 111_195, at_border.x)
        assert {"10", "13"} <= {area.code for area in place.candidates}
        assert place.confidence > 0.95


def test_abroad_and_on_the_open_sea_there_is_still_no_province(tmp_path: Path) -> None:
    imported(tmp_path, 2)
    for pin in ((17.9757, 102.6331), (13.6600, 102.5530), (9.5, 101.5), (8.0, 96.9)):
        assert geo.locate(*pin) is None
    assert located(13.5170, 100.6550).province.code == "11", "a pier"


@pytest.mark.skipif(official_file(2) is None, reason="no official outlines lie beside the repository")
class TestRealOnes:
    def right(self, points: tuple[Point, ...]) -> tuple[float, float, float, float]:
        """Shares of the points whose province, candidates, district and three districts are right."""
        places = [(geo.locate(point.latitude, point.longitude), point.district) for point in points]
        hits = [
            (
                place.province.code == code[:2],
                code[:2] in [area.code for area in place.candidates],
                place.districts[0].code == code,
                code in [area.code for area in place.districts],
            )
            for place, code in places
            if place
        ]
        province, candidates, district, three = (sum(column) / len(points) for column in zip(*hits, strict=True))
        return province, candidates, district, three

    def test_pins_are_where_the_official_outlines_put_them(self) -> None:
        path = official_file(2)
        assert path is not None
        outlines.use(official.unpack(official.pack(official.read(path)[2])))
        for points in (subdistrict_points(), border_points()):
            province, candidates, district, _ = self.right(points)
            assert province >= 0.999
            assert candidates >= 0.999
            assert district >= 0.995

    def test_where_an_import_has_a_hole_the_shipped_places_tell_the_district(self) -> None:
        path = official_file(2)
        assert path is not None
        whole = official.read(path)[2]
        assert official.missing(whole, 2) == []
        holed = {code: outline for code, outline in whole.items() if code != WANG_THONG}
        outlines.use(official.unpack(official.pack(holed)))
        there = [point for point in subdistrict_points() if point.district == WANG_THONG]
        three = [{area.code for area in located(point.latitude, point.longitude).districts} for point in there]
        assert sum(WANG_THONG in districts for districts in three) >= 0.9 * len(there)

    def test_the_provinces_alone_put_them_into_the_right_one(self) -> None:
        path = official_file(1)
        assert path is not None
        outlines.use(official.unpack(official.pack(official.read(path)[1])))
        assert self.right(subdistrict_points())[0] >= 0.999

    def test_the_shipped_ones_nearly_do(self) -> None:
        province, candidates, district, three = self.right(subdistrict_points())
        assert province >= 0.975
        assert candidates >= 0.994
        assert district >= 0.75
        assert three >= 0.94

    def test_within_two_kilometres_of_a_border_the_shipped_ones_err_by_as_much_and_name_both_sides(self) -> None:
        """Measured: 78, 97, 68 and 91 %.  The bounds are generous: no figure is promised there."""
        province, candidates, district, three = self.right(border_points())
        assert province >= 0.7
        assert candidates >= 0.95
        assert district >= 0.6
        assert three >= 0.85


# --- the command -------------------------------------------------------------------------------------------
def ess(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ESS_")} | variables
    return subprocess.run(
        [ESS, "geo", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_stranger_reads_what_is_wrong_with_a_file_and_nothing_has_changed(tmp_path: Path) -> None:
    found = features(2)
    found[0]["properties"]["ADM2_PCODE"] = "TH9901"
    found[1]["geometry"] = None
    path = tmp_path / "districts.geojson"
    path.write_text(geojson(found), encoding="utf-8")
    done = ess(tmp_path, "import", str(path))
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[-3] == "ess: districts.geojson was not imported, nothing has changed:"
    assert lines[-2].startswith("  districts.geojson: feature 1 (TH9901): DOPA knows no district 9901")
    assert lines[-1].startswith("  districts.geojson: feature 2 (TH")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".ess").exists(), "a file that is refused needs no database"


def test_a_pin_is_looked_up_where_nothing_was_set_up_and_where_the_database_is_away(tmp_path: Path) -> None:
    alone = ess(tmp_path, "locate", "--json", "16.8211", "100.2659")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert ess(tmp_path, "locate", "16.8211", "100.2659").stderr.splitlines() == [NO_SUBDISTRICTS]
    away = ess(
        tmp_path,
        *("locate", "--json", "16.8211", "100.2659"),
        ESS_DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none",
        ESS_BROKER_URL="redis://127.0.0.1:1",
    )
    assert away.returncode == 0
    assert "this is what the shipped outlines say" in away.stderr
    assert json.loads(away.stdout) == json.loads(alone.stdout)
    assert set(json.loads(alone.stdout)) == {"province", "candidates", "districts", "confidence"}


NO_SUBDISTRICTS = "Sub-districts of pins are known once official outlines of level 3 are imported: `ess geo import`."


def _in_force(deployment: Deployment) -> int | None:
    with deployment.store.transaction() as tx:
        return outline_sets.in_force(tx)


#: The web edge looks up what operators say.
FOLLOWERS = ("worker-1", "worker-2", "web")


def _follows(deployment: Deployment) -> None:
    """Every program that looks pins up has told that it uses what is in force now."""
    line = f'"set": {json.dumps(_in_force(deployment))}'

    def told(worker: str) -> bool:
        looks = [text for text in deployment.log_text(worker).splitlines() if "outlines_in_force" in text]
        return bool(looks) and line in looks[-1]

    wait_for(lambda: all(map(told, FOLLOWERS)), f"{', '.join(FOLLOWERS)} use {line}")


def district_of_a_new_report(story: Story) -> str:
    incident = story.citizen().reports_by_api("assault", at=PHITSANULOK)
    incident.told("located")
    return str(incident.now["place"]["district"]["code"])


@pytest.fixture
def nothing_stays_imported(deployment: Deployment) -> Iterator[None]:
    yield
    with deployment.store.transaction() as tx:
        while outline_sets.in_force(tx):
            outline_sets.withdraw_last(tx)
    _follows(deployment)


@pytest.mark.usefixtures("nothing_stays_imported")
def test_running_workers_use_an_import_and_its_undoing_without_a_restart(
    deployment: Deployment, story: Story, tmp_path: Path
) -> None:
    story.desk().may_hear("")
    told = deployment.stack.environment
    assert district_of_a_new_report(story) == PHITSANULOK.district

    done = ess(tmp_path, "import", str(written(tmp_path, 2, "districts.geojson")), **told)
    assert done.returncode == 0, done.stderr
    assert "In force within seconds, everywhere: districts.geojson: 928 districts." in done.stderr
    _follows(deployment)
    assert district_of_a_new_report(story) == WANG_THONG
    assert f"{WANG_THONG} " in ess(tmp_path, "locate", "16.8211", "100.2659", **told).stdout

    coarser = ess(tmp_path, "import", str(written(tmp_path, 1, "provinces.geojson")), **told)
    assert "everywhere: districts.geojson: 928 districts." in coarser.stderr, "the finer outlines go on deciding"
    assert "Taken back: provinces.geojson" in ess(tmp_path, "undo", **told).stderr
    undone = ess(tmp_path, "undo", **told)
    assert "Taken back: districts.geojson: 928 districts." in undone.stderr
    assert "everywhere: the outlines that are shipped." in undone.stderr
    _follows(deployment)
    assert district_of_a_new_report(story) == PHITSANULOK.district

    nothing = ess(tmp_path, "undo", **told)
    assert nothing.returncode == 1
    assert "there is no import to undo" in nothing.stderr


@pytest.mark.usefixtures("nothing_stays_imported")
def test_the_web_edge_uses_an_import_and_its_undoing_without_a_restart(
    deployment: Deployment, story: Story, tmp_path: Path
) -> None:
    story.desk().may_hear("")
    told = deployment.stack.environment
    incident = story.citizen().reports_by_api("assault", at=ABROAD)
    incident.told("place_unknown")
    path = written(tmp_path, 2, "districts.geojson")
    lacking = json.loads(path.read_text(encoding="utf-8"))
    lacking["features"] = [f for f in lacking["features"] if f["properties"]["ADM2_PCODE"] != "TH6509"]
    path.write_text(json.dumps(lacking), encoding="utf-8")
    done = ess(tmp_path, "import", str(path), **told)
    assert "Without the district TH6509 (Noen Maprang): " in done.stderr
    _follows(deployment)
    assert located_by_operator(story, incident, PHITSANULOK) == WANG_THONG
    assert ess(tmp_path, "undo", **told).returncode == 0
    _follows(deployment)
    assert located_by_operator(story, incident, PHITSANULOK.metres_north(1)) == PHITSANULOK.district


def located_by_operator(story: Story, incident: Incident, spot: Spot) -> str:
    """The district that the web edge puts the pin in."""
    answer = story.post(f"{incident.path}/locate", spot.pin, KeyRole.OPERATOR)
    assert answer.status_code == 200, answer.text
    return str(incident.now["place"]["district"]["code"])


def test_a_set_that_cannot_be_read_leaves_the_shipped_outlines_and_is_told(
    deployment: Deployment, story: Story, tmp_path: Path
) -> None:
    story.expects_complaints = True
    story.desk().may_hear("")
    with deployment.store.transaction() as tx:
        outline_sets.add(tx, "damaged.geojson", 3, b"damaged")
    try:
        wait_for(lambda: "outlines_unreadable" in deployment.log_text("worker-1"), "the worker tells of it")
        assert district_of_a_new_report(story) == PHITSANULOK.district
        done = ess(tmp_path, "locate", "16.8211", "100.2659", **deployment.stack.environment)
        assert done.returncode == 0
        assert "the imported outlines cannot be read" in done.stderr
        assert f"{PHITSANULOK.district} " in done.stdout
    finally:
        with deployment.store.transaction() as tx:
            outline_sets.withdraw_last(tx)
        _follows(deployment)


def test_a_database_that_is_away_changes_nothing(tmp_path: Path) -> None:
    imported(tmp_path, 2)
    known = EncryptedJson.vault  # a store brings its own, for the whole process
    away = Store(
        "postgresql+psycopg://nobody@127.0.0.1:1/none", Vault(new_key()), lambda _: [], lease=timedelta(seconds=5)
    )
    EncryptedJson.vault = known
    Follower(away).look_safely()
    assert located(PHITSANULOK.latitude, PHITSANULOK.longitude).districts[0].code == WANG_THONG
    away.close()
