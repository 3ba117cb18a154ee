"""A CSV or Excel file as rows of text, and back; what the text means is not known here."""

import csv
import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zipfile import BadZipFile

from ess.roster.errors import RosterRefused

#: How a workbook begins (it is a zip archive), and how one of before 2007 does.
_XLSX, _XLS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
#: Excel's width of a column, in characters.
_WIDTH = 18


@dataclass(frozen=True)
class Sheet:
    """What was read of a file."""

    #: As a spreadsheet numbers them, from 1, empty ones included.
    rows: list[list[str]]
    #: What the sheet is called; a CSV file has none.
    name: str = ""
    #: The workbook's other sheets that hold anything, none of which was read.
    unread: tuple[str, ...] = ()


def sheet_of(data: bytes) -> Sheet:
    """The file's rows; of a workbook, those of the first sheet.

    RosterRefused where it is neither CSV in UTF-8 nor a workbook that can be opened.
    """
    if data.startswith(_XLSX):
        return _of_workbook(data)
    if data.startswith(_XLS):
        raise RosterRefused("is an Excel file of before 2007: save it as .xlsx")
    try:
        return Sheet(of_csv(data.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise RosterRefused("is not UTF-8: save it as `CSV UTF-8`, or as .xlsx") from error


# --- CSV -------------------------------------------------------------------------------------------------
def of_csv(text: str) -> list[list[str]]:
    """Comma or semicolon as separator, with or without a byte order mark."""
    text = text.removeprefix("\ufeff")
    head = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",", strict=True
    )
    rows: list[list[str]] = []
    try:
        rows.extend(reader)
    except csv.Error as error:
        raise RosterRefused(f"row {len(rows) + 1}: {error}: is a quotation mark left open?") from error
    return rows


def to_csv(rows: Iterable[Sequence[str]]) -> str:
    """With commas, each row a line."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


# --- Excel -----------------------------------------------------------------------------------------------
def _of_workbook(data: bytes) -> Sheet:
    from openpyxl import load_workbook  # noqa: PLC0415  # a fifth of a second, and only where there is a workbook
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with warnings.catch_warnings():  # of styles and validations that openpyxl does not know
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(data), read_only=True)
            first, *others = book.worksheets
            unread = tuple(other.title for other in others if _holds_anything(other))
            return Sheet([[_text(cell) for cell in row] for row in first.iter_rows()], first.title, unread)
    except (BadZipFile, InvalidFileException, KeyError, ValueError, IndexError, OSError) as error:
        raise RosterRefused("cannot be opened as an Excel workbook: save it anew as .xlsx") from error


def _holds_anything(sheet: Any) -> bool:
    return any(cell.value is not None for row in sheet.iter_rows() for cell in row)


def _text(cell: Any) -> str:
    """As a person would type it: a whole number without `.0`, a day without a time."""
    match cell.value:
        case None:
            return ""
        case float() as number if number.is_integer():
            return str(int(number))
        case datetime() as at if at.time() == time() and "h" not in str(cell.number_format).lower():
            return at.date().isoformat()
        case value:
            # A formula over several cells is an object of its own.
            return "=" if cell.data_type == "f" else str(value)


def to_xlsx(rows: Iterable[Sequence[str]]) -> bytes:
    """A workbook of one sheet whose cells are all text, so that Excel takes no zero off a number."""
    from openpyxl import Workbook  # noqa: PLC0415  # as above
    from openpyxl.styles import Font  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    book = Workbook()
    sheet: Any = book.active
    for y, row in enumerate(rows, start=1):
        for x, text in enumerate(row, start=1):
            if text:
                cell = sheet.cell(y, x, text)
                cell.data_type = "s"
                cell.number_format = "@"
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(cell.column)].width = _WIDTH
    sheet.freeze_panes = "B2"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
