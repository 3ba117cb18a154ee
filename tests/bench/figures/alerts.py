"""From a report to its first alert: alone, at a steady rate, and in a burst."""

from collections import defaultdict
from datetime import datetime

import floor
from figure import Figure, Scale, Spread
from load import Answer, all_taken, at_once, at_rate
from world import World

#: Connections over which a burst comes in; a report waits for a free one before it counts as sent.
CONNECTIONS = 32
_PER_S = 10
#: After three times its target a burst is given up.
_PATIENCE_S = 180
#: Of one incident: locate, and for each track send.
_TASKS = 1 + floor.N_ALERTS
#: Incidents of which a provider has taken both alerts; near a border there are more.
FIRST_STEPS = (
    "SELECT count(*) FROM (SELECT incident_id FROM delivery WHERE message = 'alert' AND channel <> 'drill'"
    f" AND sent_at IS NOT NULL GROUP BY incident_id HAVING count(DISTINCT alert_id) >= {floor.N_ALERTS}) AS alerted"
)


def _instant(entry: dict[str, str]) -> float:
    return datetime.fromisoformat(entry["at"]).timestamp()


def alert_times(world: World, since: int) -> tuple[dict[str, float], dict[str, list[float]]]:
    """When each incident was accepted (its row), and when the provider had each of its alerts (the ledger)."""
    rows = world.ask(
        "SELECT delivery.id, incident.id, received_at FROM delivery JOIN incident ON incident.id = incident_id"
        " WHERE message = 'alert' AND channel <> 'drill'"
    )
    whose = {str(delivery_id): str(incident_id) for delivery_id, incident_id, _ in rows}
    accepted = {str(incident_id): received_at.timestamp() for _, incident_id, received_at in rows}
    seen: defaultdict[str, list[float]] = defaultdict(list)
    for entry in world.ledger(since):
        if entry["kind"] == "push" and entry["status"] == 200 and entry["retry_key"] in whose:
            seen[whose[entry["retry_key"]]].append(_instant(entry))
    return accepted, seen


def floor_times(world: World, answers: list[Answer], since: int) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The same of the floor."""
    accepted = {answer.body["chain"]: answer.body["accepted_at"] for answer in answers}
    seen: defaultdict[str, list[float]] = defaultdict(list)
    for entry in world.ledger(since):
        chain = entry["text"].rpartition("\n")[2]
        if chain in accepted:
            seen[chain].append(_instant(entry))
    return accepted, seen


def first_alert(times: tuple[dict[str, float], dict[str, list[float]]]) -> Spread:
    """From acceptance to the first alert at the provider."""
    accepted, seen = times
    missing = accepted.keys() - seen.keys()
    if missing:
        raise RuntimeError(f"{len(missing)} of {len(accepted)} incidents alerted nobody")
    return Spread.of_seconds(min(seen[incident]) - accepted[incident] for incident in accepted)


def alone(world: World, scale: Scale) -> Figure:
    """One incident at a time, and an empty one after each, so that both meet the same moments of the machine."""
    since = world.last_seq()
    newest = since
    answers: list[Answer] = []
    floors: list[Answer] = []
    with world.watched() as used:
        for i in range(-2, scale.alone):  # two to warm up, not counted
            for post, kept in ((world.report, answers), (lambda _: world.floor.report({}), floors)):
                answer = post(i)
                for _ in range(floor.N_ALERTS):
                    newest = world.wait_for_push(newest)["seq"]
                world.settle()
                if i >= 0:
                    kept.append(answer)
    all_taken(answers + floors, 202)
    counted = {answer.body["incident_id"] for answer in answers}
    accepted, seen = alert_times(world, since)
    ours = first_alert(({key: at for key, at in accepted.items() if key in counted}, seen))
    bare = first_alert(floor_times(world, floors, since))
    sent = {answer.body["incident_id"]: answer.sent_at for answer in answers}
    from_request = first_alert((sent, seen))
    return Figure(
        "report accepted → provider has the first alert, one at a time",
        "p50 ≤ 50 ms, p99 ≤ 200 ms, p50 ≤ 3 × floor",
        f"{ours}; {ours.p50 / bare.p50:.1f} × floor",
        str(bare),
        ours.p50 <= 50 and ours.p99 <= 200 and ours.p50 <= 3 * bare.p50,
        f"CPU of one chain of hops, nothing waits; from the request's first byte: {from_request}",
        {"engine": ours, "floor": bare, "from_request": from_request, "cpu": used},
    )


def sustained(world: World, scale: Scale) -> Figure:
    """Ten incidents a second."""
    since = world.last_seq()
    with world.watched() as used:
        answers = at_rate(world.report, _PER_S, scale.sustained_s)
        world.settle()
    all_taken(answers, 202)
    ours = first_alert(alert_times(world, since))
    since, n_before = world.last_seq(), world.floor.n_commits()
    floors = at_rate(lambda _: world.floor.report({}), _PER_S, scale.sustained_s / 3)
    world.floor.wait_for_incidents(len(floors), n_before)
    bare = first_alert(floor_times(world, floors, since))
    return Figure(
        f"the same at {_PER_S} incidents a second for {scale.sustained_s} s",
        "p99 ≤ 500 ms",
        f"{ours}",
        str(bare),
        ours.p99 <= 500,
        f"CPU: {used}",
        {"engine": ours, "floor": bare, "intake": Spread.of_seconds(a.took_s for a in answers), "cpu": used},
    )


def burst(world: World, scale: Scale) -> Figure:
    """Many incidents at once, two alerts each."""
    n = scale.burst
    since, published = world.last_seq(), world.n_published()
    with world.watched() as used:
        answers = at_once(world.report, n, CONNECTIONS)
        taken_s = max(answer.sent_at + answer.took_s for answer in answers) - min(a.sent_at for a in answers)
        world.comes_true(lambda: world.count(FIRST_STEPS) >= n, _PATIENCE_S, 0.5)
    published = world.n_published() - published
    all_taken(answers, 202)
    intake = Spread.of_seconds(answer.took_s for answer in answers)
    began = min(answer.sent_at for answer in answers)
    _, seen = alert_times(world, since)
    complete = [sorted(times)[floor.N_ALERTS - 1] for times in seen.values() if len(times) >= floor.N_ALERTS]
    first_s = max(min(times) for times in seen.values()) - began
    rate = len(complete) / (max(complete) - began) if complete else 0.0
    left = n - len(seen)
    unheard = f" and {left:,} incidents without one" if left else ""
    world.forget()

    since, n_before = world.last_seq(), world.floor.n_commits()
    with world.watched() as bare_used:
        floors = at_once(lambda _: world.floor.report({}), n, CONNECTIONS)
        world.floor.wait_for_incidents(n, n_before)
    began = min(answer.sent_at for answer in floors)
    _, bare = floor_times(world, floors, since)
    bare_rate = n / (max(max(times) for times in bare.values()) - began)
    servers = {"postgres", "redis"}
    cpu_ms = 1000 * sum(used.cpu_s[name] for name in world.pids) / n
    bare_cpu_ms = 1000 * sum(bare_used.cpu_s[name] for name in servers | world.floor.pids.keys()) / n
    bare_intake = Spread.of_seconds(answer.took_s for answer in floors)
    return Figure(
        f"burst of {n:,} incidents at once, {floor.N_ALERTS} alerts each",
        "every first alert ≤ 60 s, intake p99 ≤ 1 s, throughput ≥ 40 % of floor",
        f"last first alert {first_s:.1f} s{unheard}; intake p99 {intake.p99:.0f} ms; {rate:.0f} incidents/s,"
        f" {100 * rate / bare_rate:.0f} % of floor",
        f"{bare_rate:.0f} incidents/s; intake p99 {bare_intake.p99:.0f} ms",
        not left and first_s <= 60 and intake.p99 <= 1000 and rate >= 0.4 * bare_rate,
        f"CPU for an incident: {cpu_ms:.0f} ms, floor {bare_cpu_ms:.0f} ms;"
        f" tasks published for it: {published / n:.1f}, floor {_TASKS}; {used}",
        {
            "last_first_alert_s": first_s,
            "without_alert": left,
            "intake": intake,
            "taken_s": taken_s,
            "per_s": rate,
            "floor_per_s": bare_rate,
            "floor_intake": bare_intake,
            "connections": CONNECTIONS,
            "published": published,
            "cpu_ms_per_incident": cpu_ms,
            "floor_cpu_ms_per_incident": bare_cpu_ms,
            "cpu": used,
            "floor_cpu": bare_used,
        },
    )
