"""Where something happens: the areas that may own it, by official (DOPA) codes, and distances."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Any, Literal

_EARTH_RADIUS_KM = 6371.0088

Source = Literal["pin", "text", "operator"]


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
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Place":
        """As read back; a place of the release before has no word on sub-districts."""
        return cls(
            Area(**data["province"]),
            tuple(Area(**area) for area in data["districts"]),
            tuple(Area(**area) for area in data["candidates"]),
            data["confidence"],
            data["source"],
            tuple(Area(**area) for area in data.get("subdistricts", ())),
        )


def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance between two points in WGS 84 degrees."""
    lat1, lon1, lat2, lon2 = map(radians, (latitude, longitude, other_latitude, other_longitude))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(sqrt(half))
