"""LINE Messaging API: push with a retry key, reply while the token lives.

A 200 from LINE is not delivery: it comes even where the person has blocked the account.  So nothing is
concluded from it but that LINE took the message.
https://developers.line.biz/en/docs/messaging-api/retrying-api-request/
"""

import json
from collections.abc import Sequence
from typing import Any

import urllib3
from linebot.v3.messaging import (
    ApiClient,
    ApiException,
    Configuration,
    FlexMessage,
    MessagingApi,
    PushMessageRequest,
    QuickReply,
    QuickReplyItem,
    ReplyMessageRequest,
    TextMessage,
)
from pydantic.v1 import BaseModel
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from config.settings import Settings
from ess.channels.bubble import action, bubble
from ess.channels.envelope import Button, Envelope
from ess.domain.errors import ChannelDown, Misconfigured, PermanentFailure, ReplyRefused, TransientFailure

#: The 429 that means the month's messages are used up; any other 429 is the rate.
_QUOTA_SPENT = "You have reached your monthly limit."
_BAD_REQUEST, _CONFLICT, _SERVER_ERROR = 400, 409, 500


class _Client(ApiClient):
    def sanitize_for_serialization(self, obj: Any) -> Any:
        """A model as JSON, in one pass; the SDK's own goes through a card anew for each level of it."""
        if isinstance(obj, BaseModel):
            return obj.dict(by_alias=True, exclude_none=True)
        return super().sanitize_for_serialization(obj)


class LineChannel:
    """Push and reply for one LINE channel, over one pool of connections."""

    def __init__(self, settings: Settings) -> None:
        if settings.line_channel_access_token is None:
            raise Misconfigured("set ESS_LINE_CHANNEL_ACCESS_TOKEN to send over LINE")
        configuration = Configuration(
            host=settings.line_api_base.rstrip("/"),
            access_token=settings.line_channel_access_token.get_secret_value(),
        )
        # The SDK has no timeout and urllib3 retries by itself: both are decided here.
        configuration.retries = urllib3.Retry(0)
        configuration.connection_pool_maxsize = settings.provider_calls_at_once
        self._timeout_s = settings.provider_timeout_s
        self._api = MessagingApi(_Client(configuration))

    def send(self, envelope: Envelope) -> str:
        """Reply where there is a token, else push; tried twice, which the retry key makes safe.

        Never both in one attempt: a crash between them would leave nobody who knows which of them was taken.
        """
        if envelope.reply_token:
            return self._reply(envelope)
        for attempt in Retrying(
            stop=stop_after_attempt(2),
            wait=wait_fixed(0.2),
            retry=retry_if_exception_type(TransientFailure),
            reraise=True,
        ):
            with attempt:
                return self._push(envelope)
        raise AssertionError("unreachable: the last attempt raises")

    def _reply(self, envelope: Envelope) -> str:
        """A reply has no retry key, but its token is good once.

        One that is refused after an attempt whose outcome nobody knew was used up by that attempt: it is sent.
        """
        request = ReplyMessageRequest(
            reply_token=envelope.reply_token, messages=_messages(envelope), notification_disabled=envelope.silent
        )
        try:
            answer = self._api.reply_message_with_http_info(request, _request_timeout=self._timeout_s)
        except ApiException as error:
            if error.status != _BAD_REQUEST:
                raise _translated(error) from None
            if envelope.doubtful_since is None:
                raise ReplyRefused("LINE: the reply token is not taken") from None
            return ""
        except urllib3.exceptions.HTTPError as error:
            raise TransientFailure(f"LINE: {type(error).__name__}", unknown=True) from None
        return _request_id(answer.headers)

    def _push(self, envelope: Envelope) -> str:
        request = PushMessageRequest(
            to=envelope.to, messages=_messages(envelope), notification_disabled=envelope.silent
        )
        try:
            answer = self._api.push_message_with_http_info(
                request, x_line_retry_key=str(envelope.id), _request_timeout=self._timeout_s
            )
        except ApiException as error:
            if error.status == _CONFLICT:  # this key was accepted before: it is sent
                return str((error.headers or {}).get("x-line-accepted-request-id", ""))
            raise _translated(error) from None
        except urllib3.exceptions.HTTPError as error:
            raise TransientFailure(f"LINE: {type(error).__name__}", unknown=True) from None
        return _request_id(answer.headers)


def _request_id(headers: object) -> str:
    return str(dict(headers or {}).get("x-line-request-id", ""))  # type: ignore[call-overload]


def _translated(error: ApiException) -> Exception:
    """LINE's answer as what the caller must do; its text may hold personal data and is not kept."""
    try:
        text = json.loads(error.body or "{}").get("message", "")
    except ValueError:
        text = ""
    match error.status:
        case 429 if text == _QUOTA_SPENT:
            return ChannelDown("LINE: the month's messages are used up", code="quota")
        case 429:
            return TransientFailure("LINE: too many requests")
        case status if status is not None and status >= _SERVER_ERROR:
            return TransientFailure(f"LINE answered {status}", unknown=True)
        case 401 | 403:
            return ChannelDown(
                f"LINE answered {error.status}: check ESS_LINE_CHANNEL_ACCESS_TOKEN", code=str(error.status)
            )
        case _:
            return PermanentFailure(f"LINE answered {error.status}", code=str(error.status))


def _messages(envelope: Envelope) -> list[TextMessage | FlexMessage]:
    out: list[TextMessage | FlexMessage] = []
    for message in envelope.messages:
        if message.alt is None and message.prompt is None:
            replies = _quick_reply([*message.buttons, *message.replies])
            out.append(TextMessage(text=message.text, quick_reply=replies))
            continue
        if message.prompt:
            out.append(TextMessage(text=message.text))
        card, shown_locked = bubble(message.prompt or message.text, message.buttons), message.alt or message.prompt
        out.append(FlexMessage(alt_text=shown_locked, contents=card, quick_reply=_quick_reply(message.replies)))
    return out


def _quick_reply(buttons: Sequence[Button]) -> QuickReply | None:
    items = [QuickReplyItem(action=action(button)) for button in buttons]
    return QuickReply(items=items) if items else None
