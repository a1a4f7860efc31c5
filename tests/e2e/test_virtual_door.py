"""Both pages in a real browser, on a real demo: what a first-time visitor does, and what they must see of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.demo import Demo
from simulator.demo_files import Rules
from simulator.stream import decode_picture, scene
from simulator.virtual_door import VirtualDoorPage
from tests.e2e.axe import axe_script

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("Chromium is not installed: apt-get install chromium", allow_module_level=True)
playwright_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.slow]
SOON_MS = 40_000  # the help after a refusal stays for 20 s


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualDoorPage]:
    folder = tmp_path_factory.mktemp("d")
    with Demo(folder, Rules()) as demo:
        demo.start(lambda _step: None)
        with VirtualDoorPage(demo) as page:
            yield page


@pytest.fixture(scope="module")
def browser_kind() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="module")
def browser(browser_kind: Any) -> Iterator[Any]:
    browser = browser_kind.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def page(site: VirtualDoorPage, browser: Any) -> Iterator[Any]:
    """The virtual door, shut, whole and powered, with no complaint in the browser's console."""
    complaints: list[str] = []
    # The tests look with expressions, which the page's own content policy rightly forbids.
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, bypass_csp=True)
    page.set_default_timeout(SOON_MS)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(site.url)
    page.wait_for_function("news.hardware && news.status && news.status.linked")
    yield page
    page.close()
    assert complaints == []


def screen(page: Any) -> Any:
    """The door's own page, inside."""
    return page.frame_locator("#display")


def state(page: Any, wanted: str) -> None:
    screen(page).locator(f"body[data-state={wanted}]").wait_for()


def reserve(page: Any, start: str = "0") -> None:
    count = page.evaluate("news.reservations?.length ?? 0")
    page.select_option("[name=start_min]", start)
    page.click("#reserve button")
    page.wait_for_function(f"news.reservations.length == {count + 1} && news.reservations.at(-1).state == 'applied'")


def enter(page: Any) -> None:
    state(page, "granted")
    page.click("#leaf")
    page.wait_for_function("news.hardware.leaf == 'open'")
    page.click("#leaf")
    page.wait_for_function("news.hardware.leaf == 'closed'")


def test_a_visit_by_pin_needs_three_clicks(page):
    reserve(page)
    page.click("#type-pin")
    enter(page)
    page.locator("#hub-log >> text=access.in").last.wait_for()
    page.click("#exit")
    page.click("#handle")
    page.wait_for_function("news.door_log.some((record) => record.kind == 'out')")
    page.click("#close")
    page.wait_for_function("news.hardware.leaf == 'closed' && !news.hardware.relay")


def test_a_visit_by_qr(page):
    reserve(page)
    page.click("#hold-qr")
    enter(page)
    page.wait_for_function("news.door_log.at(-1).kind == 'in' || news.door_log.some((r) => r.credential == 'qr')")


@pytest.fixture
def webcam(site, browser_kind, tmp_path) -> Iterator[Any]:
    """The page in a browser whose camera films the QR of the reservation made last."""
    film = tmp_path / "visitor.mjpeg"
    made = site.visit.reserve(start_min=0, minutes=60)
    frame = scene(decode_picture(site.visit.picture(made["ref"])))
    film.write_bytes(frame * 3)
    args = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    browser = browser_kind.launch(executable_path=CHROMIUM, args=["--no-sandbox", *args])
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, bypass_csp=True, permissions=["camera"])
    yield context.new_page()
    browser.close()


def test_a_visit_with_the_visitors_own_camera(site, webcam):
    webcam.set_default_timeout(SOON_MS)
    webcam.goto(site.url)
    webcam.wait_for_function("news.status?.linked && news.reservations?.at(-1)?.state == 'applied'")
    webcam.click("#webcam")
    webcam.locator("#video").wait_for(state="visible")
    enter(webcam)
    webcam.wait_for_function("news.door_log.findLast((record) => record.kind == 'granted').credential == 'qr'")
    webcam.click("#webcam")
    webcam.locator("#video").wait_for(state="hidden")
    webcam.wait_for_function("!news.hardware.showing")


def test_too_early_says_from_when(page):
    reserve(page, "1440")
    page.wait_for_function("!news.hardware.showing && !news.hardware.relay")
    page.click("#hold-qr")
    state(page, "refused")
    assert "Te vroeg" in screen(page).locator("#headings").inner_text()
    assert "→" in screen(page).locator("#body").inner_text()
    assert not page.evaluate("news.hardware.relay")


def test_a_person_switches_the_language_after_the_first_key(page):
    # Seven digits here are a whole PIN; two begin one. A first key ends the help that the test before may have left.
    for symbol in "1*":
        page.click(f"#keypad button:text-is('{symbol}')")
    state(page, "idle")
    assert not screen(page).locator("#languages").is_visible()
    page.click("#keypad button:text-is('1')")
    state(page, "typing")
    screen(page).locator("#languages [lang=de]").click()
    screen(page).locator("#headings span").nth(1).wait_for(state="detached")
    assert screen(page).locator("#headings").inner_text() == "Ihr Code"
    assert screen(page).locator("html").get_attribute("lang") == "de"
    screen(page).locator("#languages [lang=de]").click()
    screen(page).locator("#headings >> text=Uw code").wait_for()
    page.click("#keypad button:text-is('*')")


def test_the_keypad_alone_switches_the_language_too(page):
    screen(page).locator("body[data-state=idle] #footer >> text=#9: FR DE EN").wait_for()
    for symbol in "#9":
        page.click(f"#keypad button:text-is('{symbol}')")
    screen(page).locator("#body >> text=PIN ou code QR").wait_for()
    page.click("#keypad button:text-is('1')")
    screen(page).locator("#headings >> text=Votre code").wait_for()
    assert screen(page).locator("#languages [lang=fr]").get_attribute("aria-pressed") == "true"
    assert screen(page).locator("#languages span").inner_text() == "*#9"
    page.click("#keypad button:text-is('*')")


def test_without_the_network_the_door_opens_and_keeps_its_records(page):
    reserve(page)
    page.click("#cable")
    page.wait_for_function("!news.hardware.cable && !news.status.linked")
    page.click("#type-pin")
    enter(page)
    page.locator("#door-log .waiting").first.wait_for()
    page.click("#cable")
    page.wait_for_function("news.status.linked && news.status.unsent == 0")
    assert page.locator("#door-log .waiting").count() == 0


def test_without_power_it_locks_and_comes_back_with_everything(page):
    reserve(page)
    before = page.evaluate("news.status.seq")
    page.click("#power")
    page.wait_for_function("!news.status && !news.hardware.relay")
    page.click("#power")
    page.wait_for_function(f"news.status && news.status.seq > {before}")
    state(page, "idle")
    page.click("#type-pin")
    enter(page)


def test_a_full_card_is_a_fault_and_no_locked_door(page):
    reserve(page)
    page.click("#card")
    page.wait_for_function("news.card_full")
    page.click("#type-pin")
    enter(page)
    page.wait_for_function("news.status.faults.includes('log_degraded')")
    page.click("#card")
    page.wait_for_function("!news.status.faults.includes('log_degraded')")


def test_what_is_not_a_request_of_the_page_is_refused(site, page):
    status = page.evaluate("fetch('/power', {method: 'POST', body: '{}'}).then((answer) => answer.status)")
    assert status == 403
    told = page.evaluate("send('/hardware', {do: 'history', name: 'lock'}).catch((error) => error.message)")
    assert "no verb" in told


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return axe_script(tmp_path_factory)


@pytest.mark.parametrize("which", ["virtual door", "screen"])
def test_axe_finds_nothing(site, page, axe, which):
    if which == "screen":
        page.goto(page.evaluate("news.display"))
        page.wait_for_selector("body[data-state=idle]")
    page.add_script_tag(path=str(axe))
    found = page.evaluate("axe.run().then((result) => result.violations.map((one) => one.id + ': ' + one.help))")
    assert found == []
