"""The page's server and the controller's socket, both real."""

import http.client
import json
import socket
import threading
from typing import Any

import pytest

from controller.display.controller_line import ControllerLine
from controller.display.server import PAGES_MAX, DisplayServer
from controller.formats.messages import FromDisplay, LineBuffer, decode_line, encode_line
from tests.controller.display.states import public, refused


@pytest.fixture
def display():
    server = DisplayServer(0)
    server.start()
    yield server
    server.close()


def ask(display: DisplayServer, method: str, path: str, host: str = "127.0.0.1") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", display.port, timeout=5)
    connection.request(method, path, headers={"Host": f"{host}:{display.port}"})
    answer = connection.getresponse()
    result = answer.status, dict(answer.headers), answer.read()
    connection.close()
    return result


def stream(display: DisplayServer, query: str = "") -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", display.port, timeout=5)
    connection.request("GET", f"/screens{query}")
    return connection, connection.getresponse()


def next_screen(answer: http.client.HTTPResponse) -> dict[str, Any]:
    line = answer.readline()
    assert line.startswith(b"data: ")
    assert answer.readline() == b"\n"
    screen: dict[str, Any] = json.loads(line[6:])
    return screen


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/sounds.json"])
def test_the_page_is_served_with_strict_rules(display, path):
    status, headers, body = ask(display, "GET", path)
    assert status == 200
    assert body
    assert "default-src 'self'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/../cli.py", "/page/../cli.py", "/etc/passwd", "/screens/"])
def test_nothing_else_is_served(display, path):
    assert ask(display, "GET", path)[0] == 404


def test_a_name_that_is_not_this_machine_is_refused(display):
    assert ask(display, "GET", "/", host="door.example.org")[0] == 421
    assert ask(display, "POST", "/alive", host="door.example.org")[0] == 421
    assert display.pages() == 0


def test_pictures_come_as_the_controller_speaks(display):
    connection, answer = stream(display, "?language=fr")
    try:
        assert next_screen(answer)["state"] == "lost"
        display.heard(public(languages=("nl", "fr"), digits=2))
        typing = next_screen(answer)
        assert (typing["state"], typing["dots"], typing["headings"]) == ("typing", 2, [["fr", "Votre code"]])
        display.heard(refused("too_late", languages=("nl", "fr")))
        assert next_screen(answer)["headings"] == [["fr", "Trop tard"]]
    finally:
        connection.close()


def test_only_a_page_that_draws_counts(display):
    connection, answer = stream(display)
    try:
        next_screen(answer)
        assert display.pages() == 0
        assert ask(display, "POST", "/alive")[0] == 204
        assert display.pages() == 1
    finally:
        connection.close()


def test_more_pages_than_a_door_can_have_are_turned_away(display):
    pages = [stream(display) for _ in range(PAGES_MAX)]
    try:
        for _, answer in pages:
            next_screen(answer)
        assert ask(display, "GET", "/screens")[0] == 503
    finally:
        for connection, _ in pages:
            connection.close()


def test_the_line_hears_says_it_lives_and_connects_again(tmp_path):
    heard, news, beats = [], threading.Event(), []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "display.sock"))
    listener.listen()
    listener.settimeout(5)

    def hear(state):
        heard.append(state)
        news.set()

    line = ControllerLine(tmp_path / "display.sock", hear, lambda: 3, lambda: beats.append(1))
    thread = threading.Thread(target=line.run)
    thread.start()
    try:
        for reply in (encode_line(public()), b"nonsense\n"):
            news.clear()
            controller, _ = listener.accept()
            with controller:
                said = LineBuffer(1_000).feed(controller.recv(1_000))
                assert decode_line(said[0], FromDisplay, "display.sock").pages == 3
                controller.sendall(reply)
                assert news.wait(5)
    finally:
        line.stop()
        listener.close()
        thread.join(10)
    assert heard[0] == public()
    assert None in heard
    assert beats
