"""Where something happens: the areas that may own it, by official (DOPA) codes, and distances."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import asin, cos, floor, radians, sin, sqrt
from typing import Any, Literal

_EARTH_RADIUS_KM = 6371.0088

Source = Literal["pin", "device", "text", "operator", "geocoder"]

#: Latitude and longitude, WGS 84 degrees.
Pin = tuple[float, float]

#: Somebody chose the point: whatever is said or looked up afterwards refines it, and never moves it.
_CHOSEN: frozenset[Source] = frozenset({"pin", "device", "operator"})
#: By the reporter.
_POINTED: frozenset[Source] = frozenset({"pin", "device"})
#: Words that fit several provinces or districts alike, or contradict themselves, are below this.
SURE_ENOUGH = 0.5
#: Quick replies that a reporter is offered.
_MAX_OPTIONS = 3

#: The side of a square of the map, in metres, at the least; within Thailand it is up to a tenth longer.
SQUARE_M = 250
_SQUARE_DEGREES = 0.00225, 0.0025


@dataclass(frozen=True)
class Area:
    """A province (2 digits), district (4) or sub-district (6)."""

    code: str
    name_th: str
    name_en: str

    def to_json(self) -> dict[str, str]:
        """As stored and as the CLI prints it."""
        return {"code": self.code, "name_th": self.name_th, "name_en": self.name_en}


@dataclass(frozen=True)
class Place:
    """What a pin or an address was found to be."""

    province: Area
    #: Best first; empty where only the province is known.
    districts: tuple[Area, ...]
    #: Every province that may own it, `province` first: more than one near a border.
    candidates: tuple[Area, ...]
    #: From 0 (a guess) to 1.
    confidence: float
    source: Source
    #: Best first; empty where the words name none, or the outlines know none.
    subdistricts: tuple[Area, ...] = ()
    #: How far the pin may be off, in metres, where a device said so.
    accuracy_m: float | None = None
    #: The province that was named as well, where the place cannot be: one of the two is wrong.
    contradicted_by: Area | None = None

    @property
    def is_sure(self) -> bool:
        """Whether one place is meant; words that fit several alike, or none of them quite, are asked about."""
        return self.source != "text" or self.confidence >= SURE_ENOUGH

    @property
    def is_sure_of_province(self) -> bool:
        """Whether one province is meant, though perhaps several of its districts alike."""
        return self.is_sure or len(self.candidates) == 1

    @property
    def options(self) -> tuple[tuple[Area | None, Area], ...]:
        """What may be meant, three at most, as district and province; the district is None where none was named.

        Of one province its districts, of several each with its likeliest.
        """
        named: list[list[tuple[Area | None, Area]]] = [
            [(district, province) for district in _within(province, self.districts)] or [(None, province)]
            for province in self.candidates
        ]
        likeliest = named[0] if len(named) == 1 else [districts[0] for districts in named]
        return tuple(likeliest[:_MAX_OPTIONS])

    @property
    def sides(self) -> tuple[Area, ...]:
        """The provinces whose border is too near to tell; not the one that was named elsewhere."""
        return tuple(area for area in self.candidates if area != self.contradicted_by)

    @property
    def district(self) -> Area | None:
        """The likeliest district."""
        return self.districts[0] if self.districts else None

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored."""
        return {
            "province": self.province.to_json(),
            "districts": [area.to_json() for area in self.districts],
            "candidates": [area.to_json() for area in self.candidates],
            "confidence": self.confidence,
            "source": self.source,
            "subdistricts": [area.to_json() for area in self.subdistricts],
            "accuracy_m": self.accuracy_m,
            "contradicted_by": self.contradicted_by.to_json() if self.contradicted_by else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Place":
        """As read back; a place of an earlier release does not say all of this."""
        return cls(
            Area(**data["province"]),
            tuple(Area(**area) for area in data["districts"]),
            tuple(Area(**area) for area in data["candidates"]),
            data["confidence"],
            data["source"],
            tuple(Area(**area) for area in data.get("subdistricts", ())),
            data.get("accuracy_m"),
            Area(**data["contradicted_by"]) if data.get("contradicted_by") else None,
        )


def guess(n: int) -> float:
    """The confidence of words that fit so many places alike, two or more: below `SURE_ENOUGH`."""
    return round(0.9 / n, 2)


def address(district: Area | None, province: Area) -> str:
    """Words that name just this place."""
    return f"อ.{district.name_th} จ.{province.name_th}" if district else f"จ.{province.name_th}"


def _within(whole: Area, areas: Iterable[Area]) -> list[Area]:
    return [area for area in areas if area.code.startswith(whole.code)]


def together(place: Place, said: Place) -> Place:
    """The place and what words say of it: they make it surer and tell which of its districts, or contradict it.

    Words that name a province where the place cannot be take nothing away: both are candidates, the place's own first.
    Words that are unsure of the province say nothing, and nothing is added to a guess.
    """
    if not said.is_sure_of_province:
        return place
    if said.province not in place.candidates and place.is_sure_of_province:
        return contradicted(place, said.province)
    if not place.is_sure:
        return place
    named = [district for district in said.districts if district in place.districts]
    if said.province == place.province:
        confidence = round(1 - (1 - place.confidence) * (1 - said.confidence), 3)
        districts = tuple(dict.fromkeys((*named, *(place.districts or said.districts))))
        subdistricts = _of_first(districts, place, said)
        return replace(place, districts=districts, confidence=confidence, subdistricts=subdistricts)
    if said.confidence <= place.confidence:
        return place
    ahead = named or said.districts or _within(said.province, place.districts)
    districts = tuple(dict.fromkeys((*ahead, *place.districts))) if ahead else ()
    return replace(
        place,
        province=said.province,
        districts=districts,
        subdistricts=_of_first(districts, place, said),
        candidates=tuple(dict.fromkeys((said.province, *place.candidates))),
        confidence=said.confidence,
    )


def contradicted(place: Place, said: Area | None) -> Place:
    """The place, and that this province was named as well; nothing is contradicted by a province where it may be."""
    if said is None or said in place.candidates:
        return place
    return replace(place, candidates=(*place.candidates, said), contradicted_by=said)


def _of_first(districts: tuple[Area, ...], place: Place, said: Place) -> tuple[Area, ...]:
    """The sub-districts of the likeliest district, those first that the words name; empty where none is known."""
    named = [area for area in said.subdistricts if area in place.subdistricts]
    known = dict.fromkeys((*named, *(place.subdistricts or said.subdistricts)))
    return tuple(_within(districts[0], known)) if districts else ()


def overrules(found: Place, place: Place) -> bool:
    """Whether what was found later counts instead of the place.

    A point that somebody chose counts at once.  Words settle what was a guess, or narrow it, and a geocoder what words
    left open; neither moves what was sure: they can only confirm or contradict it.
    """
    if found.source in _CHOSEN:
        return True
    if place.source in _CHOSEN:
        return False
    if found.source == "geocoder":
        named = _within(found.province, place.districts)
        return found.province in place.candidates and (not named or found.district in named)
    if place.is_sure or (place.is_sure_of_province and found.province != place.province):
        return False
    return found.confidence > place.confidence


def settled(place: Place, found: Place) -> Place:
    """What overrules the place, with the districts that were meant where it names the province alone.

    Several of these are still a guess.  A reporter's point is contradicted by what was sure before it, if not by a
    point, and stays so when it is put better.
    """
    if found.source in _POINTED and place.is_sure:
        return contradicted(found, place.contradicted_by if place.source in _POINTED else place.province)
    if found.districts:
        return found
    meant = tuple(_within(found.province, place.districts))
    confidence = min(found.confidence, guess(len(meant))) if len(meant) > 1 else found.confidence
    return replace(found, districts=meant, confidence=confidence)


def square(pin: Pin) -> tuple[int, int]:
    """The square of the map that holds the pin, by its row and column."""
    return floor(pin[0] / _SQUARE_DEGREES[0]), floor(pin[1] / _SQUARE_DEGREES[1])


def squares_around(pin: Pin) -> list[tuple[int, int]]:
    """The pin's square and the eight around it: whatever is within `SQUARE_M` of the pin is in one of them."""
    row, column = square(pin)
    return [(row + down, column + along) for down in (-1, 0, 1) for along in (-1, 0, 1)]


def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance between two points in WGS 84 degrees."""
    lat1, lon1, lat2, lon2 = map(radians, (latitude, longitude, other_latitude, other_longitude))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(sqrt(half))


def is_inside(latitude: float, longitude: float, ring: Sequence[tuple[float, float]]) -> bool:
    """Whether the point lies within the ring of `(latitude, longitude)`, closed or not.

    Counts the sides that a line to the east crosses.  Never raises, whatever was drawn: this stands before an alert,
    where a geometry library would refuse a ring of two points.
    """
    inside = False
    for (lat1, lon1), (lat2, lon2) in zip(ring, (*ring[1:], *ring[:1]), strict=True):
        if (lat1 > latitude) != (lat2 > latitude):
            inside ^= longitude < lon1 + (latitude - lat1) / (lat2 - lat1) * (lon2 - lon1)
    return inside
