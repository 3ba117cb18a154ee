"""One Twilio account as its channels call it: the real SDK, and Twilio's refusals as what the caller must do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from config.settings import Settings
from ess.domain.errors import ChannelDown, Misconfigured, PermanentFailure, TransientFailure

_TWILIO = "https://api.twilio.com"
_TOO_MANY = 429
_SERVER_ERROR = 500

#: Twilio's codes for "not now": a queue is full or somebody is slow, and nothing was sent.  Every other refusal
#: concerns this number for good.  https://www.twilio.com/docs/api/errors
PASSING = frozenset({"10004", "21611", "30001", "30036", "30410"})
#: The account or region must be changed by a person, so nobody is reached until then.
CONFIGURATION = frozenset({"20003", "21210", "21212", "21215", "21408", "21606", "21609", "21659", "21660"})


class _HttpClient(TwilioHttpClient):
    """Twilio's own client, pointed at another host where one is configured."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(timeout=settings.provider_timeout_s)
        self._base = settings.twilio_api_base.rstrip("/")
        # Retries are decided here, and none of a worker's threads opens a connection for each call.
        self.session.mount(self._base, HTTPAdapter(max_retries=0, pool_maxsize=settings.provider_calls_at_once))

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, url.replace(_TWILIO, self._base, 1), *args, **kwargs)


def open_account(settings: Settings) -> Client:
    """The account, over one pool of connections; Misconfigured names what is missing."""
    if settings.twilio_auth_token is None or not settings.twilio_account_sid or not settings.twilio_from:
        missing = ", ".join(settings.missing("twilio_account_sid", "twilio_auth_token", "twilio_from"))
        raise Misconfigured(f"set {missing} to send SMS and to call")
    return Client(
        settings.twilio_account_sid,
        settings.twilio_auth_token.get_secret_value(),
        http_client=_HttpClient(settings),
    )


def create(what: Callable[[], str]) -> str:
    """The sid of what was created.  Tried twice only where the first was certainly not processed."""
    for attempt in Retrying(
        stop=stop_after_attempt(2), wait=wait_fixed(0.5), retry=retry_if_exception(_not_processed), reraise=True
    ):
        with attempt, translating():
            return what()
    raise AssertionError("unreachable: the last attempt raises")


@contextmanager
def translating() -> Iterator[None]:
    """Its refusals, and its silence, as what the caller must do."""
    try:
        yield
    except TwilioRestException as error:
        raise _translated(error) from None
    except requests.ConnectionError as error:
        refused = isinstance(error, requests.exceptions.ConnectTimeout) or "refused" in str(error).lower()
        raise TransientFailure(f"Twilio: {type(error).__name__}", unknown=not refused) from None
    except requests.RequestException as error:
        raise TransientFailure(f"Twilio: {type(error).__name__}", unknown=True) from None


def _not_processed(error: BaseException) -> bool:
    return isinstance(error, TransientFailure) and not error.unknown


def _translated(error: TwilioRestException) -> Exception:
    code = str(error.code or error.status)
    if error.status == _TOO_MANY:
        return TransientFailure("Twilio: too many requests")
    if error.status >= _SERVER_ERROR:
        return TransientFailure(f"Twilio answered {error.status}", unknown=True)
    if code in PASSING:
        return TransientFailure(f"Twilio refused with {code}, for now")
    if code in CONFIGURATION:
        return ChannelDown(f"Twilio refused with {code}: a person must change the account", code=code)
    return PermanentFailure(f"Twilio refused with {code}", code=code)
