"""LINE's rich menus as an account sees them: made, given a picture, set for everybody, removed.

https://developers.line.biz/en/reference/messaging-api/#rich-menu
"""

import uuid
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ess.simulator.line_rules import Problem, menu_problems
from ess.simulator.world import World

_MOST_BYTES = 1_000_000
_PICTURES = frozenset({"image/png", "image/jpeg"})
_NOT_FOUND: dict[str, Any] = {"message": "richmenu not found"}


def menu_routes(world: World) -> APIRouter:
    """The routes that installing a menu needs; the picture's belongs to LINE's other host."""
    routes = APIRouter()
    expected = f"Bearer {world.settings.line_access_token}"

    def answer(request: Request, status: int, body: dict[str, Any] | None = None) -> Response:
        if request.headers.get("authorization") != expected:
            status, body = 401, {"message": "Authentication failed. Confirm that the access token is valid."}
        return JSONResponse(body or {}, status, {"x-line-request-id": str(uuid.uuid4())})

    def is_ours(request: Request, menu_id: str = "") -> bool:
        return request.headers.get("authorization") == expected and (not menu_id or menu_id in world.line.menus.made)

    @routes.get("/v2/bot/richmenu/list")
    async def listed(request: Request) -> Response:
        rows = [{"richMenuId": menu_id, **menu} for menu_id, menu in world.line.menus.made.items()]
        return answer(request, 200, {"richmenus": rows})

    @routes.post("/v2/bot/richmenu")
    async def make(request: Request) -> Response:
        menu = await request.json()
        found: list[Problem] = list(menu_problems(menu))
        if found:
            return answer(request, 400, {"message": "The request body has problems", "details": found})
        menu_id = f"richmenu-{uuid.uuid4().hex}"
        if is_ours(request):
            world.line.menus.made[menu_id] = menu
        return answer(request, 200, {"richMenuId": menu_id})

    @routes.post("/v2/bot/richmenu/{menu_id}/content")
    async def picture(request: Request, menu_id: str) -> Response:
        if not is_ours(request, menu_id):
            return answer(request, 404, _NOT_FOUND)
        kind, data = request.headers.get("content-type", ""), await request.body()
        if kind not in _PICTURES or not 0 < len(data) <= _MOST_BYTES:
            return answer(
                request, 400, {"message": f"{kind or 'no type'} of {len(data)} bytes is no picture of a menu"}
            )
        world.line.menus.pictures[menu_id] = kind, data
        return answer(request, 200)

    @routes.post("/v2/bot/user/all/richmenu/{menu_id}")
    async def show(request: Request, menu_id: str) -> Response:
        if not is_ours(request, menu_id):
            return answer(request, 404, _NOT_FOUND)
        if menu_id not in world.line.menus.pictures:
            return answer(request, 400, {"message": "must upload richmenu image before applying it to user"})
        world.line.menus.default = menu_id
        return answer(request, 200)

    @routes.delete("/v2/bot/richmenu/{menu_id}")
    async def remove(request: Request, menu_id: str) -> Response:
        if not is_ours(request, menu_id):
            return answer(request, 404, _NOT_FOUND)
        menus = world.line.menus
        del menus.made[menu_id]
        menus.pictures.pop(menu_id, None)
        menus.default = None if menus.default == menu_id else menus.default
        return answer(request, 200)

    return routes
