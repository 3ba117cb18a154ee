"""The citizen's three steps in LINE: press แจ้งเหตุด่วน and choose one of five, share the pin, type a phone.

The incident begins with the pin; the phone comes after and is not waited for.  The steps are kept as a
draft and may come in any order: what is missing is asked for, and nothing that was said is thrown away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import phonenumbers

from ess.domain.report import IncidentType, Location

#: What the menu button sends, and what people type instead.
START = "action=report"
_START_WORDS = frozenset({"แจ้งเหตุด่วน", "แจ้งเหตุ", "ช่วยด้วย", "ask for help now", "help", "sos"})
_TYPE = "type="


@dataclass(frozen=True)
class Draft:
    """What a chat has said so far."""

    type: IncidentType | None = None
    latitude: float | None = None
    longitude: float | None = None
    #: The incident that the chat began; from then on its words belong to it.
    filed: bool = False

    @property
    def has_pin(self) -> bool:
        """Whether a pin came before the type."""
        return self.latitude is not None and self.longitude is not None

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        return {"type": self.type, "latitude": self.latitude, "longitude": self.longitude, "filed": self.filed}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Draft":
        """As read back."""
        kind = IncidentType(data["type"]) if data.get("type") else None
        return cls(kind, data.get("latitude"), data.get("longitude"), bool(data.get("filed")))


@dataclass(frozen=True)
class Heard:
    """What a message from a citizen leads to; at most one of `file`, `phone`, `note`, `located` is set."""

    draft: Draft
    #: The key of the text to answer with; None where the engine answers by what it does.
    reply: str | None = None
    #: Begin an incident of the draft's type at this place.
    file: tuple[IncidentType, Location] | None = None
    #: A contact phone in E.164 for the incident that runs.
    phone: str | None = None
    #: Words to keep with the incident that runs.
    note: str | None = None
    #: A pin or an address for the incident that runs.
    located: Location | None = None


def hear_button(draft: Draft, data: str) -> Heard:
    """A menu button or a quick reply was pressed."""
    if data == START:
        return Heard(Draft(), reply="choose_type")
    if data.startswith(_TYPE) and data.removeprefix(_TYPE) in set(IncidentType):
        kind = IncidentType(data.removeprefix(_TYPE))
        if draft.has_pin and not draft.filed:
            return _filed(kind, Location(draft.latitude, draft.longitude))
        return Heard(Draft(type=kind), reply="share_pin")
    return Heard(draft, reply="welcome")


def hear_pin(draft: Draft, latitude: float, longitude: float, address: str | None) -> Heard:
    """A location was shared."""
    location = Location(latitude, longitude, address=address)
    if draft.filed:
        return Heard(draft, located=location)
    if draft.type is None:
        return Heard(Draft(latitude=latitude, longitude=longitude), reply="choose_type")
    return _filed(draft.type, location)


def hear_text(draft: Draft, text: str) -> Heard:
    """Something was typed: a phone, an address, a cry for help, or anything else."""
    words = text.strip()
    if words.casefold() in _START_WORDS:
        return Heard(Draft(), reply="choose_type")
    if draft.filed:
        phone = read_phone(words)
        if phone:
            return Heard(draft, reply="phone_noted", phone=phone)
        digits = sum(char.isdigit() for char in words)
        return Heard(draft, reply="phone_unclear" if digits >= 6 else None, note=words, located=Location(address=words))
    if draft.type is not None and words:
        return _filed(draft.type, Location(address=words))
    return Heard(draft, reply="welcome")


def read_phone(text: str) -> str | None:
    """The phone number in a text, in E.164; None where there is none that could be called."""
    for match in phonenumbers.PhoneNumberMatcher(text, "TH", leniency=phonenumbers.Leniency.POSSIBLE):
        return str(phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164))
    return None


def _filed(kind: IncidentType, location: Location) -> Heard:
    return Heard(Draft(type=kind, filed=True), file=(kind, location))
