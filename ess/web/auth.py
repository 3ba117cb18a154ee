"""Who is calling: `Authorization: Bearer KEY`, or for pages that people open, a browser's name and password
with the key as the password."""

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


def _caller(engine: Engine, key: str, wanted: KeyRole) -> Caller | None:
    with engine.store.transaction() as tx:
        row = find_key(tx, key)
    if row is None:
        return None
    caller = Caller(row.name, KeyRole(row.role))
    if not caller.role.includes(wanted):
        raise HTTPException(403, f"a key with the role {wanted} is needed; {row.name} has the role {row.role}")
    return caller


def caller_with(wanted: KeyRole) -> Callable[..., Caller]:
    """A dependency: the caller, who has at least this role."""

    def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        caller = _caller(engine_of(request), credentials.credentials, wanted) if credentials else None
        if caller is None:
            raise HTTPException(
                401,
                "send Authorization: Bearer KEY with a key from `ess api-key create`",
                {"WWW-Authenticate": "Bearer"},
            )
        return caller

    return check


def reader(request: Request, credentials: Annotated[HTTPBasicCredentials | None, Depends(_basic)]) -> Caller:
    """A dependency for pages: somebody who may see incidents."""
    caller = _caller(engine_of(request), credentials.password, KeyRole.OPERATOR) if credentials else None
    if caller is None:
        raise HTTPException(
            401,
            "log in with any name, and a key from `ess api-key create` as the password",
            {"WWW-Authenticate": 'Basic realm="ESS Dispatch", charset="UTF-8"'},
        )
    return caller
