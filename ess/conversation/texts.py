"""The words of one language, read once from `config/messages/<language>.yaml`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from config.settings import HERE
from ess.channels.envelope import Button, Message
from ess.domain.duty import Channel
from ess.domain.errors import Misconfigured
from ess.domain.place import Area, Place

BANGKOK = ZoneInfo("Asia/Bangkok")
_SHIPPED = HERE / "messages"
#: Whoever runs this decides which words there are.
_OWN_WORDS = frozenset({"needs", "agencies"})
_BANGKOK_CODE = "10"
_BUDDHIST_ERA = 543
_THAI_MONTHS = ("ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.")


class Texts:
    """Fills the texts of one language."""

    def __init__(self, folder: Path, language: str) -> None:
        """Misconfigured where the file cannot be read, or a text would fail when somebody is to hear it."""
        self.language = language
        self._path = folder / f"{language}.yaml"
        self._data = _read(self._path)
        if folder != _SHIPPED:
            wrong = list(_wrong(self._data, _read(_SHIPPED / f"{language}.yaml")))
            if wrong:
                raise Misconfigured(f"{self._path}: {'; '.join(wrong)}")

    def say(self, key: str, channel: Channel, buttons: Iterable[Button] = (), **values: Any) -> Message:
        """The message of that key as the channel shows it; buttons only where the channel has them."""
        variants = self._entry("messages", key)
        if channel is Channel.SMS:
            return Message(self._fill(variants, "sms_link" if values.get("link") else "sms", key, values))
        prompt = self._fill(variants, "prompt", key, values) if "prompt" in variants else None
        alt = self._fill(variants, "alt", key, values) if "alt" in variants else None
        return Message(self._fill(variants, "line", key, values), tuple(buttons), prompt, alt)

    def word(self, group: str, key: str, **values: Any) -> str:
        """One word or phrase, such as the name of a role or the label of a button."""
        return str(self._entry(group, key)).format(**values)

    def words(self, group: str) -> dict[str, str]:
        """All words of a group, in the file's order."""
        return {key: self.word(group, key) for key in self._data[group]}

    def reason(self, phrases: Iterable[Mapping[str, Any]]) -> str:
        """Why somebody was chosen or not, as `ess.domain.reason` has it stored.

        A word that another release wrote, or that this file does not know, is told by its name.
        """
        return ", ".join(self._why(phrase) for phrase in phrases)

    def _why(self, phrase: Mapping[str, Any]) -> str:
        try:
            return self.word("reasons", phrase["why"], **phrase)
        except (Misconfigured, KeyError):
            return str(phrase.get("why", "?")).replace("_", " ")

    def phrase(self, key: str, **values: Any) -> str:
        """A phrase that stands alone in the file."""
        return str(self._data[key]).format(**values)

    def place(self, place: Place | None, group: str = "places") -> str:
        """District and province, no nearer: fit for an SMS, or by the group `spoken_places` for a voice."""
        if place is None:
            return self.word(group, "unknown")
        province = self.name(place.province)
        if place.district is None:
            return self.word(group, "province", province=province)
        district = self.name(place.district)
        if self.language == "th" and district == f"เมือง{province}":
            district = "เมือง"  # as everybody says it, and short enough for one SMS
        kind = "bangkok" if place.province.code == _BANGKOK_CODE else "district"
        return self.word(group, kind, district=district, province=province)

    def subdistrict(self, place: Place | None) -> str:
        """The sub-district, as it stands before the district; empty where nobody knows it.  Too near for an SMS."""
        if place is None or not place.subdistricts:
            return ""
        kind = "bangkok_subdistrict" if place.province.code == _BANGKOK_CODE else "subdistrict"
        return self.word("places", kind, subdistrict=self.name(place.subdistricts[0]))

    def name(self, area: Area) -> str:
        """An area's name alone."""
        return area.name_th if self.language == "th" else area.name_en

    def province(self, area: Area) -> str:
        """A province, as it is called beside other words."""
        return self.word("places", "province", province=self.name(area))

    def time(self, at: datetime) -> str:
        """The clock time in Thailand."""
        return at.astimezone(BANGKOK).strftime("%H:%M")

    def clock(self, at: datetime) -> str:
        """The clock time in Thailand with seconds."""
        return at.astimezone(BANGKOK).strftime("%H:%M:%S")

    def moment(self, at: datetime) -> str:
        """Day and clock time in Thailand; in Thai with the Buddhist year."""
        local = at.astimezone(BANGKOK)
        if self.language == "th":
            month = _THAI_MONTHS[local.month - 1]
            return f"{local.day} {month} {local.year + _BUDDHIST_ERA} {local:%H:%M}"
        return f"{local.day} {local:%b %Y %H:%M}"

    def _entry(self, group: str, key: str) -> Any:
        try:
            return self._data[group][key]
        except KeyError:
            raise Misconfigured(
                f"{self._path} has no {group}.{key}: add it, or copy it from the shipped file"
            ) from None

    def _fill(self, variants: dict[str, str], variant: str, key: str, values: dict[str, Any]) -> str:
        if variant not in variants:
            raise Misconfigured(f"{self._path}: messages.{key} has no {variant} text: add one")
        return variants[variant].format(**values).strip()


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Misconfigured(f"cannot read the texts in {path}: {error}") from error
    if not isinstance(found, dict):
        raise Misconfigured(f"cannot read the texts in {path}: begin with a copy of the shipped file")
    return found


def _wrong(own: Mapping[str, Any], shipped: Mapping[str, Any]) -> Iterator[str]:
    """What an own file lacks of the shipped one, or wants filled in that nobody fills in."""
    known: defaultdict[str, set[str]] = defaultdict(set)
    has = dict(_leaves(own))
    for path, text in _leaves(shipped):
        known[_entry_of(path)] |= _blanks(text)
        if path not in has and path.partition(".")[0] not in _OWN_WORDS:
            yield f"{path} is missing: copy it from the shipped file"
    for group in sorted(_OWN_WORDS):
        if not any(path.startswith(f"{group}.") for path in has):
            yield f"{group} has no words: write one at least"
    for path, text in has.items():
        try:
            strange = _blanks(text) - known[_entry_of(path)] if _entry_of(path) in known else ()
        except ValueError as error:
            yield f"{path} cannot be filled in ({error}): write a brace that is to be read as {{{{ or }}}}"
        else:
            yield from (
                f"{path} has {{{blank}}}, which the shipped text has not: take it out" for blank in sorted(strange)
            )


def _leaves(data: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{at}{key}.")
        elif value is not None:
            yield f"{at}{key}", str(value)


def _entry_of(path: str) -> str:
    """The variants of a message are filled in with the same values."""
    return ".".join(path.split(".")[:2])


def _blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
