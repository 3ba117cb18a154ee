"""`/docs`: the whole API on one page, drawn here from its OpenAPI.

The page that FastAPI brings loads its scripts from elsewhere: it stays white wherever the internet is not reached,
and lets strangers' code run beside a board that shows incidents.
"""

import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape

router = APIRouter(include_in_schema=False)
_pages = Jinja2Templates(Path(__file__).parent / "templates")

#: Bounds of a value, as OpenAPI names them and as people write them.
_BOUNDS = {"minimum": "≥ {}", "maximum": "≤ {}", "maxLength": "up to {} characters", "pattern": "{}", "default": "= {}"}


def _marked(words: str) -> Markup:
    """The words with what stands between backticks set as code."""
    return Markup(re.sub("`(.+?)`", r"<code>\1</code>", str(escape(words))))  # noqa: S704 - escaped before


_pages.env.filters["marked"] = _marked

#: Shapes of FastAPI's own errors: ours are problems (ess/web/problems.py).
UNTOLD = frozenset({"HTTPValidationError", "ValidationError"})


@router.get("/docs")
def docs(request: Request) -> Response:
    """Every operation with what it takes and answers."""
    return _pages.TemplateResponse(request, "docs.html", {"api": request.app.openapi(), "kind": kind, "untold": UNTOLD})


def kind(schema: dict[str, Any]) -> str:
    """What a value may be, in words, such as `integer | null`; shapes by the name under which they are told."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if several := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " | ".join(kind(one) for one in several)
    if "const" in schema or "enum" in schema:
        return " | ".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    words = [schema.get("format") or schema.get("type") or "anything"]
    words += [form.format(schema[bound]) for bound, form in _BOUNDS.items() if schema.get(bound) is not None]
    return ", ".join(str(word) for word in words)
