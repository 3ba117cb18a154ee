"""`python -m chaos --seconds 600 --seed 7` plays a seed and prints its table; 1 where a promise was broken."""

import argparse
import secrets
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console

from chaos.driver import Driver
from chaos.figures import table
from chaos.judge import violations
from chaos.world import inhabited, schedule_of


def main() -> int:
    """0 where everything held, 1 with the violations otherwise."""
    wishes = argparse.ArgumentParser(prog="make chaos ARGS=…", description="Breaks a real deployment at random.")
    wishes.add_argument("--seconds", type=float, default=600.0, help="for how long things happen (600)")
    wishes.add_argument("--seed", type=int, default=None, help="plays a run again (a new one by chance)")
    wish = wishes.parse_args()
    seed = secrets.randbelow(1_000_000) if wish.seed is None else wish.seed
    console = Console()
    folder = Path(mkdtemp(prefix="ess-chaos-")).resolve()
    console.print(f"Chaos of seed {seed} for {wish.seconds:g} s; logs in {folder}/logs")
    with inhabited(folder) as world:
        evidence = Driver(world, schedule_of(seed, wish.seconds)).run()
    console.print(table(evidence, f"Seed {seed}, {wish.seconds:g} s"))
    found = violations(evidence)
    for violation in found:
        console.print(f"✗ {violation}", markup=False, highlight=False, soft_wrap=True)
    if found:
        console.print(f"{len(found)} promises broken; --seed {seed} plays it again.")
        return 1
    shutil.rmtree(folder)
    console.print("Every promise was kept.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
