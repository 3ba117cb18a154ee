"""The tasks.  Names are fixed and arguments are ids, so that a newer and an older worker understand each other.

What a newer release adds to a message is not for this one (`**_`).  A task that fails is not retried by Celery: its
deadline is postponed and the clock wakes it again.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from celery import Task
from celery.exceptions import Reject
from celery.worker.request import Request
from pydantic import ValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from ess import attachments, dispatch, inbox, informing, receipts, refine, reporting, roll_call, travel, turns
from ess.domain.report import Source
from ess.engine import Engine
from ess.intake import ReportTask
from ess.store import deadlines
from ess.wake import MOST_TOGETHER
from workers.app import app, hold

log = structlog.get_logger()

T = TypeVar("T")

#: The database cannot be reached, or has no connection to spare.
_AWAY = (OperationalError, InterfaceError, PoolTimeout)
#: PostgreSQL's classes of errors for a connection that is lost, and a server that ends or begins.
_SHUTTING_DOWN = ("08", "57P")


class _SealedRequest(Request):
    """A request whose arguments are personal data: neither logs nor Flower nor events show them."""

    argsrepr = kwargsrepr = property(lambda _: "(sealed)")


class _SealedTask(Task):
    Request = _SealedRequest


@app.task(name="ess.accept_report", base=_SealedTask, queue="intake")
def accept_report(report: Mapping[str, Any]) -> None:
    """A report from an intake service with broker access: the body of `POST /v1/reports` and its key.

    It has no row until this has committed, so it waits for a database that is away, and then goes back to
    the queue.  What cannot be read as a report is kept for a person, because nobody can be told.
    """
    try:
        body, unknown = ReportTask.read(report)
        if unknown:
            log.warning("report_has_more", fields=unknown)
    except ValidationError as error:
        # Which fields are wrong, never their values.
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['type']}" for problem in error.errors()]
        kept = _patiently(lambda: inbox.keep_unreadable(hold.engine, report, problems))
        log.error("report_refused", kept_as=kept, problems=problems)  # noqa: TRY400
        return
    _patiently(
        lambda: dispatch.accept_report(
            hold.engine, body.report(Source.TASK), owner="task", idempotency_key=body.idempotency_key
        )
    )


def _patiently(do: Callable[[], T]) -> T:
    try:
        for attempt in Retrying(
            stop=stop_after_delay(15), wait=wait_fixed(0.5), retry=retry_if_exception_type(_AWAY), reraise=True
        ):
            with attempt:
                return do()
    except _AWAY as error:
        log.warning("database_unreachable", error=type(error).__name__)
        raise Reject(reason="the database is away", requeue=True) from error
    raise AssertionError("unreachable: the last attempt raises")


def _is_away(error: Exception) -> bool:
    """Whether the database was away, and did not refuse: one line tells it, where an outage would fill the disk."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(error, _AWAY) and (state is None or state.startswith(_SHUTTING_DOWN))


def _keeping(function: Callable[[Engine, int], None], deadline_id: int) -> None:
    try:
        function(hold.engine, deadline_id)
    except Exception as error:
        if _is_away(error):  # the row stays, and its lease brings it again
            log.warning("database_unreachable", deadline_id=deadline_id, error=type(error).__name__)
            return
        log.exception("deadline_failed", deadline_id=deadline_id)
        with hold.engine.store.transaction() as tx:
            deadlines.postpone(tx, deadline_id)
        raise


@app.task(name="ess.handle_inbound")
def handle_inbound(deadline_id: int, **_: Any) -> None:
    """Understand what LINE or Twilio sent."""
    _keeping(inbox.handle_inbound, deadline_id)


@app.task(name="ess.mind_draft")
def mind_draft(deadline_id: int, **_: Any) -> None:
    """Somebody began a report in LINE and went silent: ask once, and then act on what there is."""
    _keeping(reporting.mind_draft, deadline_id)


@app.task(name="ess.fetch_attachment")
def fetch_attachment(deadline_id: int, **_: Any) -> None:
    """Fetch the content of a photo or a voice note."""
    _keeping(lambda engine, due: attachments.fetch(engine, hold.contents, due), deadline_id)


def _keep_one(engine: Engine, deadline_id: int) -> None:
    dispatch.keep_deadlines(engine, [deadline_id])


@app.task(name="ess.keep_deadlines")
def keep_deadlines(deadline_ids: list[int], **_: Any) -> None:
    """Many deadlines of incidents came at once: locate, choose, go on, for all of them together."""
    try:
        dispatch.keep_deadlines(hold.engine, deadline_ids, most=MOST_TOGETHER)
    except Exception as error:
        if _is_away(error):
            log.warning("database_unreachable", deadline_ids=deadline_ids, error=type(error).__name__)
            return
        # Whichever it is, it must not hold up the others.
        log.exception("deadlines_failed", deadline_ids=deadline_ids)
        for deadline_id in deadline_ids:
            with suppress(Exception):  # it has been logged and postponed
                _keeping(_keep_one, deadline_id)


@app.task(name="ess.locate_incident")
def locate_incident(deadline_id: int, **_: Any) -> None:
    """Pin or address → province and district; in a flood, of others that wait as well."""
    keep_deadlines.run([deadline_id])


@app.task(name="ess.select_responders")
def select_responders(deadline_id: int, **_: Any) -> None:
    """Choose and alert the responders of a step."""
    _keeping(_keep_one, deadline_id)


@app.task(name="ess.fire_deadline")
def fire_deadline(deadline_id: int, **_: Any) -> None:
    """Nobody acknowledged, arrived or called in time: go on."""
    _keeping(_keep_one, deadline_id)


@app.task(name="ess.ask_further")
def ask_further(deadline_id: int, **_: Any) -> None:
    """Nobody has answered yet: the turn of the next channel has come."""
    _keeping(turns.ask_further, deadline_id)


@app.task(name="ess.send_delivery")
def send_delivery(deadline_id: int, **_: Any) -> None:
    """Make one attempt over LINE, SMS or voice."""
    _keeping(lambda _, due: hold.sending.send(due), deadline_id)


@app.task(name="ess.ask_receipt")
def ask_receipt(deadline_id: int, **_: Any) -> None:
    """An alert by SMS has no receipt: ask Twilio what became of it."""
    _keeping(lambda engine, due: receipts.ask(engine, hold.sms.status_of, due), deadline_id)


@app.task(name="ess.open_follow_ups")
def open_follow_ups(deadline_id: int, **_: Any) -> None:
    """Assign the promised calls."""
    _keeping(_keep_one, deadline_id)


@app.task(name="ess.refine_place")
def refine_place(deadline_id: int, **_: Any) -> None:
    """Ask a geocoder for a point where words alone said where."""
    _keeping(lambda engine, due: refine.refine_place(engine, hold.geocoder, due), deadline_id)


@app.task(name="ess.measure_travel")
def measure_travel(deadline_id: int, **_: Any) -> None:
    """Ask a router how long people take to where somebody has just been alerted."""
    _keeping(lambda engine, due: travel.measure_travel(engine, hold.router, due), deadline_id)


@app.task(name="ess.inform")
def inform(deadline_id: int, **_: Any) -> None:
    """Somebody was alerted: tell whoever the policy only informs."""
    _keeping(informing.inform, deadline_id)


@app.task(name="ess.roll_call")
def go_on_with_roll_call(deadline_id: int, **_: Any) -> None:
    """Ask the next few, or report who did not answer."""
    _keeping(roll_call.go_on, deadline_id)
