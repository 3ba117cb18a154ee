"""What an edition of the roster would change, for a person to read; addresses show their last letters alone."""

from collections.abc import Collection

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ess.domain.duty import Role
from ess.domain.roster import Change, Changes, Entry
from ess.roster.export import cell

_SHOWN = 3
_HOTLINE_LENGTH = 4


def print_changes(out: Console, changes: Changes) -> None:
    """Additions, changes and removals, a responder in a line or more."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "ref", "name", "what"):
        table.add_column(heading, overflow="fold")
    for entry in changes.added:
        _row(table, "[green]added[/]", entry, f"{entry.role}, {' '.join(entry.jurisdictions)}")
    for change in changes.changed:
        for i, column in enumerate(change.columns):
            _row(table, "" if i else "[yellow]changed[/]", None if i else change.before, _told(change, column))
    for change in changes.removed:
        _row(table, "[red]removed[/]", change.before, "becomes inactive: is not in the file")
    for entry in changes.unmentioned:
        _row(table, "[dim]kept[/]", entry, "not in the file, stays as it is")
    if table.row_count:
        out.print(table)


def summary(changes: Changes) -> str:
    """How many of each."""
    removed = f", {len(changes.removed)} removed" if changes.removed else ""
    kept = f" {len(changes.unmentioned)} not in the file, stay as they are." if changes.unmentioned else ""
    return f"{len(changes.added)} added, {len(changes.changed)} changed{removed}, {changes.n_same} as they were.{kept}"


def no_base(changes: Changes, roles: Collection[Role]) -> str:
    """Who is never asked by a policy that says how far, with the first numbers; empty where there is nobody.

    `roles` are those whom policies ask only within some distance.
    """
    refs = [entry.ref for entry in changes.without_base(roles)]
    if not refs:
        return ""
    shown = ", ".join(refs[:_SHOWN]) + (", …" if len(refs) > _SHOWN else "")
    return (
        f"{len(refs)} without latitude and longitude ({shown}): {', '.join(sorted(roles))} are asked only near the pin,"
        " so that these never are: fill in where they start from."
    )


def _row(table: Table, what: str, entry: Entry | None, told: str) -> None:
    table.add_row(what, escape(entry.ref) if entry else "", escape(entry.name_th) if entry else "", escape(told))


def _told(change: Change, column: str) -> str:
    before, after = _shown(change.before, column), _shown(change.after, column)
    return f"{column}: {before} → {after}" if before != after else f"{column}: {after}, another one"


def _shown(entry: Entry, column: str) -> str:
    """The cell, or what may be seen of it; a dash where it is empty."""
    text = cell(entry, column)
    match column:
        case "phone" | "line_user_id" if len(text) > _HOTLINE_LENGTH:
            return f"…{text[-_SHOWN:]}"
        case "jurisdictions":
            return " ".join(entry.jurisdictions) or "—"
        case "outline":
            return f"{len(entry.outline)} corners" if entry.outline else "—"
    return text or "—"
