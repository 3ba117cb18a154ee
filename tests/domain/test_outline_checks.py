"""Which official outlines are taken, and what an operator reads about those that are not.

The outlines are those that the package ships, dressed as official ones: every province nearly in one piece.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import shapely
from official import PROVINCES, made_up
from shapely.affinity import scale, translate

from ess.domain.errors import Misconfigured
from ess.geo.official import Layer, checked, missing, pack, unpack

PHITSANULOK, SUKHOTHAI, PHUKET = (list(PROVINCES).index(code) for code in ("65", "64", "83"))


def layer(level: int = 1, crs: str | None = None) -> Layer:
    """A layer of all areas of the level."""
    features: list[Any] = [({f"ADM{level}_PCODE": f"TH{code}"}, outline) for code, outline in made_up(level).items()]
    return Layer("made up", features, crs)


def problems(change: Callable[[list[Any]], Any] | None = None, level: int = 1, crs: str | None = None) -> list[str]:
    made = layer(level, crs)
    if change:
        change(made.features)
    return checked(made, level)[1]


def feature(number: int, *, code: str | None = None, outline: Any = None) -> Callable[[list[Any]], None]:
    """Another code or another outline for the feature."""

    def change(features: list[Any]) -> None:
        properties, before = features[number]
        features[number] = (
            {"ADM1_PCODE": code} if code is not None else properties,
            outline(before) if outline else before,
        )

    return change


@pytest.mark.parametrize("crs", [None, "urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", 'GEOGCS["GCS_WGS_1984"]'])
@pytest.mark.parametrize("level", [1, 2])
def test_good_outlines_have_no_problem(level: int, crs: str | None) -> None:
    made = layer(level, crs)
    outlines, found = checked(made, level)
    assert found == []
    assert list(outlines) == sorted(made_up(level))
    assert all(outline.is_valid for outline in outlines.values())


def test_the_newer_spelling_of_the_property_is_read() -> None:
    made = layer()
    lower = [({"adm1_pcode": properties["ADM1_PCODE"]}, outline) for properties, outline in made.features]
    assert checked(Layer("made up", lower), 1)[1] == []


def test_a_border_that_crosses_itself_is_mended() -> None:
    west, south, east, north = PROVINCES["65"].bounds
    spike = shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])
    assert not spike.is_valid
    outlines, _ = checked(Layer("made up", [({"ADM1_PCODE": "TH65"}, spike)]), 1)
    assert outlines["65"].is_valid


PHITSANULOK_NUMBER = PHITSANULOK + 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(feature(PHITSANULOK, code="TH99"), "DOPA knows no province 99", id="a code that nobody has"),
        pytest.param(feature(PHITSANULOK, code="TH6501"), "must be TH and 2 digits", id="a district's code"),
        pytest.param(feature(PHITSANULOK, code="65"), "must be TH and 2 digits, such as TH65", id="without TH"),
        pytest.param(feature(PHITSANULOK, code=""), "(no code)", id="no code"),
        pytest.param(feature(PHITSANULOK, code="TH64"), "the same code as feature", id="another's code"),
        pytest.param(
            feature(PHITSANULOK, outline=lambda o: shapely.transform(o, lambda p: p[:, ::-1])),
            "latitude and longitude are exchanged",
            id="latitude first",
        ),
        pytest.param(
            feature(PHITSANULOK, outline=lambda o: scale(o, 111_195, 111_195, origin=(0, 0))),
            "its coordinates are not degrees: reproject",
            id="metres",
        ),
        pytest.param(
            feature(PHITSANULOK, outline=lambda o: translate(o, 9, 0)), "reaches out of Thailand", id="abroad"
        ),
        pytest.param(
            feature(PHITSANULOK, outline=lambda o: shapely.union_all([o, translate(PROVINCES["83"], 0, 0)])),
            "km from Phitsanulok: the code or the coordinates are another's",
            id="with a part of another's",
        ),
        pytest.param(feature(PHITSANULOK, outline=lambda o: o.boundary), "this is", id="a line"),
        pytest.param(feature(PHITSANULOK, outline=lambda _: None), "this is nothing", id="no geometry"),
        pytest.param(
            feature(PHITSANULOK, outline=lambda _: {"type": "Polygon", "coordinates": [["x"]]}),
            "cannot be read: draw or export it again",
            id="letters for coordinates",
        ),
        pytest.param(feature(PHITSANULOK, outline=lambda _: shapely.Polygon()), "broken", id="empty"),
    ],
)
def test_what_is_wrong_with_a_feature_is_told_with_its_number(change: Any, said: str) -> None:
    found = problems(change)
    assert len(found) == 1
    number = SUKHOTHAI + 1 if "same code" in said and SUKHOTHAI > PHITSANULOK else PHITSANULOK_NUMBER
    assert found[0].startswith(f"feature {number} (")
    assert said in found[0]


def test_all_problems_are_told_at_once() -> None:
    def change(features: list[Any]) -> None:
        feature(PHITSANULOK, code="TH99")(features)
        feature(PHUKET, outline=lambda _: None)(features)

    assert [problem.split(" (")[0] for problem in problems(change)] == [
        f"feature {number + 1}" for number in sorted((PHITSANULOK, PHUKET))
    ]


def test_a_province_that_is_missing_is_named() -> None:
    (found,) = problems(lambda features: features.pop(PHITSANULOK))
    assert found.startswith("TH65 (Phitsanulok) is missing: import all provinces")


def without(*codes: str) -> Layer:
    """The districts but for these."""
    whole = layer(2)
    return Layer("made up", [each for each in whole.features if each[0]["ADM2_PCODE"].removeprefix("TH") not in codes])


#: Mae Chan and others, none of which is much of its province here.
FEW = ("5707", "5708", "5709", "6509")


def test_a_few_districts_may_be_missing_and_are_named() -> None:
    outlines, found = checked(without(*FEW), 2)
    assert found == []
    assert missing(outlines, 2) == sorted(FEW)
    assert missing(checked(layer(2), 2)[0], 2) == []


def test_more_districts_than_an_import_can_do_without_are_refused_and_every_one_is_named() -> None:
    _, found = checked(without(*FEW, "9011"), 2)
    assert [problem.split(" is missing")[0] for problem in found] == [
        "TH5707 (Mae Chan)",
        "TH5708 (Chiang Saen)",
        "TH5709 (Mae Sai)",
        "TH6509 (Noen Maprang)",
        "TH9011 (Hat Yai)",
    ]


def test_a_province_of_which_half_is_missing_is_named() -> None:
    def half(outline: Any) -> Any:
        west, south, east, north = outline.bounds
        return outline.intersection(shapely.box(west, south, (west + east) / 2, north))

    (found,) = problems(feature(PHITSANULOK, outline=half))
    assert found.startswith("TH65 (Phitsanulok) has ")
    assert "of the land that it should have" in found


def test_coordinates_of_another_kind_are_told_once() -> None:
    (found,) = problems(crs="urn:ogc:def:crs:EPSG::32647")
    assert "not WGS 84 (urn:ogc:def:crs:EPSG::32647): reproject the layer to EPSG:4326" in found


def test_a_sub_district_that_was_abolished_goes_to_its_successor() -> None:
    """100205 became 102901 in the register; a map of then still has it."""
    outline = shapely.box(100.52, 13.80, 100.55, 13.83)
    outlines, _ = checked(Layer("made up", [({"ADM3_PCODE": "TH100205"}, outline)]), 3)
    assert list(outlines) == ["102901"]


def test_outlines_are_stored_to_a_tenth_of_a_metre() -> None:
    read = unpack(pack(PROVINCES))
    assert list(read) == list(PROVINCES)
    for code, outline in PROVINCES.items():
        far = np.abs(shapely.get_coordinates(outline) - shapely.get_coordinates(read[code])).max()
        assert far <= 0.000001


@pytest.mark.parametrize("body", [b"", b"no archive", pack(PROVINCES)[:-500]], ids=["empty", "text", "cut off"])
def test_a_damaged_set_is_told_from_a_good_one(body: bytes) -> None:
    with pytest.raises(Misconfigured, match="ess geo undo"):
        unpack(body)
