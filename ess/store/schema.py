"""Bringing a database to the schema that this release needs."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text

if TYPE_CHECKING:
    from alembic.config import Config

#: Any number: two programs that upgrade at once take turns.
_LOCK = 0x45535301


def configuration() -> "Config":
    """Alembic's configuration, without an ini file."""
    from alembic.config import Config  # noqa: PLC0415  # a fifth of a second, which most commands need not wait for

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(database_url: str) -> None:
    """Run the migrations that have not run; harmless where none is missing."""
    from alembic import command  # noqa: PLC0415  # as above

    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def is_current(database_url: str) -> bool:
    """Whether no migration is missing."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  # as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    engine = create_engine(database_url)
    with engine.connect() as connection:
        here = MigrationContext.configure(connection).get_current_heads()
    engine.dispose()
    return set(here) == set(ScriptDirectory.from_config(configuration()).get_heads())
