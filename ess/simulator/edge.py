"""The road from the providers to the dispatch web edge: signed webhooks, and how they were answered."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import httpx
from twilio.request_validator import RequestValidator

from ess.simulator.settings import SimulatorSettings

#: LINE gives up after about two seconds; waiting longer lets the ledger tell how late an answer was.
TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Answer:
    """How the edge answered one webhook."""

    #: None where no answer came.
    status: int | None
    duration_ms: int
    body: str = ""
    #: What to do about it, where no answer came.
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Status, duration and, where there was none, the reason."""
        return {key: value for key, value in asdict(self).items() if key != "body"}


def line_signature(channel_secret: str, body: bytes) -> str:
    """What LINE writes into `x-line-signature`."""
    return base64.b64encode(hmac.new(channel_secret.encode(), body, hashlib.sha256).digest()).decode()


class Edge:
    """The web edge as the providers see it."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._validator = RequestValidator(settings.twilio_auth_token)
        # trust_env: a proxy of the surrounding machine must not see loopback traffic
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        """No connection is left open."""
        await self._client.aclose()

    async def line(self, webhook: dict[str, Any]) -> Answer:
        """The webhook has been delivered as LINE does it."""
        body = json.dumps(webhook, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "LineBotWebhook/2.0",
            "x-line-signature": line_signature(self._settings.line_channel_secret, body),
        }
        return await self._post(f"{self._settings.ess_url}/webhooks/line", headers, content=body)

    async def twilio(self, public_url: str, form: dict[str, str]) -> Answer:
        """The form has been delivered as Twilio does it: signed over the public URL, sent to the edge."""
        target = public_url
        if public_url.startswith(self._settings.public_url):
            target = self._settings.ess_url + public_url.removeprefix(self._settings.public_url)
        signature = self._validator.compute_signature(public_url, form)
        headers = {"user-agent": "TwilioProxy/1.1", "x-twilio-signature": signature}
        return await self._post(target, headers, data=form)

    async def _post(self, url: str, headers: dict[str, str], **body: Any) -> Answer:
        started = time.perf_counter()
        try:
            response = await self._client.post(url, headers=headers, **body)
        except httpx.HTTPError as error:
            reason = (
                f"No answer from {url} ({type(error).__name__}): "
                "start the dispatch web edge, or give the simulator its right address."
            )
            return Answer(None, _elapsed_ms(started), error=reason)
        return Answer(response.status_code, _elapsed_ms(started), response.text)


def _elapsed_ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
