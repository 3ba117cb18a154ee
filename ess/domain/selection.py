"""Candidates in, the chosen and the reasons out.

Who is asked: whoever is responsible for the place, in the role that is wanted, on duty, with a channel, and near
enough.  Of these the free come first; whoever is resting, asked elsewhere, at their capacity or on a scene is passed
over while anybody is free, and asked when nobody is: better a busy officer than none.  Among the free: the likelier
area, the wished skills, the nearer, and of those about equally near whoever was alerted least recently.

Every candidate keeps the reason why they were chosen or not, so that a supervisor can see it.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ess.domain.duty import Responder, is_on_call
from ess.domain.place import Place, distance_km, is_inside
from ess.domain.policy import Target, Within
from ess.domain.roster import NATION

#: Below this the province may be another one of the candidates, and each of them is asked: with the shipped outlines
#: that is where the next province is less than a kilometre farther than the first.
SURE = 0.8
#: Within so many kilometres nobody is nearer than another: whoever was alerted least recently comes first.
_BAND_KM = 2.0
_PROVINCE = 2


@dataclass(frozen=True)
class Candidate:
    """One responder as the choice saw them."""

    responder: Responder
    chosen: bool
    reason: str
    #: From the incident's pin to the responder's base; None where either is unknown.
    distance_km: float | None = None
    #: Nothing speaks against them: they are not merely taken because nobody better is left.
    free: bool = True


@dataclass(frozen=True)
class Reach:
    """An area in which a target looks for responders."""

    #: DOPA code, `TH`, or "" for all of them.
    code: str
    #: Whoever serves any part of the area, not only who serves all of it.
    parts: bool
    #: In plain words.
    words: str


def reaches(within: Within, place: Place | None) -> list[Reach]:
    """Where to look, the likeliest area first: each part of a larger area before those who serve all of it.

    Without a place only those who work for the whole country are left.
    """
    everywhere = Reach(NATION, parts=False, words="for the whole country")
    if within is Within.NATION:
        return [everywhere, Reach("", parts=True, words="in the country")]
    return [*(_places_reaches(within, place) if place else ()), everywhere]


def _places_reaches(within: Within, place: Place) -> Iterator[Reach]:
    provinces = [area.code for area in place.candidates]
    if within is Within.PROVINCE:
        yield from _in_order(provinces, "the province", "a province across the border")
        return
    districts = [area.code for area in place.districts]
    if within is Within.DISTRICT or not place.subdistricts:  # which only official outlines tell, or words
        yield from _in_order(districts, "the district", "a district nearby")
        if _is_unsure(place):
            # No district of theirs was named, and the place may be theirs all the same.
            named = {code[:_PROVINCE] for code in districts}
            sides = [area.code for area in place.sides]
            unnamed = [code for code in sides if code not in named and code != place.province.code]
            yield from (Reach(code, parts=True, words="a province across the border") for code in unnamed)
    else:
        yield from _in_order([area.code for area in place.subdistricts], "the sub-district", "a sub-district nearby")
        yield from (Reach(code, parts=False, words="the whole district") for code in districts)
    yield from (Reach(code, parts=False, words="the whole province") for code in provinces)


def _in_order(codes: Iterable[str], first: str, others: str) -> Iterator[Reach]:
    return (Reach(code, parts=True, words=others if i else first) for i, code in enumerate(codes))


def nearby(reach: Reach, place: Place | None) -> list[Reach]:
    """The part of a large area where the nearest live who serve it: where to look first, and mostly where it ends.

    Where no part is any likelier, the area itself.
    """
    if place is None or not reach.parts:
        return [reach]
    if not reach.code:
        return [replace(reach, code=area.code) for area in place.candidates]
    if len(reach.code) > _PROVINCE:
        return [reach]
    districts = [replace(reach, code=area.code) for area in place.districts if area.code.startswith(reach.code)]
    if not districts and _is_unsure(place):
        return [reach]
    return [*districts, replace(reach, parts=False)]


def n_sides(place: Place | None) -> int:
    """For how many provinces the count of a target is meant: near a border for each that may own the place."""
    return len(place.sides) if place and _is_unsure(place) else 1


def _is_unsure(place: Place) -> bool:
    """Whether the border is too near; words that fit several provinces are asked about instead."""
    return len(place.sides) > 1 and place.confidence < SURE and place.is_sure


def choose(
    targets: Sequence[Target],
    responders: Iterable[Responder],
    place: Place | None,
    pin: tuple[float, float] | None,
    asked: frozenset[UUID],
    at: datetime,
) -> list[Candidate]:
    """Rank the responders for each target and choose the best `count` of them; near a border, of each side.

    `asked` are those who were alerted in an earlier step of the track: they still have it on their phone
    and are passed over.  The answer holds everybody whose role was wanted, once for each target, the chosen first;
    it is empty where nobody has the role.  A target without anybody takes nothing from the others.  The same input
    gives the same answer.
    """
    pool = list(responders)
    answer: list[Candidate] = []
    taken: set[UUID] = set()
    for target in targets:
        areas = reaches(target.within, place)
        ranked = sorted(
            (
                _judged(responder, target, areas, pin, asked, taken, at)
                for responder in pool
                if responder.role is target.role
            ),
            key=lambda judged: (judged.rank, judged.responder.ref),
        )
        found = [candidate for side in _sides(ranked, place) for candidate in _picked(side, target.count)]
        taken |= {candidate.responder.id for candidate in found if candidate.chosen}
        answer += found
    return sorted(answer, key=lambda candidate: not candidate.chosen)


class _Rank(NamedTuple):
    """What decides, in this order: the less, the sooner."""

    #: 0: none, then the soft ones, then what excludes.
    obstacle: int
    area: int
    lacking_skills: int
    band: float
    #: Seconds of the epoch, 0 for never.
    last_alerted: float
    km: float


#: What those who were chosen had before whoever is behind them only there.
_AHEAD = ("", "in a likelier area", "with more of the skills", "nearer", "alerted less recently", "nearer")


@dataclass(frozen=True)
class _Judged:
    responder: Responder
    rank: _Rank
    #: The province on whose side of the border they are.
    side: str
    #: What they are: role, area, distance, skills.
    words: str
    #: What speaks against them.
    against: str | None
    km: float | None


#: From here on an obstacle excludes.
_HARD = 10
_FAR = 1e6


def _judged(
    responder: Responder,
    target: Target,
    areas: Sequence[Reach],
    pin: tuple[float, float] | None,
    asked: Set[UUID],
    taken: Set[UUID],
    at: datetime,
) -> _Judged:
    km = None
    if pin and responder.latitude is not None and responder.longitude is not None:
        km = distance_km(*pin, responder.latitude, responder.longitude)
    nearness = _nearness(responder, areas)
    area = areas[nearness] if nearness is not None else None
    drawn = is_inside(*pin, responder.outline) if pin and responder.outline else None
    if responder.id in taken:
        obstacle: tuple[int, str] | None = (_HARD, "chosen already")
    elif excluded := _exclusion(responder, target, areas, area, asked, at) or _too_far(target, pin, km, drawn):
        obstacle = (_HARD, excluded)
    else:
        obstacle = _hindrance(responder, at)
    having = [skill for skill in target.skills if skill in responder.skills]
    where = "the area that is drawn for them" if drawn else area.words if area else "elsewhere"
    words = [responder.role, where, *([f"{km:.1f} km away"] if km is not None else ())]
    rank = _Rank(
        obstacle=obstacle[0] if obstacle else 0,
        area=0 if drawn else nearness or 0,
        lacking_skills=len(target.skills) - len(having),
        band=km // _BAND_KM if km is not None else _FAR,
        last_alerted=responder.last_alerted_at.timestamp() if responder.last_alerted_at else 0,
        km=km if km is not None else _FAR,
    )
    return _Judged(
        responder,
        rank,
        side=area.code[:_PROVINCE] if area else "",
        words=", ".join([*words, *(f"knows {skill}" for skill in having)]),
        against=obstacle[1] if obstacle else None,
        km=km,
    )


def _exclusion(
    responder: Responder,
    target: Target,
    areas: Sequence[Reach],
    area: Reach | None,
    asked: Set[UUID],
    at: datetime,
) -> str | None:
    """Why they cannot be asked at all, wherever they are."""
    if responder.id in asked:
        return "asked before"
    if not is_on_call(responder, at):
        return "not on call"
    if responder.off_duty:
        return responder.off_duty
    if not responder.channels:
        return "no channel reaches them"
    return _elsewhere(responder, target, areas) if area is None else None


def _too_far(target: Target, pin: tuple[float, float] | None, km: float | None, drawn: bool | None) -> str | None:
    if drawn is False:
        return "outside the area that is drawn for them"
    if target.max_km is None or pin is None:
        return None
    if km is None:
        return f"no known base, so perhaps farther than {target.max_km:g} km"
    return f"{km:.1f} km away, farther than {target.max_km:g} km" if km > target.max_km else None


def _hindrance(responder: Responder, at: datetime) -> tuple[int, str] | None:
    """Why they are asked only where nobody is free: the more it hinders, the later."""
    if responder.on_scene:
        return 4, "on the scene of another incident"
    if responder.capacity is not None and responder.busy >= responder.capacity:
        return 3, f"busy with {responder.busy} of {responder.capacity} at most"
    if responder.capacity is not None and responder.busy + responder.asked >= responder.capacity:
        return 2, f"being asked for {responder.asked} more, and has room for {responder.capacity - responder.busy}"
    if responder.free_since is not None and at < responder.free_since + responder.rest:
        rested = (responder.free_since + responder.rest - at).total_seconds() / 60
        return 1, f"resting for {rested:.0f} min more"
    return None


def _nearness(responder: Responder, areas: Sequence[Reach]) -> int | None:
    """Where among the areas theirs comes first; None: nowhere."""
    own = responder.jurisdictions or (responder.district_code or responder.province_code or NATION,)
    return next(
        (i for i, area in enumerate(areas) if any(_serves(code, area) for code in own)),
        None,
    )


def _serves(code: str, area: Reach) -> bool:
    return code.startswith(area.code) if area.parts else code == area.code


def _elsewhere(responder: Responder, target: Target, areas: Sequence[Reach]) -> str:
    provinces = {area.code[:_PROVINCE] for area in areas} - {NATION}
    if not provinces:
        return "the place is unknown"
    if responder.province_code not in provinces:
        return "another province"
    return f"another {target.within}"


def _sides(ranked: Sequence[_Judged], place: Place | None) -> Iterator[list[_Judged]]:
    """All in one, or where the border is too near to be sure, each province by itself."""
    if place is None or not _is_unsure(place):
        yield list(ranked)
        return
    provinces = [area.code for area in place.sides]
    sides: dict[str, list[_Judged]] = {code: [] for code in provinces}
    for judged in ranked:  # who belongs to neither side stands with the likelier one
        sides[judged.side if judged.side in sides else provinces[0]].append(judged)
    yield from sides.values()


def _picked(ranked: Sequence[_Judged], count: int) -> Iterator[Candidate]:
    """The first `count` of those whom the least obstacle hinders, and the others with the reason why not."""
    best = ranked[0].rank.obstacle if ranked else _HARD
    able = [judged for judged in ranked if judged.rank.obstacle == best < _HARD][:count]
    last = able[-1].rank if able else None
    for i, judged in enumerate(ranked):  # in order, so that those who are able come first
        chosen = i < len(able)
        yield Candidate(judged.responder, chosen, _reason(judged, last, chosen=chosen), judged.km, not judged.against)


def _reason(judged: _Judged, last: _Rank | None, *, chosen: bool) -> str:
    if judged.rank.obstacle >= _HARD:
        return str(judged.against)
    if chosen:
        return f"{judged.words}; {judged.against}, and nobody is free" if judged.against else judged.words
    if judged.against:
        return f"{judged.words}; {judged.against}"
    ahead = next((_AHEAD[i] for i, own in enumerate(judged.rank) if last and own != last[i]), "first by their number")
    return f"{judged.words}; others {ahead}"
