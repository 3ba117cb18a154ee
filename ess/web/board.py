"""`/board`: the open incidents at a glance, and the whole story of each; a page that renews itself."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from sqlmodel import col, func, select

from ess import views
from ess.conversation.texts import BANGKOK
from ess.domain.incident import ENDED
from ess.engine import Engine
from ess.store import alarms, health, reach, reporters, tables
from ess.web.auth import Caller, engine_of, reader

router = APIRouter(tags=["board"], include_in_schema=False)
#: Pages for people, with the filters that they share.
pages = Jinja2Templates(Path(__file__).parent / "templates")

#: What a supervisor must look at first.
_URGENCY = ("unanswered", "received", "located", "alerting", "acknowledged", "on_scene", "resolved")
_MOST = 200


def _clock(value: str | datetime) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(BANGKOK).strftime("%H:%M:%S")


def _plain(fact: dict[str, Any]) -> str:
    """What else a fact says, in a line."""
    hidden = {
        "at",
        "fact",
        "responder",
        "responder_id",
        "alert_id",
        "delivery_id",
        "follow_up_id",
        "chosen",
        "passed_over",
        "n_more",
    }
    return " · ".join(f"{key} {value}" for key, value in fact.items() if key not in hidden and value not in {None, ""})


def _day(value: str) -> str:
    return datetime.fromisoformat(value).astimezone(BANGKOK).strftime("%d %b %Y %H:%M")


pages.env.filters |= {"clock": _clock, "plain": _plain, "day": _day}

#: Why nobody reaches somebody, on the page.
_REASONS = {reach.Why.NO_CHANNEL: "no channel that works", reach.Why.NO_ANSWER: "silent in the last roll call"}


@router.get("/board")
def board(
    request: Request, engine: Annotated[Engine, Depends(engine_of)], caller: Annotated[Caller, Depends(reader)]
) -> Response:
    """Every open incident, the most urgent first."""
    with engine.store.transaction() as tx:
        query = (
            select(tables.Incident)
            .where(col(tables.Incident.state).not_in(ENDED), col(tables.Incident.drill).is_(False))
            .order_by(col(tables.Incident.received_at).desc())
            .limit(_MOST)
        )
        rows = sorted(tx.session.exec(query), key=lambda row: _URGENCY.index(row.state))
        due: Any = tx.session.exec(
            select(tables.Deadline.incident_id, func.min(tables.Deadline.due_at))
            .where(col(tables.Deadline.incident_id).in_([row.id for row in rows]), tables.Deadline.kind != "send")
            .group_by(col(tables.Deadline.incident_id))
        ).all()
        counts: Any = tx.session.exec(
            select(tables.Incident.state, func.count())
            .where(col(tables.Incident.drill).is_(False))
            .group_by(tables.Incident.state)
        ).all()
        absent = health.missing(tx, (health.CLOCK,))
        lost = health.out_of_hand(tx)
        wrong = alarms.standing(tx)
        known = reporters.earlier(tx, [row.id for row in rows])
        n_unreached = reach.n_unreached(tx)
        now = tx.now
    context = {
        "rows": rows,
        "due": dict(due),
        "known": known,
        "counts": dict(counts),
        "states": _URGENCY,
        "warnings": [
            *(f"{name} was not seen lately" for name in absent),
            *(f"{code} is in nobody's hand" for code in lost.values()),
            *(f"{_alarm(engine, name)}: {detail}" for name, detail in wrong.items()),
        ],
        "n_unreached": n_unreached,
        "texts": engine.texts,
        "now": now,
        "caller": caller,
        "views": views,
    }
    return pages.TemplateResponse(request, "board.html", context)


def _alarm(engine: Engine, name: str) -> str:
    kind, _, rota = name.partition(":")
    return f"{engine.texts.word('alarms', kind)} {rota}".rstrip()


@router.get("/board/unreachable")
def unreachable(
    request: Request, engine: Annotated[Engine, Depends(engine_of)], _: Annotated[Caller, Depends(reader)]
) -> Response:
    """Everybody whom an alert would not reach, as far as is known."""
    with engine.store.transaction() as tx:
        context = {"people": reach.unreached(tx), "reasons": _REASONS, "texts": engine.texts, "now": tx.now}
    return pages.TemplateResponse(request, "unreachable.html", context)


@router.get("/board/{code}")
def incident(
    request: Request, code: str, engine: Annotated[Engine, Depends(engine_of)], _: Annotated[Caller, Depends(reader)]
) -> Response:
    """One incident: its tracks, its alerts with the reasons, its timeline."""
    with engine.store.transaction() as tx:
        row = views.find(tx, code)
        context = {
            "incident": views.detail(tx, row),
            "timeline": views.timeline(tx, row),
            "texts": engine.texts,
            "now": tx.now,
        }
    return pages.TemplateResponse(request, "incident.html", context)
