"""From the words of an address, Thai or English, to the province and districts that they name.

A wrong province sends police to the wrong place, so words that say little count as silence: the caller asks back
or turns to the national desk.
"""

from collections import defaultdict
from collections.abc import Iterable

from ess.domain.place import Place, guess
from ess.geo.mentions import Mention, mentions_in
from ess.geo.names import DISTRICT, PROVINCE, SUBDISTRICT, areas

#: The least weight that decides: a district's name alone reaches it, a post code or a village's name does not.
_LEAST_WEIGHT = 1.5
#: A province whose weight is this near to the best one's is a candidate beside it.
_RIVAL_MARGIN = 1.0
#: More provinces than this are no answer ("อ.เมือง" alone).
_MAX_CANDIDATES = 10
_MAX_DISTRICTS = 3


def find(text: str) -> Place | None:
    """The province and districts that an address names; None where it names none, or too many to choose from.

    The confidence is m / (1 + m) with the margin m, the weight by which the best province leads: 0.89 for
    "อ.วังทอง จ.พิษณุโลก 65130", 0.75 for a province's plain name, 0.60 for that of a district.  Where
    several provinces may be meant, or several districts alike, it is below 0.5.

    Words that contradict themselves ("อ.หาดใหญ่ จ.พิษณุโลก") are where the district is, which has a station to ask
    and is seldom mistaken, contradicted by the province; nobody is sure of it.
    """
    mentions = mentions_in(text)
    provinces = _weights(mentions, PROVINCE)
    ranked = sorted(provinces, key=lambda code: -provinces[code])  # equal ones in the order of the text
    if not ranked or provinces[ranked[0]] < _LEAST_WEIGHT:
        return None
    best = provinces[ranked[0]]
    candidates = [code for code in ranked if provinces[code] >= best - _RIVAL_MARGIN and provinces[code] >= best / 2]
    if len(candidates) > _MAX_CANDIDATES:
        return None
    contradicted_by = None
    if len(candidates) == 2 and _districts(mentions, candidates[1:]) and not _districts(mentions, candidates[:1]):
        contradicted_by = candidates[0]
        candidates.reverse()
    rival = max((weight for code, weight in provinces.items() if code != ranked[0]), default=0.0)
    margin = best - rival
    districts = _districts(mentions, candidates)
    n_alike = max(len(candidates), _n_tied(mentions, districts))
    return Place(
        province=areas()[candidates[0]],
        districts=tuple(areas()[code] for code in districts),
        candidates=tuple(areas()[code] for code in candidates),
        confidence=round(margin / (1 + margin) if n_alike == 1 else guess(n_alike), 2),
        source="text",
        subdistricts=tuple(areas()[code] for code in _subdistricts(mentions, districts)),
        contradicted_by=areas()[contradicted_by] if contradicted_by else None,
    )


def _districts(mentions: Iterable[Mention], provinces: list[str]) -> list[str]:
    """The likeliest districts that were named, the first province's first; none where that has none."""
    weights = _weights(mentions, DISTRICT)
    likeliest: list[str] = []
    for province in provinces:
        named = {code: weight for code, weight in weights.items() if code[:PROVINCE] == province}
        enough = max(named.values(), default=0.0) / 2
        likeliest += sorted((code for code in named if named[code] >= enough), key=lambda code: -weights[code])
    return likeliest[:_MAX_DISTRICTS] if likeliest and likeliest[0][:PROVINCE] == provinces[0] else []


def _n_tied(mentions: Iterable[Mention], districts: list[str]) -> int:
    """How many of these are as likely as the first; 1 where there is none."""
    weights = _weights(mentions, DISTRICT)
    return max(1, sum(weights[code] == weights[districts[0]] for code in districts))


def _subdistricts(mentions: Iterable[Mention], districts: list[str]) -> list[str]:
    """The likeliest sub-districts that were named, the first district's; none where that has none."""
    weights = _weights(mentions, SUBDISTRICT)
    named = [code for code in weights if code[:DISTRICT] in districts[:1]]
    return sorted(named, key=lambda code: -weights[code])[:_MAX_DISTRICTS]


def _weights(mentions: Iterable[Mention], level: int) -> dict[str, float]:
    """What all mentions together weigh for each area of the level; the same name twice counts once."""
    weights: dict[str, float] = defaultdict(float)
    heaviest: dict[frozenset[str], float] = {}
    for mention in mentions:
        heaviest[mention.codes] = max(heaviest.get(mention.codes, 0.0), mention.weight)
    for codes, weight in heaviest.items():
        for code in dict.fromkeys(code[:level] for code in sorted(codes, key=_broadest_first) if len(code) >= level):
            weights[code] += weight
    return weights


def _broadest_first(code: str) -> tuple[int, str]:
    return len(code), code
