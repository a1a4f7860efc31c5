"""The page and the plain text."""

from html.parser import HTMLParser

from sync.hub.artefacts.page import html, text
from tests.sync.hub.artefacts.sheets import PASS, sheet


class Outline(HTMLParser):
    """The tags that were opened and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)

    def handle_data(self, data):
        self.said.append(data)


def outline(document: str) -> Outline:
    parsed = Outline()
    parsed.feed(document)
    return parsed


def test_plain_text_says_everything_but_the_qr_code():
    told = text(sheet())
    for part in (
        "Feestzaal",
        "vrijdag 17 juli 2026, 14:00 – 18:00",
        "Uw code: 123 456",
        "Laat de zaal",
        "03 444 18 16",
    ):
        assert part in told
    assert PASS not in told


def test_the_page_needs_no_other_file_and_no_script():
    told = html(sheet(language="fr"))
    assert '<html lang="fr">' in told
    parsed = outline(told)
    assert "svg" in parsed.opened
    assert not {"script", "link", "img", "iframe", "form"} & set(parsed.opened)
    assert "http" not in told.replace("http://www.w3.org/2000/svg", "")


def test_a_room_name_is_text_and_never_markup():
    name = "<script>alert('A & B')</script>"
    parsed = outline(html(sheet(rooms=(name,))))
    assert "script" not in parsed.opened
    assert any(name in said for said in parsed.said)


def test_without_a_qr_code_there_is_no_picture():
    assert "svg" not in outline(html(sheet(qr=None))).opened
