"""Settings that are whole: what is not set comes from this machine's embedded services."""

from collections.abc import Iterator
from contextlib import contextmanager

from config.settings import REQUIRED, Settings
from ess.embedded import services
from ess.embedded.secrets import embedded_secrets
from ess.store import schema


@contextmanager
def whole(settings: Settings, *, throwaway: bool = False) -> Iterator[Settings]:
    """The same settings with a database and a broker that answer: those set, or the embedded ones.

    The embedded ones are joined where `ess up` runs them, else started for as long as the block lasts; their
    schema is brought up to date and their secrets are those of the data folder.  With
    `throwaway` they are new, and gone at the end.
    """
    given = {"database_url": settings.database_url, "broker_url": settings.broker_url}
    with services(settings.data_dir, **given, throwaway=throwaway) as found:
        values = settings.model_dump()
        values |= {"database_url": found.database_url, "broker_url": found.broker_url}
        if settings.database_url is None:
            schema.upgrade(found.database_url)
            made = embedded_secrets(settings.data_dir)
            values |= {name.removeprefix("ESS_").lower(): secret for name, secret in made.items()}
            values |= settings.model_dump(include=set(REQUIRED), exclude_none=True)
        yield Settings.model_validate(values)
