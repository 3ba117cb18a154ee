"""What LINE and Twilio call: the signature first, then one row for each event, then 200.

Nothing is understood here: that is a worker's job, and a webhook that answers late is sent again.
https://developers.line.biz/en/docs/messaging-api/receiving-messages/
https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import base64
import hmac
import json
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from twilio.request_validator import RequestValidator

from config.settings import Settings
from ess import bridges, calls, inbox
from ess.conversation.spoken import Dial, Speech, Voice, dial_twiml, hold_twiml, twiml
from ess.web.auth import engine_of

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@router.post("/line")
async def line(request: Request) -> dict[str, Any]:
    """LINE's events, of several users at once, again or out of order as LINE likes."""
    settings: Settings = request.app.state.settings
    signature = request.headers.get("x-line-signature")
    if not signature:
        raise HTTPException(401, "the header x-line-signature is missing")
    body = await request.body()
    secret = settings.line_channel_secret
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is not UTF-8") from None
    if secret is None or not is_signed_by_line(body, signature, secret.get_secret_value()):
        raise HTTPException(403, "the signature does not fit the body and ESS_LINE_CHANNEL_SECRET")
    try:
        found = json.loads(text)["events"]
        events = [inbox.Event(f"line:{event['webhookEventId']}", inbox.LINE, event) for event in found]
    except (ValueError, KeyError, TypeError):
        raise HTTPException(400, "the body is not a LINE webhook: `events` with a `webhookEventId` each") from None
    new = await run_in_threadpool(inbox.keep, engine_of(request), events) if events else 0
    return {"new": new}


def is_signed_by_line(body: bytes, signature: str, secret: str) -> bool:
    """Whether LINE sent this body: HMAC-SHA256 by the channel's secret, in Base64.

    As the SDK's validator says, which would bring the models and clients of everything that LINE can do: 13 MiB of
    each web process.  https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/
    """
    ours = base64.b64encode(hmac.digest(secret.encode(), body, "sha256"))
    return hmac.compare_digest(ours, signature.encode())


@router.post("/twilio/sms")
async def twilio_sms(request: Request) -> Response:
    """An SMS came in."""
    form = await _twilio_form(request, "MessageSid")
    event = inbox.Event(f"sms:{form['MessageSid']}", inbox.SMS, form)
    await run_in_threadpool(inbox.keep, engine_of(request), [event])
    return _twiml("<Response/>")


@router.post("/twilio/status")
async def twilio_status(request: Request, delivery: UUID | None = None) -> Response:
    """What became of a message or, with the delivery's id in its URL, of a call; receipts come in any order."""
    form = await _twilio_form(request, "CallSid" if delivery else "MessageSid")
    if delivery:
        what = form.get("AnsweredBy") or form.get("CallStatus") or ""
        body = {**form, "delivery": str(delivery)}
        event = inbox.Event(f"receipt:{form['CallSid']}:{what}", inbox.RECEIPT, body)
        await run_in_threadpool(inbox.keep, engine_of(request), [event])
        return Response(status_code=204)
    status = form.get("MessageStatus") or form.get("SmsStatus") or ""
    # Steps on the way tell nothing that anybody waits for.
    if status not in {"queued", "accepted", "scheduled", "sending", "sent"}:
        event = inbox.Event(f"receipt:{form['MessageSid']}:{status}", inbox.RECEIPT, form)
        await run_in_threadpool(inbox.keep, engine_of(request), [event])
    return Response(status_code=204)


@router.post("/twilio/voice")
async def twilio_voice(request: Request, delivery: UUID | None = None, minutes: bool = False) -> Response:
    """Somebody picked up our call, or pressed a digit in it, or a number of `minutes`.

    Whoever calls the sender's number themselves is not picked up: nobody listens there.
    """
    form = await _twilio_form(request, "CallSid")
    if delivery is None:
        return _twiml("<Response><Reject/></Response>")
    settings: Settings = request.app.state.settings
    engine, digits = engine_of(request), form.get("Digits", "")
    speech: Speech | bridges.Connection
    if digits:
        speech = await run_in_threadpool(partial(calls.press, engine, delivery, digits, minutes=minutes))
    else:
        speech = await run_in_threadpool(calls.pick_up, engine, delivery)
    if isinstance(speech, bridges.Connection):
        return Response(
            dial_twiml(engine.texts, _voice(settings), _dial(request, delivery, speech)), media_type="text/xml"
        )
    return _speech(request, delivery, speech)


@router.post("/twilio/bridge")
async def twilio_bridge(request: Request, delivery: UUID) -> Response:
    """The victim's side of a call that connects is over, and the social worker is still on the line."""
    form = await _twilio_form(request, "DialCallStatus")
    bridged = {"true": True, "false": False}.get(form.get("DialBridged", "").lower())
    about = form["DialCallStatus"], _seconds(form.get("DialCallDuration"))
    end = partial(bridges.end, engine_of(request), delivery, *about, said_bridged=bridged)
    return _speech(request, delivery, await run_in_threadpool(end))


@router.post("/twilio/leg")
async def twilio_leg(request: Request, delivery: UUID, turn: int = 1) -> Response:
    """Somebody, or something, has picked up on the victim's side: silence until it is known to be a person."""
    form = await _twilio_form(request, "CallSid")
    said = form.get("AnsweredBy")
    leg = await run_in_threadpool(bridges.hold, engine_of(request), delivery, said, turn)
    settings: Settings = request.app.state.settings
    again_at = f"{settings.outside_url}/webhooks/twilio/leg?delivery={delivery}&turn={turn + 1}"
    return Response(hold_twiml(leg, again_at), media_type="text/xml")


@router.post("/twilio/leg/status")
async def twilio_leg_status(request: Request, delivery: UUID) -> Response:
    """Who picked up on the victim's side, or how it ended: the latter also where the social worker hung up first."""
    form = await _twilio_form(request, "CallSid")
    engine = engine_of(request)
    if said := form.get("AnsweredBy"):
        await run_in_threadpool(bridges.hear_answered_by, engine, delivery, said)
    elif status := form.get("CallStatus"):
        await run_in_threadpool(bridges.end, engine, delivery, status, _seconds(form.get("CallDuration")))
    return Response(status_code=204)


def _speech(request: Request, delivery: UUID, speech: Speech) -> Response:
    settings: Settings = request.app.state.settings
    ask_at = f"{settings.outside_url}/webhooks/twilio/voice?delivery={delivery}"
    ask_at += "&minutes=true" if speech.minutes else ""
    return Response(twiml(engine_of(request).texts, _voice(settings), speech, ask_at), media_type="text/xml")


def _voice(settings: Settings) -> Voice:
    return Voice.of(settings.language, settings.voice_name, settings.voice_prompts_url)


def _dial(request: Request, delivery: UUID, connection: bridges.Connection) -> Dial:
    settings: Settings = request.app.state.settings
    webhooks, its = f"{settings.outside_url}/webhooks/twilio", f"delivery={delivery}"
    return Dial(
        to=connection.to,
        number=connection.number,
        ring_s=settings.bridge_ring_s,
        talk_s=settings.bridge_talk_s,
        ended_at=f"{webhooks}/bridge?{its}",
        hold_at=f"{webhooks}/leg?{its}",
        told_at=f"{webhooks}/leg/status?{its}",
    )


def _seconds(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _twiml(xml: str) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{xml}', media_type="text/xml")


async def _twilio_form(request: Request, wanted: str) -> dict[str, str]:
    settings: Settings = request.app.state.settings
    signature = request.headers.get("x-twilio-signature")
    if not signature:
        raise HTTPException(401, "the header X-Twilio-Signature is missing")
    form = {name: str(value) for name, value in (await request.form()).items()}
    query = f"?{request.url.query}" if request.url.query else ""
    # The URL as Twilio knows it, not as a proxy passed it on.
    url = f"{settings.outside_url}{request.url.path}{query}"
    tokens = (settings.twilio_auth_token, settings.twilio_auth_token_next)
    valid = any(
        RequestValidator(token.get_secret_value()).validate(url, form, signature)
        for token in tokens
        if token is not None
    )
    if not valid:
        raise HTTPException(403, "the signature does not fit the form, ESS_PUBLIC_URL and ESS_TWILIO_AUTH_TOKEN")
    if wanted not in form:
        raise HTTPException(400, f"the form has no {wanted}")
    return form
