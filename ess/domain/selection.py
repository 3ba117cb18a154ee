"""Candidates in, the chosen and the reasons out.

Every candidate keeps the reason why they were chosen or not, so that a supervisor can see it.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ess.domain.duty import Responder, is_on_call
from ess.domain.place import Place, distance_km
from ess.domain.policy import Target, Within


@dataclass(frozen=True)
class Candidate:
    """One responder as the choice saw them."""

    responder: Responder
    chosen: bool
    reason: str
    #: From the incident's pin to the responder's base; None where either is unknown.
    distance_km: float | None = None


def choose(
    targets: Sequence[Target],
    responders: Iterable[Responder],
    place: Place | None,
    pin: tuple[float, float] | None,
    asked: frozenset[UUID],
    at: datetime,
) -> list[Candidate]:
    """Rank the responders for each target and choose the best `count` of them.

    `asked` are those who were alerted in an earlier step of the track: they still have it on their phone
    and are passed over.  The answer holds everybody whose role was wanted, the chosen first; it is empty
    where nobody has the role.  The same input gives the same answer.
    """
    pool = list(responders)
    answer: list[Candidate] = []
    taken: set[UUID] = set()
    for target in targets:
        ranked = sorted(
            (
                _judged(responder, target, place, pin, asked, taken, at)
                for responder in pool
                if responder.role is target.role
            ),
            key=lambda ranking: ranking[0],
        )
        for i, (_, candidate) in enumerate(ranked):
            chosen = candidate.chosen and i < target.count
            reason = candidate.reason if chosen or not candidate.chosen else f"{candidate.reason}; others nearer"
            answer.append(Candidate(candidate.responder, chosen, reason, candidate.distance_km))
            if chosen:
                taken.add(candidate.responder.id)
    return sorted(answer, key=lambda candidate: not candidate.chosen)


_Rank = tuple[bool, int, float, str]


def _judged(
    responder: Responder,
    target: Target,
    place: Place | None,
    pin: tuple[float, float] | None,
    asked: Set[UUID],
    taken: Set[UUID],
    at: datetime,
) -> tuple[_Rank, Candidate]:
    km = None
    if pin and responder.latitude is not None and responder.longitude is not None:
        km = distance_km(*pin, responder.latitude, responder.longitude)
    nearness, area = _jurisdiction(responder, target.within, place)
    obstacle = (
        "chosen already"
        if responder.id in taken
        else "asked before"
        if responder.id in asked
        else "not on call"
        if not is_on_call(responder, at)
        else responder.off_duty
        or ("no channel reaches them" if not responder.channels else area if nearness is None else None)
    )
    far = f", {km:.1f} km away" if km is not None else ""
    reason = obstacle or f"{responder.role}, {area}{far}"
    rank = (obstacle is not None, nearness or 0, km if km is not None else 1e6, responder.ref)
    return rank, Candidate(responder, obstacle is None, reason, km)


def _jurisdiction(responder: Responder, within: Within, place: Place | None) -> tuple[int | None, str]:
    """How near the jurisdiction is (0 the best, None: outside), and in words."""
    if within is Within.NATION:
        return 0, "for the whole country"
    if place is None:
        return None, "the place is unknown"
    provinces = [area.code for area in place.candidates]
    if responder.province_code not in provinces:
        return None, "another province"
    if within is Within.PROVINCE:
        order = provinces.index(responder.province_code)
        return order, "the province" if order == 0 else "a province across the border"
    districts = [area.code for area in place.districts]
    if responder.district_code not in districts:
        return None, "another district"
    order = districts.index(responder.district_code)
    return order, "the district" if order == 0 else "a district nearby"
