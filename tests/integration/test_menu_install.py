"""`ess line menu install` through LINE's real SDK against the simulator."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import Deployment
from typer.testing import CliRunner

from ess.cli import app


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "menu.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 2500, 1686))
    return path


@pytest.fixture
def account(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """The command runs as on the deployment's own machine."""
    for name, value in deployment.stack.environment.items():
        monkeypatch.setenv(name, value)
    yield deployment
    deployment.mend()


def menus(deployment: Deployment) -> list[dict[str, object]]:
    token = deployment.stack.environment["ESS_LINE_CHANNEL_ACCESS_TOKEN"]
    answer = deployment.sim.get("/v2/bot/richmenu/list", headers={"Authorization": f"Bearer {token}"})
    found: list[dict[str, object]] = answer.json()["richmenus"]
    return found


def test_a_menu_is_installed_and_replaces_the_one_before(account: Deployment, picture: Path) -> None:
    first = CliRunner().invoke(app, ["line", "menu", "install", str(picture)])
    assert first.exit_code == 0, first.output
    (before,) = menus(account)
    assert before["chatBarText"] == "เมนูแจ้งเหตุ"

    assert CliRunner().invoke(app, ["line", "menu", "install", str(picture)]).exit_code == 0
    (after,) = menus(account)
    assert after["richMenuId"] != before["richMenuId"]
    shown = account.sim.get("/sim/line/menu").json()
    assert shown["default"] == after["richMenuId"]
    assert [area["action"]["type"] for area in shown["areas"]] == ["postback", "message", "message", "uri"]


def test_what_line_refuses_leaves_the_menu_that_was_there(
    account: Deployment, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CliRunner().invoke(app, ["line", "menu", "install", str(picture)]).exit_code == 0
    there = menus(account)
    monkeypatch.setenv("ESS_LINE_CHANNEL_ACCESS_TOKEN", "of-another-account")
    refused = CliRunner().invoke(app, ["line", "menu", "install", str(picture)])
    assert refused.exit_code == 1
    assert "LINE answered 401" in str(refused.exception)
    assert menus(account) == there
