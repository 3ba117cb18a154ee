"""Bringing a database to the schema that this release needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

#: Any number: two programs that upgrade at once take turns.
_LOCK = 0x45535301


def configuration() -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(database_url: str) -> None:
    """Run the migrations that have not run; harmless where none is missing."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def is_current(database_url: str) -> bool:
    """Whether no migration is missing."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        here = MigrationContext.configure(connection).get_current_heads()
    engine.dispose()
    return set(here) == set(ScriptDirectory.from_config(configuration()).get_heads())
