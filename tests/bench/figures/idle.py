"""What it costs to wait."""

import time
from collections.abc import Mapping

import usage
from figure import Figure, Scale
from world import World


def idle(world: World, scale: Scale) -> Figure:
    """Nothing happens; the floor, which would share memory with the engine, is started and measured afterwards."""
    used, memory = _resting(world, world.pids, scale.idle_s)
    cpu, mib = sum(map(used.share, world.pids)), sum(memory.values())
    bare_used, bare_memory = _resting(world, world.floor.pids, scale.idle_s)
    bare_cpu, bare_mib = sum(map(bare_used.share, world.floor.pids)), sum(bare_memory.values())
    ours = list(world.pids)
    largest = sorted(ours, key=lambda name: -memory[name])
    busiest = sorted(ours, key=used.share, reverse=True)
    return Figure(
        f"idle for {scale.idle_s} s",
        "all processes under 2 % of one core and 600 MiB",
        f"{cpu:.1f} % of one core, {mib:.0f} MiB (PSS)",
        f"{bare_cpu:.1f} %, {bare_mib:.0f} MiB: empty web edge, workers and Flower, without servers",
        cpu < 2 and mib < 600,
        f"CPU: {', '.join(f'{name} {used.share(name):.1f} %' for name in busiest)};"
        f" MiB: {', '.join(f'{name} {memory[name]:.0f}' for name in largest)};"
        f" beside it the simulator {used.share('simulator'):.1f} %",
        {"cpu": used, "pss_mib": memory, "floor_cpu": bare_used, "floor_pss_mib": bare_memory},
    )


def _resting(world: World, pids: Mapping[str, int], for_s: float) -> tuple[usage.Usage, dict[str, float]]:
    world.store.close()  # the bench's own connection; it opens another when it next asks something
    time.sleep(3)  # what starting has left to do
    with world.watched() as used:
        time.sleep(for_s)
    return used, {name: usage.memory_mib(pid) for name, pid in pids.items()}
