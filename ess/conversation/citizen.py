"""The citizen's three steps in LINE: press แจ้งเหตุด่วน and choose one of five, share the pin, type a phone.

The incident begins with the pin; the phone comes after and is not waited for.  The steps are kept as a
draft and may come in any order: what is missing is asked for, and nothing that was said is thrown away.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import phonenumbers

from ess.domain.incident import ReporterWord
from ess.domain.report import Contact, IncidentType, Location

#: A quick reply by which a reporter says something of themselves carries one of the words below.
WISH = "say="
DANGER_WORDS = ("in_danger", "witness")
CONTACT_WORDS = ("any", "text_only", "none")
#: After it is over.
OUTCOME_WORDS = ("well", "unsafe")
_STATUS_WORDS = frozenset({"สถานะ", "ถึงไหนแล้ว", "status"})
#: That it is over for them; a person asks before anybody is stood down.
_SAFE_WORDS = frozenset({"ปลอดภัยแล้ว", "ปลอดภัย", "ยกเลิก", "safe", "i am safe", "cancel"})

#: What the menu button sends, and what people type instead.
START = "action=report"
_START_WORDS = frozenset({"แจ้งเหตุด่วน", "แจ้งเหตุ", "ช่วยด้วย", "ask for help now", "help", "sos"})
_TYPE = "type="
#: A quick reply to the question which of several places is meant, with the words of one of them.
PLACE = "place="
_ABOUT_PHONES = re.compile("โทรศัพท์|โทร|เบอร์|ครับ|ค่ะ|คะ|tel|phone")
#: Characters of what was typed before the incident that are kept, the newest ones.
_MOST_WORDS = 5000


@dataclass(frozen=True)
class Draft:
    """What a chat has said so far."""

    type: IncidentType | None = None
    latitude: float | None = None
    longitude: float | None = None
    #: Of the pin, as LINE named it.
    address: str | None = None
    #: A contact phone in E.164 that came before the incident.
    phone: str | None = None
    #: What was typed before the incident.
    words: str | None = None
    #: The incident that the chat began; from then on its words belong to it.
    filed: bool = False
    #: They stopped half-way and were asked whether they are still there.
    asked: bool = False
    #: LINE's id of the person, to ask them.
    user_id: str | None = None
    #: The last word that the reporter said of how they are, so that it is passed on once.
    said: str | None = None

    @property
    def is_begun(self) -> bool:
        """Whether a step was taken and no incident has begun."""
        return not self.filed and (self.type is not None or self.has_pin)

    @property
    def has_pin(self) -> bool:
        """Whether a pin came before the type."""
        return self.latitude is not None and self.longitude is not None

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Draft":
        """As read back."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}  # a newer one has more
        return cls(**{**known, "type": IncidentType(data["type"]) if data.get("type") else None})


@dataclass(frozen=True)
class Heard:
    """What a message from a citizen leads to: an incident begins, or it is added to, or the next step is asked for."""

    draft: Draft
    #: The key of the text to answer with; None where the engine answers by what it does.
    reply: str | None = None
    #: Begin an incident of this type at this place, with the draft's phone and words.
    file: tuple[IncidentType, Location] | None = None
    #: A contact phone in E.164 for the incident that runs.
    phone: str | None = None
    #: Words to keep with the incident that runs.
    note: str | None = None
    #: A pin or an address for the incident that runs.
    located: Location | None = None
    #: How the reporter says they are; goes to the people who work on the incident.
    word: ReporterWord | None = None
    #: Whether the reporter is in danger themselves.
    in_danger: bool | None = None
    #: How they wish to be contacted.
    contact: Contact | None = None
    #: They ask how it stands.
    asks_status: bool = False


def hear_button(draft: Draft, data: str) -> Heard:
    """A menu button or a quick reply was pressed."""
    if data == START:
        return Heard(_fresh(draft), reply="choose_type")
    if data.startswith(_TYPE) and data.removeprefix(_TYPE) in set(IncidentType):
        kind = IncidentType(data.removeprefix(_TYPE))
        if draft.has_pin and not draft.filed:
            return _filed(draft, kind, Location(draft.latitude, draft.longitude, address=draft.address))
        return Heard(replace(_fresh(draft), type=kind), reply="share_pin")
    if data.startswith(PLACE) and draft.filed:
        return Heard(draft, located=Location(address=data.removeprefix(PLACE)))
    if draft.filed and data.startswith(WISH):
        return _hear_wish(draft, data.removeprefix(WISH))
    return Heard(draft, reply="welcome")


def _hear_wish(draft: Draft, word: str) -> Heard:
    match word:
        case "in_danger":
            return replace(_hear_word(draft, ReporterWord.IN_DANGER), in_danger=True, reply="ask_contact")
        case "witness":
            return Heard(draft, reply="ask_contact", in_danger=False)
        case "unsafe":
            return replace(_hear_word(draft, ReporterWord.UNSAFE), reply="unsafe_noted")
        case "well":
            return Heard(draft, reply="well_noted")
        case "any" | "text_only" | "none":
            return Heard(draft, reply="contact_noted", contact=Contact(word))
        case _:
            return Heard(draft, reply="welcome")


def _hear_word(draft: Draft, word: ReporterWord) -> Heard:
    """Passed on where it is not what they said last."""
    return Heard(replace(draft, said=word), word=word if draft.said != word else None)


def hear_pin(draft: Draft, latitude: float, longitude: float, address: str | None) -> Heard:
    """A location was shared."""
    location = Location(latitude, longitude, address=address)
    if draft.filed:
        return Heard(draft, located=location)
    if draft.type is None:
        pinned = replace(draft, latitude=latitude, longitude=longitude, address=address)
        return Heard(pinned, reply="choose_type")
    return _filed(draft, draft.type, location)


def begins_report(text: str) -> bool:
    """Whether somebody types that they need help."""
    return text.strip().casefold() in _START_WORDS


def hear_text(draft: Draft, text: str) -> Heard:
    """Something was typed: a phone, an address, a cry for help, or anything else; whatever it is, it is kept."""
    words = text.strip()
    if begins_report(words):
        return Heard(_fresh(draft), reply="choose_type")
    return _hear_about(draft, words) if draft.filed else _hear_before(draft, words)


def _hear_about(draft: Draft, words: str) -> Heard:
    """Words about the incident that runs."""
    if words.casefold() in _STATUS_WORDS:
        return Heard(draft, asks_status=True)
    if words.casefold() in _SAFE_WORDS:
        return replace(_hear_word(draft, ReporterWord.SAFE), reply="safe_noted")
    phone, rest = read_phone(words), _beside_phone(words)
    located = Location(address=words) if rest else None
    if phone:
        return Heard(draft, reply="phone_noted", phone=phone, note=words if rest else None, located=located)
    digits = sum(char.isdigit() for char in words)
    return Heard(draft, reply="phone_unclear" if digits >= 6 else None, note=words or None, located=located)


def _hear_before(draft: Draft, words: str) -> Heard:
    """Words before there is an incident: an address begins it where the type is known."""
    phone, rest = read_phone(words), _beside_phone(words)
    kept = replace(draft, phone=phone or draft.phone)
    if draft.type is not None and rest:
        return _filed(kept, draft.type, Location(address=words))
    if rest:
        kept = replace(kept, words="\n".join(filter(None, (draft.words, words)))[-_MOST_WORDS:])
    if draft.type is not None:
        return Heard(kept, reply="share_pin")
    return Heard(kept, reply="choose_type" if phone else "welcome")


def hear_silence(draft: Draft, assumed: IncidentType) -> Heard:
    """Nothing more was said for a while: asked once, gently; then a pin becomes a report of the assumed type.

    Somebody who shared where they are may have been stopped from saying more.
    """
    if not draft.is_begun:
        return Heard(draft)
    if not draft.asked:
        return Heard(replace(draft, asked=True), reply="still_there_pin" if draft.type else "still_there_type")
    if draft.has_pin:
        return _filed(draft, assumed, Location(draft.latitude, draft.longitude, address=draft.address))
    return Heard(draft)


def read_phone(text: str) -> str | None:
    """The phone number in a text, in E.164; None where none could be called: a date or a pin could not."""
    match = _phone_in(text)
    return str(phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)) if match else None


def _phone_in(text: str) -> phonenumbers.PhoneNumberMatch | None:
    return next(iter(phonenumbers.PhoneNumberMatcher(text, "TH", leniency=phonenumbers.Leniency.VALID)), None)


def _beside_phone(text: str) -> str:
    """What a text says beside a phone number; empty where it says no more than that this is one."""
    match = _phone_in(text)
    rest = f"{text[: match.start]} {text[match.end :]}" if match else text
    return rest.strip() if any(char.isalnum() for char in _ABOUT_PHONES.sub("", rest.casefold())) else ""


def _fresh(draft: Draft) -> Draft:
    """Another incident is begun: what was said before it stays, what belonged to the one before goes."""
    return Draft() if draft.filed else Draft(phone=draft.phone, words=draft.words, asked=draft.asked)


def _filed(draft: Draft, kind: IncidentType, location: Location) -> Heard:
    filed = Draft(type=kind, phone=draft.phone, words=draft.words, user_id=draft.user_id, filed=True)
    return Heard(filed, file=(kind, location))
