"""The door's page in a real browser, every state in every language on 7 inches: nothing is cut off, axe is content.

The pictures are those of `tests/controller/display/snapshots.py`, drawn by the page's own script. `ZS_PICTURES=folder`
keeps each as a PNG, to be looked at.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.display import server
from controller.display.screen import Composer
from tests.controller.display.snapshots import CASES, POLICIES, public_in
from tests.controller.display.states import public, refused
from tests.e2e.axe import axe_script

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("Chromium is not installed: apt-get install chromium", allow_module_level=True)
# What the page is set in where it is there. DejaVu, which Debian has without it, is a sixth wider.
if not any(Path("/usr/share/fonts").rglob("LiberationSans-Regular*")):
    pytest.skip("Liberation Sans is not installed: apt-get install fonts-liberation", allow_module_level=True)
playwright_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.slow]
PAGE = Path(server.__file__).parent / "page"
SEVEN_INCHES = {"width": 800, "height": 480}
CUT_OFF = """() => {
  const wide = [...document.querySelectorAll("h1, h1 span, #dots, #footer p, #languages, #languages *")]
    .filter((part) => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline");
  const out = [...document.querySelectorAll("h1, #dots, #footer p, #languages")]
    .filter((part) => part.getClientRects().length && part.getBoundingClientRect().bottom > innerHeight + 1);
  const line = parseFloat(getComputedStyle(at("sheet")).lineHeight);
  const unseen = at("sheet").childElementCount && at("body").clientHeight < line - 1;
  return [...wide, ...out].map((part) => part.outerHTML).concat(unseen ? ["no line of the body is seen"] : []);
}"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll("body *")]
  .filter((part) => part.getClientRects().length && part.innerText)
  .map((part) => parseFloat(getComputedStyle(part).fontSize)))"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """The page without its server: `draw` is called by the test."""
    style, script = (PAGE / "page.css").read_text("utf-8"), (PAGE / "page.js").read_text("utf-8")
    document = (PAGE / "index.html").read_text("utf-8").replace('<script src="page.js" defer></script>', "")
    document = document.replace('<link rel="stylesheet" href="page.css">', f"<style>{style}</style>")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=SEVEN_INCHES, reduced_motion="reduce")
        page.set_content(document)
        page.add_script_tag(
            content="class EventSource {}; class AudioContext {}; fetch = async () => ({json: () => ({})});" + script
        )
        yield page
        browser.close()


def pictures(languages: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, state in [*CASES.items(), ("help", public())]:
        composer = Composer()
        composer.heard(public_in(refused("unknown_code") if name == "help" else public(), languages), 0)
        composer.heard(None if state is None else public_in(state, languages), 0)
        silent = msgspec.structs.replace(composer.screen(0), sound=None)
        yield name, json.loads(msgspec.json.encode(silent))


@pytest.mark.parametrize("languages", POLICIES, ids=" ".join)
def test_nothing_is_cut_off_and_nothing_is_small(page, languages):
    kept = os.environ.get("ZS_PICTURES")
    for name, screen in pictures(languages):
        page.evaluate("(screen) => draw(screen)", screen)
        assert page.evaluate(CUT_OFF) == [], name
        assert page.evaluate(SMALLEST) >= 0.15 * SEVEN_INCHES["height"], name
        if kept:
            file = f"{'-'.join(languages)} {name}.png".replace(" ", "_").replace(",", "")
            page.screenshot(path=str(Path(kept) / file))


def test_axe_finds_nothing_in_any_state(page, tmp_path_factory):
    page.add_script_tag(path=str(axe_script(tmp_path_factory)))
    rules = "{rules: {'color-contrast-enhanced': {enabled: true}}}"
    for name, screen in pictures(("nl", "fr")):
        page.evaluate("(screen) => draw(screen)", screen)
        found = page.evaluate(
            f"axe.run({rules}).then((result) => result.violations.map((one) => one.id + ': ' + one.help))"
        )
        assert found == [], name
