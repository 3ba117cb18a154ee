"""What a responder says back: the grammar of what they type, the data behind a LINE button, and the reply codes.

`12 1` or `12 รับ` accepts the alert with code 12; the verbs are in `VERBS`.  `12 1 15` accepts and says that it
takes 15 minutes to get there; `12 15 นาที`, `12 ไป` and `12 ถึง` accept as well where nobody has.  A bare verb acts
where exactly one alert is open.
STOP, END, CANCEL and their like are never our words: Twilio keeps them.
"""

import base64
import hmac
import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from urllib.parse import parse_qs, urlencode
from uuid import UUID

from ess.codes import LETTERS
from ess.conversation.plain import bare, bare_first, plain
from ess.domain.follow_up import Outcome


class Verb(StrEnum):
    """What a responder can do with an alert; also the last part of its URL in the API."""

    ACCEPT = "accept"
    DECLINE = "decline"
    DEPART = "depart"
    ARRIVE = "arrive"
    RESOLVE = "resolve"
    #: Says when they will be there.
    ETA = "eta"
    #: Needs more people.
    BACKUP = "backup"


class Ask(StrEnum):
    """What a responder can ask the engine to do."""

    #: Connect them with the victim.
    CALL = "call"
    #: Give them a follow-up that is overdue.
    TAKE = "take"


VERBS: dict[str, Verb] = {
    **dict.fromkeys(("1", "รับ", "รับทราบ", "ok", "โอเค", "accept", "yes"), Verb.ACCEPT),
    **dict.fromkeys(("2", "ไม่", "ไม่รับ", "ไปไม่ได้", "decline", "no"), Verb.DECLINE),
    **dict.fromkeys(("3", "ไป", "ออกเดินทาง", "depart", "going"), Verb.DEPART),
    **dict.fromkeys(("4", "ถึง", "ถึงแล้ว", "arrive", "arrived"), Verb.ARRIVE),
    **dict.fromkeys(("5", "ขอกำลังเสริม", "กำลังเสริม", "เสริม", "backup"), Verb.BACKUP),
    **dict.fromkeys(("9", "ปิด", "ระงับเหตุแล้ว", "resolve", "done"), Verb.RESOLVE),
}

_CODED = re.compile(r"^(\d{2})[\s.,:#/-]*(.*)$")
#: Three digits only where something parts them from what is said: `121` is `12 1`.
_CODED_LONG = re.compile(r"^(\d{3})(?:[\s.,:#/-]+(.*))$")
#: An incident's code; it has no vowels, so it is none of the words.
_NAMED = re.compile(rf"^([{LETTERS.lower()}]{{6}})(?:[\s.,:#/-]+(.*))?$")
#: A word of ours, which nobody can fill with anything else.
_SERVICE = re.compile(r"^[a-z_]{1,30}$")

#: Minutes until arrival that are offered to be tapped.
ETAS_MIN = (5, 10, 15, 30, 60)
#: An arrival may be said with these.
WITH_ETA = frozenset({Verb.ACCEPT, Verb.DEPART})
_COUNTED = {"ห้า": 5, "สิบ": 10, "สิบห้า": 15, "ยี่สิบ": 20, "สามสิบ": 30, "สี่สิบ": 40, "สี่สิบห้า": 45, "หกสิบ": 60}
_SPOKEN_MIN = {"ครึ่งชั่วโมง": 30, "ครึ่ง ชม": 30, "half an hour": 30, "ชั่วโมง": 60, "หนึ่งชั่วโมง": 60, "an hour": 60}
_ETA = re.compile(
    r"^(?:(?:จะ)?ถึง)?(?:ภายใน|ใน|อีก|in)?\s*(?:ประมาณ|ราวๆ?|about)?\s*"
    rf"(?P<n>\d{{1,3}}|{'|'.join(sorted(_COUNTED, key=len, reverse=True))})\s*"
    r"(?P<unit>นาที|น|minutes|minute|mins|min|ชั่วโมง|ชม|hours|hour|h)?$"
)
_HOURS = frozenset({"ชั่วโมง", "ชม", "hours", "hour", "h"})
#: Nobody who is a day away is asked to hurry.
_LONGEST_ETA = timedelta(hours=24)
_DAY_MIN = 1440


@dataclass(frozen=True)
class Answer:
    """A code, a verb and the time until arrival as far as they could be read; none is an error, it is a note."""

    code: str | None
    verb: Verb | None
    eta: timedelta | None = None

    @property
    def eta_min(self) -> int | None:
        """The time until arrival in minutes."""
        return round(self.eta.total_seconds() / 60) if self.eta is not None else None


def read_sms(text: str) -> Answer:
    """Read a typed reply, by SMS or in LINE, after a reply code, an incident's code or none.

    Thai digits, full-width forms, spaces, case and polite endings do not matter.
    """
    words = bare(plain(text))
    named = _NAMED.match(words)
    if named:
        return Answer(named.group(1).upper(), *_said(bare(named.group(2) or ""), coded=True))
    if _minutes(words) is None:
        for coded in filter(None, (form.match(words) for form in (_CODED_LONG, _CODED))):
            found = Answer(coded.group(1), *_said(bare(coded.group(2)), coded=True))
            if found.verb or len(coded.group(1)) == 2:
                return found
    return Answer(None, *_said(words))


def _said(words: str, *, coded: bool = False) -> tuple[Verb | None, timedelta | None]:
    """The verb, and the time until arrival where it is said with it or alone."""
    if words in _VERBS:
        return _VERBS[words], None
    if (alone := _minutes(words)) is not None:
        return Verb.ETA, alone
    for word in sorted(_VERBS, key=len, reverse=True):
        rest = words.removeprefix(word)
        if _VERBS[word] in WITH_ETA and rest != words and not (word[-1].isdigit() and rest[0].isdigit()):
            rest = bare_first(rest)
            eta = _minutes(rest, counts=True)
            # `1 2` without a code is somebody who copies the choices that the alert gave.
            if eta is not None and (coded or not (word.isdigit() and len(rest) == 1)):
                return _VERBS[word], eta
    return None, None


def _minutes(words: str, *, counts: bool = False) -> timedelta | None:
    """A time until arrival; a number without a unit `counts` only after a verb."""
    if words in _SPOKEN_MIN:
        return timedelta(minutes=_SPOKEN_MIN[words])
    found = _ETA.match(words)
    if found is None or not (found["unit"] or counts):
        return None
    n = _COUNTED.get(found["n"]) or int(found["n"])
    eta = timedelta(hours=n) if found["unit"] in _HOURS else timedelta(minutes=n)
    return eta if timedelta() < eta <= _LONGEST_ETA else None


#: As they read once they are made plain: ำ becomes two characters.
_VERBS = {unicodedata.normalize("NFKC", word): verb for word, verb in VERBS.items()}


def next_code(used: Sequence[str], open_now: Collection[str]) -> str | None:
    """A code for a new alert: the lowest that is not in `used`, the codes of the last day.

    10 to 99, and on the phone of a desk that was asked ninety times within a day, 100 to 999: an answer to an old
    SMS must not take another incident.  Where a day has used up those as well, the one used longest ago (`used` is
    oldest first) that no open alert has; None where all are open.
    """
    taken = set(used)
    fresh = (code for code in map(str, range(10, 1000)) if code not in taken)
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
    #: Minutes until arrival.
    eta_min: int | None = None

    @property
    def eta(self) -> timedelta | None:
        """The time until arrival, where the answer says one."""
        return timedelta(minutes=self.eta_min) if self.eta_min is not None else None


def button_data(pressed: Pressed) -> str:
    """The data of a postback, far below LINE's 300 characters."""
    about = {
        "do": pressed.do,
        "alert": pressed.alert_id,
        "eta": pressed.eta_min,
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
                eta_min = int(fields["eta"]) if "eta" in fields else None
                if (Verb(do) is Verb.ETA and eta_min is None) or (eta_min is not None and not 0 <= eta_min <= _DAY_MIN):
                    return None
                return Pressed(Verb(do), alert_id=UUID(alert_id), eta_min=eta_min)
            case {"do": Ask.CALL | Ask.TAKE as do, "follow_up": follow_up_id}:
                return Pressed(Ask(do), follow_up_id=UUID(follow_up_id))
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


#: Before the signature of a button.
_SIGNED = "&sig="
#: Characters of it: 96 bits.
_SIGNATURE = 16
#: A keyed hash of a text, as `ess.store.crypto.Vault.index` makes it.
Hashed = Callable[[str], bytes]


def sign_button(data: str, to: str, hashed: Hashed) -> str:
    """The data with the proof that it was sent to this LINE account; what answers nothing needs none."""
    return f"{data}{_SIGNED}{_signature(data, to, hashed)}" if read_button(data) else data


def is_signed_for(data: str, to: str, hashed: Hashed) -> bool:
    """Whether the button was sent to this LINE account as it is."""
    unsigned, _, signature = data.rpartition(_SIGNED)
    return hmac.compare_digest(signature.encode(), _signature(unsigned, to, hashed).encode())


def _signature(data: str, to: str, hashed: Hashed) -> str:
    return base64.urlsafe_b64encode(hashed(f"button\n{to}\n{data}")).decode()[:_SIGNATURE]


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
    found = _LINK.match(plain(text))
    letters = re.sub(r"[^0-9a-z]", "", found.group(1)).upper() if found else ""
    is_word = letters.isdigit() or _WORDS_HAVE & set(letters)
    return letters if abs(len(letters) - LINK_LETTERS) <= 1 and not is_word else None


def says_unlink(text: str) -> bool:
    """Whether somebody asks in the chat to be unlinked."""
    return bare(plain(text)) in _UNLINK_WORDS


def read_id(data: str, button: str) -> UUID | None:
    """The id that a button of this kind carries; None for any other data."""
    if not data.startswith(button):
        return None
    try:
        return UUID(data.removeprefix(button))
    except ValueError:
        return None
