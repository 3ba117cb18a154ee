"""The table, for the terminal, as Markdown and as JSON, with the machine on which it holds."""

import dataclasses
import json
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from figure import Figure
from rich.table import Table
from world import PROVIDER_DELAY_MS, World

_COLUMNS = ("figure", "must reach on two cores", "measured", "floor", "", "bounded by")


class Report:
    """What has been measured so far."""

    def __init__(self, world: World, *, quick: bool) -> None:
        self._began, self._clock = datetime.now(UTC), time.monotonic()
        self._figures: dict[str, Figure] = {}
        self._machine = _machine(world) | {"scale": "quick" if quick else "full"}

    def add(self, name: str, figure: Figure) -> None:
        """The next line."""
        self._figures[name] = figure

    def table(self) -> Table:
        """For the terminal."""
        table = Table(*_COLUMNS, show_lines=True)
        for row in self._rows():
            table.add_row(*row)
        return table

    def write(self, folder: Path) -> None:
        """`bench.md` and `bench.json` are in the folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        machine = self._machine | {"load_average_after": os.getloadavg(), "took_s": self._took_s}
        lines = [
            f"# Benchmark of {self._began:%Y-%m-%d %H:%M} UTC",
            "",
            *(f"- {key.replace('_', ' ')}: {_plain(value)}" for key, value in machine.items()),
            "",
            _row(_COLUMNS),
            _row("---" for _ in _COLUMNS),
            *(_row(row) for row in self._rows()),
            "",
        ]
        (folder / "bench.md").write_text("\n".join(lines), encoding="utf-8")
        found = {
            "began_at": self._began.isoformat(),
            "machine": machine,
            "figures": {name: figure.as_json() for name, figure in self._figures.items()},
        }
        words = json.dumps(found, indent=2, ensure_ascii=False, default=_as_json)
        (folder / "bench.json").write_text(words + "\n", encoding="utf-8")

    @property
    def _took_s(self) -> int:
        return round(time.monotonic() - self._clock)

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (figure.name, figure.target, figure.measured, figure.floor, figure.verdict, figure.bounded_by)
            for figure in self._figures.values()
        ]


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: Any) -> str:
    return " ".join(f"{number:.2f}" for number in value) if isinstance(value, tuple) else str(value)


def _as_json(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)


def _machine(world: World) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": world.ask("SHOW server_version")[0][0],
        "redis": _redis_version(world),
        "commit": _commit(),
        "provider_answers_after_ms": PROVIDER_DELAY_MS,
        "load_average_before": os.getloadavg(),
    }


def _redis_version(world: World) -> str:
    found: Any = world.broker.info("server")
    return f"{found.get('server_name', 'redis')} {found.get('valkey_version') or found['redis_version']}"


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _commit() -> str:
    """The commit that is checked out, with a word where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=, with changes"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
