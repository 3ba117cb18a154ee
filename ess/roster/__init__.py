"""The roster as a file: CSV or Excel ↔ entries, and the sample of a whole nation.

`cells.py` knows files and no meaning; `entries.py` and `export.py` know the meaning and no files.  What a new
edition changes is decided in `ess/domain/roster.py` and done in `ess/store/enrolment.py`.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ess.domain.roster import Entry
from ess.roster import cells, entries, export
from ess.roster.entries import Edition
from ess.roster.errors import RosterRefused
from ess.roster.printed import no_base, print_changes, summary
from ess.roster.sample import sample_csv

__all__ = [
    "Edition",
    "Entry",
    "RosterRefused",
    "no_base",
    "parse_csv",
    "print_changes",
    "read",
    "sample_csv",
    "summary",
    "to_csv",
    "to_xlsx",
    "write",
]


def read(file: Path) -> Edition:
    """The roster in a CSV or Excel file; RosterRefused lists every problem, and nothing of it is taken then."""
    sheet = cells.sheet_of(file.read_bytes())
    try:
        return replace(entries.edition(sheet.rows), unread=sheet.unread)
    except RosterRefused as error:
        if not sheet.unread:
            raise
        n_sheets = 1 + len(sheet.unread)
        raise RosterRefused(
            f"{error}\nThis is the sheet {sheet.name}, the first of {n_sheets}, and no other is read: "
            "move the roster to the front, or save it as a file of its own."
        ) from error


def parse_csv(text: str) -> list[Entry]:
    """The roster in the text of a CSV file; RosterRefused lists every problem of it."""
    return list(entries.edition(cells.of_csv(text)).entries)


def to_csv(people: Iterable[Entry]) -> str:
    """The file that `read` reads as these entries."""
    return cells.to_csv(export.rows_of(people))


def to_xlsx(people: Iterable[Entry]) -> bytes:
    """The same as an Excel workbook."""
    return cells.to_xlsx(export.rows_of(people))


def write(file: Path, people: Iterable[Entry]) -> None:
    """The file holds these entries, as .xlsx or else as CSV that Excel knows for UTF-8.

    A new file can be read by its owner alone.  RosterRefused where it cannot be written.
    """
    is_workbook = file.suffix.lower() == ".xlsx"
    data = to_xlsx(people) if is_workbook else f"\ufeff{to_csv(people)}".encode()
    try:
        file.touch(mode=0o600)
        file.write_bytes(data)
    except OSError as error:
        raise RosterRefused(f"{file} cannot be written: {error.strerror}") from error
