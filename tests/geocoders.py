"""A double of the online geocoders: it speaks the HTTP of all three, and keeps a ledger."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import Double

#: Where each geocoder is asked, and in which variable the address stands.
_ASKED = {"/search": "q", "/maps/api/geocode/json": "address", "/mapsearch/json/search": "keyword"}


def said(geocoder: str, pin: tuple[float, float] | None, kind: str = "house") -> Any:
    """What this geocoder answers for a point, or for none."""
    latitude, longitude = pin or (0.0, 0.0)
    match geocoder:
        case "nominatim":
            found = {"lat": str(latitude), "lon": str(longitude), "display_name": "บ้าน", "addresstype": kind}
            return [found] if pin else []
        case "google":
            place = {
                "formatted_address": "บ้าน",
                "geometry": {"location": {"lat": latitude, "lng": longitude}},
                "types": [kind],
            }
            return {"status": "OK" if pin else "ZERO_RESULTS", "results": [place] if pin else []}
        case _:
            return {"data": [{"name": "บ้าน", "lat": latitude, "lon": longitude}] if pin else [], "meta": {}}


class FakeGeocoder(Double):
    """Its ledger holds the addresses that it was asked for."""

    def says(self, answer: Any, *, status: int = 200, **headers: str) -> None:
        """From now on this; a text as it stands, anything else as JSON."""
        self.body = answer if isinstance(answer, str) else json.dumps(answer)
        self.status, self.headers = status, headers

    def hear(self, target: str) -> str:
        asked = urlsplit(target)
        self.ledger.append(parse_qs(asked.query)[_ASKED[asked.path]][0])
        return self.body
