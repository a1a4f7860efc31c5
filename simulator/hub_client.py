"""The hub's API as a reservation system calls it: HTTP, JSON, a bearer token.

hub = HubClient("127.0.0.1", 8080, token)
answer = hub.put("R-1", booking(1, "active", "hall", start, end))
hub.events()
"""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

ANSWER_S: Final = 10.0
PAGE: Final = 500

Json = dict[str, Any]


class HubRefused(Exception):
    """The hub said no; the text is its problem's code and detail."""


class HubClient:
    """One client of the API. Methods raise HubRefused, and OSError when nobody answers."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._host, self._port = host, port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def healthy(self) -> bool:
        """Whether the hub and its database answer."""
        return bool(self._call("GET", "/healthz")["status"] == "ok")

    def put(self, ref: str, body: Json) -> Json:
        """Create or replace a reservation. The answer has the codes."""
        return self._call("PUT", f"/v1/reservations/{quote(ref, safe='')}", body)

    def get(self, ref: str) -> Json:
        """What holds for a reservation now."""
        return self._call("GET", f"/v1/reservations/{quote(ref, safe='')}")

    def events(self) -> list[Json]:
        """Everything the doors have reported, oldest first."""
        events: list[Json] = []
        after = 0
        while page := self._call("GET", f"/v1/events?after={after}&limit={PAGE}"):
            # The hub's own events (a list was delivered, a code may be shown) are in the same feed.
            events += [event for event in page["events"] if not event["id"].startswith("hub/")]
            after = page["next"]
            if len(page["events"]) < PAGE:
                break
        return events

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_S)
        try:
            connection.request(method, path, json.dumps(body) if body else None, self._headers)
            reply = connection.getresponse()
            answer: Json = json.loads(reply.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"the hub does not speak HTTP: {error!r}") from error
        except json.JSONDecodeError:
            raise HubRefused(f"{reply.status} {reply.reason}, see its log") from None
        finally:
            connection.close()
        if reply.status >= http.client.BAD_REQUEST:
            raise HubRefused(f"{answer.get('code', reply.status)}: {answer.get('detail', reply.reason)}")
        return answer


def booking(revision: int, state: str, room: str, start_s: int, end_s: int) -> Json:
    """The body of a reservation of one room; times in UTC seconds, cut to whole minutes."""
    return {
        "revision": revision,
        "state": state,
        "rooms": [room],
        "windows": [{"start": _minute(start_s), "end": _minute(end_s)}],
        "holder": {"ref": "h_demo", "kind": "association"},
    }


def code(answer: Json, kind: str) -> str:
    """The clear `pin` or `qr` in an answer. Raises HubRefused when this answer shows none."""
    for credential in answer["credentials"]:
        if credential[kind] and not credential["duress"]:
            return str(credential[kind])
    raise HubRefused(f"the answer shows no {kind}")


def applied(answer: Json) -> bool:
    """Whether every door holds this revision."""
    return bool(answer["delivery"]) and all(each["status"] == "applied" for each in answer["delivery"])


def _minute(seconds: int) -> str:
    return datetime.fromtimestamp(seconds - seconds % 60, UTC).isoformat().replace("+00:00", "Z")
