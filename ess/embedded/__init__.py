"""PostgreSQL and Redis for machines that have none, and the processes that run beside them.

Start reading at `services`, which starts just what is not given. `postgres` and `redis` are the two servers,
`server` says whose they are, `processes` starts and stops programs, `watch` ends them when their owner dies.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from ess.embedded.processes import StartFailed

if TYPE_CHECKING:
    from ess.embedded.server import Server


@dataclass(frozen=True)
class Services:
    """The database and the broker to use, and the embedded server behind each, `None` if it was given."""

    database_url: str
    broker_url: str
    postgres: "Server | None"
    redis: "Server | None"


@contextmanager
def services(
    data_dir: Path, *, database_url: str | None, broker_url: str | None, throwaway: bool = False
) -> Iterator[Services]:
    """A database and a broker that answer, for as long as the block lasts: those given, the rest embedded.

    The embedded ones keep their data in `data_dir`, which is made; if another process runs them there
    already, they are joined and left running. `throwaway` keeps the data in a new folder inside `data_dir`,
    is faster, and removes it all at the end. Raises `StartFailed`.
    """
    if database_url and broker_url:
        yield Services(database_url, broker_url, None, None)
        return
    # Only here: where both are given, the packages of the embedded ones need not be installed.
    from ess.embedded.postgres import remove_postgres, start_postgres  # noqa: PLC0415
    from ess.embedded.redis import start_redis  # noqa: PLC0415

    with ExitStack() as at_end:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartFailed(f"ESS_DATA_DIR: {data_dir} cannot be used as a folder: {error.strerror}") from error
        if throwaway:
            data_dir = Path(mkdtemp(prefix="throwaway-", dir=data_dir))
            at_end.callback(shutil.rmtree, data_dir)
        postgres = redis = None
        if not database_url:
            postgres = start_postgres(data_dir, throwaway=throwaway)
            if throwaway:
                at_end.callback(remove_postgres, data_dir)
            at_end.callback(postgres.stop)
            database_url = postgres.url
        if not broker_url:
            redis = start_redis(data_dir)
            at_end.callback(redis.stop)
            broker_url = redis.url
        yield Services(database_url, broker_url, postgres, redis)
