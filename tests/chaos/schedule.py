"""What happens in a run, and when: drawn from one seed before it begins, so that a seed can be played again."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

T = TypeVar("T")

#: Nothing is broken in this last part of a run: what broke before is being mended.
_CALM_PART = 0.12
#: Breaks follow each other this closely (seconds), so that a minute sees each of them once.
_BREAK_EVERY_S = (3.5, 5.0)
_FAULT_EVERY_S = (1.0, 3.5)
_REPORT_EVERY_S = (0.6, 2.6)
_RECEIPT_EVERY_S = (1.0, 4.0)
_POSTGRES_AWAY_S = 10.0
#: Habits of each responder; the first alert meets the first one, and after the last it begins anew.
_HABITS = 40


class Break(StrEnum):
    """A part of the deployment that ends, forgets or stands still."""

    WORKER = "kill a deciding worker"
    SENDER = "kill the sending worker"
    CHILD = "kill a worker's child"
    PARENT = "kill a worker's parent"
    CLOCK = "kill the clock"
    WEB = "kill the web edge"
    REDIS = "kill Redis"
    REDIS_FORGETS = "kill Redis, its file is lost"
    FLUSH = "FLUSHALL"
    REDIS_HANGS = "Redis stands still"
    POSTGRES_STOP = "stop PostgreSQL"
    POSTGRES = "kill PostgreSQL"


@dataclass(frozen=True)
class BreakPart:
    """Break it, and mend it after so long."""

    what: Break
    for_s: float


@dataclass(frozen=True)
class BreakProvider:
    """A fault of the simulator, as its `/sim/faults` takes it."""

    fault: dict[str, Any]


@dataclass(frozen=True)
class ReportByApi:
    """An intake service files a report; `doubled` sends it twice at the same instant."""

    type: str
    #: Which of the world's spots; None: no place at all.
    spot: int | None
    contact: str
    doubled: bool


@dataclass(frozen=True)
class ReportByTask:
    """An intake service with access to the broker publishes a report; `doubled` publishes it twice."""

    type: str
    spot: int
    doubled: bool


@dataclass(frozen=True)
class ReportByLine:
    """A citizen taps the type and shares the pin; the impatient ones do not wait for an answer between."""

    type: str
    spot: int
    patient: bool
    #: How the webhooks travel: `once` or `doubled`.
    delivery: str


@dataclass(frozen=True)
class RepeatReceipts:
    """Twilio repeats what it said of the newest messages, or says something older or contrary."""

    n_messages: int
    statuses: tuple[str, ...]


@dataclass(frozen=True)
class Operate:
    """A supervisor cancels or merges the newest open incident, or asks for its next step."""

    operation: str


Deed = BreakPart | BreakProvider | ReportByApi | ReportByTask | ReportByLine | RepeatReceipts | Operate


class Answer(StrEnum):
    """What a responder does about one alert."""

    IGNORE = "ignore"
    ACCEPT = "accept"
    DECLINE = "decline"
    #: The same answer twice.
    TWICE = "twice"
    #: Accepts together with everybody else who has this habit and was alerted in the same two seconds.
    RACE = "race"
    #: Accepts, and gives it back.
    GIVE_BACK = "give_back"
    #: Accepts, and declines at the same instant from another device.
    BOTH_AT_ONCE = "both_at_once"
    #: An operator accepts for them.
    BY_API = "by_api"


@dataclass(frozen=True)
class Habit:
    """One reaction to one alert."""

    answer: Answer
    after_s: float
    #: Having accepted: goes there and says that it is over.
    finishes: bool
    #: How the webhook travels: `once` or `doubled`.
    delivery: str


#: Once the run is over everybody answers, so that every incident comes into somebody's hands.
CALM = Habit(Answer.ACCEPT, 0.2, finishes=False, delivery="once")


@dataclass(frozen=True)
class Schedule:
    """One run: its deeds in the order of their instants (seconds from the start), and each responder's habits."""

    seed: int
    seconds: float
    deeds: tuple[tuple[float, Deed], ...]
    habits: tuple[tuple[Habit, ...], ...]


def draw(seed: int, seconds: float, *, n_responders: int, n_spots: int, types: Sequence[str]) -> Schedule:
    """The schedule of this seed; the same arguments give the same one."""
    chance = random.Random(seed)
    until_s = seconds * (1 - _CALM_PART)
    deeds: list[tuple[float, Deed]] = []
    deeds += zip(_instants(chance, until_s, _BREAK_EVERY_S), _breaks(chance), strict=False)
    deeds += [(at_s, _fault(chance)) for at_s in _instants(chance, until_s, _FAULT_EVERY_S)]
    deeds += [(at_s, _report(chance, n_spots, types)) for at_s in _instants(chance, seconds, _REPORT_EVERY_S)]
    deeds += [(at_s, _receipts(chance)) for at_s in _instants(chance, seconds, _RECEIPT_EVERY_S)]
    operations = ("cancel", "merge", "escalate")
    deeds += [(at_s, Operate(chance.choice(operations))) for at_s in _instants(chance, seconds, (5.0, 12.0))]
    habits = tuple(tuple(_habit(chance) for _ in range(_HABITS)) for _ in range(n_responders))
    return Schedule(seed, seconds, tuple(sorted(deeds, key=lambda deed: deed[0])), habits)


def _instants(chance: random.Random, until_s: float, every_s: tuple[float, float]) -> list[float]:
    at_s, found = chance.uniform(0, every_s[1]), []
    while at_s < until_s:
        found.append(round(at_s, 2))
        at_s += chance.uniform(*every_s)
    return found


def _breaks(chance: random.Random) -> Iterator[Deed]:
    """Each kind once, in random order, again and again; none twice in a row."""
    last = None
    while True:
        order = chance.sample(list(Break), len(Break))
        if order[0] is last:
            order.reverse()
        last = order[-1]
        for what in order:
            yield BreakPart(what, _POSTGRES_AWAY_S if what is Break.POSTGRES_STOP else chance.uniform(0.3, 3.0))


def _fault(chance: random.Random) -> Deed:
    kind = chance.choice(["500", "429_rate", "slow", "hang", "drop_after_accept", "drop_after_accept", "own"])
    provider = chance.choice(["line", "twilio"])
    fault: dict[str, Any] = {"provider": provider, "kind": kind, "times": chance.randint(1, 3)}
    if kind == "slow":
        # On both sides of the five seconds after which a caller gives up.
        fault["delay_ms"] = chance.choice([1_500, 6_500])
    elif kind == "own":
        of_twilio = [{"kind": "error_code", "code": 21211}, {"kind": "undelivered", "code": 30005}]
        fault |= {"times": 1, **({"kind": "429_quota"} if provider == "line" else chance.choice(of_twilio))}
    return BreakProvider(fault)


def _report(chance: random.Random, n_spots: int, types: Sequence[str]) -> Deed:
    kind, spot = chance.choice(types), chance.randrange(n_spots)
    if chance.random() < 0.35:
        return ReportByLine(kind, spot, patient=chance.random() < 0.6, delivery=_delivery(chance))
    if chance.random() < 0.2:
        return ReportByTask(kind, spot, doubled=chance.random() < 0.3)
    contact = chance.choice(["any", "text_only", "none"])
    return ReportByApi(kind, None if chance.random() < 0.08 else spot, contact, doubled=chance.random() < 0.3)


def _receipts(chance: random.Random) -> Deed:
    statuses = chance.choices(["queued", "sent", "delivered", "delivered", "undelivered"], k=chance.randint(1, 3))
    return RepeatReceipts(chance.randint(1, 3), tuple(statuses))


def _habit(chance: random.Random) -> Habit:
    weights = {
        Answer.IGNORE: 30,
        Answer.ACCEPT: 18,
        Answer.DECLINE: 12,
        Answer.TWICE: 10,
        Answer.RACE: 18,
        Answer.GIVE_BACK: 5,
        Answer.BOTH_AT_ONCE: 3,
        Answer.BY_API: 4,
    }
    answer = chance.choices(list(weights), list(weights.values()))[0]
    return Habit(answer, chance.uniform(0.1, 4.0), finishes=chance.random() < 0.6, delivery=_delivery(chance))


def _delivery(chance: random.Random) -> str:
    return "doubled" if chance.random() < 0.25 else "once"
