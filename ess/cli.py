"""The `ess` command.  Exit code 0, 1 where something was refused, 2 for wrong usage."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from config.settings import Settings
from ess import dispatch, geo, roster, views
from ess.domain.errors import DispatchError
from ess.domain.place import Place
from ess.domain.report import Contact, IncidentType, Source
from ess.embedded import services
from ess.embedded.local import whole
from ess.embedded.processes import StartFailed
from ess.engine import Engine, open_engine
from ess.intake import ReportBody
from ess.policies import load_policies
from ess.store import Transaction, new_key, outline_sets, responders, schema
from ess.store.keys import KeyRole, create_key, revoke_key
from ess.story import print_story
from ess.wake import Waker, producer

app = typer.Typer(no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False)
db = typer.Typer(no_args_is_help=True, help="The database.")
api_key = typer.Typer(no_args_is_help=True, help="Keys of programs and people that call the API.")
responders_app = typer.Typer(no_args_is_help=True, help="The roster: who can be alerted.")
policy = typer.Typer(no_args_is_help=True, help="The policies: who is asked, in what order.")
geo_app = typer.Typer(no_args_is_help=True, help="Places: what the engine makes of a pin or an address.")
app.add_typer(db, name="db")
app.add_typer(api_key, name="api-key")
app.add_typer(responders_app, name="responders")
app.add_typer(policy, name="policy")
app.add_typer(geo_app, name="geo")

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def opened() -> Iterator[Engine]:
    """The engine on the configured database, or on this machine's embedded one."""
    with whole(Settings()) as settings:
        engine = open_engine(settings, Waker(producer(str(settings.broker_url))).publish, pool_size=1)
        try:
            yield engine
        finally:
            engine.store.close()


@app.command()
def demo() -> None:
    """Play the case of 20 April 2023 in Phitsanulok on embedded parts, and measure every promise."""
    from ess.demo import play

    raise typer.Exit(play(Settings()))


@app.command()
def up(
    workers: Annotated[int, typer.Option(min=1, help="Worker processes; two share deciding and sending.")] = 2,
    simulator: Annotated[bool, typer.Option(help="Doubles of LINE and Twilio, with phones in a web page.")] = True,
) -> None:
    """Run everything on this machine until Ctrl-C."""
    from ess.up import run

    run(Settings(), n_workers=workers, simulator=simulator)


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to this release's schema; harmless when it is there already."""
    settings = Settings()
    with services(settings.data_dir, database_url=settings.database_url, broker_url="unused://") as found:
        schema.upgrade(found.database_url)
    err.print("The database has this release's schema.")


@api_key.command("create")
def api_key_create(name: str, role: Annotated[KeyRole, typer.Option(help="What the key may do.")]) -> None:
    """Print a new key, this once, alone on stdout."""
    with opened() as engine, engine.store.transaction() as tx:
        key = create_key(tx, name, role)
    sys.stdout.write(f"{key}\n")


@api_key.command("revoke")
def api_key_revoke(name: str) -> None:
    """Take a key back: from now on it opens nothing."""
    with opened() as engine, engine.store.transaction() as tx:
        revoke_key(tx, name)
    err.print(f"The key {name} opens nothing any more.", markup=False)


@responders_app.command("import")
def responders_import(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Add and change responders from a CSV file; any error refuses the whole file."""
    rows = roster.parse_csv(file.read_text(encoding="utf-8-sig"))
    with opened() as engine, engine.store.transaction() as tx:
        n_added, n_changed = responders.upsert(tx, (roster.values(row) for row in rows))
    err.print(f"{n_added} added, {n_changed} changed, {len(rows) - n_added - n_changed} as they were.")


@responders_app.command("sample")
def responders_sample() -> None:
    """Print a nationwide sample roster as CSV: plainly fictional units with numbers that reach nobody."""
    sys.stdout.write(roster.sample_csv())


@policy.command("check")
def policy_check() -> None:
    """Check the policies; errors name file and line."""
    settings = Settings()
    policies = load_policies(settings.policy_dir)
    err.print(f"{len(policies)} policies in {settings.policy_dir} are good.")


@app.command()
def report(
    type: Annotated[IncidentType, typer.Argument(help="What happens.")],  # noqa: A002
    lat: Annotated[float | None, typer.Option(help="Latitude of the pin, WGS 84 degrees.")] = None,
    lon: Annotated[float | None, typer.Option(help="Longitude of the pin.")] = None,
    address: Annotated[str | None, typer.Option(help="Where, in words.")] = None,
    description: Annotated[str | None, typer.Option(help="What happens, in words.")] = None,
    phone: Annotated[str | None, typer.Option(help="The reporter's phone.")] = None,
    contact: Annotated[Contact, typer.Option(help="How the reporter may be contacted.")] = Contact.NONE,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key files the report once.")] = None,
    as_json: AsJson = False,
) -> None:
    """File a report, as an operator does for somebody on the telephone; prints the incident's code."""
    location = {
        name: value
        for name, value in (("latitude", lat), ("longitude", lon), ("address", address))
        if value is not None
    }
    body = ReportBody.model_validate(
        {
            "type": type,
            "location": location or None,
            "description": description,
            "reporter": {"phone": phone, "contact": contact},
        }
    )
    with opened() as engine:
        accepted = dispatch.accept_report(
            engine, body.report(Source.API), owner="cli", idempotency_key=key or str(uuid4())
        )
    if as_json:
        _json({"report_id": accepted.report_id, "incident_id": accepted.incident_id, "code": accepted.code})
    else:
        sys.stdout.write(f"{accepted.code}\n")


@app.command()
def show(code: Annotated[str, typer.Argument(help="An incident's code or id.")], as_json: AsJson = False) -> None:
    """Print the whole story of an incident: what happened when, who was chosen and why."""
    with opened() as engine, engine.store.transaction() as tx:
        row = views.find(tx, code)
        incident, timeline = views.detail(tx, row), views.timeline(tx, row)
        if as_json:
            _json({**incident, "timeline": timeline})
        else:
            print_story(out, engine.texts, incident, timeline)


@geo_app.command("locate", context_settings={"ignore_unknown_options": True})
def geo_locate(lat: float, lon: float, as_json: AsJson = False) -> None:
    """Print the province, district and sub-district that the engine finds for a pin."""
    _follow_imports()
    _place(geo.locate(lat, lon), as_json=as_json)


@geo_app.command("find")
def geo_find(text: str, as_json: AsJson = False) -> None:
    """Print the province, district and sub-district that the engine finds in the words of an address."""
    _place(geo.find(text), as_json=as_json)


@geo_app.command("import")
def geo_import(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Use official outlines instead of the shipped ones: COD-AB boundaries as GeoJSON, or a zip of it or of shapefiles.

    Any problem refuses the whole file.  Running programs use them within seconds; `ess geo undo` takes them back.
    """
    from ess.geo import official

    levels = official.read(file)
    finest = max(levels)
    body = official.pack(levels[finest])
    with opened() as engine, engine.store.transaction() as tx:
        outline_sets.add(tx, f"{file.name}: {len(levels[finest])} {official.LEVELS[finest]}", finest, body)
        _tell_in_force(tx)


@geo_app.command("undo")
def geo_undo() -> None:
    """Take the last import of outlines back; what was in force before it is again."""
    with opened() as engine, engine.store.transaction() as tx:
        withdrawn = outline_sets.withdraw_last(tx)
        err.print(f"Taken back: {withdrawn.source}.", markup=False)
        _tell_in_force(tx)


def _tell_in_force(tx: Transaction) -> None:
    set_id = outline_sets.in_force(tx)
    what = outline_sets.read(tx, set_id).source if set_id else "the outlines that are shipped"
    err.print(f"In force within seconds, everywhere: {what}.", markup=False)


def _follow_imports() -> None:
    """As the running programs do, where there is a database; a machine that has none yet has imported nothing."""
    from ess.geo.in_force import Follower

    settings = Settings()
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        return
    try:
        with opened() as engine:
            Follower(engine.store).look()
    except (DispatchError, StartFailed, OperationalError) as error:
        why = str(error) if isinstance(error, DispatchError | StartFailed) else "the database cannot be reached"
        err.print(f"ess: {why}; this is what the shipped outlines say.", markup=False)


def _place(place: Place | None, *, as_json: bool) -> None:
    if as_json:
        found = place.to_json() if place else {"province": None, "candidates": [], "districts": [], "confidence": 0.0}
        keys = ["province", "candidates", "districts", "confidence"]
        _json({key: found[key] for key in [*keys, "subdistricts"] if key in keys or found.get(key)})
        return
    if place is None:
        out.print("No province of Thailand: such a report goes to the national desk at once.")
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("province", f"{place.province.code} {place.province.name_th}", place.province.name_en)
    for i, area in enumerate(place.districts):
        table.add_row("district" if i == 0 else "or", f"{area.code} {area.name_th}", area.name_en)
    for i, area in enumerate(place.subdistricts):
        table.add_row("sub-district" if i == 0 else "or", f"{area.code} {area.name_th}", area.name_en)
    for area in place.candidates[1:]:
        table.add_row("may be in", f"{area.code} {area.name_th}", area.name_en)
    table.add_row("confidence", f"{place.confidence:.2f}", "")
    out.print(table)


@app.command()
def secret() -> None:
    """Print a fresh ESS_ENCRYPTION_KEY."""
    sys.stdout.write(f"{new_key()}\n")


@app.command()
def doctor() -> None:
    """Check that this machine could dispatch: settings, texts, policies, database, broker, roster."""
    from ess.doctor import examine

    asked = Settings()
    with whole(asked) as settings:
        good = examine(settings, out, trial=asked.database_url is None)
    raise typer.Exit(0 if good else 1)


def _json(data: Any) -> None:
    sys.stdout.write(f"{json.dumps(data, ensure_ascii=False, default=str, indent=2)}\n")


def main() -> None:
    """Run the command; what was refused ends with 1 and a sentence."""
    try:
        app()
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(map(str, problem["loc"]))
            name = f"ESS_{where.upper()}" if error.title == "Settings" else where
            err.print(f"ess: {name}: {problem['msg']}", markup=False)
        sys.exit(1)
    except (DispatchError, StartFailed) as error:
        err.print(f"ess: {error}", markup=False)
        sys.exit(1)
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        err.print(
            f"ess: the database cannot be reached: {reason}. Check ESS_DATABASE_URL and the server.", markup=False
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
