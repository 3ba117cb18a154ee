"""Why somebody was chosen or not: words of `config/messages` and what fills them, to be said in any language later."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Why(StrEnum):
    """A word of the group `reasons`."""

    # Where they serve, the likeliest area first.
    DISTRICT = "district"
    DISTRICT_NEARBY = "district_nearby"
    SUBDISTRICT = "subdistrict"
    SUBDISTRICT_NEARBY = "subdistrict_nearby"
    PROVINCE = "province"
    PROVINCE_ACROSS = "province_across"
    WHOLE_DISTRICT = "whole_district"
    WHOLE_PROVINCE = "whole_province"
    WHOLE_COUNTRY = "whole_country"
    IN_COUNTRY = "in_country"
    DRAWN_AREA = "drawn_area"
    # What else they are.
    AWAY = "away"
    BY_ROAD = "by_road"
    NO_ROAD = "no_road"
    KNOWS = "knows"
    # What excludes them.
    CHOSEN_ALREADY = "chosen_already"
    ASKED_BEFORE = "asked_before"
    NOT_ON_CALL = "not_on_call"
    OFF_DUTY = "off_duty"
    NO_CHANNEL = "no_channel"
    PLACE_UNKNOWN = "place_unknown"
    ANOTHER_PROVINCE = "another_province"
    ANOTHER_DISTRICT = "another_district"
    ANOTHER_SUBDISTRICT = "another_subdistrict"
    OUTSIDE_DRAWN_AREA = "outside_drawn_area"
    TOO_FAR = "too_far"
    NO_BASE = "no_base"
    # What hinders them.
    ON_SCENE = "on_scene"
    BUSY = "busy"
    ASKED_ELSEWHERE = "asked_elsewhere"
    RESTING = "resting"
    FREE_IN = "free_in"
    NOBODY_FREE = "nobody_free"
    # What those who were chosen have before them.
    OTHERS_LIKELIER = "others_likelier"
    OTHERS_SKILLED = "others_skilled"
    OTHERS_NEARER = "others_nearer"
    OTHERS_WAITED = "others_waited"
    OTHERS_NUMBERED = "others_numbered"
    # Of many who were not even looked at.
    ALL_FARTHER = "all_farther"
    ALL_BEHIND = "all_behind"
    ALL_NUMBERED = "all_numbered"
    OTHER_PARTS = "other_parts"


class Phrase(NamedTuple):
    """One word, and what fills it."""

    word: Why
    values: tuple[tuple[str, str | float], ...] = ()

    @classmethod
    def of(cls, word: Why, **values: str | float) -> "Phrase":
        """That word with these values."""
        return cls(word, tuple(values.items()))

    def to_json(self) -> dict[str, Any]:
        """As it is stored and told: `{"why": "away", "km": 3.1}`."""
        return {"why": self.word, **dict(self.values)}


#: Of whoever was passed over, the first phrase is the one that decided.
Reason = tuple[Phrase, ...]


def told(reason: Reason) -> list[dict[str, Any]]:
    """As it is stored."""
    return [phrase.to_json() for phrase in reason]


@dataclass(frozen=True)
class Rest:
    """How many more there were, and why none of them was chosen."""

    n: int
    phrase: Phrase

    def to_json(self) -> dict[str, Any]:
        """As it is stored and told: `{"n": 412, "why": "all_farther", "km": 3.1}`."""
        return {"n": self.n, **self.phrase.to_json()}


def summed(reasons: Iterable[Reason]) -> tuple[Rest, ...]:
    """How many of these were passed over for the same, in the order in which each came first."""
    counts: dict[Phrase, int] = {}
    for reason in reasons:
        counts[reason[0]] = counts.get(reason[0], 0) + 1
    return tuple(Rest(n, phrase) for phrase, n in counts.items())
