"""`POST /v1/reports`: keep the report, answer at once; everything else happens after the answer."""

from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import BaseModel, StringConstraints

from ess import dispatch
from ess.domain.report import Source
from ess.intake import ReportBody
from ess.web.auth import EngineOf, Intake

router = APIRouter(prefix="/v1", tags=["intake"])


class ReportAnswer(BaseModel):
    """What the intake service keeps."""

    report_id: str
    incident_id: str
    #: Short enough to say on the phone.
    code: str


@router.post("/reports", status_code=202)
def post_report(
    body: ReportBody,
    idempotency_key: Annotated[str, Header(), StringConstraints(min_length=1, max_length=200)],
    caller: Intake,
    engine: EngineOf,
) -> ReportAnswer:
    """File a report.  The same key and body again gives the same answer; the same key with another body, 409."""
    accepted = dispatch.accept_report(
        engine, body.report(Source.API), owner=f"api:{caller.name}", idempotency_key=idempotency_key
    )
    return ReportAnswer(report_id=str(accepted.report_id), incident_id=str(accepted.incident_id), code=accepted.code)
