"""One browser for each module, one window for each test; a window in which something went wrong fails its test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from screen import CHROMIUM, Screen, pictures_folder
from stack import Deployment
from story import Story

from ess.store.keys import KeyRole


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """It ends with the module: while it runs, this thread has an event loop that other tests must not meet."""
    with sync_playwright() as playwright:
        # Chromium's sandbox does not start for root; the pages are our own, on loopback.
        running = playwright.chromium.launch(
            executable_path=CHROMIUM,
            chromium_sandbox=os.geteuid() != 0,
            args=["--disable-gpu"],  # pictures take half the time
        )
        yield running
        running.close()


@pytest.fixture
def opens(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Screen]]:
    """Opens a window at an address; `as_supervisor` knows the key that the board asks for."""
    screens: list[Screen] = []

    def window(url: str, *, key: str | None = None, **options: Any) -> Screen:
        credentials = {"http_credentials": {"username": "the test", "password": key}} if key else {}
        context = browser.new_context(locale="th-TH", timezone_id="Asia/Bangkok", **credentials, **options)
        screens.append(Screen(context.new_page(), pictures_folder(tmp_path)))
        return screens[-1].opens(url)

    yield window
    for screen in screens:
        screen.page.context.close()
    wrongs = [wrong for screen in screens for wrong in screen.wrongs]
    assert not wrongs, "\n".join(wrongs)


@pytest.fixture
def key(deployment: Deployment) -> str:
    """What a supervisor types as the password of the board."""
    return deployment.keys[KeyRole.SUPERVISOR]


@pytest.fixture
def no_history(deployment: Deployment) -> None:
    """The phones are empty: nothing of another story is on them."""
    deployment.sim.post("/sim/reset")


@pytest.fixture
def story(no_history: None, story: Story) -> Story:  # noqa: ARG001
    """As elsewhere, on empty phones."""
    return story
