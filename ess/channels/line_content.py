"""The content of messages that people send in LINE: another host of the same API, asked through the same SDK."""

import urllib3
from linebot.v3.messaging import ApiClient, ApiException, Configuration, MessagingApiBlob

from config.settings import Settings
from ess.attachments import Content
from ess.channels.guard import Share
from ess.domain.errors import Misconfigured, PermanentFailure, TransientFailure

#: Larger ones stay with LINE: the row would be no help to a dispatcher on a telephone line.
_MOST_BYTES = 20_000_000
_GONE = frozenset({400, 403, 404, 410})


class LineContent:
    """Fetches what somebody sent."""

    def __init__(self, settings: Settings) -> None:
        if settings.line_channel_access_token is None:
            raise Misconfigured("set ESS_LINE_CHANNEL_ACCESS_TOKEN to fetch what people send in LINE")
        configuration = Configuration(
            host=settings.line_content_base, access_token=settings.line_channel_access_token.get_secret_value()
        )
        configuration.retries = urllib3.Retry(0)
        configuration.connection_pool_maxsize = settings.provider_calls_at_once
        self._timeout_s = settings.provider_timeout_s
        # No breaker: that a content is still being prepared says nothing about LINE.
        self._share = Share("LINE's contents", settings)
        self._api = MessagingApiBlob(ApiClient(configuration))

    def fetch(self, message_id: str) -> Content:
        """The content and its type; TransientFailure while LINE prepares it or does not answer."""
        try:
            with self._share.held():
                answer = self._api.get_message_content_with_http_info(message_id, _request_timeout=self._timeout_s)
        except ApiException as error:
            if error.status in _GONE:
                raise PermanentFailure(f"LINE answered {error.status} for a content", code=str(error.status)) from None
            raise TransientFailure(f"LINE answered {error.status} for a content") from None
        except urllib3.exceptions.HTTPError as error:
            raise TransientFailure(f"LINE: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise TransientFailure("LINE is still preparing a content")
        data = bytes(answer.data)
        if len(data) > _MOST_BYTES:
            raise PermanentFailure(f"a content of {len(data)} bytes is too large to keep", code="size")
        headers = {name.lower(): value for name, value in dict(answer.headers or {}).items()}
        return Content(headers.get("content-type", "application/octet-stream"), data)
