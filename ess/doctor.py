"""`ess doctor`: could this machine dispatch?  One line for each thing that must be right."""

from collections.abc import Callable

import redis
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from config.settings import REQUIRED, Settings
from ess.conversation.texts import Texts
from ess.days_off import load_days_off
from ess.domain.duty import NATIONAL_ROLES
from ess.domain.errors import DispatchError
from ess.engine import check_words
from ess.policies import load_policies
from ess.store import Store, Vault, health, responders, schema
from ess.wake import QUEUES


def examine(settings: Settings, out: Console, *, trial: bool) -> bool:
    """Whether everything is right; each line says what to do where it is not.

    On a machine that only tries the engine (`trial`), nobody outside needs to reach it.
    """
    missing = settings.missing(*REQUIRED)
    wrong = _raises(lambda: check_words(settings))
    good = _tell(out, "settings", f"set {', '.join(missing)}" if missing else wrong)
    if not trial:
        good &= _tell(out, "public URL", _public_url(settings))
    checks: list[tuple[str, Callable[[], str | None]]] = [
        ("policies", lambda: _raises(lambda: load_policies(settings.policy_dir))),
        ("days off", lambda: _raises(lambda: load_days_off(settings.holiday_file))),
        ("texts", lambda: _raises(lambda: Texts(settings.message_dir, settings.language))),
    ]
    if not missing:
        checks += [("broker", lambda: _broker(settings)), ("database", lambda: _database(settings))]
    for name, check in checks:
        good &= _tell(out, name, check())
    return good


def _tell(out: Console, name: str, problem: str | None) -> bool:
    out.print(f"{'✗' if problem else '✓'} {name}" + (f": {problem}" if problem else ""), markup=False)
    return problem is None


def _public_url(settings: Settings) -> str | None:
    if settings.public_url is None:
        return f"set ESS_PUBLIC_URL: Twilio is told to call {settings.outside_url}, which it cannot reach"
    if not settings.public_url.startswith(("https://", "http://")):
        return f"ESS_PUBLIC_URL is {settings.public_url}: begin it with https://, as Twilio calls and signs it"
    return None


def _raises(check: Callable[[], object]) -> str | None:
    try:
        check()
    except DispatchError as error:
        return str(error)
    return None


def _broker(settings: Settings) -> str | None:
    try:
        redis.Redis.from_url(str(settings.broker_url), socket_timeout=3).ping()
    except redis.RedisError as error:
        return f"cannot be reached ({type(error).__name__}): check ESS_BROKER_URL and the server"
    return None


def _database(settings: Settings) -> str | None:
    try:
        if not schema.is_current(str(settings.database_url)):
            return "its schema is not this release's: run `ess db upgrade`"
        vault = Vault(settings.encryption_key.get_secret_value() if settings.encryption_key else "")
        store = Store(str(settings.database_url), vault, list, lease=settings.lease, pool_size=1)
        with store.transaction() as tx:
            roles = {row.role for row in responders.supervisors(tx)}
            absent = health.missing(tx, (health.CLOCK, *QUEUES))
        store.close()
    except SQLAlchemyError as error:
        return f"cannot be reached ({type(error).__name__}): check ESS_DATABASE_URL and the server"
    except DispatchError as error:
        return str(error)
    if roles != NATIONAL_ROLES:
        lacking = ", ".join(sorted(NATIONAL_ROLES - roles))
        return f"the roster has no active {lacking}: import one, nobody else is there when all others fail"
    if absent:
        return f"not seen lately: {', '.join(absent)}: start the clock and the workers"
    return None
