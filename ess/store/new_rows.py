"""New rows: all that a transaction makes, of whatever tables, go to the database in one statement.

An incident begins with rows of five tables.  With a statement for each they were half of what a report costs; in one,
every row goes as JSON, and what refers to what is checked when all are there.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Column, Engine, TextClause, inspect, text
from sqlalchemy.orm import make_transient_to_detached
from sqlmodel import Session, SQLModel

from ess.store.crypto import EncryptedJson
from ess.store.tables import Deadline

Row = TypeVar("Row")
#: Rows by the names of their columns; those of one table have the same ones.
Plain = Mapping[type[SQLModel], Sequence[dict[str, Any]]]

_INSERT = """
    INSERT INTO {table} ({columns})
    SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, CAST(:{table} AS jsonb))
"""
#: The ids of new deadlines, and by what they are known before they have one.
_RETURNING = "RETURNING incident_id, kind, subject, id"
_IDS, _NONE = "SELECT * FROM new_deadline", "SELECT WHERE false"


class NewRows(Session):
    """A session that writes what is new before anything else, in one statement."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, expire_on_commit=False)
        self._unwritten: list[SQLModel] = []

    def insert(self, row: SQLModel) -> None:
        """It may still change until it is written, which it is before anything is read; then it is like any other."""
        self._unwritten.append(row)

    def flush(self, *args: Any, **kwargs: Any) -> None:
        """Write what is new, and then what has changed."""
        self.write({})
        super().flush(*args, **kwargs)

    def get(self, entity: type[Row], ident: Any, **options: Any) -> Row | None:  # type: ignore[override]
        """By its key, what is new included."""
        self.write({})
        return super().get(entity, ident, **options)

    def write(self, plain: Plain) -> None:
        """What is new, and beside it rows of which this session need know nothing afterwards."""
        new, self._unwritten = self._unwritten, []
        rows: dict[type[SQLModel], list[dict[str, Any]]] = {table: [*some] for table, some in plain.items()}
        for row in new:
            rows.setdefault(type(row), []).append({name: row.__dict__[name] for name in _columns(type(row))})
        if not rows:
            return
        statement = _statement(tuple((table, tuple(some[0])) for table, some in rows.items()))
        found = self.connection().execute(statement, {_name(table): _json(table, some) for table, some in rows.items()})
        ids = {(incident_id, kind, subject): id_ for incident_id, kind, subject, id_ in found}
        for row in new:
            if isinstance(row, Deadline):
                row.id = ids[row.incident_id, row.kind, row.subject]
            make_transient_to_detached(row)
            self.add(row)


def _name(table: type[SQLModel]) -> str:
    return str(table.__tablename__)


@cache
def _columns(table: type[SQLModel]) -> tuple[str, ...]:
    """All that this release knows, but those that the database numbers."""
    return tuple(column.name for column in _known(table) if column.identity is None)


@cache
def _sealed(table: type[SQLModel]) -> dict[str, EncryptedJson]:
    return {column.name: column.type for column in _known(table) if isinstance(column.type, EncryptedJson)}


def _known(table: type[SQLModel]) -> list[Column[Any]]:
    return [attribute.columns[0] for attribute in inspect(table).column_attrs]


@cache
def _statement(tables: tuple[tuple[type[SQLModel], tuple[str, ...]], ...]) -> TextClause:
    """One for each set of tables, so that its plan is made once."""
    new = {_name(table): _INSERT.format(table=_name(table), columns=", ".join(columns)) for table, columns in tables}
    found = _NONE
    if deadline := new.get(_name(Deadline)):
        new[_name(Deadline)] = deadline + _RETURNING
        found = _IDS
    return text(f"WITH {', '.join(f'new_{name} AS ({insert})' for name, insert in new.items())} {found}")


def _json(table: type[SQLModel], rows: Sequence[dict[str, Any]]) -> str:
    for name, column_type in _sealed(table).items():
        for row in rows:
            if name in row:
                row[name] = column_type.process_bind_param(row[name], None)  # type: ignore[arg-type]
    return json.dumps(rows, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    """As PostgreSQL reads it from JSON."""
    match value:
        case bytes():
            return f"\\x{value.hex()}"
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a row")
