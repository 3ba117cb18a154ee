"""A social worker's day: the follow-ups that are to be made, for programs and on a page beside the board."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from ess import follow_ups
from ess.engine import Engine
from ess.store.keys import KeyRole
from ess.web.auth import Caller, caller_with, engine_of, reader
from ess.web.board import page

router = APIRouter()

EngineOf = Annotated[Engine, Depends(engine_of)]
Operator = Annotated[Caller, Depends(caller_with(KeyRole.OPERATOR))]
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


@router.get("/board/follow-ups", include_in_schema=False)
def board(
    request: Request,
    engine: EngineOf,
    _: Annotated[Caller, Depends(reader)],
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
