"""The `/sim` API: play the people, break the providers, read the ledger.

No authentication: this is a tool for loopback.
"""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ess.simulator.edge import Answer
from ess.simulator.faults import Fault
from ess.simulator.ledger import OUTBOUND, Entry, Kind
from ess.simulator.line import USER_ID
from ess.simulator.line_phone import Delivery, LinePhones
from ess.simulator.sms_phone import SmsPhones
from ess.simulator.taps import Button, tappable
from ess.simulator.twilio_account import E164
from ess.simulator.voice_phone import Habit, VoicePhones
from ess.simulator.world import World

LineUser = Annotated[str, Path(pattern=f"^{USER_ID.pattern}$", description="LINE user id: U and 32 hex digits")]
Phone = Annotated[str, Path(pattern=rf"^{E164.pattern}$", description="E.164, such as +66812345678")]


class Words(BaseModel):
    """Something typed."""

    text: str = Field(min_length=1, max_length=5000)


class Place(BaseModel):
    """A shared location, WGS 84 degrees."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    address: str | None = None
    title: str | None = None


class Postback(BaseModel):
    """Data behind a button, and the words that it writes into the chat."""

    data: str = Field(min_length=1, max_length=300)
    display_text: str = ""


class Tap(BaseModel):
    """The label of something tappable; `seq` chooses the ledger entry where several carry the label."""

    label: str
    seq: int | None = None


class Person(BaseModel):
    """A display name for a LINE user id or a number."""

    id: str
    name: str


class Status(BaseModel):
    """A status callback to send now."""

    status: str
    code: int | None = None


class Release(BaseModel):
    """How held events go out."""

    reverse: bool = False
    together: bool = False


class Manner(BaseModel):
    """What a phone does by itself when it rings."""

    habit: Habit


class Keys(BaseModel):
    """Digits of the keypad."""

    digits: str = Field(pattern=r"^[0-9*#]{1,4}$")


def control_routes(world: World, line: LinePhones, sms: SmsPhones, voice: VoicePhones) -> APIRouter:
    """Everything under `/sim`."""
    routes = APIRouter(prefix="/sim", tags=["simulator"])
    routes.include_router(_ledger_routes(world))
    routes.include_router(_line_routes(world, line))
    routes.include_router(_sms_routes(world, sms))
    routes.include_router(_voice_routes(world, voice))

    @routes.post("/people")
    async def name_people(people: Person | list[Person]) -> dict[str, int]:
        """Display names; how many phones have one now."""
        for person in people if isinstance(people, list) else [people]:
            world.names[person.id] = person.name
        return {"named": len(world.names)}

    @routes.get("/faults")
    async def faults() -> list[Fault]:
        return world.faults.in_force()

    @routes.post("/faults", status_code=201)
    async def add_fault(fault: Fault) -> list[Fault]:
        world.faults.add(fault)
        return world.faults.in_force()

    @routes.delete("/faults")
    async def clear_faults() -> list[Fault]:
        world.faults.clear()
        return []

    @routes.post("/reset")
    async def reset() -> dict[str, str]:
        world.reset()
        return {"state": "nothing has happened yet"}

    return routes


def _ledger_routes(world: World) -> APIRouter:
    routes = APIRouter(prefix="/ledger")

    @routes.get("")
    async def ledger(
        since: int = 0, kind: Kind | None = None, last: Annotated[int | None, Query(gt=0)] = None
    ) -> JSONResponse:
        """Entries after `since`, oldest first: with `kind` those of that kind, with `last` no more than the newest."""
        wanted = [entry for entry in world.ledger.since(since) if kind in {None, entry.kind}]
        return JSONResponse([entry.as_json() for entry in wanted[-(last or 0) :]])

    @routes.get("/wait")
    async def wait(
        to: str | None = None,
        contains: str = "",
        since: int = 0,
        timeout_s: Annotated[float, Query(gt=0, le=300)] = 10.0,
        kind: Kind | None = None,
    ) -> JSONResponse:
        """The first message after `since` that `to` can see and that contains the text; 408 if none comes.

        With `kind` any entry of that kind that concerns the person counts, seen or not.
        """

        def wanted(entry: Entry) -> bool:
            fits = entry.kind == kind if kind else entry.kind in OUTBOUND and entry.shown
            return fits and to in {None, entry.person} and contains in entry.text

        entry = await world.ledger.wait(wanted, since, timeout_s)
        if entry is not None:
            return JSONResponse(entry.as_json())
        seen = [entry.text for entry in world.ledger.since() if to in {None, entry.person} and entry.shown]
        detail = f"No message to {to or 'anybody'} containing {contains!r} within {timeout_s:g} s"
        return JSONResponse({"detail": detail, "newest_seen": seen[-3:]}, 408)

    return routes


def _line_routes(world: World, line: LinePhones) -> APIRouter:
    routes = APIRouter(prefix="/line")

    @routes.post("/{user_id}/text")
    async def text(user_id: LineUser, words: Words, delivery: Delivery = Delivery.ONCE) -> JSONResponse:
        return _answered(await line.text(user_id, words.text, delivery))

    @routes.post("/{user_id}/location")
    async def location(user_id: LineUser, place: Place, delivery: Delivery = Delivery.ONCE) -> JSONResponse:
        return _answered(await line.location(user_id, place.model_dump(exclude_none=True), delivery))

    @routes.post("/{user_id}/postback")
    async def postback(user_id: LineUser, button: Postback, delivery: Delivery = Delivery.ONCE) -> JSONResponse:
        return _answered(await line.postback(user_id, button.data, button.display_text, delivery))

    @routes.post("/{user_id}/sticker")
    async def sticker(user_id: LineUser) -> JSONResponse:
        return _answered(await line.sticker(user_id))

    @routes.post("/{user_id}/image")
    async def image(user_id: LineUser) -> JSONResponse:
        return _answered(await line.image(user_id))

    @routes.post("/{user_id}/audio")
    async def audio(user_id: LineUser) -> JSONResponse:
        return _answered(await line.audio(user_id))

    @routes.post("/{user_id}/follow")
    @routes.post("/{user_id}/unblock")
    async def follow(user_id: LineUser, delivery: Delivery = Delivery.ONCE) -> JSONResponse:
        return _answered(await line.follow(user_id, delivery))

    @routes.post("/{user_id}/unfollow")
    @routes.post("/{user_id}/block")
    async def unfollow(user_id: LineUser, delivery: Delivery = Delivery.ONCE) -> JSONResponse:
        return _answered(await line.unfollow(user_id, delivery))

    @routes.post("/{user_id}/redeliver")
    async def redeliver(user_id: LineUser) -> JSONResponse:
        if user_id not in world.line.last_event:
            raise HTTPException(404, f"{user_id} has done nothing yet: send a text first")
        return _answered(await line.redeliver(user_id))

    @routes.post("/release")
    async def release(order: Release) -> list[dict[str, Any]]:
        answers = await line.release(reverse=order.reverse, together=order.together)
        return [answer.as_json() for answer in answers]

    @routes.get("/menu")
    async def menu() -> dict[str, Any]:
        """What everybody sees below the chat."""
        menus = world.line.menus
        return {"default": menus.default, **menus.made.get(menus.default or "", {})}

    @routes.post("/{user_id}/tap")
    async def tap(user_id: LineUser, tapped: Tap, delivery: Delivery = Delivery.ONCE) -> JSONResponse:
        """Performs what LINE performs: the newest button or visible quick reply with that label."""
        found = tappable(world.ledger.of(user_id))
        for seq, button in found:
            if button.label == tapped.label and tapped.seq in {None, seq}:
                return await _perform(line, user_id, button, delivery)
        labels = ", ".join(dict.fromkeys(button.label for _, button in found)) or "nothing"
        raise HTTPException(404, f"No button {tapped.label!r} in this chat; to tap there is: {labels}")

    return routes


async def _perform(line: LinePhones, user_id: str, button: Button, delivery: Delivery) -> JSONResponse:
    action = button.action
    match action.get("type"):
        case "postback":
            words = str(action.get("displayText") or action.get("text") or "")
            return _answered(await line.postback(user_id, action["data"], words, delivery, button.label))
        case "message":
            return _answered(await line.text(user_id, action["text"], delivery))
        case "uri":
            # LINE opens the page and tells the account nothing
            return JSONResponse({"status": None, "duration_ms": 0, "error": None, "uri": action["uri"]})
        case kind:
            raise HTTPException(
                409, f"{button.label!r} opens {kind} on the phone: use /sim/line/{user_id}/location instead"
            )


def _sms_routes(world: World, sms: SmsPhones) -> APIRouter:
    routes = APIRouter(prefix="/sms")

    @routes.post("/{phone}/text")
    async def text(phone: Phone, words: Words) -> JSONResponse:
        return _answered(await sms.text(phone, words.text))

    @routes.post("/messages/{sid}/status")
    async def status(sid: str, update: Status) -> JSONResponse:
        """Sends this callback now, be it late, twice or out of order; a terminal state stays."""
        message = world.twilio.messages.get(sid)
        if message is None or message.status_callback is None:
            raise HTTPException(404, f"No message {sid} that asked for status callbacks")
        return _answered(await sms.report(message, update.status, update.code))

    return routes


def _voice_routes(world: World, voice: VoicePhones) -> APIRouter:
    routes = APIRouter(prefix="/voice")

    def done(phone: str, *, there_was_one: bool) -> dict[str, str]:
        if not there_was_one:
            raise HTTPException(409, f"{phone} does not ring")
        return {"phone": phone}

    @routes.post("/{phone}/habit")
    async def habit(phone: Phone, manner: Manner) -> dict[str, str]:
        """From the next call on."""
        world.twilio.habits[phone] = manner.habit
        return {"phone": phone, "habit": manner.habit}

    @routes.post("/{phone}/pick-up")
    async def pick_up(phone: Phone) -> dict[str, str]:
        return done(phone, there_was_one=voice.pick_up(phone))

    @routes.post("/{phone}/press")
    async def press(phone: Phone, keys: Keys) -> dict[str, str]:
        return done(phone, there_was_one=voice.press(phone, keys.digits))

    @routes.post("/{phone}/hang-up")
    async def hang_up(phone: Phone) -> dict[str, str]:
        return done(phone, there_was_one=voice.hang_up(phone))

    return routes


def _answered(answer: Answer | None) -> JSONResponse:
    """How the webhook went; 502 where the edge gave no answer, 202 where none was sent."""
    if answer is None:
        return JSONResponse({"status": None, "duration_ms": 0, "error": None, "held_back": True}, 202)
    return JSONResponse(answer.as_json(), 502 if answer.status is None else 200)
