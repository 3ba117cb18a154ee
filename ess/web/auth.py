"""Who is calling: `Authorization: Bearer KEY`, or for pages that people open, a browser's name and password
with the key as the password."""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer

from ess.engine import Engine
from ess.store.keys import KeyRole, find_key

_bearer = HTTPBearer(auto_error=False)
_basic = HTTPBasic(auto_error=False)


@dataclass(frozen=True)
class Caller:
    """The owner of a key."""

    name: str
    role: KeyRole


def engine_of(request: Request) -> Engine:
    """The process's engine."""
    engine: Engine = request.app.state.engine
    return engine


class KeyRing:
    """Whose key it was a moment ago: an intake service that sends many reports is looked up once for all of them."""

    #: A key that was taken back opens nothing after this.
    _FRESH_S = 5.0
    _MOST = 1000

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Caller | None]] = {}

    def owner(self, engine: Engine, key: str) -> Caller | None:
        """The owner of the key, None where it is nobody's."""
        known_at, caller = self._known.get(key, (float("-inf"), None))
        if time.monotonic() - known_at < self._FRESH_S:
            return caller
        with engine.store.transaction() as tx:
            row = find_key(tx, key)
        caller = Caller(row.name, KeyRole(row.role)) if row else None
        if len(self._known) >= self._MOST:  # somebody guesses
            self._known.clear()
        self._known[key] = time.monotonic(), caller
        return caller


def _caller(request: Request, key: str | None, wanted: KeyRole, how: str, challenge: str) -> Caller:
    ring: KeyRing = request.app.state.keys
    caller = ring.owner(engine_of(request), key) if key is not None else None
    if caller is None:
        raise HTTPException(401, how, {"WWW-Authenticate": challenge})
    if not caller.role.includes(wanted):
        raise HTTPException(403, f"a key with the role {wanted} is needed; {caller.name} has the role {caller.role}")
    return caller


def _caller_with(wanted: KeyRole) -> Callable[..., Caller]:
    def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        key = credentials.credentials if credentials else None
        how = "send Authorization: Bearer KEY with a key from `ess api-key create`"
        return _caller(request, key, wanted, how, "Bearer")

    return check


def _reader_with(wanted: KeyRole) -> Callable[..., Caller]:
    def check(request: Request, credentials: Annotated[HTTPBasicCredentials | None, Depends(_basic)]) -> Caller:
        key = credentials.password if credentials else None
        how = "log in with any name, and a key from `ess api-key create` as the password"
        return _caller(request, key, wanted, how, 'Basic realm="ESS Dispatch", charset="UTF-8"')

    return check


EngineOf = Annotated[Engine, Depends(engine_of)]
#: Whoever calls the API with a key that has at least this role.
Intake = Annotated[Caller, Depends(_caller_with(KeyRole.INTAKE))]
Operator = Annotated[Caller, Depends(_caller_with(KeyRole.OPERATOR))]
Supervisor = Annotated[Caller, Depends(_caller_with(KeyRole.SUPERVISOR))]
#: Whoever opens a page with such a key as the password: an operator, and a supervisor.
Reader = Annotated[Caller, Depends(_reader_with(KeyRole.OPERATOR))]
SupervisingReader = Annotated[Caller, Depends(_reader_with(KeyRole.SUPERVISOR))]


def form_token(request: Request, page: str) -> str:
    """What a form must carry to come from this very page; `page` names it, and whose it is."""
    return engine_of(request).store.vault.index(f"form {page}").hex()


def is_from(request: Request, page: str, token: str) -> bool:
    """Whether a form was sent from this very page, and not by another one with a browser's password."""
    elsewhere = request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
    return not elsewhere and hmac.compare_digest(token.encode(), form_token(request, page).encode())
