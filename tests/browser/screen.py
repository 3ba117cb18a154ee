"""A window of the browser that this machine has, and what a person sees in it.

Nothing is mocked and nothing downloaded: where no Chromium is installed the walks are skipped.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Response, expect

#: The browser of this machine; None where it has none.
CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (found := shutil.which(name))
    ),
    None,
)
needs_a_browser = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium on the PATH: `apt-get install chromium fonts-thai-tlwg`, or Google Chrome, and try again",
)

#: Looks at a page as the guidelines for its accessibility do, and tells what is wrong with it.
LEGIBLE = Path(__file__).with_name("legible.js").read_text(encoding="utf-8")

DESKTOP, PHONE = (1280, 900), (390, 844)
#: How long something may take to show; generous, because machines are busy.
SOON_MS = 20_000.0


class Screen:
    """One window that remembers whatever went wrong in it, and takes a picture when told."""

    def __init__(self, page: Page, pictures: Path) -> None:
        self.page = page
        self.wrongs: list[str] = []
        self._pictures = pictures
        page.set_default_timeout(SOON_MS)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrongs.append(f"error in the page: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def opens(self, url: str) -> "Screen":
        self.page.goto(url)
        return self

    def shows(self, words: str | re.Pattern[str]) -> None:
        """These words come into sight."""
        expect(self.page.get_by_text(words).last).to_be_visible(timeout=SOON_MS)

    def clicks(self, name: str, role: str = "button") -> None:
        """What a person would call by this name; the newest, where there are several."""
        self.page.get_by_role(role, name=name, exact=True).last.click()  # type: ignore[arg-type]

    def phone(self, owner: str) -> "PhoneOnScreen":
        """The drawn phone of somebody."""
        return PhoneOnScreen(self.page.get_by_role("article", name=owner, exact=True))

    def pictured(self, name: str, *, whole: bool = False, of: "PhoneOnScreen | None" = None) -> None:
        """A picture of what is seen now, on a telephone and on a desk; `whole` goes to the end of the page.

        Where there is room for one drawn phone, it is that `of` somebody.  Whatever a person could
        not read or reach is as wrong as an error in the page.
        """
        for kind, (width, height) in {"phone": PHONE, "desktop": DESKTOP}.items():
            self.page.set_viewport_size({"width": width, "height": height})
            if of:
                of.box.scroll_into_view_if_needed()
            self.page.screenshot(path=self._pictures / f"{name}-{kind}.png", full_page=whole, animations="disabled")
            self.wrongs += [f"{name} on a {kind}: {wrong}" for wrong in self.page.evaluate(LEGIBLE)]

    def forgives(self, words: str) -> None:
        """What went wrong with these words was meant to."""
        self.wrongs = [wrong for wrong in self.wrongs if words not in wrong]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrongs.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # whoever leaves a page takes no answer any more
            self.wrongs.append(f"{request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.wrongs.append(f"{response.url}: {response.status}")


class PhoneOnScreen:
    """One of the phones on the simulator's page."""

    def __init__(self, box: Locator) -> None:
        self.box = box

    def hears(self, words: str | re.Pattern[str], *, times: int = 1) -> None:
        """So many bubbles of the others' have these words, the newest of them in sight."""
        heard = self.box.locator(".theirs", has_text=words)
        expect(heard).to_have_count(times, timeout=SOON_MS)
        expect(heard.last).to_be_in_viewport()

    def taps(self, label: str) -> None:
        """The newest button with this label."""
        self.button(label).click()

    def button(self, label: str) -> Locator:
        """The newest with this label."""
        return self.box.get_by_role("button", name=label, exact=True).last

    def types(self, words: str) -> None:
        """Something, and sends it."""
        self.box.get_by_role("textbox").fill(words)
        self.box.get_by_role("button", name="ส่ง", exact=True).click()


def pictures_folder(otherwise: Path) -> Path:
    """Where pictures go: `ESS_SCREENSHOTS`, or the test's own folder."""
    folder = Path(os.environ.get("ESS_SCREENSHOTS") or otherwise)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
