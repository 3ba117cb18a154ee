"""Puts the menu below the chat of the LINE account: made, given its picture, set for everybody, the old one removed.

https://developers.line.biz/en/docs/messaging-api/using-rich-menus/
"""

from contextlib import suppress

import urllib3
from linebot.v3.messaging import (
    ApiClient,
    ApiException,
    Configuration,
    MessageAction,
    MessagingApi,
    MessagingApiBlob,
    PostbackAction,
    RichMenuArea,
    RichMenuBounds,
    RichMenuRequest,
    RichMenuSize,
    URIAction,
)

from config.settings import Settings
from ess.domain.errors import Misconfigured, PermanentFailure, TransientFailure
from ess.rich_menu import Area, Image, Language, RichMenu

#: By this an installed menu of ours is known; nobody sees it in the chat.
_NAME = "ESS Dispatch"
_SERVER_ERROR = 500


class LineMenu:
    """The menus of one LINE account."""

    def __init__(self, settings: Settings) -> None:
        if settings.line_channel_access_token is None:
            raise Misconfigured("set ESS_LINE_CHANNEL_ACCESS_TOKEN to install a menu in LINE")
        token = settings.line_channel_access_token.get_secret_value()
        self._timeout_s = settings.provider_timeout_s
        self._api = MessagingApi(_client(settings.line_api_base.rstrip("/"), token))
        self._pictures = MessagingApiBlob(_client(settings.line_content_base, token))

    def install(self, menu: RichMenu, image: Image, language: Language) -> str:
        """Everybody sees this menu from now on; its id.

        Where LINE refuses it (PermanentFailure) or does not answer (TransientFailure) the menu before stays.
        """
        try:
            return self._install(menu, image, language)
        except ApiException as error:
            failure = TransientFailure if error.status >= _SERVER_ERROR else PermanentFailure
            raise failure(f"LINE answered {error.status}: the menu that was there stays") from None
        except urllib3.exceptions.HTTPError as error:
            raise TransientFailure(f"LINE: {type(error).__name__}: the menu that was there stays") from None

    def _install(self, menu: RichMenu, image: Image, language: Language) -> str:
        timeout = self._timeout_s
        listed = self._api.get_rich_menu_list(_request_timeout=timeout).richmenus
        before = [found.rich_menu_id for found in listed if found.name == _NAME]
        made = self._api.create_rich_menu(_request(menu, language), _request_timeout=timeout).rich_menu_id
        try:
            self._pictures.set_rich_menu_image(
                made, body=image.data, _headers={"Content-Type": image.content_type}, _request_timeout=timeout
            )
            self._api.set_default_rich_menu(made, _request_timeout=timeout)
        except (ApiException, urllib3.exceptions.HTTPError):
            with suppress(ApiException, urllib3.exceptions.HTTPError):
                self._api.delete_rich_menu(made, _request_timeout=timeout)
            raise
        for old in before:  # only once the new one is there
            self._api.delete_rich_menu(old, _request_timeout=timeout)
        return str(made)


def _client(host: str, token: str) -> ApiClient:
    configuration = Configuration(host=host, access_token=token)
    configuration.retries = urllib3.Retry(0)
    return ApiClient(configuration)


def _request(menu: RichMenu, language: Language) -> RichMenuRequest:
    areas = [
        RichMenuArea(
            bounds=RichMenuBounds(x=area.x, y=area.y, width=area.width, height=area.height),
            action=_action(area, language),
        )
        for area in menu.areas
    ]
    size = RichMenuSize(width=menu.size.width, height=menu.size.height)
    bar = menu.chat_bar.of(language)
    return RichMenuRequest(size=size, selected=True, name=_NAME, chat_bar_text=bar, areas=areas)


def _action(area: Area, language: Language) -> PostbackAction | MessageAction | URIAction:
    label = area.label.of(language)
    if area.postback is not None:
        return PostbackAction(label=label, data=area.postback, display_text=label)
    if area.says is not None:
        return MessageAction(label=label, text=area.says.of(language))
    return URIAction(label=label, uri=area.opens)
