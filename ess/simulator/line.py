"""LINE's Messaging API as an account sees it: push, reply, profile.

Statuses, messages and headers follow the Messaging API reference.  One thing is stricter: LINE leaves
open what happens when a retry key comes again with another body ("may not work as expected"); here it is
refused with 400, so that the mistake is seen.
"""

import asyncio
import json
import re
import uuid
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ess.simulator.faults import BrokenAnswer, Fault, FaultKind, hang
from ess.simulator.ledger import Kind, Provider
from ess.simulator.line_account import AcceptedPush, message_id
from ess.simulator.line_rules import problems
from ess.simulator.taps import plain_text
from ess.simulator.world import World

USER_ID = re.compile(r"U[0-9a-f]{32}")
RATE_LIMITED = "The API rate limit has been exceeded. Try again later."
QUOTA_SPENT = "You have reached your monthly limit."


class _Refusal(Exception):
    def __init__(self, status: int, message: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message} | ({"details": details} if details else {})


def line_routes(world: World) -> APIRouter:
    """The routes of api.line.me that the dispatch engine uses."""
    routes = APIRouter()

    @routes.post("/v2/bot/message/push")
    async def push(request: Request) -> Response:
        return await _LineCall(world, request, Kind.PUSH).answer()

    @routes.post("/v2/bot/message/reply")
    async def reply(request: Request) -> Response:
        return await _LineCall(world, request, Kind.REPLY).answer()

    @routes.get("/v2/bot/message/{message_id}/content")
    async def content(request: Request, message_id: str) -> Response:
        headers = {"x-line-request-id": str(uuid.uuid4())}
        try:
            _check_token(world, request)
        except _Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status, headers)
        if message_id not in world.line.contents:
            return JSONResponse({"message": "Not found"}, 404, headers)
        content_type, data = world.line.contents[message_id]
        return Response(data, 200, headers, content_type)

    @routes.get("/v2/bot/profile/{user_id}")
    async def profile(request: Request, user_id: str) -> Response:
        headers = {"x-line-request-id": str(uuid.uuid4())}
        try:
            _check_token(world, request)
        except _Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status, headers)
        if not USER_ID.fullmatch(user_id) or user_id in world.line.blocked:
            return JSONResponse({"message": "Not found"}, 404, headers)
        name = world.names.get(user_id, f"LINE …{user_id[-4:]}")
        return JSONResponse({"userId": user_id, "displayName": name, "language": "th"}, 200, headers)

    return routes


class _LineCall:
    """One request to push or reply, from the token to the answer."""

    def __init__(self, world: World, request: Request, kind: Kind) -> None:
        self.world = world
        self.request = request
        self.kind = kind
        self.request_id = str(uuid.uuid4())
        self.retry_key = request.headers.get("x-line-retry-key")
        self.person = ""
        self.messages: list[dict[str, Any]] = []
        self.silent = False

    async def answer(self) -> Response:
        try:
            _check_token(self.world, self.request)
            body = await self._parsed()
            self.person = self._recipient(body)
            self.silent = body.get("notificationDisabled") is True
            fault = self.world.faults.take(Provider.LINE, self.person)
            if fault and fault.kind == FaultKind.HANG:
                self._record(None, "hang")
                return await hang(self.request, fault.delay_ms)
            _refuse_by(fault)
            accepted = self._accept(body)
        except _Refusal as refusal:
            self._record(refusal.status, refusal.body["message"])
            return JSONResponse(refusal.body, refusal.status, {"x-line-request-id": self.request_id})
        # Accepted: from here on only the answer can be late or lost.
        await asyncio.sleep(fault.delay_ms / 1000 if fault else 0)
        if fault and fault.kind == FaultKind.DROP_AFTER_ACCEPT:
            return BrokenAnswer()
        return accepted

    async def _parsed(self) -> dict[str, Any]:
        raw = await self.request.body()
        try:
            body = json.loads(raw)
        except ValueError as error:
            raise _Refusal(400, "The request body could not be parsed as JSON (line: 1, column: 1)") from error
        if not isinstance(body, dict):
            raise _Refusal(400, "The request body has 1 error(s)")
        if isinstance(messages := body.get("messages"), list):
            self.messages = [message for message in messages if isinstance(message, dict)]
        return body

    def _recipient(self, body: dict[str, Any]) -> str:
        if self.kind == Kind.REPLY:
            owner = self.world.line.owner(str(body.get("replyToken")), self.world.clock())
            if owner is None:
                raise _Refusal(400, "Invalid reply token")
            return owner
        to = body.get("to")
        if not isinstance(to, str) or not USER_ID.fullmatch(to):
            self.person = str(to or "")
            raise _Refusal(400, "The property, 'to', in the request body is invalid (line: -, column: -)")
        return to

    def _accept(self, body: dict[str, Any]) -> Response:
        """The messages are on the phone; nothing waits in between, so a key is accepted once."""
        line, now = self.world.line, self.world.clock()
        if self.retry_key is not None:
            if self.kind == Kind.REPLY:
                raise _Refusal(400, "The retry key is not supported by this API")
            if not _is_uuid(self.retry_key):
                raise _Refusal(400, "The retry key must be a UUID in hexadecimal notation")
            if before := line.accepted(self.retry_key, now):
                return self._repeated(before, body)
        if found := problems(body.get("messages")):
            raise _Refusal(400, f"The request body has {len(found)} error(s)", found)
        sent = [{"id": message_id(), "quoteToken": uuid.uuid4().hex} for _ in self.messages]
        if self.kind == Kind.REPLY:
            line.spend(body["replyToken"])
        elif self.retry_key is not None:
            line.accept(self.retry_key, AcceptedPush(self.request_id, body, sent, now))
        shown = self.person not in line.blocked
        self._record(200, None if shown else "blocked", shown=shown)
        return JSONResponse({"sentMessages": sent}, 200, {"x-line-request-id": self.request_id})

    def _repeated(self, before: AcceptedPush, body: dict[str, Any]) -> Response:
        if before.body != body:
            raise _Refusal(400, "The retry key was used before with another request body")
        message = "The retry key is already accepted"
        self._record(409, message)
        headers = {
            "x-line-request-id": self.request_id,
            "x-line-accepted-request-id": before.request_id,
        }
        return JSONResponse({"message": message, "sentMessages": before.sent_messages}, 409, headers)

    def _record(self, status: int | None, reason: str | None = None, *, shown: bool = False) -> None:
        self.world.ledger.record(
            Provider.LINE,
            self.kind,
            self.person,
            to=self.person,
            text="\n".join(plain_text(message) for message in self.messages),
            messages=self.messages,
            status=status,
            retry_key=self.retry_key,
            shown=shown,
            detail={"request_id": self.request_id, "silent": self.silent} | ({"reason": reason} if reason else {}),
        )


def _check_token(world: World, request: Request) -> None:
    if request.headers.get("authorization") != f"Bearer {world.settings.line_access_token}":
        raise _Refusal(
            401,
            "Authentication failed. Confirm that the access token in the authorization header is valid.",
        )


def _refuse_by(fault: Fault | None) -> None:
    match fault.kind if fault else None:
        case FaultKind.SERVER_ERROR:
            raise _Refusal(500, "Internal Server Error")
        case FaultKind.RATE:
            raise _Refusal(429, RATE_LIMITED)
        case FaultKind.QUOTA:
            raise _Refusal(429, QUOTA_SPENT)


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None
