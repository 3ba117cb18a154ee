"""What a responder says back: the SMS grammar, the data behind a LINE button, and the two-digit codes.

`12 1` or `12 รับ` accepts the alert with code 12; the verbs are in `VERBS`.  A bare verb acts where exactly
one alert is open.  STOP, END, CANCEL and their like are never our words: Twilio keeps them.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from urllib.parse import parse_qs, urlencode
from uuid import UUID

from ess.domain.follow_up import Outcome


class Verb(StrEnum):
    """What a responder can do with an alert; also the last part of its URL in the API."""

    ACCEPT = "accept"
    DECLINE = "decline"
    DEPART = "depart"
    ARRIVE = "arrive"
    RESOLVE = "resolve"


class Ask(StrEnum):
    """What a responder can ask the engine to do."""

    #: Connect them with the victim.
    CALL = "call"


VERBS: dict[str, Verb] = {
    **dict.fromkeys(("1", "รับ", "รับทราบ", "ok", "โอเค", "accept", "yes"), Verb.ACCEPT),
    **dict.fromkeys(("2", "ไม่", "ไม่รับ", "ไปไม่ได้", "decline", "no"), Verb.DECLINE),
    **dict.fromkeys(("3", "ไป", "ออกเดินทาง", "depart", "going"), Verb.DEPART),
    **dict.fromkeys(("4", "ถึง", "ถึงแล้ว", "arrive", "arrived"), Verb.ARRIVE),
    **dict.fromkeys(("9", "ปิด", "ระงับเหตุแล้ว", "resolve", "done"), Verb.RESOLVE),
}

_POLITE = re.compile(r"(นะ)?(ครับผม|ครับ|คับ|ค่ะ|คะ|จ้า)$")
_CODED = re.compile(r"^(\d{2})[\s.,:#/-]*(.*)$")
#: Thai keyboards leave these between words, and nobody sees them.
_UNSEEN = re.compile("[\u200b-\u200d\u2060\ufeff]")
#: A word of ours, which nobody can fill with anything else.
_SERVICE = re.compile(r"^[a-z_]{1,30}$")
_ENDING = " .!,;:…ๆฯ"


@dataclass(frozen=True)
class Answer:
    """A code and a verb as far as they could be read; neither is an error, it is a note."""

    code: str | None
    verb: Verb | None


def read_sms(text: str) -> Answer:
    """Read an SMS reply: Thai digits, full-width forms, spaces, case and polite endings do not matter."""
    bare = _bare(_plain(text))
    coded = _CODED.match(bare)
    if coded and coded.group(2):
        verb = VERBS.get(coded.group(2).strip())
        return Answer(coded.group(1), verb)
    if coded:
        return Answer(coded.group(1), None)
    return Answer(None, VERBS.get(bare))


def _plain(text: str) -> str:
    """As one would type it on a Latin keyboard: no unseen characters, plain digits, single spaces, no capitals."""
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).strip().casefold()
    digits = "".join(str(unicodedata.digit(char)) if char.isdecimal() else char for char in plain)
    return " ".join(digits.split())


def _bare(words: str) -> str:
    """Without the polite ending."""
    return _POLITE.sub("", words.rstrip(_ENDING)).rstrip(_ENDING)


def next_code(used: Sequence[str], open_now: Collection[str]) -> str | None:
    """A code from 10 to 99 for a new alert: the lowest that is not in `used`, the codes of the last day.

    Where a day has used them all up, the one used longest ago (`used` is oldest first) that no open alert
    has; None where all ninety are open.
    """
    every = map(str, range(10, 100))
    fresh = (code for code in every if code not in used)
    again = (code for code in used if code not in open_now)
    return next(chain(fresh, again), None)


@dataclass(frozen=True)
class Pressed:
    """What a LINE button carries: what to do, and to which alert or follow-up."""

    do: Verb | Outcome | Ask
    alert_id: UUID | None = None
    follow_up_id: UUID | None = None
    #: When a call is moved to, on the second (UTC).
    at: datetime | None = None
    #: Which service is needed, or which agency goes on: a word of `config/messages`.
    service: str | None = None
    #: The try that a card was sent for, from 1.
    attempt: int | None = None


def button_data(pressed: Pressed) -> str:
    """The data of a postback, far below LINE's 300 characters."""
    about = {
        "do": pressed.do,
        "alert": pressed.alert_id,
        "follow_up": pressed.follow_up_id,
        "at": int(pressed.at.timestamp()) if pressed.at else None,
        "service": pressed.service,
        "try": pressed.attempt,
    }
    return urlencode({name: str(value) for name, value in about.items() if value is not None})


def read_button(data: str) -> Pressed | None:
    """What was pressed; None for data that is not ours."""
    fields = {name: values[-1] for name, values in parse_qs(data).items()}
    try:
        match fields:
            case {"do": do, "alert": alert_id}:
                return Pressed(Verb(do), alert_id=UUID(alert_id))
            case {"do": Ask.CALL, "follow_up": follow_up_id}:
                return Pressed(Ask.CALL, follow_up_id=UUID(follow_up_id))
            case {"do": do, "follow_up": follow_up_id}:
                at, service, attempt = fields.get("at"), fields.get("service"), fields.get("try")
                return Pressed(
                    Outcome(do),
                    follow_up_id=UUID(follow_up_id),
                    at=datetime.fromtimestamp(int(at), UTC) if at else None,
                    service=service if service and _SERVICE.match(service) else None,
                    attempt=int(attempt) if attempt else None,
                )
            case _:
                return None
    except (ValueError, OverflowError, OSError):
        return None


# --- linking, and the roll call --------------------------------------------------------------------------
#: What comes before the letters of a link code.
LINK = "LINK-"
#: 26 letters to choose from, ten times: 10¹⁴ codes.
LINK_LETTERS = 10
_LINK = re.compile(r"^(?:link[\s:\-–—]+|(?:ผูกบัญชี|ผูก)[\s:\-–—]*)((?:[0-9a-z][\s\-–—]*)+)$")
_WORDS_HAVE = set("AEIOU")
_UNLINK_WORDS = frozenset({"ยกเลิกการผูก", "ยกเลิกการผูกบัญชี", "unlink"})

#: The buttons that carry an id of ours and nothing else: a responder's, a roll call's.
UNLINK, PRESENT = "unlink=", "present="


def spoken_link_code(code: str) -> str:
    """A link code as it is handed out, in two groups that the eye can hold."""
    return f"{LINK}{code[: LINK_LETTERS // 2]}-{code[LINK_LETTERS // 2 :]}"


def read_link_code(text: str) -> str | None:
    """The letters of a link code, which may be a wrong one; None where the text is no attempt at one.

    Case, spaces, dashes, Thai digits and full-width forms do not matter.  One letter too many or too few is still
    an attempt, so that whoever mistypes hears of it; words and phone numbers are none.
    """
    found = _LINK.match(_plain(text))
    letters = re.sub(r"[^0-9a-z]", "", found.group(1)).upper() if found else ""
    is_word = letters.isdigit() or _WORDS_HAVE & set(letters)
    return letters if abs(len(letters) - LINK_LETTERS) <= 1 and not is_word else None


def says_unlink(text: str) -> bool:
    """Whether somebody asks in the chat to be unlinked."""
    return _bare(_plain(text)) in _UNLINK_WORDS


def read_id(data: str, button: str) -> UUID | None:
    """The id that a button of this kind carries; None for any other data."""
    if not data.startswith(button):
        return None
    try:
        return UUID(data.removeprefix(button))
    except ValueError:
        return None
