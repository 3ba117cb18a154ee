"""Twilio's REST API as an account sees it: create, list and fetch messages.

Shapes follow the Message resource of API version 2010-04-01; errors carry Twilio's own codes.
"""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ess.simulator.faults import BrokenAnswer, Fault, FaultKind, hang
from ess.simulator.ledger import Kind, Provider
from ess.simulator.sms_phone import SmsPhones
from ess.simulator.twilio_account import API_VERSION, E164, ERRORS, Sms
from ess.simulator.world import World

_ROOT = f"/{API_VERSION}/Accounts/{{account_sid}}/Messages"


class Refusal(Exception):
    """Twilio's own error; the simulator's app answers with it."""

    def __init__(self, status: int, code: int, to: str = "") -> None:
        message = ERRORS.get(code, f"Error {code}").format(to=to)
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }


def twilio_routes(world: World, phones: SmsPhones) -> APIRouter:
    """The routes of api.twilio.com that the dispatch engine uses."""
    routes = APIRouter()

    @routes.post(f"{_ROOT}.json")
    async def create(request: Request, account_sid: str) -> Response:
        form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
        to = form.get("To", "")
        try:
            check_login(world, request, account_sid)
            fault = world.faults.take(Provider.TWILIO, to)
            if fault and fault.kind == FaultKind.HANG:
                _record_refused(world, form, None, "hang")
                return await hang(request, fault.delay_ms)
            refuse_by(fault, to)
            _check(world, form)
        except Refusal as refusal:
            _record_refused(world, form, refusal.status, str(refusal), refusal.code)
            raise
        undelivered = fault is not None and fault.kind == FaultKind.UNDELIVERED
        sms = phones.accept(form, error_code=(fault.code or 30003) if fault and undelivered else None)
        created = JSONResponse(sms.resource(account_sid), 201)
        # Accepted: from here on only the answer can be late or lost.
        await asyncio.sleep(fault.delay_ms / 1000 if fault and not undelivered else 0)
        return BrokenAnswer() if fault and fault.kind == FaultKind.DROP_AFTER_ACCEPT else created

    @routes.get(f"{_ROOT}.json")
    async def listed(request: Request, account_sid: str) -> Response:
        check_login(world, request, account_sid)
        query = dict(request.query_params)
        found = [sms for sms in reversed(world.twilio.messages.values()) if _matches(sms, query)]
        resources = [sms.resource(account_sid) for sms in found]
        return JSONResponse(page_of("messages", resources, query, _ROOT.format(account_sid=account_sid) + ".json"))

    @routes.get(f"{_ROOT}/{{sid}}.json")
    async def fetched(request: Request, account_sid: str, sid: str) -> Response:
        check_login(world, request, account_sid)
        if sms := world.twilio.messages.get(sid):
            return JSONResponse(sms.resource(account_sid))
        raise Refusal(404, 20404, request.url.path)

    return routes


def check_login(world: World, request: Request, account_sid: str) -> None:
    """Refusal where it is not the account, or not its token."""
    login = f"{world.settings.twilio_account_sid}:{world.settings.twilio_auth_token}"
    expected = f"Basic {base64.b64encode(login.encode()).decode()}"
    if request.headers.get("authorization") != expected or account_sid != world.settings.twilio_account_sid:
        raise Refusal(401, 20003)


def refuse_by(fault: Fault | None, to: str) -> None:
    """Refusal where a fault says so."""
    match fault:
        case Fault(kind=FaultKind.SERVER_ERROR):
            raise Refusal(500, 20500)
        case Fault(kind=FaultKind.RATE):
            raise Refusal(429, 20429)
        case Fault(kind=FaultKind.ERROR_CODE, code=int(code)):
            raise Refusal(429 if code == 20429 else 400, code, to)


def _check(world: World, form: dict[str, str]) -> None:
    to = form.get("To", "")
    if not to:
        raise Refusal(400, 21604)
    if not E164.fullmatch(to):
        raise Refusal(400, 21211, to)
    if not (form.get("From") or form.get("MessagingServiceSid")):
        raise Refusal(400, 21603)
    if not form.get("Body"):
        raise Refusal(400, 21602)
    if len(form["Body"]) > 1600:
        raise Refusal(400, 21617)
    callback = form.get("StatusCallback", "https://")
    if not callback.startswith(("http://", "https://")):
        raise Refusal(400, 21609, callback)
    validity = form.get("ValidityPeriod", "1")
    if not (validity.isdecimal() and 1 <= int(validity) <= 36_000):
        raise Refusal(400, 21624)
    if to in world.twilio.opted_out:
        raise Refusal(400, 21610)


def _record_refused(
    world: World, form: dict[str, str], status: int | None, reason: str, code: int | None = None
) -> None:
    to = form.get("To", "")
    detail = {"reason": reason} | ({"code": code} if code else {})
    world.ledger.record(Provider.TWILIO, Kind.SMS, to, to=to, text=form.get("Body", ""), status=status, detail=detail)


def _matches(sms: Sms, query: dict[str, str]) -> bool:
    if query.get("To", sms.to) != sms.to or query.get("From", sms.sender) != sms.sender:
        return False
    if (on := query.get("DateSent")) and not _instant(on) <= sms.created_at < _instant(on) + timedelta(days=1):
        return False
    if (after := query.get("DateSent>")) and sms.created_at < _instant(after):
        return False
    before = query.get("DateSent<")
    return not before or sms.created_at <= _instant(before)


def _instant(text: str) -> datetime:
    """A day (its start, GMT) or an instant, in ISO 8601 as Twilio takes it."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def page_of(name: str, found: list[dict[str, Any]], query: dict[str, str], path: str) -> dict[str, Any]:
    """One page of a list, as the query asks for it."""
    size = min(max(int(query.get("PageSize", "50")), 1), 1000)
    number = int(query.get("Page", "0"))
    filters = {key: value for key, value in query.items() if key not in {"Page", "PageSize", "PageToken"}}

    def uri(page: int) -> str:
        return f"{path}?{urlencode(filters | {'PageSize': size, 'Page': page})}"

    start, end = number * size, (number + 1) * size
    return {
        "first_page_uri": uri(0),
        "next_page_uri": uri(number + 1) if end < len(found) else None,
        "previous_page_uri": uri(number - 1) if number else None,
        "uri": uri(number),
        "page": number,
        "page_size": size,
        "start": start,
        "end": max(min(end, len(found)) - 1, 0),
        name: found[start:end],
    }
