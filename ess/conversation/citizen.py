"""The citizen's three steps in LINE: press แจ้งเหตุด่วน and choose one of five, share the pin, type a phone.

The incident begins with the pin; the phone comes after and is not waited for.  The steps are kept as a
draft and may come in any order: what is missing is asked for, and nothing that was said is thrown away.
A chat that has an incident may begin another report beside it; what is about the first still goes there.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum, auto
from typing import Any

import phonenumbers

from ess.conversation.plain import bare, plain
from ess.domain.incident import ENDED, OVER, ReporterWord, State
from ess.domain.report import Contact, IncidentType, Location

#: A quick reply by which a reporter says something of themselves carries one of the words below.
WISH = "say="
#: … and the code of the incident that they say it about.
_ABOUT = "&code="
DANGER_WORDS = ("in_danger", "witness")
VICTIM_WORDS = ("minor",)
CONTACT_WORDS = ("any", "text_only", "none")
#: After it is over.
OUTCOME_WORDS = ("well", "unsafe")

#: What the menu button sends.
START = "action=report"


class _Control(StrEnum):
    """What words ask of the engine, which are no address and no note then."""

    #: As the menu button does.
    START = auto()
    STATUS = auto()
    #: It is over for them; a person asks before anybody is stood down.
    SAFE = auto()
    #: Nobody is needed; a person asks as well.
    CANCEL = auto()
    UNSAFE = auto()


#: As they read without a polite ending, of which สถานะ seems to have the half.
_CONTROLS = {
    bare(plain(words + ending)): control
    for control, said in {
        _Control.START: ("แจ้งเหตุด่วน", "แจ้งเหตุ", "ช่วยด้วย", "ask for help now", "help", "sos"),
        _Control.STATUS: ("สถานะ", "ขอสถานะ", "ถึงไหนแล้ว", "status"),
        _Control.SAFE: ("ปลอดภัยแล้ว", "ปลอดภัย", "ตอนนี้ปลอดภัยแล้ว", "safe", "i am safe"),
        _Control.CANCEL: ("ยกเลิก", "ขอยกเลิก", "cancel"),
        _Control.UNSAFE: ("ยังไม่ปลอดภัย", "ไม่ปลอดภัย", "unsafe", "not safe", "i am still not safe"),
    }.items()
    for words in said
    for ending in ("", "ค่ะ")
}
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
    #: The menu button was pressed, or a phone came, and no type was chosen yet.
    started: bool = False
    #: The incident that the chat began; from then on its words belong to it.
    filed: bool = False
    #: They stopped half-way and were asked whether they are still there.
    asked: bool = False
    #: LINE's id of the person, to ask them.
    user_id: str | None = None
    #: The last word that the reporter said of how they are, so that it is passed on once.
    said: str | None = None
    #: LINE's timestamp of the newest event that was heard, in milliseconds since 1970.
    heard_at: int = 0

    @property
    def is_begun(self) -> bool:
        """Whether a step was taken and no incident has begun."""
        return not self.filed and (self.type is not None or self.has_pin)

    @property
    def has_pin(self) -> bool:
        """Whether a pin came before the type."""
        return self.latitude is not None and self.longitude is not None

    @property
    def question(self) -> str | None:
        """The key of the text that asks for the step that is missing; None where nothing is begun."""
        if self.filed:
            return None
        if self.type is not None:
            return "share_pin"
        return "choose_type" if self.started or self.has_pin else None

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
    #: The victim is under 18.
    is_minor: bool = False
    #: They ask how it stands.
    asks_status: bool = False


def code_in(data: str) -> str | None:
    """The code of the incident that a button is about, where it says so."""
    return data.partition(_ABOUT)[2] or None if data.startswith(WISH) else None


def wish_data(word: str, code: str = "") -> str:
    """The data of a quick reply by which a reporter says this of themselves."""
    return f"{WISH}{word}{_ABOUT}{code}" if code else f"{WISH}{word}"


def is_over(draft: Draft, state: State | None) -> bool:
    """Whether nobody is on the way or looked for any more; `state` is that of the chat's incident, None without one."""
    return state in OVER if state is not None else not draft.filed


def is_about_incident(draft: Draft, state: State | None) -> bool:
    """Whether words and photos belong to the chat's incident: until a type or a pin begins another report."""
    return draft.filed or (_is_open(state) and not draft.is_begun)


def _is_open(state: State | None) -> bool:
    return state is not None and state not in ENDED


def next_question(draft: Draft, state: State | None, reply: str | None) -> str | None:
    """The key of what is asked after `reply`: the step that is missing, or how to begin where no incident runs."""
    if reply in {"kept", "noted"} and is_over(draft, state):
        return draft.question or "welcome"
    return draft.question if draft.question != reply else None


def hear_button(draft: Draft, data: str, state: State | None = None, *, late: bool = False) -> Heard:
    """A menu button or a quick reply was pressed; `late` where something newer was heard before it."""
    if data == START:
        return _hear_start(draft, state, late=late)
    if data.startswith(_TYPE) and data.removeprefix(_TYPE) in set(IncidentType):
        return _hear_type(draft, IncidentType(data.removeprefix(_TYPE)), state, late=late)
    if data.startswith(PLACE) and (draft.filed or _is_open(state)):
        return Heard(draft, located=Location(address=data.removeprefix(PLACE)))
    if data.startswith(WISH) and (draft.filed or state is not None):
        return _hear_wish(draft, data.removeprefix(WISH).partition(_ABOUT)[0], state)
    return Heard(draft, reply=draft.question or "welcome")


def _hear_start(draft: Draft, state: State | None, *, late: bool) -> Heard:
    """Late, it was pressed before what is known already."""
    if late and (draft.is_begun or not is_over(draft, state)):
        return Heard(draft)
    return Heard(_fresh(draft), reply="choose_type")


def _hear_type(draft: Draft, kind: IncidentType, state: State | None, *, late: bool) -> Heard:
    """Late, it is what a pin waits for, or it was chosen before what is known already."""
    is_known = not is_over(draft, state) if draft.filed or not draft.is_begun else draft.type is not None
    if late and is_known:
        return Heard(draft)
    begun = _fresh(draft)
    if begun.has_pin:
        return _filed(begun, kind, Location(begun.latitude, begun.longitude, address=begun.address))
    return Heard(replace(begun, type=kind, started=False), reply="share_pin")


def _hear_wish(draft: Draft, word: str, state: State | None) -> Heard:
    match word:
        case "in_danger":
            return replace(_hear_word(draft, ReporterWord.IN_DANGER, state), in_danger=True, reply="ask_contact")
        case "witness":
            return Heard(draft, reply="ask_contact", in_danger=False)
        case "minor":
            return Heard(draft, reply="minor_noted", is_minor=True)
        case "unsafe":
            return _hear_unsafe(draft)
        case "any" | "text_only" | "none":
            return Heard(draft, reply="contact_noted", contact=Contact(word))
        case _:
            return Heard(draft, reply="well_noted" if word == "well" else draft.question or "welcome")


def _hear_word(draft: Draft, word: ReporterWord, state: State | None) -> Heard:
    """Passed on where it is not what they said last, or has another meaning since it is over."""
    is_news = draft.said != word or is_over(draft, state)
    return Heard(replace(draft, said=word), word=word if is_news else None)


def _hear_unsafe(draft: Draft) -> Heard:
    """Passed on every time: they would not say it again if it had helped."""
    word = ReporterWord.UNSAFE
    return Heard(replace(draft, said=word), word=word, reply="unsafe_noted")


def hear_pin(draft: Draft, latitude: float, longitude: float, address: str | None, state: State | None = None) -> Heard:
    """A location was shared; where it is over it is about something new."""
    location = Location(latitude, longitude, address=address)
    if draft.filed and not is_over(draft, state):
        return Heard(draft, located=location)
    if draft.filed:
        draft = _another(draft)
    if draft.type is None:
        pinned = replace(draft, latitude=latitude, longitude=longitude, address=address)
        return Heard(pinned, reply="choose_type")
    return _filed(draft, draft.type, location)


def begins_report(text: str) -> bool:
    """Whether somebody types that they need help."""
    return _control_in(text) is _Control.START


def _control_in(text: str) -> _Control | None:
    """What words ask, whatever their spaces and polite ending."""
    return _CONTROLS.get(bare(plain(text)))


def hear_text(draft: Draft, text: str, state: State | None = None, *, late: bool = False) -> Heard:
    """Something was typed: a phone, an address, a cry for help, or anything else; whatever it is, it is kept."""
    words, control = text.strip(), _control_in(text)
    if control is _Control.START:
        return _hear_start(draft, state, late=late)
    if control and (draft.filed or _is_open(state) or (control is _Control.UNSAFE and state is not None)):
        return _hear_control(draft, control, state)
    if control:
        return _hear_control_before(draft, control, words)
    if is_about_incident(draft, state):
        return _hear_about(draft, words, state)
    phone = read_phone(words)
    if phone and _is_open(state) and not _beside_phone(words):
        return Heard(replace(draft, phone=phone), reply="phone_noted", phone=phone)
    return _hear_before(draft, words)


def _hear_control(draft: Draft, control: _Control, state: State | None) -> Heard:
    """It is about the chat's incident."""
    if control is _Control.STATUS:
        return Heard(draft, asks_status=True)
    if control is _Control.UNSAFE:
        return _hear_unsafe(draft)
    is_safe = control is _Control.SAFE
    heard = _hear_word(_given_up(draft), ReporterWord.SAFE if is_safe else ReporterWord.CANCELS, state)
    if state in ENDED:  # there is nothing left to check
        return replace(heard, reply="well_noted")
    return replace(heard, reply="safe_noted" if is_safe else "cancel_noted")


def _hear_control_before(draft: Draft, control: _Control, words: str) -> Heard:
    """There is no incident yet: somebody who shared where they are is looked after, whatever they say then."""
    if control is _Control.UNSAFE:
        return Heard(draft, reply=draft.question) if draft.question else Heard(_fresh(draft), reply="choose_type")
    if control is not _Control.STATUS:
        draft = _with(draft, None, words) if draft.has_pin else _given_up(draft)
    return Heard(draft, reply=draft.question or "welcome")


def _given_up(draft: Draft) -> Draft:
    """Without a report that was begun and has no place."""
    return draft if draft.filed or draft.has_pin else replace(draft, type=None, started=False)


def _hear_about(draft: Draft, words: str, state: State | None) -> Heard:
    """Words about the chat's incident; where that is over and another report was asked for, they go with it, too."""
    phone, rest = read_phone(words), _beside_phone(words)
    located = Location(address=words) if rest else None
    if not draft.filed:
        draft = _with(draft, phone, rest if is_over(draft, state) else "")
    if phone:
        return Heard(draft, reply="phone_noted", phone=phone, note=words if rest else None, located=located)
    digits = sum(char.isdigit() for char in words)
    return Heard(draft, reply="phone_unclear" if digits >= 6 else None, note=words or None, located=located)


def _hear_before(draft: Draft, words: str) -> Heard:
    """Words before there is an incident: an address begins it where the type is known."""
    phone, rest = read_phone(words), _beside_phone(words)
    if draft.type is not None and rest:
        return _filed(replace(draft, phone=phone or draft.phone), draft.type, Location(address=words))
    begins = phone is not None and draft.type is None
    kept = _with(replace(draft, started=draft.started or begins), phone, words if rest else "")
    return Heard(kept, reply=kept.question or "welcome")


def _with(draft: Draft, phone: str | None, words: str) -> Draft:
    """What comes before the incident goes with it."""
    said = "\n".join(filter(None, (draft.words, words)))[-_MOST_WORDS:]
    return replace(draft, phone=phone or draft.phone, words=said or None)


def hear_silence(draft: Draft, assumed: IncidentType) -> Heard:
    """Nothing more was said for a while: asked once, gently; then a pin becomes a report of the assumed type.

    Somebody who shared where they are may have been stopped from saying more.
    """
    if draft.is_begun and not draft.asked:
        return Heard(replace(draft, asked=True), reply="still_there_pin" if draft.type else "still_there_type")
    if draft.is_begun and draft.has_pin:
        return _filed(draft, assumed, Location(draft.latitude, draft.longitude, address=draft.address))
    return Heard(replace(draft, asked=False))


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
    """The report is begun anew: a pin and what was said stay, what belonged to an incident before goes."""
    return replace(_another(draft) if draft.filed else draft, type=None, started=True)


def _another(draft: Draft, **steps: Any) -> Draft:
    """Another draft of the same chat."""
    return Draft(user_id=draft.user_id, heard_at=draft.heard_at, **steps)


def _filed(draft: Draft, kind: IncidentType, location: Location) -> Heard:
    filed = _another(draft, type=kind, phone=draft.phone, words=draft.words, filed=True)
    return Heard(filed, file=(kind, location))
