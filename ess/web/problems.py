"""Errors as `application/problem+json` (RFC 9457), and as a page to a browser; what was sent is never repeated.

It may be personal.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ess.domain.errors import AlreadyTaken, Conflict, NotFound, Refused
from ess.web.auth import engine_of
from ess.web.board import page
from ess.web.entrance import wants_a_page

log = structlog.get_logger()

#: Far above any report with 5,000 characters and any webhook that LINE sends.
MAX_BODY_BYTES = 256 * 1024


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """One problem; `detail` says what to do next."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers=dict(headers or {}), media_type="application/problem+json")


_NO_JSON = "the body is not valid JSON: check quotes, commas and the encoding (UTF-8)"

#: What the framework says by itself, which does not tell what to do next.
_FRAMEWORKS = {
    "There was an error parsing the body": _NO_JSON,
    "Not Found": "there is nothing at this path: /docs lists what there is",
    "Method Not Allowed": "this path does not take this method: /docs lists which it takes",
    "Not authenticated": "the Authorization header cannot be read: send `Bearer KEY`, or `Basic` with the key in it",
}

#: In which words a person reads it; every other status in those of `other`.
_WORDS = {401: "login", 403: "forbidden", 404: "not_found", 500: "broken", 503: "away"}


def _answer(
    request: Request, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The problem, for a person where a browser asks to show the answer."""
    if not wants_a_page(request):
        return problem(status, detail, headers=headers, **more)
    words = engine_of(request).texts.word("problems", _WORDS.get(status, "other"))
    shown = page(
        request, "problem.html", engine_of(request), datetime.now(UTC), status, words=words, detail=detail, code=status
    )
    shown.headers.update(headers or {})
    return shown


def install(app: FastAPI) -> None:
    """Let the app answer every error this way."""

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        problems = [
            {"field": ".".join(map(str, found["loc"][1:])), "problem": found["msg"]} for found in error.errors()
        ]
        if any(found["type"] == "json_invalid" for found in error.errors()):
            return _answer(request, 400, _NO_JSON)
        if any(found["loc"] == ("body",) for found in error.errors()):
            return _answer(
                request, 422, "the body must be a JSON object, sent with the header Content-Type: application/json"
            )
        if any(found["loc"] == ("header", "idempotency-key") for found in error.errors()):
            return _answer(
                request, 400, "send an Idempotency-Key header, a new one for each report, up to 200 characters"
            )
        return _answer(request, 422, "some fields are missing or wrong: see errors", errors=problems)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        detail = _FRAMEWORKS.get(str(error.detail), str(error.detail))
        return _answer(request, error.status_code, detail, headers=error.headers)

    @app.exception_handler(Refused)
    async def _refused(request: Request, error: Refused) -> Response:
        match error:
            case NotFound():
                return _answer(request, 404, str(error))
            case AlreadyTaken(holder=holder):
                return _answer(request, 409, str(error), holder=holder, reason="already_taken")
            case Conflict():
                return _answer(request, 409, str(error), reason="conflict")
            case _:
                return _answer(request, 409, str(error), reason=_snake(type(error).__name__))

    @app.exception_handler(DataError)
    async def _unheld(request: Request, error: DataError) -> Response:
        log.error("value_not_held", error=type(error.orig).__name__)
        return _answer(request, 422, "a value cannot be kept or looked for: leave out what is no text, such as U+0000")

    @app.exception_handler(SQLAlchemyError)
    async def _database(request: Request, error: SQLAlchemyError) -> Response:
        log.error("database_error", error=type(error).__name__)
        return _answer(request, 503, "the database cannot be reached: send it again", headers={"Retry-After": "1"})

    @app.exception_handler(Exception)
    async def _bug(request: Request, _: Exception) -> Response:
        """What a caller sees of a bug; the server raises it again, and the log keeps it."""
        return _answer(request, 500, "a fault of the engine: tell whoever runs it when this was, its log says more")


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


class BodyLimit:
    """Refuses a body that is too large before anybody parses it, also one sent in chunks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            await self._refuse(scope, receive, send)
            return
        chunks, n_bytes, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunks.append(message.get("body", b""))
            n_bytes += len(chunks[-1])
            more = message.get("more_body", False)
            if n_bytes > MAX_BODY_BYTES:
                await self._refuse(scope, receive, send)
                return
        await self._app(scope, _replay(b"".join(chunks), receive), send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem(413, f"the body is larger than {MAX_BODY_BYTES // 1024} KiB: send less text")
        await answer(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
