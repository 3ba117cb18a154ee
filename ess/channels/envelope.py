"""What is said, and to which address: composed once, stored, and sent the very same each time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID


class Press(StrEnum):
    """What a button does on the phone."""

    POSTBACK = "postback"
    SHARE_LOCATION = "share_location"
    OPEN_LINK = "open_link"


@dataclass(frozen=True)
class Button:
    """A button under a message; `data` is a postback's text or a link's URL."""

    label: str
    data: str = ""
    press: Press = Press.POSTBACK


@dataclass(frozen=True)
class Message:
    """A text, and buttons where the channel has them.

    With a `prompt` the buttons stay in the chat (a card), so that a later message does not take them away;
    without one they are quick replies and go with the next message, as `replies` always are.  With an `alt` text and
    buttons are one bubble, the first paragraph of which stands out; the `alt` is all that a locked screen shows.
    """

    text: str
    buttons: tuple[Button, ...] = ()
    prompt: str | None = None
    alt: str | None = None
    replies: tuple[Button, ...] = ()


@dataclass(frozen=True)
class Envelope:
    """One delivery as a channel sees it."""

    #: The delivery's id; LINE's retry key.
    id: UUID
    to: str
    messages: tuple[Message, ...]
    #: How long the provider may go on trying.
    valid_for_s: int
    #: The phone must not light up for it: LINE shows it to whoever opens the chat.
    silent: bool = False
    #: A LINE reply token, if it may still live.
    reply_token: str | None = None
    #: An earlier attempt, begun at this instant (UTC), may have been sent: nobody knows.
    doubtful_since: datetime | None = None
    #: References of the provider that belong to other deliveries to the same person: that attempt is none of these.
    not_these: frozenset[str] = frozenset()


class Status(NamedTuple):
    """What a provider says became of a message: its word, and the code of an error."""

    word: str
    code: str | None


class Sender(Protocol):
    """One channel."""

    def send(self, envelope: Envelope) -> str:
        """The provider took it: its reference, such as a message sid."""
        ...
