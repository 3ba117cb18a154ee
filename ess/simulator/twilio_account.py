"""What Twilio remembers: messages, who opted out, and the numbers behind its error codes."""

import asyncio
import re
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

API_VERSION = "2010-04-01"
E164 = re.compile(r"\+[1-9]\d{7,14}")
#: Twilio's own opt-out words; START and its kin undo them.
OPT_OUT = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
OPT_IN = frozenset({"START", "YES", "UNSTOP"})

#: Twilio's words for the codes that a simulation uses; {to} is the recipient.
ERRORS = {
    20003: "Authenticate",
    20404: "The requested resource {to} was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    21205: "Url is not a valid URL: {to}",
    21211: "The 'To' number {to} is not a valid phone number.",
    21408: "Permission to send an SMS has not been enabled for the region of the 'To' number: {to}.",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21609: "The 'StatusCallback' URL {to} is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages.",
    21614: "'To' number is not a valid mobile number: {to}",
    21617: "The concatenated message body exceeds the 1600 character limit.",
    21624: "Invalid validity period value",
    30001: "Queue overflow",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    30036: "Validity Period Expired",
    30410: "Provider Timeout Error",
}
#: Codes with which a message never leaves Twilio: `failed`, not `undelivered`.
FAILS_INSIDE = frozenset({30001, 30002, 30036})

_GSM = re.compile(r"[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà^{}\\\[~\]|€]*")
_GSM_DOUBLE = frozenset("^{}\\[~]|€")


def segments(body: str) -> int:
    """How many SMS the text takes: 160/153 characters of GSM-7, otherwise (Thai) 70/67 of UCS-2."""
    if _GSM.fullmatch(body):
        length, single, several = len(body) + sum(char in _GSM_DOUBLE for char in body), 160, 153
    else:
        length, single, several = len(body.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= single else -(-length // several)


@dataclass
class Sms:
    """One message, in or out."""

    sid: str
    to: str
    sender: str
    body: str
    direction: str
    status: str
    created_at: datetime
    updated_at: datetime
    messaging_service_sid: str | None = None
    status_callback: str | None = None
    #: Seconds, as asked for.
    validity_period: int = 36_000
    error_code: int | None = None

    def resource(self, account_sid: str) -> dict[str, Any]:
        """The Message resource as the API returns it."""
        uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{self.sid}"
        sent = self.status not in {"queued", "accepted"}
        return {
            "account_sid": account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": format_datetime(self.created_at),
            "date_sent": format_datetime(self.created_at) if sent else None,
            "date_updated": format_datetime(self.updated_at),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": ERRORS.get(self.error_code) if self.error_code else None,
            "from": self.sender or None,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": "0",
            "num_segments": str(segments(self.body)),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }


@dataclass
class Call:
    """One call to a phone."""

    sid: str
    to: str
    sender: str
    #: Where Twilio asks what to say.
    url: str
    status: str
    created_at: datetime
    updated_at: datetime
    status_callback: str | None = None
    status_events: frozenset[str] = frozenset({"completed"})
    #: Where Twilio tells who picked up.
    amd_callback: str | None = None
    #: How long it rings, in seconds.
    ring_s: int = 60
    answered_by: str | None = None
    started_at: datetime | None = None
    #: The call whose `<Dial>` rang this phone; None for a call by API.
    parent_sid: str | None = None

    @property
    def direction(self) -> str:
        """Twilio's word for how it came about."""
        return "outbound-dial" if self.parent_sid else "outbound-api"

    def resource(self, account_sid: str) -> dict[str, Any]:
        """The Call resource as the API returns it."""
        uri = f"/{API_VERSION}/Accounts/{account_sid}/Calls/{self.sid}"
        over = self.status in {"completed", "busy", "no-answer", "failed", "canceled"}
        return {
            "account_sid": account_sid,
            "annotation": None,
            "answered_by": self.answered_by,
            "api_version": API_VERSION,
            "caller_name": None,
            "date_created": format_datetime(self.created_at),
            "date_updated": format_datetime(self.updated_at),
            "direction": self.direction,
            "duration": "0" if over else None,
            "end_time": format_datetime(self.updated_at) if over else None,
            "forwarded_from": None,
            "from": self.sender,
            "from_formatted": self.sender,
            "group_sid": None,
            "parent_call_sid": self.parent_sid,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "sid": self.sid,
            "start_time": format_datetime(self.started_at) if self.started_at else None,
            "status": self.status,
            "subresource_uris": {},
            "to": self.to,
            "to_formatted": self.to,
            "trunk_sid": None,
            "uri": f"{uri}.json",
        }


class TwilioAccount:
    """One account with its messages and calls, oldest first."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.messages: dict[str, Sms] = {}
        self.calls: dict[str, Call] = {}
        #: What a phone does by itself when it rings, by number; the others are picked up by hand.
        self.habits: dict[str, str] = {}
        self.opted_out: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @staticmethod
    def new_sid(prefix: str = "SM") -> str:
        """34 characters: the kind and 32 hexadecimal digits."""
        return prefix + secrets.token_hex(16)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """The work goes on beside the present request, until the account is forgotten."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self) -> None:
        """No message, no call, no opt-out, and no callback under way."""
        for task in self._tasks:
            task.cancel()
        self.messages.clear()
        self.calls.clear()
        self.habits.clear()
        self.opted_out.clear()
