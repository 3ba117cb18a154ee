"""The words of one language, read once from `config/messages/<language>.yaml`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from ess.channels.envelope import Button, Message
from ess.domain.duty import Channel
from ess.domain.errors import Misconfigured
from ess.domain.place import Area, Place

BANGKOK = ZoneInfo("Asia/Bangkok")
_BANGKOK_CODE = "10"
_BUDDHIST_ERA = 543
_THAI_MONTHS = ("ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.")


class Texts:
    """Fills the texts of one language."""

    def __init__(self, folder: Path, language: str) -> None:
        self.language = language
        self._path = folder / f"{language}.yaml"
        try:
            self._data: dict[str, Any] = yaml.safe_load(self._path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise Misconfigured(f"cannot read the texts in {self._path}: {error}") from error

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
        province = place.province.name_th if self.language == "th" else place.province.name_en
        if place.district is None:
            return self.word(group, "province", province=province)
        district = place.district.name_th if self.language == "th" else place.district.name_en
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
