"""`ess up`: everything on this machine, until Ctrl-C."""

from collections.abc import Mapping
from pathlib import Path

import httpx
from rich.console import Console

from config.settings import REQUIRED, Settings
from ess import roster
from ess.domain.errors import Misconfigured
from ess.embedded import Services
from ess.embedded.stack import Running, running
from ess.store import Store, Transaction, Vault, enrolment, responders
from ess.store.keys import KeyRole, create_key

out = Console(highlight=False, soft_wrap=True)


def run(settings: Settings, *, n_workers: int, simulator: bool) -> None:
    """Start it, say where to look, and keep it running."""
    if not simulator:
        missing = settings.missing(*(name for name in REQUIRED if name not in {"database_url", "broker_url"}))
        if missing:
            raise Misconfigured(f"without the simulator, real messages go out: set {', '.join(missing)}")
    out.print("Starting: database, broker, web edge, clock, workers, Flower …")
    names: dict[str, str] = {}

    def prepare(services: Services, environment: Mapping[str, str]) -> None:
        store = open_store(services, environment, settings)
        with store.transaction() as tx:
            if simulator and responders.count(tx) == 0:
                rows = roster.parse_csv(roster.sample_csv())
                enrolment.upsert(tx, rows)
                out.print(
                    f"  {len(rows)} sample responders are in the roster: fictional units, numbers that reach nobody."
                )
            _keep_key(tx, settings.data_dir)
            names.update(responders.names(tx))
        store.close()

    with running(settings, workers=n_workers, simulator=simulator, say=out.print, prepare=prepare) as world:
        if simulator:
            name_phones(world, names)
        _greet(world, settings, simulator=simulator)
        world.supervisor.run()
    out.print("Stopped.")


def open_store(services: Services, environment: Mapping[str, str], settings: Settings) -> Store:
    """The rows, to fill before the programs start; nothing is published from here."""
    return Store(
        services.database_url, Vault(environment["ESS_ENCRYPTION_KEY"]), list, lease=settings.lease, pool_size=1
    )


def name_phones(world: Running, names: Mapping[str, str]) -> None:
    """Let the page of phones say whose each is."""
    people = [{"id": address, "name": name} for address, name in names.items()]
    httpx.post(f"{world.stack.simulator_url}/sim/people", json=people, timeout=10).raise_for_status()


def _keep_key(tx: Transaction, data_dir: Path) -> None:
    path = data_dir / "supervisor.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(create_key(tx, "local-supervisor", KeyRole.SUPERVISOR))


def _greet(world: Running, settings: Settings, *, simulator: bool) -> None:
    key = (settings.data_dir / "supervisor.key").read_text()
    out.print("[bold green]ESS Dispatch is running.[/]")
    if simulator:
        out.print(f"  [bold]Phones[/]  {world.stack.simulator_url}/  report as the citizen, answer as the officer")
    out.print(f"  Board   {world.stack.url}/board  any name, and as the password {key}")
    out.print(f"  API     {world.stack.url}/docs  Authorization: Bearer {key}")
    out.print(f"  Flower  {world.stack.flower_url}/")
    out.print(f"  Logs    {world.stack.log_dir}")
    out.print("  Ctrl-C stops everything.")
