"""What operators see and do: incidents, their timelines, alerts answered on behalf of a responder."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from ess import dispatch, personal, views
from ess.conversation.answer import Verb
from ess.domain.incident import Incident, State
from ess.domain.report import IncidentType
from ess.engine import Engine
from ess.intake import LocationBody
from ess.store import tables
from ess.web.auth import EngineOf, Operator, Supervisor

router = APIRouter(prefix="/v1", tags=["incidents"])

Operation = Literal["cancel", "escalate", "assign", "close", "merge", "split"]
_PAGE = 50


#: A time of day, and what was meant for an offset east of Greenwich.
_LOST_PLUS = re.compile(r"(?<=\d:\d\d)((?::\d\d(?:\.\d+)?)?) (?=\d\d:?\d\d$)")


def _with_plus(text: Any) -> Any:
    """The instant as it was meant: a `+` that stands bare in a URL's query arrives as a space."""
    return _LOST_PLUS.sub(r"\1+", text) if isinstance(text, str) else text


Since = Annotated[
    AwareDatetime | None,
    BeforeValidator(_with_plus),
    Query(description="ISO 8601 with its offset, such as 2026-04-20T08:30:00+07:00"),
]


@router.get("/incidents")
def list_incidents(
    engine: EngineOf,
    _: Operator,
    state: State | None = None,
    province: Annotated[str | None, Query(pattern=r"^\d{2}$")] = None,
    type: IncidentType | None = None,  # noqa: A002  # the contract's name
    since: Since = None,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Incidents, the newest first, fifty at a time; `next_cursor` goes on."""
    with engine.store.transaction() as tx:
        rows = views.listing(
            tx,
            state=state,
            province=province,
            incident_type=type,
            since=since,
            before=_position(cursor) if cursor else None,
            limit=_PAGE + 1,
        )
    page = rows[:_PAGE]
    return {
        "incidents": [views.summary(row) for row in page],
        "next_cursor": _cursor(page[-1]) if len(rows) > _PAGE else None,
    }


def _cursor(row: tables.Incident) -> str:
    return urlsafe_b64encode(f"{row.received_at.isoformat()} {row.id}".encode()).decode()


def _position(cursor: str) -> tuple[datetime, UUID]:
    try:
        received_at, incident_id = urlsafe_b64decode(cursor).decode().split(" ")
        return datetime.fromisoformat(received_at), UUID(incident_id)
    except ValueError as error:
        raise HTTPException(400, "this cursor is not one of ours: take next_cursor from the page before") from error


@router.get("/incidents/{incident}")
def get_incident(engine: EngineOf, _: Operator, incident: str) -> dict[str, Any]:
    """One incident by id or code: state, place, tracks, alerts with deliveries and reasons, follow-ups."""
    with engine.store.transaction() as tx:
        return views.detail(tx, views.find(tx, incident))


@router.get("/incidents/{incident}/timeline")
def get_timeline(engine: EngineOf, _: Operator, incident: str) -> list[dict[str, Any]]:
    """Everything that happened to it, in order."""
    with engine.store.transaction() as tx:
        return views.timeline(tx, views.find(tx, incident))


@router.get("/incidents/{incident}/reports")
def get_reports(engine: EngineOf, caller: Supervisor, incident: str, response: Response) -> dict[str, Any]:
    """What each reporter said, wrote and sent, and what responders wrote; who reads it stands in the timeline.

    `contact_said` tells whether the reporter asked for `contact`, or it is the silence that is assumed; `distance_m` is
    from the incident's pin.
    """
    response.headers["Cache-Control"] = "no-store"
    with engine.store.transaction() as tx:
        return personal.reports(tx, views.find(tx, incident), by=caller.name)


@router.get("/incidents/{incident}/attachments/{attachment_id}")
def get_attachment(engine: EngineOf, caller: Supervisor, incident: str, attachment_id: str) -> Response:
    """A photo or voice note of the reporter; who reads it stands in the timeline."""
    with engine.store.transaction() as tx:
        content = personal.attachment(tx, views.find(tx, incident), attachment_id, by=caller.name)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
    return Response(content.data, media_type=content.content_type, headers=headers)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AnswerBody(_Body):
    """More about an answer; `eta_min`, minutes until arrival, belongs to `accept`, `depart` and `eta`."""

    eta_min: Annotated[int, Field(ge=0, le=1440)] | None = None


class HandOverBody(_Body):
    """The number in the roster of whoever is to have the track."""

    responder: Annotated[str, Field(min_length=1, max_length=100)]


@router.post("/alerts/{alert_id}/hand-over")
def hand_over(engine: EngineOf, caller: Operator, alert_id: UUID, body: HandOverBody) -> dict[str, Any]:
    """Give a track to another unit: at once where it comes as backup, else as soon as it accepts."""
    return state_of(dispatch.hand_over(engine, alert_id, body.responder, by=caller.name))


@router.post("/alerts/{alert_id}/{verb}")
def answer_alert(
    engine: EngineOf, caller: Operator, alert_id: UUID, verb: Verb, body: AnswerBody | None = None
) -> dict[str, Any]:
    """Answer an alert for its responder: the same as their tap in LINE."""
    eta = timedelta(minutes=body.eta_min) if body and body.eta_min is not None else None
    if verb is Verb.ETA and eta is None:
        raise HTTPException(422, "say when they will be there: `eta_min` is in minutes from now")
    return state_of(dispatch.answer_alert(engine, alert_id, verb, via=f"api:{caller.name}", eta=eta))


@router.post("/incidents/{incident_id}/locate")
def locate(engine: EngineOf, caller: Operator, incident_id: UUID, body: LocationBody) -> dict[str, Any]:
    """Say where it is, by a pin, an address or both; everybody who has the alert is told."""
    return state_of(dispatch.locate_by_operator(engine, incident_id, body.location(), by=caller.name))


#: Whoever reads the timeline later must know why.
WITH_REASON = frozenset({"cancel", "close"})


class OperationBody(_Body):
    """What the operation needs: `reason` for cancel and close, not empty where it is given; `false_report` for close
    where nothing had happened, `responder` (its number in the roster) for assign, `into` (an incident's id) for merge,
    `reports` (their ids) for split, `track` for escalate."""

    reason: Annotated[str, Field(max_length=500)] = ""
    false_report: bool = False
    responder: str | None = None
    into: UUID | None = None
    reports: list[UUID] = []
    track: str | None = None


@router.post("/incidents/{incident_id}/{operation}")
def operate(
    engine: EngineOf,
    caller: Supervisor,
    incident_id: UUID,
    operation: Operation,
    body: OperationBody | None = None,
) -> dict[str, Any]:
    """Do what only a supervisor may."""
    return state_of(carry_out(engine, incident_id, operation, body or OperationBody(), by=caller.name))


def carry_out(engine: Engine, incident_id: UUID, operation: Operation, wish: OperationBody, *, by: str) -> Incident:
    """What became of it; HTTPException 422 where the operation needs more, Refused where it does not apply."""
    reason = wish.reason.strip()
    if operation in WITH_REASON and "reason" in wish.model_fields_set and not reason:
        raise HTTPException(422, "`reason` is empty: say why, for whoever reads the timeline")
    match operation:
        case "cancel":
            return dispatch.cancel_incident(engine, incident_id, by=by, reason=reason)
        case "close":
            return dispatch.close_incident(engine, incident_id, by=by, reason=reason, false_report=wish.false_report)
        case "escalate":
            return dispatch.escalate_incident(engine, incident_id, by=by, track=wish.track)
        case "assign":
            if not wish.responder:
                raise HTTPException(422, "say whom: `responder` is a number of the roster, such as PS-6501")
            return dispatch.assign_incident(engine, incident_id, wish.responder, by=by)
        case "merge":
            if not wish.into:
                raise HTTPException(422, "say which incident goes on: `into` is its id")
            return dispatch.merge_incident(engine, incident_id, wish.into, by=by)
        case "split":
            if not wish.reports:
                raise HTTPException(422, "say which reports go: `reports` holds their ids, as the incident lists them")
            return dispatch.split_incident(engine, incident_id, wish.reports, by=by)


def state_of(incident: Incident) -> dict[str, Any]:
    """What whoever did something hears back."""
    return {"incident_id": str(incident.id), "code": incident.code, "state": incident.state}
