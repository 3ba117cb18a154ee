"""A message as one Flex bubble of LINE: text and buttons together, however many buttons there are.

https://developers.line.biz/en/reference/messaging-api/#bubble
"""

from typing import Any

from ess.channels.envelope import Button, Message, Press

_WARNING, _GREY = "#B42318", "#667085"


def bubble(message: Message) -> dict[str, Any]:
    """The bubble: the first paragraph of the text stands out, as what is to be read first; the first button too."""
    first, *rest = message.text.split("\n\n")
    body = [_words(line, weight="bold", color=_WARNING) for line in first.splitlines()]
    for paragraph in rest:
        title, *lines = paragraph.splitlines()
        body += [{"type": "separator", "margin": "md"}, _words(title, weight="bold", margin="md")]
        body += [_words(line, size="sm", color=_GREY) for line in lines]
    return {
        "type": "bubble",
        "body": {"type": "box", "layout": "vertical", "spacing": "sm", "contents": body},
        "footer": {
            "type": "box",
            "layout": "vertical",
            "spacing": "sm",
            "contents": [_button(button, i) for i, button in enumerate(message.buttons)],
        },
    }


def _words(text: str, **more: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "wrap": True, **more}


def _button(button: Button, i: int) -> dict[str, Any]:
    if button.press is Press.OPEN_LINK:
        action = {"type": "uri", "label": button.label, "uri": button.data}
    else:
        action = {"type": "postback", "label": button.label, "data": button.data, "displayText": button.label}
    return {"type": "button", "height": "sm", "style": "secondary" if i else "primary", "action": action}
