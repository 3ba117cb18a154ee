"""What LINE refuses in a message: pure checks with LINE's own words and property paths.

Limits are those of the Messaging API reference; `details` of the 400 answer is what comes back.
"""

from collections.abc import Iterator
from typing import Any

MAX_MESSAGES = 5
MAX_TEXT = 5000
MAX_ALT_TEXT = 1500
MAX_QUICK_REPLIES = 13
MAX_DATA = 300
MAX_LABEL = 20
MAX_FLEX_LABEL = 40

_REQUIRED = {
    "text": ("text",),
    "textV2": ("text",),
    "sticker": ("packageId", "stickerId"),
    "image": ("originalContentUrl", "previewImageUrl"),
    "video": ("originalContentUrl", "previewImageUrl"),
    "audio": ("originalContentUrl", "duration"),
    "location": ("title", "address", "latitude", "longitude"),
    "imagemap": ("baseUrl", "altText", "baseSize", "actions"),
    "template": ("altText", "template"),
    "flex": ("altText", "contents"),
}
_QUICK_REPLY_ONLY = frozenset({"location", "camera", "cameraRoll"})
_ACTIONS = _QUICK_REPLY_ONLY | {"postback", "message", "uri", "datetimepicker", "clipboard", "richmenuswitch"}
#: Template → (longest text, most actions).
_TEMPLATES = {"buttons": (160, 4), "confirm": (240, 2), "carousel": (120, 3), "image_carousel": (0, 1)}

Problem = dict[str, str]


def utf16_units(text: str) -> int:
    """The length as LINE counts it: an emoji outside the basic plane is two."""
    return len(text.encode("utf-16-le")) // 2


def problems(messages: Any) -> list[Problem]:
    """Everything that LINE would refuse in the `messages` of a request; empty when it is sound."""
    if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_MESSAGES:
        return [_problem(f"Size must be between 1 and {MAX_MESSAGES}", "messages")]
    return [found for index, message in enumerate(messages) for found in _in_message(message, f"messages[{index}]")]


def actions_in_flex(node: Any, path: str) -> Iterator[tuple[dict[str, Any], str, bool]]:
    """Every action in a flex container with its path, and whether it belongs to a button."""
    if isinstance(node, dict):
        if isinstance(action := node.get("action"), dict):
            yield action, f"{path}.action", node.get("type") == "button"
        for key in ("contents", "header", "hero", "body", "footer"):
            yield from actions_in_flex(node.get(key), f"{path}.{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from actions_in_flex(child, f"{path}[{index}]")


def menu_problems(menu: Any) -> Iterator[Problem]:
    """Everything that LINE would refuse in a rich menu."""
    size, areas = menu.get("size") or {}, menu.get("areas") or []
    width, height = int(size.get("width", 0)), int(size.get("height", 0))
    if not 800 <= width <= 2500:
        yield _problem("Must be between 800 and 2500", "size.width")
    if height < 250 or width < 1.45 * height:
        yield _problem("Must be 250 or more, and the width 1.45 times as much", "size.height")
    for name, limit in (("name", 300), ("chatBarText", 14)):
        yield from _too_long(menu.get(name), limit, name)
    if not 1 <= len(areas) <= 20:
        yield _problem("Size must be between 1 and 20", "areas")
    for index, area in enumerate(areas):
        where, at = f"areas[{index}]", area.get("bounds") or {}
        far = at.get("x", 0) + at.get("width", 0) > width or at.get("y", 0) + at.get("height", 0) > height
        if far or min(at.get(name, -1) for name in ("x", "y", "width", "height")) < 0:
            yield _problem("Must lie within the rich menu", f"{where}.bounds")
        yield from _in_action(area.get("action"), f"{where}.action", label_required=False)


def _problem(message: str, where: str) -> Problem:
    return {"message": message, "property": where}


def _in_message(message: Any, path: str) -> Iterator[Problem]:
    kind = message.get("type") if isinstance(message, dict) else None
    if kind not in _REQUIRED:
        yield _problem(f"Must be one of the following values: [{', '.join(_REQUIRED)}]", f"{path}.type")
        return
    missing = [name for name in _REQUIRED[kind] if message.get(name) in (None, "", [], {})]
    yield from (_problem("May not be empty", f"{path}.{name}") for name in missing)
    if "text" in message and "text" not in missing:
        yield from _too_long(message["text"], MAX_TEXT, f"{path}.text")
    if "altText" in message and "altText" not in missing:
        yield from _too_long(message["altText"], MAX_ALT_TEXT, f"{path}.altText")
    if kind == "template" and "template" not in missing:
        yield from _in_template(message["template"], f"{path}.template")
    if kind == "flex" and "contents" not in missing:
        yield from _in_flex(message["contents"], f"{path}.contents")
    if (quick_reply := message.get("quickReply")) is not None:
        yield from _in_quick_reply(quick_reply, f"{path}.quickReply")


def _too_long(text: Any, limit: int, path: str) -> Iterator[Problem]:
    if not isinstance(text, str):
        yield _problem("Must be a string", path)
    elif utf16_units(text) > limit:
        yield _problem(f"Length must be between 0 and {limit}", path)


def _in_quick_reply(quick_reply: Any, path: str) -> Iterator[Problem]:
    items = quick_reply.get("items") if isinstance(quick_reply, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_QUICK_REPLIES:
        yield _problem(f"Size must be between 1 and {MAX_QUICK_REPLIES}", f"{path}.items")
        return
    for index, item in enumerate(items):
        where = f"{path}.items[{index}]"
        if not isinstance(item, dict) or item.get("type") != "action":
            yield _problem("Must be one of the following values: [action]", f"{where}.type")
        else:
            yield from _in_action(item.get("action"), f"{where}.action", quick=True)


def _in_template(template: Any, path: str) -> Iterator[Problem]:
    kind = template.get("type") if isinstance(template, dict) else None
    if kind not in _TEMPLATES:
        yield _problem(f"Must be one of the following values: [{', '.join(_TEMPLATES)}]", f"{path}.type")
        return
    longest, most = _TEMPLATES[kind]
    if kind == "image_carousel":
        for index, column in enumerate(template.get("columns") or []):
            yield from _in_action(column.get("action"), f"{path}.columns[{index}].action")
    elif kind == "carousel":
        columns = template.get("columns") or []
        if not 1 <= len(columns) <= 10:
            yield _problem("Size must be between 1 and 10", f"{path}.columns")
        for index, column in enumerate(columns):
            yield from _in_card(column, f"{path}.columns[{index}]", longest, (1, most))
    else:
        yield from _in_card(template, path, longest, (2 if kind == "confirm" else 1, most))


def _in_card(card: dict[str, Any], path: str, longest: int, size: tuple[int, int]) -> Iterator[Problem]:
    # with a title or an image the text of buttons and carousels has less room
    if longest <= 160 and (card.get("title") or card.get("thumbnailImageUrl")):
        longest = 60
    if not card.get("text"):
        yield _problem("May not be empty", f"{path}.text")
    else:
        yield from _too_long(card["text"], longest, f"{path}.text")
    if card.get("title"):
        yield from _too_long(card["title"], 40, f"{path}.title")
    actions = card.get("actions") or []
    if not size[0] <= len(actions) <= size[1]:
        yield _problem(f"Size must be between {size[0]} and {size[1]}", f"{path}.actions")
    for index, action in enumerate(actions):
        yield from _in_action(action, f"{path}.actions[{index}]")


def _in_flex(contents: Any, path: str) -> Iterator[Problem]:
    kind = contents.get("type") if isinstance(contents, dict) else None
    if kind not in {"bubble", "carousel"}:
        yield _problem("Must be one of the following values: [bubble, carousel]", f"{path}.type")
        return
    for action, where, is_button in actions_in_flex(contents, path):
        yield from _in_action(action, where, max_label=MAX_FLEX_LABEL, label_required=is_button)


def _in_action(
    action: Any, path: str, *, quick: bool = False, max_label: int = MAX_LABEL, label_required: bool = True
) -> Iterator[Problem]:
    kind = action.get("type") if isinstance(action, dict) else None
    if kind not in (_ACTIONS if quick else _ACTIONS - _QUICK_REPLY_ONLY):
        allowed = sorted(_ACTIONS if quick else _ACTIONS - _QUICK_REPLY_ONLY)
        yield _problem(f"Must be one of the following values: [{', '.join(allowed)}]", f"{path}.type")
        return
    label = action.get("label")
    if label:
        yield from _too_long(label, max_label, f"{path}.label")
    elif label_required:
        yield _problem("May not be empty", f"{path}.label")
    limits = {"data": MAX_DATA, "displayText": 300, "uri": 1000} | ({"text": 300} if kind == "message" else {})
    for name, limit in limits.items():
        if action.get(name):
            yield from _too_long(action[name], limit, f"{path}.{name}")
    required = {"postback": "data", "datetimepicker": "data", "message": "text", "uri": "uri"}.get(kind)
    if required and not action.get(required):
        yield _problem("May not be empty", f"{path}.{required}")
