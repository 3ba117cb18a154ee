"""A social worker's day: the follow-ups that are to be made, for programs and on a page beside the board."""

from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ess import dispatch, follow_ups
from ess.domain.errors import AlreadyRecorded, NotFound
from ess.domain.follow_up import Outcome
from ess.store import responders
from ess.web.auth import EngineOf, Operator, Reader, Supervisor
from ess.web.board import page
from ess.web.incidents import state_of

router = APIRouter()

Province = Annotated[str | None, Query(pattern=r"^\d{2}$", description="DOPA code")]
Ref = Annotated[str | None, Query(max_length=100, description="number in the roster")]


@router.get("/v1/follow-ups", tags=["follow-ups"])
def list_follow_ups(
    engine: EngineOf,
    _: Operator,
    due: Annotated[bool, Query(description="only what is to be made by the end of today, or is late")] = False,
    province: Province = None,
    responder: Ref = None,
) -> dict[str, Any]:
    """Follow-ups that are not done, whatever is due first at the top; `more` where not all of them are here."""
    with engine.store.transaction() as tx:
        found = follow_ups.listing(tx, due=due, province=province, responder=responder)
    return {"follow_ups": found, "more": len(found) == follow_ups.MOST}


class OutcomeBody(BaseModel):
    """More about an outcome: `at` belongs to `moved`, `service` to `needs_service` and `referred`."""

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime | None = None
    service: Annotated[str | None, Field(pattern=r"^[a-z_]{1,30}$")] = None


class TakeBody(BaseModel):
    """Which supervisor takes it over: their number in the roster."""

    model_config = ConfigDict(extra="forbid")

    responder: Annotated[str, Field(max_length=100)]


@router.post("/v1/follow-ups/{follow_up_id}/take", tags=["follow-ups"])
def take(engine: EngineOf, caller: Supervisor, follow_up_id: UUID, body: TakeBody) -> dict[str, Any]:
    """Give an overdue call or visit to a supervisor, who is asked and reminded from now on: the same as their tap."""
    with engine.store.transaction() as tx:
        found = responders.by_refs(tx, [body.responder])
    if not found:
        raise NotFound(f"nobody in the roster has the number {body.responder}")
    return state_of(dispatch.take_follow_up(engine, follow_up_id, found[0].id, via=f"api:{caller.name}"))


@router.post("/v1/follow-ups/{follow_up_id}/{outcome}", tags=["follow-ups"])
def report(
    engine: EngineOf, caller: Operator, follow_up_id: UUID, outcome: Outcome, body: OutcomeBody | None = None
) -> dict[str, Any]:
    """Report a call or a visit for whoever made it: the same as their tap in LINE."""
    more, via = body or OutcomeBody(), f"api:{caller.name}"
    if outcome is Outcome.MOVED:
        if more.at is None:
            raise HTTPException(
                422, "say to when: `at` is an instant in calling hours, such as 2026-11-27T09:00:00+07:00"
            )
        return state_of(dispatch.move_follow_up(engine, follow_up_id, more.at, via=via))
    if more.service is None:
        return state_of(dispatch.report_follow_up(engine, follow_up_id, outcome, via=via))
    with suppress(AlreadyRecorded):  # and only the service is told afterwards
        dispatch.report_follow_up(engine, follow_up_id, outcome, via=via)
    return state_of(dispatch.name_service(engine, follow_up_id, more.service, via=via))


@router.get("/board/follow-ups", include_in_schema=False)
def board(
    request: Request,
    engine: EngineOf,
    _: Reader,
    province: Province = None,
    responder: Ref = None,
) -> Response:
    """What is to be made today and what is late, then what comes later."""
    with engine.store.transaction() as tx:
        everything = follow_ups.listing(tx, province=province, responder=responder)
        due = {call["follow_up_id"] for call in follow_ups.listing(tx, due=True)}
        now = tx.now
    days = {
        "today": [call for call in everything if call["follow_up_id"] in due],
        "later": [call for call in everything if call["follow_up_id"] not in due],
    }
    return page(request, "follow_ups.html", engine, now, days=days)
