"""Deadlines: how late they are kept, what one costs while it waits."""

from datetime import timedelta
from functools import partial

import usage
from figure import Figure, Scale, Spread
from load import all_taken, at_once, at_rate
from plans import Question, explained, nodes, timed
from world import World

from ess.store import deadlines
from ess.wake import TASKS
from figures.alerts import CONNECTIONS

_BATCH = 500
#: Cloned from one real incident and a deadline of its, so that no column is forgotten; no real code has an A.
_INCIDENTS = """
    INSERT INTO incident SELECT clone.*
    FROM (SELECT incident AS real FROM incident WHERE code = :code) AS one,
         generate_series((SELECT count(*) FROM incident WHERE code LIKE 'A%') + 1, :n) AS number,
         LATERAL jsonb_populate_record(one.real, jsonb_build_object(
             'id', gen_random_uuid(), 'code', 'A' || number, 'state', 'resolved')) AS clone
"""
_DEADLINES = """
    INSERT INTO deadline SELECT clone.*
    FROM (SELECT deadline AS real FROM deadline JOIN incident ON incident.id = incident_id WHERE code = :code LIMIT 1)
             AS one,
         (SELECT id, clock_timestamp() + interval '1 year' + row_number() OVER () * interval '1 second' AS due_at
          FROM incident WHERE code LIKE 'A%' AND NOT EXISTS (SELECT FROM deadline WHERE incident_id = incident.id))
             AS waiting,
         LATERAL jsonb_populate_record(one.real, jsonb_build_object(
             'id', nextval(pg_get_serial_sequence('deadline', 'id')), 'kind', 'follow_up', 'incident_id', waiting.id,
             'subject', waiting.id, 'due_at', waiting.due_at, 'wake_at', waiting.due_at)) AS clone
"""
#: A hundred that are due, for this transaction alone: the real clock skips the rows and never sees the change.
_A_HUNDRED_DUE = (
    "UPDATE deadline SET wake_at = clock_timestamp()"
    " WHERE id IN (SELECT id FROM deadline WHERE kind = 'follow_up' LIMIT 100)"
)
_LATE = "SELECT (data->>'due_at')::timestamptz, at FROM fact WHERE fact = 'step_expired'"
_NEXT_ALERTS = (
    "SELECT (expired.data->>'due_at')::timestamptz, min(delivery.sent_at) FROM fact AS expired"
    " JOIN delivery ON delivery.incident_id = expired.incident_id AND delivery.message = 'alert'"
    " AND delivery.created_at >= expired.at AND delivery.sent_at IS NOT NULL"
    " WHERE expired.fact = 'step_expired' GROUP BY expired.incident_id, 1"
)


def hold(world: World, n: int) -> None:
    """`n` promised calls in a year's time, each of a resolved incident of its own: real rows, by SQL."""
    code = world.report(0).body["code"]
    world.settle()
    world.tell(_INCIDENTS, _DEADLINES, "ANALYZE incident", "ANALYZE deadline", code=code, n=n)
    world.tell("DELETE FROM deadline USING incident WHERE incident.id = incident_id AND code = :code", code=code)
    world.tell("UPDATE incident SET state = 'closed' WHERE code = :code", code=code)


def lateness(world: World, scale: Scale) -> Figure:
    """Escalations of real incidents, one every quarter of a second, while many more deadlines wait."""
    hold(world, scale.pending)
    with world.watched() as used:
        answers = at_rate(lambda i: world.report(i, "gathering"), 4, scale.escalations / 4)
        world.wait_until(
            lambda: world.count("SELECT count(*) FROM fact WHERE fact = 'step_expired'") >= len(answers),
            "every first step has expired",
            every_s=0.5,
        )
        world.settle()
    all_taken(answers, 202)
    ours = Spread.of_seconds((at - due_at).total_seconds() for due_at, at in world.ask(_LATE))
    alerted = Spread.of_seconds((at - due_at).total_seconds() for due_at, at in world.ask(_NEXT_ALERTS))
    fired = world.floor.fire(min(scale.escalations, 50), every_s=0.1)
    bare = Spread.of_seconds(at - fired[chain] for chain, at in world.floor.wait_for_fired(fired).items())
    return Figure(
        f"escalation lateness, {scale.pending:,} deadlines pending",
        "p50 ≤ 50 ms, p99 ≤ 500 ms",
        str(ours),
        f"{bare}: one empty task and a commit, published at the very instant",
        ours.p50 <= 50 and ours.p99 <= 500,
        f"the next responder's provider has answered: {alerted}",
        {"engine": ours, "floor": bare, "next_alert_sent": alerted, "cpu": used},
    )


def together(world: World, scale: Scale) -> Figure:
    """Real incidents whose first step ends at the same instant."""
    hold(world, scale.pending)
    n = scale.together
    all_taken(at_once(world.report, n, CONNECTIONS), 202)
    world.settle()
    world.tell(
        "UPDATE deadline SET due_at = moment, wake_at = moment FROM"
        " (SELECT date_trunc('second', clock_timestamp()) + interval '3 seconds' AS moment) AS soon"
        " WHERE kind = 'acknowledge' AND subject = 'police'"
    )
    with world.watched() as used:
        world.wait_until(
            lambda: world.count("SELECT count(*) FROM fact WHERE fact = 'step_expired'") >= n,
            "every first step has expired",
            every_s=0.5,
        )
    ours = Spread.of_seconds((at - due_at).total_seconds() for due_at, at in world.ask(_LATE))
    world.forget()
    fired = world.floor.fire(n)
    bare_s = max(world.floor.wait_for_fired(fired).values()) - min(fired.values())
    return Figure(
        f"{n:,} deadlines due in the same second",
        "all fired ≤ 5 s",
        f"all fired after {ours.max / 1000:.1f} s; {ours}",
        f"all after {bare_s:.1f} s: as many empty tasks with a commit each",
        ours.max <= 5000,
        f"CPU: {used}",
        {"engine": ours, "floor_s": bare_s, "cpu": used},
    )


def pending(world: World, scale: Scale) -> Figure:
    """What the clock asks each second, and the workers' memory, as the table grows."""
    asked: dict[str, Question] = {
        "claim": partial(deadlines.claim, kinds=list(TASKS), most=_BATCH),
        "next_wake": partial(deadlines.next_wake_in, at_most=timedelta(seconds=1)),
    }
    spreads: dict[int, dict[str, Spread]] = {}
    plans: dict[int, dict[str, object]] = {}
    memory: dict[int, float] = {}
    for n in scale.table_sizes:
        hold(world, n)
        spreads[n] = {
            "claim of 100": Spread.of_seconds(timed(world, asked["claim"], 60, before=_A_HUNDRED_DUE)),
            "claim of none": Spread.of_seconds(timed(world, asked["claim"], 200)),
            "next_wake": Spread.of_seconds(timed(world, asked["next_wake"], 200)),
        }
        plans[n] = {name: explained(world, ask) for name, ask in asked.items()}
        memory[n] = sum(usage.memory_mib(worker.pid) for worker in world.workers)
    least, most = scale.table_sizes[0], scale.table_sizes[-1]
    growth = {name: spreads[most][name].p50 / spreads[least][name].p50 for name in spreads[least]}
    flat = all(ratio <= 1.5 for ratio in growth.values())
    used_nodes = {
        name: ", ".join(dict.fromkeys(node for plan in explained(world, ask) for node in nodes(plan["plan"])))
        for name, ask in asked.items()
    }
    times = "; ".join(
        f"{name} {spreads[least][name].p50:.2f} → {spreads[most][name].p50:.2f} ms (× {growth[name]:.2f})"
        for name in growth
    )
    return Figure(
        f"cost of a pending deadline, {least:,} → {most:,} rows",
        "no worker memory; the clock's query time ≤ × 1.5",
        f"p50 of {times}; workers {memory[least]:.0f} → {memory[most]:.0f} MiB",
        f"the same at {least:,} rows",
        flat and memory[most] - memory[least] < 5,
        "; ".join(f"{name}: {found}" for name, found in used_nodes.items()),
        {"spreads": spreads, "growth": growth, "workers_mib": memory, "plans": plans},
    )
