"""`python tests/bench`: measure, print the table, and write it as Markdown and JSON."""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import usage
from figure import FULL, QUICK, Figure, Scale
from figures import FIGURES
from report import Report
from rich.console import Console
from world import World, world

out = Console(highlight=False)


def _measured(name: str, here: World, scale: Scale) -> Figure:
    try:
        here.forget()
        before = usage.yardstick_ms()
        figure = FIGURES[name](here, scale)
        speed = f"one core's yardstick {before:.0f} → {usage.yardstick_ms():.0f} ms"
        return replace(figure, bounded_by="; ".join(filter(None, (figure.bounded_by, speed))))
    except (TimeoutError, RuntimeError, httpx.HTTPError) as failed:
        return Figure(name, "", f"not measured: {failed}", "", passed=False)


def main() -> int:
    """Exit code 0 whatever the figures are: they are read by people, and machines differ."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="enough to see a regression, in under two minutes")
    parser.add_argument("--only", action="append", choices=list(FIGURES), metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--out", type=Path, default=Path(".ess/bench"), help="folder of bench.md and bench.json")
    wanted = parser.parse_args()
    scale = QUICK if wanted.quick else FULL
    out.print("[dim]Starting the engine on servers of its own …[/]")
    with world() as here:
        report = Report(here, quick=scale.quick)
        for name in wanted.only or FIGURES:
            out.print(f"[dim]{name} …[/]")
            began = time.monotonic()
            figure = _measured(name, here, scale)
            report.add(name, figure)
            out.print(f"  {figure.verdict} after {time.monotonic() - began:.0f} s: {figure.measured}", markup=False)
        report.write(wanted.out)
    out.print(report.table())
    out.print(f"Written: {wanted.out / 'bench.md'} and bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
