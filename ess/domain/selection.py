"""Candidates in, the chosen and the reasons out.

Who is asked: whoever is responsible for the place, in the role that is wanted, on duty, with a channel, and near
enough.  Of these the free come first; whoever is resting, asked elsewhere, at their capacity or on a scene is passed
over while anybody is free, and asked when nobody is: better a busy officer than none.  Whoever is on a scene is asked
only where the whole step finds nobody free.  Among the free: those within the smallest distance that is given, and
beyond it only where they are too few; of these the likelier area, the wished skills, whoever a road leads there, the
nearer, and of those about equally near whoever was alerted least recently.

Every candidate keeps the reason why they were chosen or not, so that a supervisor can see it.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ess.domain.duty import NATIONAL_ROLES, Responder, is_on_call
from ess.domain.place import Place, distance_km, is_inside
from ess.domain.policy import Target, Within
from ess.domain.reason import Phrase, Reason, Why
from ess.domain.roster import NATION, seat
from ess.domain.travel import MINUTES_PER_KM

#: Below this the province may be another one of the candidates, and each of them is asked: with the shipped outlines
#: that is where the next province is less than a kilometre farther than the first.
SURE = 0.8
#: Within so many minutes nobody is nearer than another: whoever was alerted least recently comes first.
_BAND_MINUTES = 2.0 * MINUTES_PER_KM
_PROVINCE = 2


@dataclass(frozen=True)
class Candidate:
    """One responder as the choice saw them."""

    responder: Responder
    chosen: bool
    reason: Reason
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
    word: Why


def reaches(within: Within, place: Place | None) -> list[Reach]:
    """Where to look, the likeliest area first: each part of a larger area before those who serve all of it.

    Without a place only those who work for the whole country are left.
    """
    everywhere = Reach(NATION, parts=False, word=Why.WHOLE_COUNTRY)
    if within is Within.NATION:
        return [everywhere, Reach("", parts=True, word=Why.IN_COUNTRY)]
    return [*(_places_reaches(within, place) if place else ()), everywhere]


def _places_reaches(within: Within, place: Place) -> Iterator[Reach]:
    provinces = [area.code for area in place.candidates]
    if within is Within.PROVINCE:
        yield from _in_order(provinces, Why.PROVINCE, Why.PROVINCE_ACROSS)
        return
    districts = [area.code for area in place.districts]
    if within is Within.DISTRICT or not place.subdistricts:  # which only official outlines tell, or words
        yield from _in_order(districts, Why.DISTRICT, Why.DISTRICT_NEARBY)
        if _is_unsure(place):
            # No district of theirs was named, and the place may be theirs all the same.
            named = {code[:_PROVINCE] for code in districts}
            sides = [area.code for area in place.sides]
            unnamed = [code for code in sides if code not in named and code != place.province.code]
            yield from (Reach(code, parts=True, word=Why.PROVINCE_ACROSS) for code in unnamed)
    else:
        yield from _in_order([area.code for area in place.subdistricts], Why.SUBDISTRICT, Why.SUBDISTRICT_NEARBY)
        yield from (Reach(code, parts=False, word=Why.WHOLE_DISTRICT) for code in districts)
    yield from (Reach(code, parts=False, word=Why.WHOLE_PROVINCE) for code in provinces)


def _in_order(codes: Iterable[str], first: Why, others: Why) -> Iterator[Reach]:
    return (Reach(code, parts=True, word=others if i else first) for i, code in enumerate(codes))


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
    if any(c.chosen and c.free and c.responder.role not in NATIONAL_ROLES for c in answer):
        answer = [_left_on_scene(candidate) for candidate in answer]
    return sorted(answer, key=lambda candidate: not candidate.chosen)


def _left_on_scene(candidate: Candidate) -> Candidate:
    """Whoever is on a scene stays there while anybody of the step is free."""
    if not (candidate.chosen and candidate.responder.on_scene):
        return candidate
    return replace(candidate, chosen=False, reason=(Phrase(Why.ON_SCENE), *candidate.reason[:-2]))


class _Rank(NamedTuple):
    """What decides, in this order: the less, the sooner."""

    #: 0: none, then the soft ones, then what excludes.
    obstacle: int
    #: How often the distance had to be widened until they were near enough.
    widened: int
    area: int
    lacking_skills: int
    #: 1 where no road leads there: a river's width is nothing to a crow.
    roadless: int
    band: float
    #: Seconds of the epoch, 0 for never.
    last_alerted: float
    minutes: float


#: What those who were chosen had before whoever is behind them only there.
_AHEAD = (
    Why.OTHERS_NUMBERED,  # nobody is behind for an obstacle alone: that is told itself
    Why.OTHERS_NEARER,
    Why.OTHERS_LIKELIER,
    Why.OTHERS_SKILLED,
    Why.OTHERS_NEARER,  # a road leads them there
    Why.OTHERS_NEARER,
    Why.OTHERS_WAITED,
    Why.OTHERS_NEARER,
)


@dataclass(frozen=True)
class _Judged:
    responder: Responder
    rank: _Rank
    #: The province on whose side of the border they are.
    side: str
    #: What they are: area, distance, skills.
    words: Reason
    #: What speaks against them, what decides first; empty: they are free.
    against: Reason
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
    # By road where that is known, else as the crow flies: one order for all, whoever is known.
    minutes = responder.minutes if responder.minutes is not None else _FAR if km is None else km * MINUTES_PER_KM
    nearness = _nearness(responder, areas)
    area = areas[nearness] if nearness is not None else None
    drawn = is_inside(*pin, responder.outline) if pin and responder.outline else None
    away = _away(km, responder)
    obstacle, against = _HARD, Reason()
    if responder.id in taken:
        against = (Phrase(Why.CHOSEN_ALREADY),)
    elif excluded := _exclusion(responder, target, areas, area, asked, at):
        against = (excluded,)
    elif far := _too_far(target, pin, km, drawn):
        against = (far, *away)
    else:
        obstacle, against = _hindrance(responder, at)
    having = [skill for skill in target.skills if skill in responder.skills]
    where = Why.DRAWN_AREA if drawn else area.word if area else None
    rank = _Rank(
        obstacle=obstacle,
        widened=_widened(target, km, roadless=responder.roadless),
        area=0 if drawn else nearness or 0,
        lacking_skills=len(target.skills) - len(having),
        roadless=responder.roadless,
        band=minutes // _BAND_MINUTES,
        last_alerted=responder.last_alerted_at.timestamp() if responder.last_alerted_at else 0,
        minutes=minutes,
    )
    return _Judged(
        responder,
        rank,
        side=area.code[:_PROVINCE] if area else "",
        words=(*((Phrase(where),) if where else ()), *away, *(Phrase.of(Why.KNOWS, skill=skill) for skill in having)),
        against=against,
        km=km,
    )


def _widened(target: Target, km: float | None, *, roadless: bool) -> int:
    """How often; without a road they are at the end of what is near enough, however few kilometres those are."""
    steps = sum(km is None or km > limit for limit in target.limits_km)
    return max(steps, len(target.limits_km) - 1) if roadless else steps


def _away(km: float | None, responder: Responder) -> Reason:
    crow = (Phrase.of(Why.AWAY, km=round(km, 2)),) if km is not None else ()
    if responder.roadless:
        return (*crow, Phrase(Why.NO_ROAD))
    return (*crow, Phrase.of(Why.BY_ROAD, minutes=round(responder.minutes))) if responder.minutes is not None else crow


def _exclusion(
    responder: Responder,
    target: Target,
    areas: Sequence[Reach],
    area: Reach | None,
    asked: Set[UUID],
    at: datetime,
) -> Phrase | None:
    """Why they cannot be asked at all, wherever they are."""
    if responder.id in asked:
        return Phrase(Why.ASKED_BEFORE)
    if not is_on_call(responder, at):
        return Phrase(Why.NOT_ON_CALL)
    if responder.off_duty:
        return responder.off_duty
    if not responder.channels:
        return Phrase(Why.NO_CHANNEL)
    return Phrase(_elsewhere(responder, target, areas)) if area is None else None


def _too_far(target: Target, pin: tuple[float, float] | None, km: float | None, drawn: bool | None) -> Phrase | None:
    """Why they are not near enough; an area that is drawn around the pin is near where no base is known."""
    if drawn is False:
        return Phrase(Why.OUTSIDE_DRAWN_AREA)
    if not target.limits_km or pin is None or (km is None and drawn):
        return None
    farthest = target.limits_km[-1]
    if km is None:
        return Phrase.of(Why.NO_BASE, max_km=farthest)
    return Phrase.of(Why.TOO_FAR, max_km=farthest) if km > farthest else None


def _hindrance(responder: Responder, at: datetime) -> tuple[int, Reason]:
    """Why they are asked only where nobody is free: the more it hinders, the later."""
    busy, asked, capacity = responder.busy, responder.asked, responder.capacity
    if responder.on_scene:
        return 4, (Phrase(Why.ON_SCENE),)
    if capacity is not None and busy >= capacity:
        return 3, (Phrase.of(Why.BUSY, n=busy, capacity=capacity),)
    if capacity is not None and busy + asked >= capacity:
        return 2, (Phrase.of(Why.ASKED_ELSEWHERE, n=asked, room=capacity - busy),)
    if responder.free_since is not None and at < responder.free_since + responder.rest:
        rested = (responder.free_since + responder.rest - at).total_seconds() / 60
        return 1, (Phrase(Why.RESTING), Phrase.of(Why.FREE_IN, minutes=round(rested)))
    return 0, ()


def _nearness(responder: Responder, areas: Sequence[Reach]) -> int | None:
    """Where among the areas theirs comes first; None: nowhere."""
    own = responder.jurisdictions or seat(responder.province_code, responder.district_code)
    return next(
        (i for i, area in enumerate(areas) if any(_serves(code, area) for code in own)),
        None,
    )


def _serves(code: str, area: Reach) -> bool:
    return code.startswith(area.code) if area.parts else code == area.code


def _elsewhere(responder: Responder, target: Target, areas: Sequence[Reach]) -> Why:
    provinces = {area.code[:_PROVINCE] for area in areas} - {NATION}
    if not provinces:
        return Why.PLACE_UNKNOWN
    if responder.province_code not in provinces:
        return Why.ANOTHER_PROVINCE
    return _ANOTHER[target.within]


_ANOTHER = {
    Within.SUBDISTRICT: Why.ANOTHER_SUBDISTRICT,
    Within.DISTRICT: Why.ANOTHER_DISTRICT,
    Within.PROVINCE: Why.ANOTHER_PROVINCE,
}


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


def _reason(judged: _Judged, last: _Rank | None, *, chosen: bool) -> Reason:
    if judged.rank.obstacle >= _HARD:
        return judged.against
    if chosen:
        return (*judged.words, *judged.against, Phrase(Why.NOBODY_FREE)) if judged.against else judged.words
    if judged.against:
        return (*judged.against, *judged.words)
    ahead = next((_AHEAD[i] for i, own in enumerate(judged.rank) if last and own != last[i]), Why.OTHERS_NUMBERED)
    return (Phrase(ahead), *judged.words)
