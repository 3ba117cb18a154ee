"""The `ess` command.  Exit code 0, 1 where something was refused, 2 for wrong usage."""

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import structlog
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from config.settings import HERE, Settings
from ess import deliveries, dispatch, duties, follow_ups, geo, linking, logs, roster, views
from ess.conversation.texts import BANGKOK
from ess.domain.errors import DispatchError, Refused
from ess.domain.place import Place
from ess.domain.policy import roles_near
from ess.domain.report import Contact, IncidentType, Source
from ess.embedded import services
from ess.embedded.local import whole
from ess.embedded.processes import StartFailed
from ess.engine import Engine, open_engine
from ess.geo.names import PROVINCE, areas
from ess.intake import ReportBody
from ess.policies import load_policies
from ess.rich_menu import load_image, load_rich_menu
from ess.store import Transaction, enrolment, new_key, outline_sets, reach, responders, schema
from ess.store.keys import KeyRole, create_key, revoke_key
from ess.story import print_story
from ess.written import era_problem

app = typer.Typer(no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False)
db = typer.Typer(no_args_is_help=True, help="The database.")
api_key = typer.Typer(no_args_is_help=True, help="Keys of programs and people that call the API.")
responders_app = typer.Typer(no_args_is_help=True, help="The roster: who can be alerted.")
policy = typer.Typer(no_args_is_help=True, help="The policies: who is asked, in what order.")
duty_app = typer.Typer(no_args_is_help=True, help="Duty: who is on when.  Times are those of Bangkok.")
geo_app = typer.Typer(no_args_is_help=True, help="Places: what the engine makes of a pin or an address.")
line_app = typer.Typer(no_args_is_help=True, help="The LINE Official Account.")
menu_app = typer.Typer(no_args_is_help=True, help="The menu below the chat.")
line_app.add_typer(menu_app, name="menu")
app.add_typer(db, name="db")
app.add_typer(api_key, name="api-key")
app.add_typer(responders_app, name="responders")
app.add_typer(policy, name="policy")
app.add_typer(duty_app, name="duty")
app.add_typer(geo_app, name="geo")
app.add_typer(line_app, name="line")

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
log = structlog.get_logger()


@contextmanager
def opened() -> Iterator[Engine]:
    """The engine on the configured database, or on this machine's embedded one."""
    with whole(Settings()) as settings:
        engine = open_engine(settings, pool_size=1)
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
def responders_import(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or .xlsx.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    remove_missing: Annotated[
        bool, typer.Option("--remove-missing", help="Whoever is not in the file becomes inactive.")
    ] = False,
) -> None:
    """Add and change responders from a CSV or Excel file; any error refuses the whole file."""
    edition = roster.read(file)
    if edition.ignored:
        err.print(f"Not read, because no such column is known: {', '.join(edition.ignored)}.", markup=False)
    if edition.unread:
        err.print(f"Not read, because only the first sheet is: {', '.join(edition.unread)}.", markup=False)
    with opened() as engine, engine.store.transaction() as tx:
        changes = enrolment.planned(tx, edition.entries, remove_missing=remove_missing)
        if not dry_run:
            enrolment.enrol(tx, changes)
            deliveries.roster_changed(engine, tx, changes.changed)
    if dry_run:
        roster.print_changes(out, changes)
    if adrift := roster.no_base(changes, roles_near(engine.policies.values())):
        err.print(adrift, markup=False)
    err.print(f"{'Dry run, nothing was changed: ' if dry_run else ''}{roster.summary(changes)}")


@responders_app.command("export")
def responders_export(
    file: Annotated[
        Path | None, typer.Argument(dir_okay=False, help=".csv or .xlsx; without it CSV on stdout.")
    ] = None,
) -> None:
    """Write the roster as `import` reads it, addresses included; that it was read is logged."""
    if file and file.suffix.lower() not in {".csv", ".xlsx"}:
        raise typer.BadParameter(f"{file}: name a file that ends with .csv or .xlsx")
    with opened() as engine, engine.store.transaction() as tx:
        entries = enrolment.enrolled(tx)
    logs.configure(Settings().log_level)
    log.info("roster_exported", n_responders=len(entries), by=_person(), to_file=file is not None)
    if file is None:
        sys.stdout.write(roster.to_csv(entries))
    else:
        roster.write(file, entries)


def _person() -> str:
    """Who sits at this machine, as far as it knows."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


@responders_app.command("sample")
def responders_sample() -> None:
    """Print a nationwide sample roster as CSV: plainly fictional units with numbers that reach nobody."""
    sys.stdout.write(roster.sample_csv())


@responders_app.command("link")
def responders_link(
    ref: Annotated[str, typer.Argument(help="The responder's number in the roster.")],
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long the code is good.")] = 24,
) -> None:
    """Print a code, this once, alone on stdout: typed into the LINE chat it links that account, once."""
    with opened() as engine:
        offer = linking.offer_link(engine, ref, by="cli", valid_for=timedelta(hours=hours))
        until = engine.texts.moment(offer.expires_at)
    sys.stdout.write(f"{offer.code}\n")
    err.print(
        f"For {ref} {offer.name_th}, once, until {until}; one that was handed out before is withdrawn.", markup=False
    )


@responders_app.command("unlink")
def responders_unlink(ref: Annotated[str, typer.Argument(help="The responder's number in the roster.")]) -> None:
    """Take the LINE account from a responder, and withdraw a code that was handed out."""
    with opened() as engine:
        linking.unlink_responder(engine, ref, by="cli")
    err.print(f"No LINE account is linked to {ref} any more.", markup=False)


@responders_app.command("unreachable")
def responders_unreachable(as_json: AsJson = False) -> None:
    """List everybody at work whom nothing reaches, or who was silent in the last roll call and since."""
    with opened() as engine, engine.store.transaction() as tx:
        people = reach.unreached(tx)
        if as_json:
            _json([asdict(person) for person in people])
            return
        for person in people:
            answered = [
                f"{channel} answered {engine.texts.moment(datetime.fromisoformat(state['verified_at']))}"
                for channel, state in person.channels.items()
                if state["verified_at"]
            ]
            why = person.why.replace("_", " ")
            out.print(f"{person.ref} {person.name_th}: {', '.join([why, *answered])}", markup=False)
    if not people:
        err.print("Everybody has a channel that works, and nobody was silent in the last roll call.")


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
    body = ReportBody.model_validate(
        {
            "type": type,
            "location": {"latitude": lat, "longitude": lon, "address": address},
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


@app.command("followups")
def followups(
    due: Annotated[
        bool, typer.Option("--due", help="Only what is to be made by the end of today, or is late.")
    ] = False,
    province: Annotated[str | None, typer.Option(help="Code of a province.")] = None,
    responder: Annotated[str | None, typer.Option(help="A responder's number in the roster.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the follow-ups that are to be made, whatever is due first at the top."""
    if province is not None and not (len(province) == PROVINCE and province in areas()):
        raise Refused(f"there is no province {province}: give its code, such as 65")
    with opened() as engine, engine.store.transaction() as tx:
        if responder is not None and not responders.by_refs(tx, [responder]):
            raise Refused(f"nobody in the roster has the number {responder}")
        found = follow_ups.listing(tx, due=due, province=province, responder=responder)
        texts = engine.texts
    if as_json:
        _json(found)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("code", "grade", "what", "where", "by", "who", "try", "contact"):
        table.add_column(heading)
    for call in found:
        place = call["place"]
        asked = f"asked for {texts.moment(datetime.fromisoformat(call['ask_at']))}" if call["ask_at"] else "nobody"
        table.add_row(
            call["code"],
            texts.word("grades", call["grade"]) if call["grade"] else "",
            call["plan"].replace("_", " "),
            f"{(place['district'] or place['province'])['name_th']}" if place else texts.word("places", "unknown"),
            texts.moment(datetime.fromisoformat(call["promised_at" if call["late"] else "due_at"]))
            + (" LATE" if call["late"] else ""),
            call["responder"]["name_th"] if call["responder"] else asked,
            str(call["tries"] + 1),
            texts.word("contact", call["contact"]),
        )
    if found:
        out.print(table)
    else:
        err.print("Nothing is to be made.")


@duty_app.command("import")
def duty_import(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Add and change rotas from a YAML file; any error refuses the whole file, and rotas not in it stay."""
    with opened() as engine:
        added, changed, n_same = duties.import_rotas(engine, file, dry_run=dry_run)
    for what, names in (("added", added), ("changed", changed)):
        for name in names:
            out.print(f"{what}: {name}", markup=False)
    err.print(f"{len(added)} added, {len(changed)} changed, {n_same} as they were{' (dry run)' if dry_run else ''}.")


@duty_app.command("export")
def duty_export() -> None:
    """Print all rotas as YAML that `ess duty import` takes; covers are not in it."""
    with opened() as engine:
        sys.stdout.write(duties.export_rotas(engine))


@duty_app.command("remove")
def duty_remove(rota: str) -> None:
    """Take a rota away with its covers: its members are always on call, unless another rota has them."""
    with opened() as engine:
        duties.remove_rota(engine, rota)
    err.print(f"The rota {rota} is gone.", markup=False)


@duty_app.command("show")
def duty_show(
    province: Annotated[str, typer.Argument(help="Code or name of a province, code of a district, or TH.")],
    at: Annotated[
        str | None, typer.Option(help="When, such as 2026-12-05T20:00 in Bangkok; now where left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print who is on duty in each rota of a province, until when and why, and who is next."""
    with opened() as engine:
        found = duties.on_duty(engine, duties.area_named(province), _instant(at) if at else None)
        if as_json:
            _json(found)
            return
        out.print(f"{found['area']} at {_local(engine, found['at'])}, Bangkok time")
        if not found["rotas"]:
            out.print("No rota: everybody in the roster is always on call.")
        for rota in found["rotas"]:
            now, later = rota["now"], rota["next"]
            until = f", until {_local(engine, now['until'])}" if now["until"] else ""
            out.print(f"{rota['rota']} ({rota['role']}, {rota['area']})", markup=False)
            out.print(f"  now   {_people(now)}: {now['why']}{until}", markup=False)
            if later:
                out.print(f"  next  {_people(later)}: {later['why']}", markup=False)


def _people(standing: dict[str, Any]) -> str:
    return ", ".join(f"{person['ref']} {person['name']}" for person in standing["responders"]) or "nobody"


def _local(engine: Engine, instant: str) -> str:
    return engine.texts.moment(datetime.fromisoformat(instant))


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{text!r} is not a time: write such as 2026-12-05T20:00, which is Bangkok's") from None
    if wrong := era_problem(at.year):
        raise Refused(f"{text!r} {wrong}")
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=BANGKOK).astimezone(UTC)


Reason = Annotated[str, typer.Option(help="Kept with the cover; write nothing personal.")]


@duty_app.command("cover")
def duty_cover(
    rota: Annotated[str, typer.Argument(help="The rota's name.")],
    ref: Annotated[str, typer.Argument(help="Number in the roster of whoever has the duty; `nobody`: on purpose.")],
    start: Annotated[str, typer.Option("--from", help="Such as 2026-12-05T20:00, in Bangkok.")],
    end: Annotated[str, typer.Option("--to", help="In Bangkok.")],
    instead_of: Annotated[
        str | None, typer.Option(help="Only this one of several is replaced; else everybody.")
    ] = None,
    reason: Reason = "",
) -> None:
    """Have somebody take the duty for a time; the newest cover counts, from the very next incident on."""
    who = None if ref == "nobody" else ref
    with opened() as engine:
        duties.cover(engine, rota, who, _instant(start), _instant(end), instead_of=instead_of, reason=reason)
    err.print(f"{ref} has the duty of {rota} from {start} to {end}.", markup=False)


@duty_app.command("swap")
def duty_swap(
    rota: Annotated[str, typer.Argument(help="The rota's name.")],
    ref: Annotated[str, typer.Argument(help="Number in the roster.")],
    when: Annotated[str, typer.Argument(help="A time within their shift, such as 2026-12-05T20:00 in Bangkok.")],
    other_ref: Annotated[str, typer.Argument(help="Who takes that shift.")],
    other_when: Annotated[str, typer.Argument(help="A time within the shift that the first one takes instead.")],
    reason: Reason = "",
) -> None:
    """Have two people take each other's shift."""
    with opened() as engine:
        made = duties.swap(engine, rota, (ref, _instant(when)), (other_ref, _instant(other_when)), reason=reason)
        for cover in made:
            start, end = engine.texts.moment(cover.starts_at), engine.texts.moment(cover.ends_at)
            out.print(f"{cover.ref} has the duty of {rota} from {start} to {end}", markup=False)


@duty_app.command("gaps")
def duty_gaps(
    days: Annotated[int, typer.Option(min=1, max=92, help="How far ahead to look.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Print when a rota must be filled and is not; 1 where there is such a time."""
    with opened() as engine:
        found = duties.gaps_ahead(engine, timedelta(days=days))
        if as_json:
            _json(
                [{"rota": name, "from": a.isoformat(), "to": b.isoformat()} for name in found for a, b in found[name]]
            )
        for name, times in {} if as_json else found.items():
            for start, end in times:
                out.print(f"{name}: {engine.texts.moment(start)} to {engine.texts.moment(end)}", markup=False)
    if not found:
        err.print(f"Every rota is filled for the next {days} days.")
    raise typer.Exit(1 if found else 0)


@geo_app.command("locate", context_settings={"ignore_unknown_options": True})
def geo_locate(lat: float, lon: float, as_json: AsJson = False) -> None:
    """Print the province, district and sub-district that the engine finds for a pin."""
    _follow_imports()
    place = geo.locate(lat, lon)
    _place(place, as_json=as_json)
    if place and not place.subdistricts and not as_json:
        err.print("Sub-districts of pins are known once official outlines of level 3 are imported: `ess geo import`.")


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
    for code in official.missing(levels[finest], finest):
        what = f"{official.LEVELS[finest][:-1]} TH{code} ({areas()[code].name_en})"
        err.print(f"Without the {what}: what is shipped tells which district a pin there is in.", markup=False)
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
        label = "also named" if area == place.contradicted_by else "may be in"
        table.add_row(label, f"{area.code} {area.name_th}", area.name_en)
    table.add_row("confidence", f"{place.confidence:.2f}", "")
    out.print(table)


@menu_app.command("install")
def line_menu_install(
    image: Annotated[Path, typer.Argument(help="A PNG or JPEG as large as the menu, 1 MB at most.")],
    menu: Annotated[Path, typer.Option(help="What can be tapped where.")] = HERE / "rich_menu.yaml",
) -> None:
    """Show everybody this menu; one that was installed before is replaced once the new one is there."""
    from ess.channels.line_menu import LineMenu

    settings = Settings()
    wanted = load_rich_menu(menu)
    menu_id = LineMenu(settings).install(wanted, load_image(image, wanted.size), settings.language)
    err.print(f"The menu {menu_id} is installed.", markup=False)


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
            err.print(f"ess: {name}: {problem['msg'].removeprefix('Value error, ')}", markup=False)
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
