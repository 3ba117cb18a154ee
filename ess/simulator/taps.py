"""What a person sees in a LINE message object, and what can be tapped there: pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ess.simulator.ledger import OUTBOUND, Entry


@dataclass(frozen=True)
class Button:
    """Something to tap, and the action that LINE performs then."""

    label: str
    action: dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One line of a message, top to bottom."""

    #: text, title, muted, rule, button, picture or place.
    kind: str
    text: str = ""
    button: Button | None = None


def parts(message: dict[str, Any]) -> list[Part]:
    """The message as a person reads it; quick replies are not part of it."""
    match message.get("type"):
        case "text" | "textV2":
            return [Part("text", str(message.get("text", "")))]
        case "template":
            return list(_template_parts(message.get("template") or {}))
        case "flex":
            return list(_flex_parts(message.get("contents")))
        case "location":
            return [Part("place", f"{message.get('title', '')}\n{message.get('address', '')}")]
        case kind:
            return [Part("picture", str(message.get("altText") or kind))]


def plain_text(message: dict[str, Any]) -> str:
    """All words of the message with the labels of its buttons in brackets."""
    words = [f"[{part.text}]" if part.button else part.text for part in parts(message) if part.text]
    return "\n".join(words + [f"[{button.label}]" for button in quick_replies(message)])


def buttons(message: dict[str, Any]) -> list[Button]:
    """Buttons that stay with the message."""
    return [part.button for part in parts(message) if part.button]


def quick_replies(message: dict[str, Any]) -> list[Button]:
    """Chips below the newest message."""
    items = (message.get("quickReply") or {}).get("items") or []
    return [_button(item.get("action") or {}) for item in items if isinstance(item, dict)]


def chips(chat: list[Entry]) -> tuple[int, list[Button]]:
    """The quick replies on show and the entry that they belong to; LINE hides all but the newest message's.

    They are gone too once the person has said something.
    """
    for entry in reversed(chat):
        if entry.kind == "inbound" and entry.detail.get("type") not in {"follow", "unfollow"}:
            break
        if entry.shown and entry.messages:
            return entry.seq, quick_replies(entry.messages[-1])
    return 0, []


def tappable(chat: list[Entry]) -> list[tuple[int, Button]]:
    """Everything that can be tapped in this chat with the entry's number, newest first."""
    seq, replies = chips(chat)
    found = [(seq, button) for button in replies]
    for entry in reversed(chat):
        if entry.kind in OUTBOUND and entry.shown:
            found += [(entry.seq, button) for message in entry.messages for button in buttons(message)]
    return found


def _button(action: dict[str, Any], fallback: str = "") -> Button:
    return Button(str(action.get("label") or fallback or action.get("type", "")), action)


def _template_parts(template: dict[str, Any]) -> Iterator[Part]:
    if template.get("type") in {"carousel", "image_carousel"}:
        for index, column in enumerate(template.get("columns") or []):
            if index:
                yield Part("rule")
            yield from _template_parts(column)
        return
    if template.get("title"):
        yield Part("title", str(template["title"]))
    if template.get("text"):
        yield Part("text", str(template["text"]))
    actions = template.get("actions") or ([template["action"]] if template.get("action") else [])
    for action in actions:
        button = _button(action)
        yield Part("button", button.label, button)


def _flex_parts(node: Any) -> Iterator[Part]:
    """The words and buttons of a flex component and of all that it contains, in reading order."""
    if isinstance(node, list):
        for child in node:
            yield from _flex_parts(child)
    elif isinstance(node, dict):
        action = node.get("action")
        match node.get("type"):
            case "carousel":
                for index, bubble in enumerate(node.get("contents") or []):
                    yield from [Part("rule")] if index else []
                    yield from _flex_parts(bubble)
            case "text":
                yield _flex_text(node, action)
                return
            case "separator":
                yield Part("rule")
            case "bubble" | "box":
                for key in ("header", "hero", "body", "footer", "contents"):
                    yield from _flex_parts(node.get(key))
        if isinstance(action, dict) and action.get("label"):
            button = _button(action)
            yield Part("button", button.label, button)


def _flex_text(node: dict[str, Any], action: Any) -> Part:
    spans = node.get("contents") or []
    text = str(node.get("text") or "".join(str(span.get("text", "")) for span in spans))
    if isinstance(action, dict):
        button = _button(action, text)
        return Part("button", button.label, button)
    large = node.get("weight") == "bold" or str(node.get("size", "")) in {
        "lg",
        "xl",
        "xxl",
        "3xl",
        "4xl",
        "5xl",
    }
    small = str(node.get("size", "")) in {"xxs", "xs"}
    return Part("title" if large else "muted" if small else "text", text)
