"""A message as one Flex bubble of LINE, which holds as many buttons as there are; a template would hold four.

https://developers.line.biz/en/reference/messaging-api/#bubble
"""

from collections.abc import Sequence

from linebot.v3.messaging import (
    FlexBox,
    FlexBubble,
    FlexButton,
    FlexComponent,
    FlexSeparator,
    FlexText,
    LocationAction,
    PostbackAction,
    URIAction,
)

from ess.channels.envelope import Button, Press

_WARNING = "#B42318"


def bubble(text: str, buttons: Sequence[Button]) -> FlexBubble:
    """Text and buttons together, the first button standing out; there may be none.

    Of several paragraphs the first is what is to be read first, and of each other one its first line is a title.
    """
    first, *rest = text.split("\n\n")
    body: list[FlexComponent] = [
        _words(line, weight="bold", color=_WARNING if rest else None) for line in first.splitlines()
    ]
    for paragraph in rest:
        title, *lines = paragraph.splitlines()
        body += [FlexSeparator(margin="md"), _words(title, weight="bold", margin="md")]
        body += [_words(line) for line in lines]
    presses: list[FlexComponent] = [
        FlexButton(action=action(button), height="sm", style="secondary" if i else "primary")
        for i, button in enumerate(buttons)
    ]
    return FlexBubble(
        body=FlexBox(layout="vertical", spacing="sm", contents=body),
        footer=FlexBox(layout="vertical", spacing="sm", contents=presses) if presses else None,
    )


def _words(text: str, **more: str | None) -> FlexText:
    return FlexText(text=text, wrap=True, **{name: value for name, value in more.items() if value})


def action(button: Button) -> PostbackAction | LocationAction | URIAction:
    """What LINE does when it is tapped."""
    match button.press:
        case Press.POSTBACK:
            return PostbackAction(label=button.label, data=button.data, display_text=button.label)
        case Press.SHARE_LOCATION:
            return LocationAction(label=button.label)
        case Press.OPEN_LINK:
            return URIAction(label=button.label, uri=button.data)
