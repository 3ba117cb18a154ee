"""What a person does in LINE, and the webhook that LINE makes of it."""

from base64 import b64decode
from collections.abc import Iterable
from copy import deepcopy
from enum import StrEnum
from typing import Any

from ess.simulator.edge import Answer
from ess.simulator.ledger import Kind, Provider
from ess.simulator.line_account import BOT_USER_ID, message_id, ulid
from ess.simulator.world import World

#: One grey dot.
A_PICTURE = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")


class Delivery(StrEnum):
    """How the webhook of an event travels."""

    ONCE = "once"
    #: The same webhook twice in a row, as a network that repeats itself.
    DOUBLED = "doubled"
    #: Kept back until released.
    HELD = "held"
    #: Never arrives: LINE does not guarantee its webhooks.
    LOST = "lost"


class LinePhones:
    """Every person's LINE."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def text(self, user_id: str, text: str, how: Delivery = Delivery.ONCE) -> Answer | None:
        """The person has typed this."""
        message = {"type": "text", "id": message_id(), "quoteToken": message_id(), "text": text}
        return await self._happen(user_id, {"type": "message", "message": message}, text, how)

    async def location(self, user_id: str, place: dict[str, Any], how: Delivery = Delivery.ONCE) -> Answer | None:
        """The person has shared this place: latitude, longitude, perhaps title and address."""
        message = {"type": "location", "id": message_id()} | place
        names = [str(place[key]) for key in ("title", "address") if place.get(key)]
        words = "\n".join([*names, f"{place['latitude']:.4f}, {place['longitude']:.4f}"])
        return await self._happen(user_id, {"type": "message", "message": message}, words, how)

    async def sticker(self, user_id: str) -> Answer | None:
        """The person has sent a sticker."""
        message = {"type": "sticker", "id": message_id(), "quoteToken": message_id()}
        message |= {"packageId": "11537", "stickerId": "52002734", "stickerResourceType": "STATIC"}
        return await self._happen(user_id, {"type": "message", "message": message}, "(สติกเกอร์)")

    async def image(self, user_id: str) -> Answer | None:
        """The person has sent a picture."""
        message = {"type": "image", "id": message_id(), "quoteToken": message_id()}
        self._world.line.contents[message["id"]] = ("image/png", A_PICTURE)
        event = {"type": "message", "message": message | {"contentProvider": {"type": "line"}}}
        return await self._happen(user_id, event, "(รูปภาพ)")

    async def audio(self, user_id: str) -> Answer | None:
        """The person has sent a voice note."""
        message = {"type": "audio", "id": message_id()}
        self._world.line.contents[message["id"]] = ("audio/x-m4a", b"a voice note of nobody")
        more = {"duration": 2000, "contentProvider": {"type": "line"}}
        event = {"type": "message", "message": message | more}
        return await self._happen(user_id, event, "(ข้อความเสียง)")

    async def postback(
        self, user_id: str, data: str, words: str = "", how: Delivery = Delivery.ONCE, label: str = ""
    ) -> Answer | None:
        """The person has tapped something that carries this data; `words` then stand in the chat."""
        event = {"type": "postback", "postback": {"data": data}}
        return await self._happen(user_id, event, words, how, label)

    async def follow(self, user_id: str, how: Delivery = Delivery.ONCE) -> Answer | None:
        """The account is a friend, for the first time or again."""
        was_blocked = user_id in self._world.line.blocked
        self._world.line.blocked.discard(user_id)
        return await self._happen(user_id, {"type": "follow", "follow": {"isUnblocked": was_blocked}}, "", how)

    async def unfollow(self, user_id: str, how: Delivery = Delivery.ONCE) -> Answer | None:
        """The account is blocked: LINE goes on answering 200 and shows nothing."""
        self._world.line.blocked.add(user_id)
        return await self._happen(user_id, {"type": "unfollow"}, "", how)

    async def redeliver(self, user_id: str) -> Answer | None:
        """The person's newest event has come again under the same id; None when there is none."""
        event = self._world.line.last_event.get(user_id)
        if event is None:
            return None
        again = deepcopy(event) | {"deliveryContext": {"isRedelivery": True}}
        return await self._deliver([again])

    async def release(self, *, reverse: bool = False, together: bool = False) -> list[Answer]:
        """What was held back has been delivered, on request newest first or all in one webhook."""
        events, self._world.line.held = self._world.line.held, []
        if reverse:
            events.reverse()
        if together:
            return [await self._deliver(events)] if events else []
        return [await self._deliver([event]) for event in events]

    async def _happen(
        self,
        user_id: str,
        event: dict[str, Any],
        words: str,
        how: Delivery = Delivery.ONCE,
        label: str = "",
    ) -> Answer | None:
        world, now = self._world, self._world.clock()
        event |= {
            "timestamp": int(now.timestamp() * 1000),
            "source": {"type": "user", "userId": user_id},
            "mode": "active",
            "webhookEventId": ulid(now),
            "deliveryContext": {"isRedelivery": False},
        }
        if event["type"] != "unfollow":
            event["replyToken"] = world.line.issue_reply_token(user_id, now)
        world.ledger.record(
            Provider.LINE,
            Kind.INBOUND,
            user_id,
            text=words,
            sid=event["webhookEventId"],
            shown=bool(words),
            detail=_detail(event) | ({"label": label} if label else {}),
        )
        if how == Delivery.LOST:
            return None
        world.line.last_event[user_id] = event
        if how == Delivery.HELD:
            world.line.held.append(event)
            return None
        answer = await self._deliver([event])
        if how == Delivery.DOUBLED:
            answer = await self._deliver([event])
        return answer

    async def _deliver(self, events: Iterable[dict[str, Any]]) -> Answer:
        events = list(events)
        answer = await self._world.edge.line({"destination": BOT_USER_ID, "events": events})
        for event in events:
            self._world.ledger.record(
                Provider.LINE,
                Kind.WEBHOOK,
                event["source"]["userId"],
                status=answer.status,
                sid=event["webhookEventId"],
                detail={
                    "duration_ms": answer.duration_ms,
                    "error": answer.error,
                    "redelivery": event["deliveryContext"]["isRedelivery"],
                    "type": event["type"],
                },
            )
        return answer


def _detail(event: dict[str, Any]) -> dict[str, Any]:
    kind = event["type"] if event["type"] != "message" else event["message"]["type"]
    detail = {"type": kind, "event_id": event["webhookEventId"]}
    if kind == "postback":
        detail["data"] = event["postback"]["data"]
    if kind == "location":
        detail |= {key: event["message"][key] for key in ("latitude", "longitude")}
    return detail
