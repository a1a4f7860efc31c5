"""What an answer of the API leads to, as OpenAPI links: whoever generates a client, or tests one, sees that a
reservation that was put can be read, revealed, rotated and handed over, without reading the text."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

RESERVATION = "/v1/reservations/{ref}"
CREDENTIAL = f"{RESERVATION}/credentials/{{credential}}"
CLOSURE = "/v1/closures/{ref}"
SUBSCRIPTION = "/v1/subscriptions/{id}"

REF = {"ref": "$request.path.ref"}
ACTIVATED = {"ref": "$request.body#/activate/ref"}
FIRST_CODE = {"credential": "$response.body#/credentials/0/id"}
ID = {"id": "$response.body#/id"}

Target = tuple[str, str, dict[str, str]]


def _of_a_reservation(ref: dict[str, str]) -> tuple[Target, ...]:
    return (
        ("get", RESERVATION, ref),
        ("get", f"{RESERVATION}/usage", ref),
        ("get", f"{RESERVATION}/subject", ref),
        ("post", f"{RESERVATION}/reveal", ref),
        ("post", f"{RESERVATION}/rotate", ref),
        ("post", f"{RESERVATION}/credentials", ref),
        ("post", f"{RESERVATION}/handovers", ref),
        ("delete", CREDENTIAL, ref | FIRST_CODE),
        ("get", f"{CREDENTIAL}/{{artefact}}", ref | FIRST_CODE),
    )


LINKS: dict[tuple[str, str], tuple[Target, ...]] = {
    ("put", RESERVATION): _of_a_reservation(REF),
    ("post", "/v1/swaps"): _of_a_reservation(ACTIVATED),
    ("post", f"{RESERVATION}/credentials"): (("delete", CREDENTIAL, REF | FIRST_CODE),),
    ("put", CLOSURE): (("get", CLOSURE, REF), ("delete", CLOSURE, REF)),
    ("post", "/v1/subscriptions"): (
        ("post", f"{SUBSCRIPTION}/revive", ID),
        ("delete", SUBSCRIPTION, ID),
    ),
}


def add_links(document: Document) -> None:
    """Put them into an OpenAPI document, where it has both ends."""
    paths = document["paths"]
    for (method, path), targets in LINKS.items():
        operation = paths.get(path, {}).get(method)
        if operation is None:
            continue
        links = {
            found["operationId"]: {"operationId": found["operationId"], "parameters": parameters}
            for verb, place, parameters in targets
            if (found := paths.get(place, {}).get(verb)) is not None
        }
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                response["links"] = links
