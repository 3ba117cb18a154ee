"""How well a run went: the numbers of its table."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil

from rich.table import Table

from chaos.acknowledgements import Fate, fates
from chaos.evidence import Evidence
from chaos.judge import sms_doubled, tasks_forgotten
from chaos.lateness import excuses, expired_steps, lateness, outages
from chaos.schedule import Break

_POSTGRES = {Break.POSTGRES, Break.POSTGRES_STOP}
_REDIS = {Break.REDIS, Break.REDIS_FORGETS, Break.REDIS_HANGS}


def table(evidence: Evidence, title: str) -> Table:
    """What happened, in three columns."""
    shown = Table("", "figure", "detail", title=title, title_justify="left")
    for name, figure, detail in [*_counts(evidence), *_waits(evidence), *_breaks(evidence)]:
        shown.add_row(name, figure, detail)
    return shown


def _counts(evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    yield "incidents", str(len(evidence.incidents)), _tally(incident.state for incident in evidence.incidents)
    yield "reports", str(len(evidence.reports)), _tally(report.source for report in evidence.reports)
    n_tasks = len(evidence.promises.tasks)
    yield (
        "reports by task",
        str(n_tasks),
        f"{tasks_forgotten(evidence)} forgotten by Redis before a worker had them",
    )
    alerts = evidence.alerts
    yield "alerts", str(len(alerts)), _tally(alert.state for alert in alerts)
    for channel in ("line", "sms", "voice"):
        sent = [delivery for delivery in evidence.deliveries if delivery.channel == channel]
        doubtful = sum(delivery.doubtful_since is not None for delivery in sent)
        again = sum(delivery.attempt > 1 for delivery in sent)
        detail = f"{_tally(delivery.state for delivery in sent)}; {again} tried again, {doubtful} of unknown outcome"
        yield f"deliveries by {channel}", str(len(sent)), detail
    yield "SMS sent twice", str(sms_doubled(evidence)[0]), "each after an unknown outcome"
    told = Counter(what for _, what in fates(evidence))
    detail = ", ".join(f"{told[what]} {what}" for what in Fate)
    yield "acknowledgements", str(told.total()), detail
    yield "calls tried again", str(evidence.promises.n_tried_again), "by intake services and providers"


def _waits(evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    apart: defaultdict[str, list[timedelta]] = defaultdict(list)
    known = outages(evidence)
    for fact in expired_steps(evidence):
        broken = {outage.what for outage in excuses(fact, known)}
        name = (
            "PostgreSQL away"
            if broken & _POSTGRES
            else "Redis away"
            if broken & _REDIS
            else "clock dead"
            if broken
            else "all there"
        )
        apart[name].append(lateness(fact))
    for name in ("all there", "clock dead", "Redis away", "PostgreSQL away"):
        yield f"step late, {name}", str(len(apart[name])), _spread(apart[name])
    yield "report to first alert", *_first_alerts(evidence)


def _first_alerts(evidence: Evidence) -> tuple[str, str]:
    lit_at: dict[str | None, datetime] = {}
    for entry in evidence.ledger:
        if entry["shown"]:
            for key in filter(None, (entry["retry_key"], entry["sid"])):
                lit_at.setdefault(key, datetime.fromisoformat(entry["at"]))
    first: dict[object, datetime] = {}
    for delivery in evidence.deliveries:
        key = str(delivery.id) if delivery.channel == "line" else delivery.provider_ref
        if delivery.message == "alert" and key in lit_at:
            before = first.get(delivery.incident_id, lit_at[key])
            first[delivery.incident_id] = min(before, lit_at[key])
    waits = [first[incident.id] - incident.received_at for incident in evidence.incidents if incident.id in first]
    return str(len(waits)), _spread(waits)


def _breaks(evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    took: defaultdict[Break, list[timedelta]] = defaultdict(list)
    for outage, broken in zip(outages(evidence), evidence.disturbances, strict=True):
        took[outage.what].append(outage.back_at - broken.mended_at)
    for what in Break:
        if took[what]:
            yield what, str(len(took[what])), f"at work again: {_spread(took[what])}"


def _tally(states: Iterator[str]) -> str:
    return ", ".join(f"{n} {state}" for state, n in Counter(states).most_common())


def _spread(times: Sequence[timedelta]) -> str:
    if not times:
        return "-"
    seconds = sorted(time / timedelta(seconds=1) for time in times)
    p50, p99 = (seconds[ceil(len(seconds) * part) - 1] for part in (0.5, 0.99))
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, most {seconds[-1]:.2f} s"
