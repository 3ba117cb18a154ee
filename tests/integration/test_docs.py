"""Pages that developers and supervisors open, as the edge sends them: whole, and from nowhere else."""

import re

import pytest
from stack import Deployment

from ess.store.keys import KeyRole
from ess.web.reference import UNTOLD, kind


def test_every_operation_and_every_shape_of_the_api_is_told(deployment: Deployment) -> None:
    page = deployment.http.get("/docs").text
    api = deployment.http.get("/openapi.json").json()
    for path, operations in api["paths"].items():
        assert f"<code>{path}</code>" in page
        assert {method.upper() for method in operations} <= set(re.findall(r">([A-Z]+)</span>", page))
    shapes = set(api["components"]["schemas"]) - UNTOLD
    assert set(re.findall(r'<section class="operation" id="(\w+)"', page)) == shapes
    links = set(re.findall(r'href="#(\w+)"', page))
    assert links <= shapes
    assert "ReportBody" in links


@pytest.mark.parametrize("path", ["/docs", "/board", "/board/unreachable", "/a/nobody"])
def test_no_page_loads_anything_from_elsewhere(deployment: Deployment, path: str) -> None:
    page = deployment.http.get(path, auth=("the test", deployment.keys[KeyRole.SUPERVISOR])).text
    assert "<main" in page
    assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?:https?:)?//", page) == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/State"}, "State"),
        ({"anyOf": [{"type": "string", "maxLength": 200}, {"type": "null"}]}, "string, up to 200 characters | null"),
        ({"type": "array", "items": {"type": "integer", "minimum": 0}}, "list of integer, ≥ 0"),
        ({"enum": ["accept", "decline"], "type": "string"}, "accept | decline"),
        ({}, "anything"),
    ],
)
def test_what_a_value_may_be_is_told_in_words(schema: dict[str, object], words: str) -> None:
    assert kind(schema) == words
