"""How what somebody typed is read: as one would type it on a Latin keyboard, without polite endings."""

import re
import unicodedata

_POLITELY = r"(นะ)?(ครับผม|ครับ|คับ|ค่ะ|คะ|จ้า)"
_POLITE, _POLITE_FIRST = re.compile(f"{_POLITELY}$"), re.compile(f"^{_POLITELY}")
#: Thai keyboards leave these between words, and nobody sees them.
_UNSEEN = re.compile("[\u200b-\u200d\u2060\ufeff]")
_ENDING = " .!,;:…ๆฯ"


def plain(text: str) -> str:
    """No unseen characters, plain digits, single spaces, no capitals."""
    made = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).strip().casefold()
    digits = "".join(str(unicodedata.digit(char)) if char.isdecimal() else char for char in made)
    return " ".join(digits.split())


def bare(words: str) -> str:
    """Plain words without the polite ending."""
    return _POLITE.sub("", words.rstrip(_ENDING)).rstrip(_ENDING)


def bare_first(words: str) -> str:
    """Plain words without the polite ending of whatever stood before them."""
    return _POLITE_FIRST.sub("", words.strip(_ENDING)).strip(_ENDING)
