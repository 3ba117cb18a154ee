"""`/board`: the open incidents at a glance, and the whole story of each; a page that renews itself."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape
from sqlmodel import col, func, select

from ess import views
from ess.conversation.texts import BANGKOK, Texts
from ess.domain.errors import Misconfigured
from ess.domain.incident import ENDED
from ess.engine import Engine
from ess.store import alarms, health, reach, reporters, tables
from ess.story import elsewhere
from ess.web.auth import Caller, engine_of, reader

router = APIRouter(tags=["board"], include_in_schema=False)
_PAGES = Jinja2Templates(Path(__file__).parent / "templates")

#: What a supervisor must look at first.
_URGENCY = ("unanswered", "received", "located", "alerting", "acknowledged", "on_scene", "resolved")
_MOST = 200


#: What the timeline's last column leaves out: it is in the others.
_HIDDEN = frozenset(
    {
        *("at", "fact", "responder", "responder_id", "alert_id", "delivery_id", "follow_up_id"),
        *("chosen", "passed_over", "n_more", "rest"),
    }
)


def _when(value: str | datetime, now: datetime, texts: Texts) -> str:
    """The clock time in Thailand, with the day where that is not today's."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    is_today = at.astimezone(BANGKOK).date() == now.astimezone(BANGKOK).date()
    return texts.clock(at) if is_today else texts.moment(at)


def _plain(fact: dict[str, Any], now: datetime, texts: Texts) -> str:
    """What else a fact says, in a line."""
    said = {key: value for key, value in fact.items() if key not in _HIDDEN and value not in (None, "")}
    times = {key: _when(value, now, texts) for key, value in said.items() if key.endswith("_at")}
    return " · ".join(f"{key.removesuffix('_at').replace('_', ' ')} {value}" for key, value in (said | times).items())


def _fact_name(fact: str, texts: Texts) -> str:
    """What happened; a fact that another release wrote keeps the name that it has there."""
    try:
        return texts.word("facts", fact)
    except Misconfigured:
        return fact.replace("_", " ")


def _reason(item: dict[str, Any], texts: Texts) -> Markup:
    """Why, in the language of the page; what an earlier release stored is English."""
    if item["why"]:
        return escape(texts.reason(item["why"]))
    return Markup('<span lang="en">{}</span>').format(item["reason"])


_PAGES.env.filters |= {"when": _when, "plain": _plain, "fact_name": _fact_name, "reason": _reason}
_PAGES.env.filters |= {"elsewhere": elsewhere}


def page(request: Request, name: str, engine: Engine, now: datetime, **more: Any) -> Response:
    """A page of the board in the language of the deployment."""
    texts = engine.texts
    context = {"texts": texts, "say": partial(texts.word, "board"), "name": f"name_{texts.language}", "now": now}
    return _PAGES.TemplateResponse(request, name, context | more)


@router.get("/board")
def board(
    request: Request, engine: Annotated[Engine, Depends(engine_of)], _: Annotated[Caller, Depends(reader)]
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
    say = partial(engine.texts.word, "board")
    context = {
        "rows": rows,
        "due": dict(due),
        "known": known,
        "counts": dict(counts),
        "states": _URGENCY,
        "warnings": [
            *(say("not_seen", what=name) for name in absent),
            *(say("nobody", code=code) for code in lost.values()),
            *(f"{_alarm(engine, name)}: {detail}" for name, detail in wrong.items()),
        ],
        "n_unreached": n_unreached,
        "views": views,
    }
    return page(request, "board.html", engine, now, **context)


def _alarm(engine: Engine, name: str) -> str:
    kind, _, rota = name.partition(":")
    return f"{engine.texts.word('alarms', kind)} {rota}".rstrip()


@router.get("/board/unreachable")
def unreachable(
    request: Request, engine: Annotated[Engine, Depends(engine_of)], _: Annotated[Caller, Depends(reader)]
) -> Response:
    """Everybody whom an alert would not reach, as far as is known."""
    with engine.store.transaction() as tx:
        people, now = reach.unreached(tx), tx.now
    return page(request, "unreachable.html", engine, now, people=people)


@router.get("/board/{code}")
def incident(
    request: Request, code: str, engine: Annotated[Engine, Depends(engine_of)], _: Annotated[Caller, Depends(reader)]
) -> Response:
    """One incident: its tracks, its alerts with the reasons, its timeline."""
    with engine.store.transaction() as tx:
        row = views.find(tx, code)
        detail, timeline, now = views.detail(tx, row), views.timeline(tx, row), tx.now
    return page(request, "incident.html", engine, now, incident=detail, timeline=timeline)
