"""Twilio's Calls resource as an account sees it: create, list and fetch calls.

https://www.twilio.com/docs/voice/api/call-resource
"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ess.simulator.faults import BrokenAnswer, FaultKind, hang
from ess.simulator.ledger import Kind, Provider
from ess.simulator.twilio import Refusal, check_login, page_of, refuse_by
from ess.simulator.twilio_account import API_VERSION, E164
from ess.simulator.voice_phone import VoicePhones
from ess.simulator.world import World

_ROOT = f"/{API_VERSION}/Accounts/{{account_sid}}/Calls"


def call_routes(world: World, phones: VoicePhones) -> APIRouter:
    """The routes of api.twilio.com by which calls are made."""
    routes = APIRouter()

    @routes.post(f"{_ROOT}.json")
    async def create(request: Request, account_sid: str) -> Response:
        sent = await request.form()
        form = {key: value for key, value in sent.items() if isinstance(value, str)}
        events = frozenset(value for value in sent.getlist("StatusCallbackEvent") if isinstance(value, str))
        to = form.get("To", "")
        try:
            check_login(world, request, account_sid)
            fault = world.faults.take(Provider.TWILIO, to)
            if fault and fault.kind == FaultKind.HANG:
                _record_refused(world, to, None, "hang")
                return await hang(request, fault.delay_ms)
            refuse_by(fault, to)
            _check(form)
        except Refusal as refusal:
            _record_refused(world, to, refusal.status, str(refusal))
            raise
        undelivered = fault is not None and fault.kind == FaultKind.UNDELIVERED
        call = phones.ring(form, events, error_code=(fault.code or 30003) if fault and undelivered else None)
        created = JSONResponse(call.resource(account_sid), 201)
        # Accepted: from here on only the answer can be late or lost.
        await asyncio.sleep(fault.delay_ms / 1000 if fault else 0)
        return BrokenAnswer() if fault and fault.kind == FaultKind.DROP_AFTER_ACCEPT else created

    @routes.get(f"{_ROOT}.json")
    async def listed(request: Request, account_sid: str) -> Response:
        check_login(world, request, account_sid)
        query = dict(request.query_params)
        found = [
            call.resource(account_sid)
            for call in reversed(world.twilio.calls.values())
            if query.get("To", call.to) == call.to and query.get("Status", call.status) == call.status
        ]
        return JSONResponse(page_of("calls", found, query, _ROOT.format(account_sid=account_sid) + ".json"))

    @routes.get(f"{_ROOT}/{{sid}}.json")
    async def fetched(request: Request, account_sid: str, sid: str) -> Response:
        check_login(world, request, account_sid)
        if call := world.twilio.calls.get(sid):
            return JSONResponse(call.resource(account_sid))
        raise Refusal(404, 20404, request.url.path)

    return routes


def _check(form: dict[str, str]) -> None:
    to = form.get("To", "")
    if not to:
        raise Refusal(400, 21604)
    if not E164.fullmatch(to):
        raise Refusal(400, 21211, to)
    if not form.get("From"):
        raise Refusal(400, 21603)
    for url in (form.get("Url", ""), form.get("StatusCallback", "https://")):
        if not url.startswith(("http://", "https://")):
            raise Refusal(400, 21205, url)


def _record_refused(world: World, to: str, status: int | None, reason: str) -> None:
    world.ledger.record(Provider.TWILIO, Kind.CALL, to, to=to, status=status, detail={"reason": reason})
