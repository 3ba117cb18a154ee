"""SMS through Twilio.

Creating a message has no idempotency key, so what has an unknown outcome is looked up before it is sent
again; where Twilio cannot say, it is sent, because a double is better than silence.
https://www.twilio.com/docs/messaging/api/message-resource
"""

from datetime import UTC, datetime
from typing import Any

import requests
import structlog
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from config.settings import Settings
from ess.channels.envelope import Envelope
from ess.domain.errors import ChannelDown, Misconfigured, PermanentFailure, TransientFailure

log = structlog.get_logger()

_TWILIO = "https://api.twilio.com"
_TOO_MANY = 429
_SERVER_ERROR = 500

#: Twilio's codes for "not now": a queue is full or somebody is slow, and nothing was sent.  Every other refusal
#: concerns this number for good.  https://www.twilio.com/docs/api/errors
PASSING = frozenset({"21611", "30001", "30036", "30410"})
#: The account or region must be changed by a person, so nobody gets SMS until then.
CONFIGURATION = frozenset({"20003", "21408", "21606", "21609", "21659", "21660"})


class _HttpClient(TwilioHttpClient):
    """Twilio's own client, pointed at another host where one is configured."""

    def __init__(self, base: str, timeout_s: float) -> None:
        super().__init__(timeout=timeout_s, max_retries=0)
        self._base = base.rstrip("/")

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, url.replace(_TWILIO, self._base, 1), *args, **kwargs)


class SmsChannel:
    """Messages from one sender of one Twilio account, over one pool of connections."""

    def __init__(self, settings: Settings) -> None:
        if settings.twilio_auth_token is None or not settings.twilio_account_sid or not settings.twilio_from:
            missing = ", ".join(settings.missing("twilio_account_sid", "twilio_auth_token", "twilio_from"))
            raise Misconfigured(f"set {missing} to send SMS")
        self._from = settings.twilio_from
        self._callback = f"{settings.outside_url}/webhooks/twilio/status"
        self._client = Client(
            settings.twilio_account_sid,
            settings.twilio_auth_token.get_secret_value(),
            http_client=_HttpClient(settings.twilio_api_base, settings.provider_timeout_s),
        )

    def send(self, envelope: Envelope) -> str:
        """Twilio has queued it: its sid.  Tried twice only where the first was certainly not processed."""
        if envelope.doubtful_since is not None:
            sid = self._find(envelope, envelope.doubtful_since)
            if sid is not None:
                return sid
        for attempt in Retrying(
            stop=stop_after_attempt(2), wait=wait_fixed(0.5), retry=retry_if_exception(_not_processed), reraise=True
        ):
            with attempt:
                return self._create(envelope)
        raise AssertionError("unreachable: the last attempt raises")

    def _create(self, envelope: Envelope) -> str:
        body = "\n".join(message.text for message in envelope.messages)
        try:
            message = self._client.messages.create(
                to=envelope.to,
                from_=self._from,
                body=body,
                status_callback=self._callback,
                # The default is ten hours; a message later than its step is worse than none.
                validity_period=max(1, min(36_000, envelope.valid_for_s)),
            )
        except TwilioRestException as error:
            raise _translated(error) from None
        except requests.ConnectionError as error:
            refused = isinstance(error, requests.exceptions.ConnectTimeout) or "refused" in str(error).lower()
            raise TransientFailure(f"Twilio: {type(error).__name__}", unknown=not refused) from None
        except requests.RequestException as error:
            raise TransientFailure(f"Twilio: {type(error).__name__}", unknown=True) from None
        return str(message.sid)

    def _find(self, envelope: Envelope, since: datetime) -> str | None:
        """The sid of this very message to this number since then (UTC), if Twilio says that it has it."""
        body = "\n".join(message.text for message in envelope.messages)
        try:
            recent = self._client.messages.list(to=envelope.to, date_sent_after=since.astimezone(UTC), limit=50)
        except (TwilioRestException, requests.RequestException) as error:
            log.warning("twilio_look_up_failed", error=type(error).__name__)
            return None
        return next((str(message.sid) for message in recent if message.body == body), None)


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
