"""Online geocoders, where a deployment wants one: the words of an address → a point.

They only ever refine (`ess/refine.py`): nothing waits for them.  An address is personal data, so neither a log nor an
error ever holds it, nor the URL that it stands in.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from geopy import exc
from geopy.adapters import URLLibAdapter
from geopy.geocoders import GoogleV3, Nominatim
from geopy.geocoders.base import Geocoder as GeopyGeocoder
from geopy.location import Location as Found

from config.settings import Settings
from ess.channels.guard import Guard
from ess.domain.errors import PermanentFailure, TransientFailure

#: Such an answer says less than the words did: the middle of a province, or of Thailand.
_TOO_COARSE = frozenset({"country", "state", "province", "region", "administrative_area_level_1"})
_NAME = "ess-dispatch"


class Geocoder(Protocol):
    """Somebody who knows where addresses are."""

    #: For the cache: what one has said is not another's word.
    name: str

    def find(self, address: str) -> tuple[float, float] | None:
        """Latitude and longitude (WGS 84 degrees); None where it knows no such place, or no nearer than a province.

        TransientFailure where it may answer later, PermanentFailure where an operator must change a setting.
        """


class OnlineGeocoder:
    """One of geopy's, or Longdo."""

    def __init__(self, settings: Settings) -> None:
        self.name = str(settings.geocoder)
        self._ask = _ASKS[self.name](settings)

    def find(self, address: str) -> tuple[float, float] | None:
        """As `Geocoder` says."""
        try:
            found = self._ask(address)
            if found is None or not _TOO_COARSE.isdisjoint(_kinds(found.raw)):
                return None
            return float(found.latitude), float(found.longitude)
        except exc.GeocoderQuotaExceeded as error:  # a full minute or a full day: both pass
            after = getattr(error, "retry_after", None)
            raise self._failed(error, TransientFailure, after=timedelta(seconds=after) if after else None) from None
        except (
            exc.GeocoderAuthenticationFailure,
            exc.GeocoderInsufficientPrivileges,
            exc.GeocoderQueryError,
            exc.ConfigurationError,
        ) as error:
            raise self._failed(error, PermanentFailure) from None
        except (exc.GeopyError, LookupError, TypeError, ValueError, AttributeError) as error:
            # Without an answer, or with one that is no geocoder's: geopy reads it as it comes.
            raise self._failed(error, TransientFailure) from None

    def _failed(self, error: Exception, kind: type[Any], **more: Any) -> Any:
        """By the error's name alone: its text may hold the URL, and with it the address and the key."""
        return kind(f"{self.name}: {type(error).__name__}", **more)


class GuardedGeocoder:
    """A geocoder behind its rate and its breaker."""

    def __init__(self, geocoder: Geocoder, guard: Guard) -> None:
        self.name = geocoder.name
        self._geocoder = geocoder
        self._guard = guard

    def find(self, address: str) -> tuple[float, float] | None:
        """As `Geocoder` says, or as `Guard.call` refuses."""
        return self._guard.call(self._geocoder.find, address)


def geocoder(settings: Settings) -> Geocoder | None:
    """The one that the settings name; None where they name none."""
    if settings.geocoder is None:
        return None
    guard = Guard(f"geocoder:{settings.geocoder}", settings, rate_per_s=settings.geocoder_rate_per_s)
    return GuardedGeocoder(OnlineGeocoder(settings), guard)


def _kinds(raw: Mapping[str, Any]) -> set[str]:
    """What sort of thing was found, in Google's words or Nominatim's."""
    return {str(raw.get("addresstype")), *map(str, raw.get("types", ()))}


# --- the three ---------------------------------------------------------------------------------------------
class _Longdo(GeopyGeocoder):
    """Longdo Map's search (https://map.longdo.com/docs), which geopy has not: places and addresses of Thailand."""

    path = "/mapsearch/json/search"

    def __init__(self, api_key: str, *, domain: str = "search.longdo.com", **more: Any) -> None:
        super().__init__(**more)
        self._url = f"{self.scheme}://{domain.strip('/')}{self.path}"
        self._key = api_key

    def geocode(self, query: str) -> Found | None:
        """The best match; None where there is none."""
        asked = urlencode({"keyword": query, "limit": 1, "key": self._key})
        return self._call_geocoder(f"{self._url}?{asked}", _first)


def _first(answer: Mapping[str, Any]) -> Found | None:
    places = answer["data"]
    return Found("", (places[0]["lat"], places[0]["lon"]), places[0]) if places else None


Ask = Callable[[str], Any]


def _nominatim(settings: Settings) -> Ask:
    asked = Nominatim(user_agent=_NAME, **_how(settings))
    return lambda address: asked.geocode(address, country_codes="th", language="th")


def _google(settings: Settings) -> Ask:
    asked = GoogleV3(_key(settings), **_how(settings))
    return lambda address: asked.geocode(address, components={"country": "TH"}, language="th")


def _longdo(settings: Settings) -> Ask:
    return _Longdo(_key(settings), **_how(settings)).geocode


def _key(settings: Settings) -> str:
    return settings.geocoder_key.get_secret_value() if settings.geocoder_key else ""


def _how(settings: Settings) -> dict[str, Any]:
    """Standard library's HTTP: one try, no more; geopy would else try three times."""
    how: dict[str, Any] = {"timeout": settings.geocoder_timeout_s, "adapter_factory": URLLibAdapter}
    if settings.geocoder_url:
        base = urlsplit(settings.geocoder_url)
        how |= {"scheme": base.scheme, "domain": f"{base.netloc}{base.path}".rstrip("/")}
    return how


_ASKS: dict[str, Callable[[Settings], Ask]] = {"nominatim": _nominatim, "google": _google, "longdo": _longdo}
