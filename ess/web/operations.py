"""`/board/CODE/actions`: what the API can do to an incident, as plain forms beside the board.

A page of its own, that does not renew itself under whoever types, and works without JavaScript.  A browser sends its
password with whatever another page makes it send, so each form carries a token of this page and this person.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, BeforeValidator, Field

from ess import dispatch, views
from ess.domain import incident as life
from ess.domain.errors import NotFound, Refused
from ess.domain.incident import Incident, TrackState
from ess.engine import Engine
from ess.store import incidents
from ess.store.keys import KeyRole
from ess.web.auth import Caller, EngineOf, Reader, form_token, is_from
from ess.web.board import page
from ess.web.incidents import WITH_REASON, Operation, OperationBody, carry_out

router = APIRouter(tags=["board"], include_in_schema=False)

#: In the order in which they are shown, with the command that each asks of the incident; splitting asks none.
ACTIONS: Mapping[str, type[life.Command] | None] = {
    "assign": life.Assign,
    "hand-over": life.HandOver,
    "escalate": life.Escalate,
    "split": None,
    "merge": life.Merge,
    "cancel": life.Cancel,
    "close": life.Close,
}
#: As by the API, all others are a supervisor's.
_OPERATORS = frozenset({"hand-over"})


def _as_typed(text: str) -> str:
    """A browser counts a line break as one character and sends two."""
    return text.replace("\r\n", "\n")


class Action(BaseModel):
    """A form as it was sent; an empty field is none."""

    do: Operation | Literal["hand-over"]
    token: Annotated[str, Field(max_length=64)]
    reason: Annotated[str, BeforeValidator(_as_typed), Field(max_length=500)] = ""
    false_report: bool = False
    responder: Annotated[str, Field(max_length=100)] = ""
    into: Annotated[str, Field(max_length=40)] = ""
    reports: list[UUID] = []
    track: str | None = None
    alert: UUID | None = None


@router.get("/board/{code}/actions")
def show(request: Request, code: str, engine: EngineOf, caller: Reader) -> Response:
    """A form for each thing that can be done to the incident as it stands."""
    return _page(request, engine, caller, code)


@router.post("/board/{code}/actions")
def act(request: Request, code: str, engine: EngineOf, caller: Reader, action: Annotated[Action, Form()]) -> Response:
    """Do it, and show the incident; where it was refused the page says why and keeps what was typed."""
    if not is_from(request, _name(caller, code), action.token):
        raise HTTPException(403, "this form is not from a page of yours: open the incident again")
    if not _may(caller, action.do):
        raise HTTPException(403, f"a key with the role supervisor is needed; {caller.name} has the role {caller.role}")
    if action.do in WITH_REASON and not action.reason.strip():
        wrong = engine.texts.word("board", "reason_missing")
        return _page(request, engine, caller, code, 422, wrong=wrong, said=action)
    try:
        goes_on = _done(engine, code, action, by=caller.name)
    except Refused as refused:
        status, why = 404 if isinstance(refused, NotFound) else 409, str(refused)
    except HTTPException as incomplete:
        status, why = incomplete.status_code, incomplete.detail
    else:
        return RedirectResponse(f"/board/{goes_on}", 303)
    wrong = engine.texts.word("board", "refused", why=why)
    return _page(request, engine, caller, code, status, wrong=wrong, said=action)


def _done(engine: Engine, code: str, action: Action, *, by: str) -> str:
    """The code of the incident to look at afterwards."""
    ref, into = action.responder.strip(), action.into.strip()
    with engine.store.transaction() as tx:
        incident_id = views.find(tx, code).id
        goes_on = views.find(tx, into) if into else None
    if action.do == "hand-over":
        if action.alert is None or not ref:
            raise HTTPException(422, "say whose track it is, and the number in the roster of whoever is to have it")
        return dispatch.hand_over(engine, action.alert, ref, by=by).code
    wish = OperationBody(
        false_report=action.false_report,
        responder=ref,
        into=goes_on.id if goes_on else None,
        reports=action.reports,
        track=action.track,
        **({"reason": action.reason} if action.do in WITH_REASON else {}),
    )
    after = carry_out(engine, incident_id, action.do, wish, by=by)
    return goes_on.code if goes_on else after.code


def _may(caller: Caller, action: str) -> bool:
    return action in _OPERATORS or caller.role.includes(KeyRole.SUPERVISOR)


def _applies(action: str, incident: Incident, n_reports: int) -> bool:
    """Whether it can be done to the incident as it stands."""
    command, tracks = ACTIONS[action], {track.state for track in incident.tracks}
    if command is None:
        return n_reports > 1
    wanted = {"escalate": TrackState.ALERTING, "hand-over": TrackState.ACKNOWLEDGED}.get(action)
    return (incident.state, command) in life.TRANSITIONS and (wanted is None or wanted in tracks)


def _name(caller: Caller, code: str) -> str:
    """The page, and whose it is."""
    return f"board {caller.name} {code}"


def _page(
    request: Request,
    engine: Engine,
    caller: Caller,
    code: str,
    status: int = 200,
    *,
    wrong: str = "",
    said: Action | None = None,
) -> Response:
    with engine.store.transaction() as tx:
        row = views.find(tx, code)
        detail, now = views.detail(tx, row), tx.now
        incident = incidents.read(tx, row.id)
    offered = [each for each in ACTIONS if _may(caller, each) and _applies(each, incident, len(detail["reports"]))]
    holders = {track.holder for track in incident.tracks if track.state is TrackState.ACKNOWLEDGED}
    held = [alert for alert in detail["alerts"] if UUID(alert["alert_id"]) in holders]
    people = {found["ref"]: found for choice in detail["choices"] for found in _considered(choice)}
    context = {"incident": detail, "offered": offered, "held": held, "people": people, "wrong": wrong, "said": said}
    token = form_token(request, _name(caller, code))
    return page(request, "actions.html", engine, now, status, token=token, **context)


def _considered(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Whom a choice knew of, to be named without looking up their number."""
    return [item["responder"] for item in [*choice["chosen"], *choice["passed_over"]] if item["responder"]]
