"""One minute of chaos with a fixed seed: everything breaks once, and every promise is kept."""

from pathlib import Path

import pytest
from rich.console import Console

from chaos.driver import Driver
from chaos.figures import table
from chaos.judge import violations
from chaos.world import inhabited, schedule_of

SEED, SECONDS = 1, 60.0


def test_a_seed_gives_the_same_schedule() -> None:
    assert schedule_of(7, 600) == schedule_of(7, 600)
    assert schedule_of(7, 600) != schedule_of(8, 600)


@pytest.mark.timeout(240)
def test_a_minute_of_chaos_breaks_no_promise(tmp_path: Path) -> None:
    with inhabited(tmp_path.resolve()) as world:
        evidence = Driver(world, schedule_of(SEED, SECONDS)).run()
    Console(width=160).print(table(evidence, f"Seed {SEED}, {SECONDS:g} s"))
    assert evidence.disturbances
    assert evidence.promises.reports
    found = violations(evidence)
    assert not found, "\n".join(found)
