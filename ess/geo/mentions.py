"""Which areas a text mentions, and how much each mention weighs.

Thai is written without spaces, so names are looked for at every letter; what keeps a piece of some other word from
being taken for a place are the markers (อ., จังหวัด, District) and the weights below.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from rapidfuzz import fuzz, process

from ess.geo.names import (
    COMMON_WORDS,
    DISTRICT,
    PROVINCE,
    SUBDISTRICT,
    by_name,
    by_postal_code,
    by_sound,
    capitals,
    sound,
    tidy,
)

#: A text longer than this is read so far only.
_MAX_CHARACTERS = 5_000

_MARKED_WEIGHT = {PROVINCE: 4.0, DISTRICT: 3.0, SUBDISTRICT: 2.0}
_PLAIN_WEIGHT = {PROVINCE: 3.0, DISTRICT: 1.5}
#: Of a name that is the whole text: namesakes in other provinces are rivals.
_ALONE_WEIGHT = {DISTRICT: 1.5, SUBDISTRICT: 1.0}
#: Decides nothing, and chooses between what others say.
_SUPPORT_WEIGHT = 0.5
_POSTAL_WEIGHT = 1.0
_LONE_POSTAL_WEIGHT = 2.0

#: Plain names with fewer letters are pieces of other words more often than places: where they stand alone, and where
#: they do not.
_MIN_ALONE = {PROVINCE: 0, DISTRICT: 5}
_MIN_IN_WORDS = {PROVINCE: 5, DISTRICT: 7}

#: Least likeness by sound, of 100: after a marker where the province is known, after a marker, and without one.
#: 80 forgives one letter in five.
_LIKE_KNOWN = 70
_LIKE_MARKED = 80
_LIKE_PLAIN = 88
#: What a name that is only alike keeps of its weight, at most.
_FORGIVEN = 0.9
#: Spelling is forgiven in names of so many letters, with and without a marker; after so many markers; and without a
#: marker in a text as short as an address.
_MIN_FORGIVEN = 4
_MIN_FORGIVEN_PLAIN = 6
_MAX_FORGIVEN = 20
_MAX_ADDRESS = 300

# Markers become one capital letter each, which no tidy text holds.
_LEVELS = {"P": PROVINCE, "D": DISTRICT, "S": SUBDISTRICT}
_MARKERS = re.compile(
    r"(?P<P>จังหวัด|จว\s?\.|จ\s?\.|(?<!\S)จ(?=\s)|\b(?:changwat|province)\b)"
    r"|(?P<S>ตำบล|แขวง|ต\s?\.|(?<!\S)ต(?=\s)|\b(?:sub[- ]?district|tambon|tambol|khwaeng)\b)"
    # One district ends in a marker: Sanam Chai Khet.
    r"|(?P<D>อำเภอ|(?<!ชัย)เขต|อ\s?\.|(?<!\S)อ(?=\s)|\b(?:district|amphoe|amphur|ampur|(?<!chai )khet)\b)"
    # Roads, banks and number plates bear the names of provinces that they are not in: X before a name, Y after it.
    r"|(?P<X>ถนน|ถ\s?\.|ซอย|ซ\s?\.|ธนาคาร|ทะเบียน\s*[0-9]?[ก-ฮ]{1,3}[\s-]*[0-9]{1,4})"
    r"|(?P<Y>\b(?:road|rd|street|bank)\b)"
)
#: Words that people write around a place without a space.
_PARTICLES = re.compile("อยู่|แถว|(?<!เ)ที่|ครับ|ค่ะ|เทศบาล(?:นคร|เมือง)?")
#: Sums of money are no post codes.
_POSTAL_CODE = re.compile(r"(?<!\d)(\d{5})(?!\d)(?!\s*(?:บาท|baht|thb|฿))")
_POSTAL_MARKER = re.compile("ไปรษณีย์|post|zip")
_KEPT = re.compile("[a-z0-9ก-ฮะ-ฺเ-ๅ็-๎PDSXY]")
_THAI = re.compile("[ก-๎]")
#: Signs that belong to the letter before them: a name does not end in front of one.
_TRAILING_SIGN = re.compile("[ะ-ฺๅ็-๎]")


@dataclass(frozen=True)
class Mention:
    """Something in the text that names one area, or one of several."""

    #: DOPA codes.
    codes: frozenset[str]
    #: 4 for a province with its marker, down to 0.5 for what only supports others.
    weight: float
    #: About where in the text, in letters.
    at: int = 0


def mentions_in(text: str) -> list[Mention]:
    """The mentions in the order of the text; empty where nothing in it is a name."""
    text = tidy(text[:_MAX_CHARACTERS])
    reading = _Reading(text)
    found = [*reading.names(), *_postal_codes(text)]
    sure = [mention for mention in found if mention.weight > _SUPPORT_WEIGHT]
    provinces = frozenset(code for mention in sure for code in mention.codes if len(code) == PROVINCE)
    found += reading.misspelt(provinces)
    return sorted(found, key=lambda mention: mention.at)


def _postal_codes(text: str) -> Iterator[Mention]:
    is_meant = text.strip().isdecimal() or _POSTAL_MARKER.search(text)
    for match in _POSTAL_CODE.finditer(text):
        codes = by_postal_code().get(match[1])
        if codes:
            yield Mention(codes, _LONE_POSTAL_WEIGHT if is_meant else _POSTAL_WEIGHT, match.start())


@dataclass(frozen=True)
class _Match:
    """Letters of the text that are a name."""

    start: int
    end: int
    #: Of one level: the marker's, else the broadest.
    codes: frozenset[str]
    is_marked: bool

    @property
    def level(self) -> int:
        return len(next(iter(self.codes)))


class _Reading:
    """A text as bare letters, markers as capitals."""

    def __init__(self, text: str) -> None:
        text = _MARKERS.sub(lambda match: f" {match.lastgroup} ", text)
        letters: list[str] = []
        #: Where words begin and end.
        self.edges = {0}
        for character in _PARTICLES.sub(" ", text):
            if not _KEPT.match(character):
                self.edges.add(len(letters))
                continue
            if letters and _script(letters[-1]) != _script(character):
                self.edges.add(len(letters))
            letters.append(character)
        self.edges.add(len(letters))
        self.letters = "".join(letters)
        #: For each letter, whether it is part of a name that has been understood.
        self._understood = bytearray(len(letters))

    def names(self) -> list[Mention]:
        """What is spelt as in the register or on the street; of names that overlap, the longest."""
        ranked = sorted(self._matches(), key=lambda match: (match.start - match.end, not match.is_marked, match.start))
        places, taken = [], bytearray(len(self.letters))
        for match in ranked:
            if not any(taken[match.start : match.end]):
                _mark(taken, match)
                if self._is_no_place(match):
                    _mark(self._understood, match)
                else:
                    places.append(match)
        is_address = self._is_address(places)
        mentions = []
        for match in places:
            weighed = self._weighed(match, is_address=is_address)
            if any(mention.weight > _SUPPORT_WEIGHT for mention in weighed):
                _mark(self._understood, match)
            mentions += weighed
        return mentions

    def misspelt(self, provinces: frozenset[str]) -> Iterator[Mention]:
        """What is nearly a name: after a marker, or, while no province is known, the words of a short text."""
        least = _LIKE_KNOWN if provinces else _LIKE_MARKED
        for marker in islice(re.finditer("[PD]", self.letters), _MAX_FORGIVEN):
            level, start = _LEVELS[marker[0]], marker.end()
            heard = sound(self._segment(start))
            if len(heard) >= _MIN_FORGIVEN and not self._understood[start]:
                likeness = {
                    name: fuzz.ratio(name, heard[: len(name)], score_cutoff=least)
                    for name, codes in by_sound(level).items()
                    if len(name) >= _MIN_FORGIVEN
                    and (not provinces or any(code[:PROVINCE] in provinces for code in codes))
                }
                yield from _likeliest(likeness, level, _MARKED_WEIGHT[level], start)
        if not provinces and len(self.letters) <= _MAX_ADDRESS:
            names = tuple(by_sound(PROVINCE))
            for start, words in self._words():
                found = process.extract(sound(words), names, scorer=fuzz.ratio, score_cutoff=_LIKE_PLAIN)
                likeness = {name: score for name, score, _ in found}
                yield from _likeliest(likeness, PROVINCE, _PLAIN_WEIGHT[PROVINCE], start)

    # --- names -------------------------------------------------------------------------------------------
    def _matches(self) -> Iterator[_Match]:
        for start in range(len(self.letters)):
            for length in _lengths().get(self.letters[start : start + 2], ()):
                end = start + length
                codes = by_name().get(self.letters[start:end]) if end <= len(self.letters) else None
                if codes and self._is_whole(start, end):
                    levels = self._marked_levels(start, end)
                    marked = _broadest(frozenset(code for code in codes if len(code) in levels))
                    yield _Match(start, end, marked or _broadest(codes), is_marked=bool(marked))
            yield from self._capital(start)

    def _capital(self, start: int) -> Iterator[_Match]:
        """ "อ.เมือง" and "Mueang District": the capital's district of whichever province."""
        for word in ("เมือง", "mueang"):
            end = start + len(word)
            if self.letters.startswith(word, start) and DISTRICT in self._marked_levels(start, end):
                yield _Match(start, end, capitals(), is_marked=True)

    def _marked_levels(self, start: int, end: int) -> set[int | None]:
        """The levels that the marker before the name tells, and in English the one after it."""
        before = self.letters[start - 1 : start]
        after = "" if _THAI.match(self.letters[start]) else self.letters[end : end + 1]
        return {_LEVELS.get(before), _LEVELS.get(after)}

    def _is_whole(self, start: int, end: int) -> bool:
        """Whether no letter of another word is cut off."""
        if _THAI.match(self.letters[start]):
            return not _TRAILING_SIGN.match(self.letters[end : end + 1])
        return start in self.edges and end in self.edges

    def _is_no_place(self, match: _Match) -> bool:
        before, after = self.letters[match.start - 1 : match.start], self.letters[match.end : match.end + 1]
        return not match.is_marked and (before == "X" or after == "Y")

    def _is_address(self, places: list[_Match]) -> bool:
        """Whether the text holds a province and nothing but names and numbers."""
        n_letters = sum(match.end - match.start for match in places)
        has_province = any(match.level == PROVINCE for match in places)
        return has_province and n_letters == len(re.sub("[A-Z0-9]", "", self.letters))

    def _weighed(self, match: _Match, *, is_address: bool) -> list[Mention]:
        name = self.letters[match.start : match.end]
        if match.is_marked or is_address:
            weight = _MARKED_WEIGHT[match.level]
        elif name in COMMON_WORDS or (name != self.letters and self._is_doubtful(match)):
            weight = _SUPPORT_WEIGHT
        elif name == self.letters:
            named = {level: frozenset(c for c in by_name()[name] if len(c) == level) for level in _ALONE_WEIGHT}
            return [Mention(codes, _ALONE_WEIGHT[level], match.start) for level, codes in named.items() if codes]
        else:
            weight = _PLAIN_WEIGHT[match.level]
        return [Mention(match.codes, weight, match.start)]

    def _is_doubtful(self, match: _Match) -> bool:
        """Whether a plain name may be a piece of other words, or a district's that villages elsewhere bear too."""
        if match.level == SUBDISTRICT:
            return True
        stands_alone = match.start in self.edges and match.end in self.edges
        min_letters = _MIN_ALONE if stands_alone else _MIN_IN_WORDS
        namesakes = {code[:PROVINCE] for code in by_name()[self.letters[match.start : match.end]]}
        return match.end - match.start < min_letters[match.level] or (match.level == DISTRICT and len(namesakes) > 1)

    # --- nearly names ------------------------------------------------------------------------------------
    def _segment(self, start: int) -> str:
        """The letters from here to the next marker or number; in Thai to the next space."""
        found = re.compile("[^A-Z0-9]*").match(self.letters, start)
        end = found.end() if found else start
        if _THAI.match(self.letters[start:end]):
            end = next((i for i in range(start + 1, end) if i in self.edges), end)
        return self.letters[start:end]

    def _words(self) -> Iterator[tuple[int, str]]:
        """One to three words in a row that have not been understood, each with its place."""
        edges = sorted(self.edges)
        for i, start in enumerate(edges):
            for end in edges[i + 1 : i + 4]:
                words = self.letters[start:end]
                if (
                    len(words) >= _MIN_FORGIVEN_PLAIN
                    and not re.search("[A-Z0-9]", words)
                    and not any(self._understood[start:end])
                ):
                    yield start, words


def _mark(letters: bytearray, match: _Match) -> None:
    letters[match.start : match.end] = b"\1" * (match.end - match.start)


def _likeliest(likeness: dict[str, float], level: int, weight: float, at: int) -> Iterator[Mention]:
    """A mention of the areas with the likest name; it weighs less the less alike they are."""
    best = max(likeness.values(), default=0.0)
    if best:
        likest = [by_sound(level)[name] for name, score in likeness.items() if score == best]
        yield Mention(frozenset().union(*likest), weight * _FORGIVEN * (best / 100) ** 2, at)


def _broadest(codes: frozenset[str]) -> frozenset[str]:
    level = min(map(len, codes), default=0)
    return frozenset(code for code in codes if len(code) == level)


def _script(letter: str) -> str:
    if letter.isupper():
        return letter
    return "digit" if letter.isdigit() else "thai" if _THAI.match(letter) else "latin"


@cache
def _lengths() -> dict[str, tuple[int, ...]]:
    """The lengths of the names that begin with these two letters."""
    lengths: dict[str, set[int]] = {}
    for name in by_name():
        lengths.setdefault(name[:2], set()).add(len(name))
    return {head: tuple(found) for head, found in lengths.items()}
