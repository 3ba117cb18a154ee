"""Bringing a database to the schema that this release needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
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
