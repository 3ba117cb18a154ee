"""`/`: where somebody comes who typed the bare address.  A person is led to the board, a program is told where to look.

Nothing here is anybody's: the board asks for its key itself.
"""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

router = APIRouter(include_in_schema=False)

#: What a program that looks around may want to know first.
_SIGNPOSTS = {"name": "ESS Dispatch", "docs": "/docs", "alive": "/healthz", "ready": "/readyz", "board": "/board"}


def wants_a_page(request: Request) -> bool:
    """Whether a browser asks to show the answer to a person."""
    return "text/html" in request.headers.get("accept", "")


@router.get("/")
def entrance(request: Request) -> Response:
    """The way to the board for a browser, the signposts for everybody else."""
    headers = {"Vary": "Accept"}
    if wants_a_page(request):
        return RedirectResponse("/board", 303, headers=headers)
    return JSONResponse(_SIGNPOSTS, headers=headers)
