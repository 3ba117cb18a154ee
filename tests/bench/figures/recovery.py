"""Every worker killed and the broker's memory gone, in the middle of the work."""

import time

from figure import Figure, Scale, Spread
from load import all_taken, at_once
from world import World

from figures.alerts import CONNECTIONS, FIRST_STEPS

_PULSE = "SELECT extract(epoch FROM min(seen_at)) FROM heartbeat WHERE name <> 'clock' AND seen_at > to_timestamp(:at)"
_FIRST = "FROM delivery WHERE message = 'alert' AND channel <> 'drill' AND sent_at"
_SENT = f"SELECT count(*) {_FIRST} IS NOT NULL"
_SENT_AFTER = f"SELECT extract(epoch FROM sent_at) {_FIRST} > to_timestamp(:at)"


def recovery(world: World, scale: Scale) -> Figure:
    """Reports come in, every worker dies while it sends, Redis forgets everything, the workers start again."""
    n = scale.recovery
    all_taken(at_once(world.report, n, CONNECTIONS), 202)
    world.wait_until(lambda: world.count(FIRST_STEPS) > 0, "the first alerts are out", every_s=0.01)
    for worker in world.workers:
        worker.kill()
    killed_at = time.time()
    world.broker.flushall()
    sent_before = world.count(_SENT)
    in_flight = world.count("SELECT count(*) FROM delivery WHERE state = 'sending'")
    for worker in world.workers:
        worker.spawn()
    world.wait_until(lambda: world.ask(_PULSE, at=killed_at)[0][0], "a worker has returned", every_s=0.02)
    returned_at = float(world.ask(_PULSE, at=killed_at)[0][0])
    with world.watched() as used:
        world.wait_until(lambda: world.count(FIRST_STEPS) >= n, "every alert is out", every_s=0.1)
    done = world.ask(_SENT_AFTER, at=returned_at)
    after = Spread.of_seconds(float(at) - returned_at for (at,) in done)
    world.forget()
    fired = world.floor.fire(after.n)
    bare_s = max(world.floor.wait_for_fired(fired).values()) - min(fired.values())
    return Figure(
        f"kill -9 of all workers and FLUSHALL, {n:,} incidents told and {sent_before:,} alerts sent, then restart",
        "every due action done ≤ 10 s after the first worker's return",
        f"done after {after.max / 1000:.1f} s; {after}",
        f"{bare_s:.1f} s: as many empty tasks with a commit each",
        after.max <= 10_000,
        f"workers back after {returned_at - killed_at:.1f} s; {in_flight} calls were in flight when they died;"
        f" CPU: {used}",
        {
            "after_return": after,
            "floor_s": bare_s,
            "returned_after_s": returned_at - killed_at,
            "in_flight": in_flight,
            "sent_before": sent_before,
            "cpu": used,
        },
    )
