"""Who is asked, in what order, and how long we wait: one policy for each type of incident.

A policy is data that operators edit (`config/policies/*.yaml`).  An incident keeps the policy that it
began with, so an edit never changes a running escalation.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import inf
from typing import Any, ClassVar

from ess.domain.duty import NATIONAL_ROLES, Role
from ess.domain.place import SQUARE_M
from ess.domain.report import IncidentType


class Within(StrEnum):
    """How far from the incident a responder's jurisdiction may lie."""

    SUBDISTRICT = "subdistrict"
    DISTRICT = "district"
    PROVINCE = "province"
    NATION = "nation"


_STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True)
class Target:
    """`count` responders of one role, the nearest first; whoever has more of the skills comes before the others.

    Where a border is near and the place unsure, `count` of each province that may own it.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    role: Role
    within: Within
    count: int = 1
    #: From the pin to their base: one distance, or several, each for where too few are free within the one before.
    #: Without a pin nobody is too far.
    max_km: float | tuple[float, ...] | None = None
    #: What helps here: a wish, never a condition.
    skills: tuple[str, ...] = ()

    @property
    def limits_km(self) -> tuple[float, ...]:
        """The distances, the smallest first; empty where it may be any."""
        if self.max_km is None:
            return ()
        return self.max_km if isinstance(self.max_km, tuple) else (self.max_km,)


@dataclass(frozen=True)
class Step:
    """Everybody alerted at once, and how long we wait for one of them to acknowledge."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    alert: tuple[Target, ...]
    wait: timedelta


@dataclass(frozen=True)
class TrackPolicy:
    """One line of escalation; tracks run side by side and each wants its own acknowledgement."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    name: str
    #: Only these roles stop the track; anybody else who accepts is welcome, and the track goes on.
    acknowledged_by: tuple[Role, ...]
    steps: tuple[Step, ...]
    #: The lead track's acknowledgement is the one that the reporter is promised.
    lead: bool = False


@dataclass(frozen=True)
class LastResort:
    """Who is alerted when a track has run out, and how often again until a person takes it."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    alert: tuple[Target, ...]
    repeat: timedelta


@dataclass(frozen=True)
class Join:
    """Reports of the same type so near in place and time tell of one incident, as several witnesses."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    within_m: float
    #: From the incident's beginning.
    within: timedelta


class Grade(StrEnum):
    """How grave cases of a type are; what is promised after resolution follows from it."""

    #: วิกฤตฉุกเฉิน
    CRITICAL = "critical"
    #: ฉุกเฉิน
    EMERGENCY = "emergency"
    #: เร่งด่วน
    URGENT = "urgent"


class Kind(StrEnum):
    """What a follow-up is."""

    CALL = "call"
    #: Somebody goes there, because nobody answers the telephone.
    VISIT = "visit"


@dataclass(frozen=True)
class VisitPlan:
    """The visit that is asked for when nobody has answered any call."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    #: After the last call without an answer.
    due: timedelta
    by: Role = Role.ONE_HOME


@dataclass(frozen=True)
class FollowUpPlan:
    """A call that is promised to the victim after resolution, or the visit that takes its place."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    name: str
    by: Role
    #: After resolution.
    due: timedelta
    #: A call that was not reported when due is reminded this often …
    remind_every: timedelta
    #: … so many times, then the supervisors are told as well.
    reminders: int
    #: Calls to make before a supervisor decides, counting the first.
    tries: int
    #: From a call without answer to the next, at least.
    retry_after: timedelta
    #: Due, asked for, reminded of and tried again in calling hours only; false: at any time, as it was once.
    calling_hours: bool = False
    #: So much later than promised it may be moved to, where the victim wishes that.
    move_within: timedelta = timedelta(days=3)
    #: None: when the tries are used up a supervisor decides.
    visit: VisitPlan | None = None
    kind: Kind = Kind.CALL


@dataclass(frozen=True)
class Policy:
    """All that the engine does by itself for one type of incident."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    type: IncidentType
    #: From acknowledgement to arrival, told to the reporter where the responder gives no time.
    arrival_target: timedelta
    #: How long a report without a place waits for one before the national desk is alerted.
    place_wait: timedelta
    #: A message older than this is worse than none.
    fresh_for: timedelta
    tracks: tuple[TrackPolicy, ...]
    last_resort: LastResort
    follow_ups: tuple[FollowUpPlan, ...] = ()
    #: None: from before there were grades.
    grade: Grade | None = None
    #: None: every report begins an incident of its own.
    join: Join | None = None
    #: From acknowledgement until the lead track's holder says that they are on the way; then they are asked.
    depart_within: timedelta = timedelta(minutes=10)
    #: From being asked whether they have left or arrived until backup is alerted, and from one ring to the next.
    backup_after: timedelta = timedelta(minutes=5)
    #: Who hears of it for their information, behind the first alert, and is asked nothing.
    informed: tuple[Target, ...] = ()

    @property
    def lead(self) -> TrackPolicy:
        """The track whose acknowledgement the reporter is promised."""
        return next(track for track in self.tracks if track.lead)

    def track(self, name: str) -> TrackPolicy:
        """The track of that name."""
        return next(track for track in self.tracks if track.name == name)

    def targets(self, track: str, step: int) -> tuple[Target, ...]:
        """Whom to alert at a step (from 1); one past the last step is the last resort."""
        steps = self.track(track).steps
        return steps[step - 1].alert if step <= len(steps) else self.last_resort.alert


def roles_near(policies: Iterable[Policy]) -> frozenset[Role]:
    """Whom any policy asks only within some distance of the pin."""
    steps = (step for policy in policies for track in policy.tracks for step in track.steps)
    return frozenset(target.role for step in steps for target in step.alert if target.limits_km)


Path = tuple[str | int, ...]

#: Whose victims are called within a day.
_WITHIN_A_DAY = frozenset({Grade.CRITICAL, Grade.EMERGENCY})
_FIRST_CALL = timedelta(hours=24)


def problems(policy: Policy) -> Iterator[tuple[Path, str]]:
    """What is wrong with a well-formed policy, each with the path of the value to change."""
    leads = [i for i, track in enumerate(policy.tracks) if track.lead]
    if len(leads) != 1:
        yield ("tracks",), f"exactly one track must say `lead: true`, {len(leads)} do"
    names = [track.name for track in policy.tracks]
    for i, track in enumerate(policy.tracks):
        where: Path = ("tracks", i)
        if names.index(track.name) != i:
            yield (*where, "name"), f"two tracks are called {track.name!r}: give each its own name"
        if not track.acknowledged_by:
            yield (*where, "acknowledged_by"), "name at least one role whose acknowledgement stops the track"
        if not track.steps:
            yield (*where, "steps"), "a track needs at least one step"
        asked = {target.role for step in track.steps for target in step.alert}
        if track.acknowledged_by and asked.isdisjoint(track.acknowledged_by):
            yield (*where, "acknowledged_by"), "no step alerts any of these: name a role that a step alerts"
        for j, step in enumerate(track.steps):
            yield from _target_problems((*where, "steps", j, "alert"), step.alert)
            yield from _positive((*where, "steps", j, "wait"), step.wait)
    yield from _target_problems(("last_resort", "alert"), policy.last_resort.alert)
    for j, target in enumerate(policy.last_resort.alert):
        if target.role not in NATIONAL_ROLES:
            roles = " or ".join(sorted(NATIONAL_ROLES))
            yield ("last_resort", "alert", j, "role"), f"the last resort must be there always: use {roles}"
    yield from _positive(("last_resort", "repeat"), policy.last_resort.repeat)
    yield from _each_target_problems(("informed",), policy.informed)
    for name in ("arrival_target", "place_wait", "fresh_for", "depart_within", "backup_after"):
        yield from _positive((name,), getattr(policy, name))
    if policy.join:
        yield from _positive(("join", "within"), policy.join.within)
        if not 0 < policy.join.within_m <= SQUARE_M:
            yield ("join", "within_m"), f"must be above 0 and at most {SQUARE_M}, as far as neighbours are found"
    if policy.grade in _WITHIN_A_DAY and not any(plan.due <= _FIRST_CALL for plan in policy.follow_ups):
        yield ("grade",), f"a case that is {policy.grade} needs a follow-up that is due within 24 h"
    plans = [plan.name for plan in policy.follow_ups]
    for i, plan in enumerate(policy.follow_ups):
        if plans.index(plan.name) != i:
            yield ("follow_ups", i, "name"), f"two follow-ups are called {plan.name!r}"
        if plan.by in NATIONAL_ROLES:
            yield ("follow_ups", i, "by"), "calls are made from the province: use a role that has one, social_worker"
        for name in ("due", "remind_every", "retry_after"):
            yield from _positive(("follow_ups", i, name), getattr(plan, name))
        if plan.move_within < timedelta():
            yield ("follow_ups", i, "move_within"), "must be 0 s or longer"
        if plan.visit:
            yield from _positive(("follow_ups", i, "visit", "due"), plan.visit.due)
            if plan.visit.by in NATIONAL_ROLES:
                yield ("follow_ups", i, "visit", "by"), "visits are made from the province: use one_home"
            if plan.kind is Kind.VISIT:
                yield ("follow_ups", i, "visit"), "a visit that could not be made is a supervisor's: leave it out"
        if plan.tries < 1 or plan.reminders < 0:
            yield ("follow_ups", i), "tries must be 1 or more and reminders 0 or more"


def _positive(path: Path, value: timedelta) -> Iterator[tuple[Path, str]]:
    if value <= timedelta():
        yield path, "must be longer than nothing, such as `60 s`"


def _target_problems(path: Path, targets: tuple[Target, ...]) -> Iterator[tuple[Path, str]]:
    if not targets:
        yield path, "alert somebody: a step without a target can never be acknowledged"
    yield from _each_target_problems(path, targets)


def _each_target_problems(path: Path, targets: tuple[Target, ...]) -> Iterator[tuple[Path, str]]:
    for i, target in enumerate(targets):
        if target.count < 1:
            yield (*path, i, "count"), "must be 1 or more"
        limits = target.limits_km
        if target.max_km is not None and not (limits and all(0 < km < inf for km in limits)):
            yield (*path, i, "max_km"), "must be a number of km above 0, several such as [5, 15], or left out"
        elif list(limits) != sorted(set(limits)):
            yield (*path, i, "max_km"), "must grow from one to the next, such as [5, 15]"
        if target.role in NATIONAL_ROLES and target.max_km is not None:
            yield (*path, i, "max_km"), f"{target.role} works from anywhere: leave it out"
        for j, skill in enumerate(target.skills):
            if not skill.strip():
                yield (*path, i, "skills", j), "is empty: name a skill as the roster does, such as `children`"
        if target.role in NATIONAL_ROLES and target.within is not Within.NATION:
            yield (*path, i, "within"), f"{target.role} works for the whole country: write `within: nation`"
