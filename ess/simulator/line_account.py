"""What LINE remembers about the Official Account: blocks, reply tokens, retry keys, webhook events."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

#: LINE asks for a reply within one minute.
REPLY_TOKEN_LIFE = timedelta(minutes=1)
#: After that a retry key counts as new (LINE, "Retrying an API request").
RETRY_KEY_LIFE = timedelta(hours=24)
#: The bot's own user id, `destination` of every webhook.
BOT_USER_ID = "U" + "b" * 32

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True)
class AcceptedPush:
    """A push that LINE accepted under a retry key."""

    request_id: str
    body: Any
    sent_messages: list[dict[str, str]]
    at: datetime


def ulid(at: datetime) -> str:
    """A ULID of that instant: 26 characters that sort by time, as in `webhookEventId`."""
    number = int(at.timestamp() * 1000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def message_id() -> str:
    """A number of 18 digits as text."""
    return str(secrets.randbelow(9 * 10**17) + 10**17)


@dataclass
class Menus:
    """The menus of one account."""

    #: By their ids, the oldest first.
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Type and bytes of their pictures.
    pictures: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    #: What everybody sees.
    default: str | None = None


class LineAccount:
    """One Official Account."""

    def __init__(self) -> None:
        self.blocked: set[str] = set()
        #: Newest webhook event by user, for redelivery.
        self.last_event: dict[str, dict[str, Any]] = {}
        #: Events held back, oldest first, until somebody releases them.
        self.held: list[dict[str, Any]] = []
        #: Type and bytes of what people have sent, by the message's id.
        self.contents: dict[str, tuple[str, bytes]] = {}
        self.menus = Menus()
        self._reply_tokens: dict[str, tuple[str, datetime]] = {}
        self._accepted: dict[str, AcceptedPush] = {}

    def issue_reply_token(self, user_id: str, now: datetime) -> str:
        """A fresh token that answers this user once, within a minute."""
        token = secrets.token_hex(16)
        self._reply_tokens[token] = (user_id, now)
        return token

    def owner(self, reply_token: str, now: datetime) -> str | None:
        """The user whom the token still answers; None when it is unknown, used or expired."""
        user_id, issued_at = self._reply_tokens.get(reply_token, (None, now))
        return user_id if now - issued_at <= REPLY_TOKEN_LIFE else None

    def spend(self, reply_token: str) -> None:
        """The token answers nobody any more."""
        self._reply_tokens.pop(reply_token, None)

    def accepted(self, retry_key: str, now: datetime) -> AcceptedPush | None:
        """The push accepted under this key within the last 24 hours."""
        push = self._accepted.get(retry_key)
        return push if push and now - push.at < RETRY_KEY_LIFE else None

    def accept(self, retry_key: str, push: AcceptedPush) -> None:
        """A repeat under this key will be told so."""
        self._accepted[retry_key] = push
