"""One line of the table: what was measured, beside its target and its floor."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any


@dataclass(frozen=True)
class Spread:
    """How a measure is distributed, in milliseconds; never a mean, which hides whoever waits longest."""

    p50: float
    p90: float
    p99: float
    max: float
    n: int

    @classmethod
    def of_seconds(cls, values: Iterable[float]) -> "Spread":
        """The nearest-rank percentiles of these durations."""
        ordered = sorted(value * 1000 for value in values)
        if not ordered:
            return cls(float("nan"), float("nan"), float("nan"), float("nan"), 0)
        p50, p90, p99 = (ordered[ceil(share * len(ordered)) - 1] for share in (0.50, 0.90, 0.99))
        return cls(p50, p90, p99, ordered[-1], len(ordered))

    def __str__(self) -> str:
        numbers = " · ".join(f"{name} {_short(getattr(self, name))}" for name in ("p50", "p90", "p99", "max"))
        return f"{numbers} ms (n {self.n})"


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


@dataclass(frozen=True)
class Figure:
    """A promise about speed or size, and how this machine keeps it."""

    name: str
    #: What it must reach on two cores.
    target: str
    measured: str
    #: The same with nothing but the parts that cannot be left out, measured in the same run.
    floor: str
    passed: bool
    #: What kept it from being better, where that was seen.
    bounded_by: str = ""
    #: Whatever else belongs to it, for the JSON alone.
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`pass` or `short`."""
        return "pass" if self.passed else "short"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"verdict": self.verdict}


@dataclass(frozen=True)
class Scale:
    """How much is measured: the whole, or enough to see within two minutes whether something broke."""

    quick: bool
    #: Incidents one at a time, and as many of the floor.
    alone: int
    #: Seconds of ten incidents a second.
    sustained_s: int
    burst: int
    #: Deadlines that lie in the future while lateness is measured.
    pending: int
    #: Incidents whose escalation is timed.
    escalations: int
    #: Deadlines that come in the same second.
    together: int
    #: Sizes of the table at which the clock's queries are timed.
    table_sizes: tuple[int, ...]
    #: Incidents in the middle of whose dispatch every worker is killed.
    recovery: int
    idle_s: int
    webhooks_s: int
    acknowledgements: int
    responders: int


QUICK = Scale(
    quick=True,
    alone=20,
    sustained_s=5,
    burst=100,
    pending=10_000,
    escalations=16,
    together=50,
    table_sizes=(1_000, 50_000),
    recovery=30,
    idle_s=5,
    webhooks_s=3,
    acknowledgements=6,
    responders=10_000,
)
FULL = Scale(
    quick=False,
    alone=200,
    sustained_s=60,
    burst=2_000,
    pending=100_000,
    escalations=200,
    together=1_000,
    table_sizes=(1_000, 100_000, 1_000_000),
    recovery=300,
    idle_s=30,
    webhooks_s=30,
    acknowledgements=60,
    responders=100_000,
)
