"""Book a room, hand over the sheet, move the reservation, cancel it. Standard library only."""

import json
import os
import urllib.error
import urllib.request
from datetime import UTC, datetime

HUB, TOKEN = os.environ["HUB"], os.environ["TOKEN"]
ROOM = "https://data.example/id/INF001"


def call(method, path, body=None):
    """One call; the answer as bytes. A problem is raised with its stable code."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(HUB + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        raise SystemExit(f"{problem['code']}: {problem['detail']}") from None


def put(revision, state, start, end):
    """Send the whole reservation; sending the same again is harmless."""
    body = {
        "revision": revision,
        "state": state,
        "rooms": [ROOM],
        "windows": [{"start": start, "end": end}],
        "holder": {"ref": "h_51c2", "kind": "association"},
        "reveal": "P0D",
        "language": "fr",
    }
    return json.loads(call("PUT", "/v1/reservations/PY-1", body))


answer = put(1, "active", "2027-07-18T14:00:00+02:00", "2027-07-18T18:00:00+02:00")
pin = next(code for code in answer["credentials"] if code["pin"])
print("PIN", pin["pin"])

with open("sheet.pdf", "wb") as file:
    file.write(call("GET", pin["links"]["sheet.pdf"]))
print("SMS", call("GET", pin["links"]["sms.txt"]).decode())

handed = {"channel": "mail", "at": datetime.now(UTC).isoformat(timespec="seconds"), "ok": True}
print("handed over", json.loads(call("POST", "/v1/reservations/PY-1/handovers", handed))["handovers"][-1]["channel"])

moved = put(2, "active", "2027-07-18T16:00:00+02:00", "2027-07-18T20:00:00+02:00")
assert [code["pin"] for code in moved["credentials"] if code["pin"]] == [pin["pin"]], "a move keeps the code"

print(put(3, "cancelled", "2027-07-18T16:00:00+02:00", "2027-07-18T20:00:00+02:00")["state"])
