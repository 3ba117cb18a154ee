"""What an event of LINE's webhook says: who did it, and what they pressed or typed.

https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects
"""

from collections.abc import Mapping
from typing import Any


def user_of(body: Mapping[str, Any]) -> str:
    """LINE's id of whoever did it; empty where LINE does not say."""
    return str(body.get("source", {}).get("userId", ""))


def data_of(body: Mapping[str, Any]) -> str:
    """The data of the button that was pressed; empty for any other event."""
    return str(body.get("postback", {}).get("data", ""))


def words_of(body: Mapping[str, Any]) -> str:
    """The words of a text message; empty for any other event."""
    return str(body.get("message", {}).get("text", ""))
