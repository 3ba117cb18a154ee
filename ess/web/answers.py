"""`/a/SECRET`: the page behind the link in an SMS, for a responder whose SMS cannot be answered (ADR 10).

Looking at it changes nothing, because previews of links look too; a button does, by a form that only this page
has.  It works without JavaScript, weighs less than 10 kB, and shows the address to whoever has taken the alert.
Once the alert is somebody else's, or over, or the link is a day old, it shows how it stands and no place.
"""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ess import answers, dispatch
from ess.conversation.answer import Verb
from ess.domain.errors import Refused
from ess.engine import Engine
from ess.web.auth import engine_of, form_token, is_from

router = APIRouter(prefix="/a", tags=["answers"], include_in_schema=False)
_pages = Jinja2Templates(Path(__file__).parent / "templates")

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
}


class Guesses:
    """How often somebody opened a link that there is not: after a few a minute, none is looked up for them."""

    #: Phones of one mobile network may share an address, so a few may err; 64 bits bear far more.
    _MOST = RateLimitItemPerMinute(20)

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def too_many(self, caller: str) -> bool:
        """Whether this caller has guessed enough."""
        return not self._limiter.test(self._MOST, caller)

    def missed(self, caller: str) -> None:
        """They opened a link that there is not."""
        self._limiter.hit(self._MOST, caller)


@router.get("/{secret}")
def show(request: Request, secret: str) -> Response:
    """How it stands, and a button for each thing that can be done next."""
    found = _found(request, secret, is_shown=True)
    return (
        found
        if isinstance(found, Response)
        else _page(request, 200, found=found, token=form_token(request, f"answer {secret}"))
    )


@router.post("/{secret}")
def answer(
    request: Request,
    secret: str,
    do: Annotated[Verb, Form()],
    token: Annotated[str, Form(max_length=64)],
    eta_min: Annotated[int | None, Form(ge=0, le=1440)] = None,
) -> Response:
    """A button was pressed; the page then shows what holds, whether that is what they wanted or not."""
    found = _found(request, secret, is_shown=False)
    if isinstance(found, Response):
        return found
    if not is_from(request, f"answer {secret}", token):
        return _page(request, 403, key="unknown")
    if do in found.verbs or (do is Verb.ETA and eta_min in found.etas):
        # Refused: somebody was faster, or they pressed twice.  The page says how it stands.
        with suppress(Refused):
            eta = timedelta(minutes=eta_min) if eta_min is not None else None
            dispatch.answer_alert(engine_of(request), found.alert_id, do, via="link", eta=eta)
    return RedirectResponse(f"/a/{secret}", 303, headers=_HEADERS)


def _found(request: Request, secret: str, *, is_shown: bool) -> answers.Standing | Response:
    """How the alert behind the link stands, or the page that says that there is none."""
    guesses: Guesses = request.app.state.guesses
    caller = request.client.host if request.client else ""
    if guesses.too_many(caller):
        return _page(request, 429, key="too_many")
    found = answers.standing(engine_of(request), secret, is_shown=is_shown)
    if found is None:
        guesses.missed(caller)
        return _page(request, 404, key="unknown")
    return found


def _page(
    request: Request, status: int, *, found: answers.Standing | None = None, key: str = "", token: str = ""
) -> Response:
    engine: Engine = engine_of(request)
    values = {"texts": engine.texts, "key": found.key if found else key, "found": found, "token": token}
    return _pages.TemplateResponse(request, "answer.html", values, status, headers=_HEADERS)
