"""`/board`: the open incidents at a glance, and the whole story of each; a page that renews itself."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape
from sqlmodel import case, col, func, select

from ess import personal, views
from ess.conversation.texts import BANGKOK, Texts
from ess.domain.errors import Misconfigured
from ess.domain.incident import ENDED
from ess.engine import Engine
from ess.geo.names import areas
from ess.store import Transaction, accounts, alarms, health, reach, reporters, tables
from ess.store.keys import KeyRole
from ess.story import elsewhere
from ess.wake import SENDS
from ess.web.auth import EngineOf, Reader, SupervisingReader

router = APIRouter(tags=["board"], include_in_schema=False)
_PAGES = Jinja2Templates(Path(__file__).parent / "templates")

#: Pictures that are nothing but pictures.
_SHOWN = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})

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


#: Of these fields of a fact the values are words, of the group …
_WORDS = {
    "track": "tracks",
    "plan": "plans",
    "contact": "contact",
    "source": "place_sources",
    "role": "roles",
    "channel": "channels",
    "via": "channels",
    "state": "states",
    "outcome": "states",
    "why": "obstacles",
}
#: … and of these the codes of areas.
_AREAS = frozenset({"province", "district", "provinces", "districts", "said"})


def _when(value: str | datetime, now: datetime, texts: Texts) -> str:
    """The clock time in Thailand, with the day where that is not today's."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    is_today = at.astimezone(BANGKOK).date() == now.astimezone(BANGKOK).date()
    return texts.clock(at) if is_today else texts.moment(at)


def _plain(fact: dict[str, Any], now: datetime, texts: Texts) -> str:
    """What else a fact says, in a line of the page's language, as far as its words go."""
    said = {key: value for key, value in fact.items() if key not in _HIDDEN and value not in (None, "", [])}
    return " · ".join(
        f"{_named(key.removesuffix('_at'), texts, 'fields')} {_value(key, value, now, texts)}".strip()
        for key, value in said.items()
    )


def _value(key: str, value: Any, now: datetime, texts: Texts) -> str:
    if key.endswith("_at"):
        return _when(value, now, texts)
    if value is True:
        return ""  # the name says it
    if isinstance(value, list):
        return ", ".join(_value(key, item, now, texts) for item in value)
    if key in _AREAS and value in areas():
        return texts.name(areas()[value])
    if key == "message":
        return _message(value, texts)
    return _named(str(value), texts, _WORDS[key]) if key in _WORDS else str(value)


def _message(key: str, texts: Texts) -> str:
    """What a delivery says: mostly what happened."""
    return (
        _named(key, texts, "fields") if key == "reply" else _named("alerted" if key == "alert" else key, texts, "facts")
    )


def _named(key: str, texts: Texts, group: str) -> str:
    """What it is called: a fact, a track or a plan of which the texts know nothing keeps the name that it has."""
    try:
        return texts.word(group, key)
    except Misconfigured:
        return key.replace("_", " ")


def _reason(item: dict[str, Any], texts: Texts) -> Markup:
    """Why, in the language of the page; what an earlier release stored is English."""
    if item["why"]:
        return escape(texts.reason(item["why"]))
    return Markup('<span lang="en">{}</span>').format(item["reason"])


def gathered(deliveries: Iterable[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """Each thing that was sent and how it went, and how often: whoever is asked every minute all night has a line."""
    alike: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for each in deliveries:
        alike.setdefault((each["channel"], each["message"], each["state"], each["error"]), []).append(each)
    return [(group[0], len(group)) for group in alike.values()]


_PAGES.env.filters |= {
    "gathered": gathered,
    "when": _when,
    "plain": _plain,
    "named": _named,
    "message": _message,
    "reason": _reason,
    "elsewhere": elsewhere,
}

#: Pages with personal data and with forms: kept by no cache, shown in no other page.
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'",
}


def page(request: Request, name: str, engine: Engine, now: datetime, status: int = 200, **more: Any) -> Response:
    """A page of the board in the language of the deployment."""
    texts = engine.texts
    context = {"texts": texts, "say": partial(texts.word, "board"), "name": f"name_{texts.language}", "now": now}
    return _PAGES.TemplateResponse(request, name, context | more, status, headers=_HEADERS)


def open_incidents(tx: Transaction, *, most: int) -> Sequence[tables.Incident]:
    """The most urgent first, and of these the newest.

    Resolved ones stay open for weeks: however many there are, whoever is still in danger stands above them.
    """
    urgency = case({state: i for i, state in enumerate(_URGENCY)}, value=col(tables.Incident.state))
    query = (
        select(tables.Incident)
        .where(col(tables.Incident.state).not_in(ENDED), col(tables.Incident.drill).is_(False))
        .order_by(urgency, col(tables.Incident.received_at).desc())
        .limit(most)
    )
    return tx.session.exec(query).all()


@router.get("/board")
def board(request: Request, engine: EngineOf, _: Reader) -> Response:
    """Every open incident, the most urgent first."""
    with engine.store.transaction() as tx:
        rows = open_incidents(tx, most=_MOST)
        due: Any = tx.session.exec(
            select(tables.Deadline.incident_id, func.min(tables.Deadline.due_at))
            .where(
                col(tables.Deadline.incident_id).in_([row.id for row in rows]), col(tables.Deadline.kind).not_in(SENDS)
            )
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
        unread = accounts.unread(tx, [row.id for row in rows])
        n_unreached = reach.n_unreached(tx)
        now = tx.now
    say = partial(engine.texts.word, "board")
    context: dict[str, Any] = {
        "rows": rows,
        "due": dict(due),
        "known": known,
        "unread": unread,
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
def unreachable(request: Request, engine: EngineOf, _: Reader) -> Response:
    """Everybody whom an alert would not reach, as far as is known."""
    with engine.store.transaction() as tx:
        people, now = reach.unreached(tx), tx.now
    return page(request, "unreachable.html", engine, now, people=people)


@router.get("/board/{code}")
def incident(request: Request, code: str, engine: EngineOf, caller: Reader) -> Response:
    """One incident: its tracks, its alerts with the reasons, its timeline."""
    with engine.store.transaction() as tx:
        row = views.find(tx, code)
        detail, timeline, now = views.detail(tx, row), views.timeline(tx, row), tx.now
        unread = bool(accounts.unread(tx, [row.id]))
    may_read = caller.role.includes(KeyRole.SUPERVISOR)
    context: dict[str, Any] = {"incident": detail, "timeline": timeline, "unread": unread, "may_read": may_read}
    return page(request, "incident.html", engine, now, **context)


def _must_be_opened(request: Request) -> None:
    """A person opens it from a page of ours: no other site's picture or link, and no look ahead, is a reading."""
    site, purpose = request.headers.get("sec-fetch-site", "none"), request.headers.get("sec-purpose", "")
    if site not in {"same-origin", "none"} or "prefetch" in purpose:
        raise HTTPException(403, "this page is on record: open it from the incident's page")


@router.get("/board/{code}/reports")
def reports(request: Request, code: str, engine: EngineOf, caller: SupervisingReader) -> Response:
    """What reporters and responders wrote; opened by a click of its own, because each reading is on record."""
    _must_be_opened(request)
    with engine.store.transaction() as tx:
        found, now = personal.reports(tx, views.find(tx, code), by=caller.name), tx.now
    return page(request, "reports.html", engine, now, found=found)


@router.get("/board/{code}/attachments/{attachment_id}")
def attachment(
    request: Request,
    code: str,
    attachment_id: str,
    engine: EngineOf,
    caller: SupervisingReader,
) -> Response:
    """A photo or voice note; whatever else was sent is saved, because a browser might run it as a page of ours."""
    _must_be_opened(request)
    with engine.store.transaction() as tx:
        content = personal.attachment(tx, views.find(tx, code), attachment_id, by=caller.name)
    shown = content.content_type in _SHOWN or content.content_type.startswith(("audio/", "video/"))
    headers = {
        **_HEADERS,
        "Content-Disposition": "inline" if shown else "attachment",
        "Content-Security-Policy": "default-src 'none'; media-src 'self'; frame-ancestors 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content.data, media_type=content.content_type, headers=headers)
