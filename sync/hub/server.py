"""`zaalsleutel hub serve`: the API, the link and the webhooks of one hub process, until interrupted."""

from __future__ import annotations

import logging
import os
import socket
from functools import partial
from pathlib import Path

import uvicorn

from sync.hub.adapters.routes import adapter_routes
from sync.hub.adapters.settings import read_adapters
from sync.hub.adapters.switchboard import Switchboard
from sync.hub.api.app import RouteMaker, create_app
from sync.hub.api.routes_enrolment import enrolment_routes
from sync.hub.api.routes_records import record_routes
from sync.hub.api.tls_server import uvicorn_options
from sync.hub.artefacts.desk import Desk
from sync.hub.artefacts.house_rules import read_house_rules
from sync.hub.artefacts.routes import artefact_routes
from sync.hub.audit.client_records import ClientRecords
from sync.hub.chores import Chores
from sync.hub.cli_app import Hub, open_hub
from sync.hub.doors.enrol_cli import desk_of
from sync.hub.doors.enrol_desk import EnrolDesk
from sync.hub.doors.enrol_server import DoorsServer
from sync.hub.events.feed import Feed
from sync.hub.events.reach import Reach
from sync.hub.events.webhooks import SubscriptionDesk, Webhooks
from sync.hub.issuing.list_builder import BuilderThread
from sync.hub.keys import online_keys
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.keys.trust_reach import sign_anew
from sync.hub.link import HubLink
from sync.hub.listening import listening
from sync.hub.logs import start_logging
from sync.hub.records.log_store import LogStore

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Uvicorn, telling systemd when it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say_to_systemd("READY=1")


def serve(folder: Path, name: str | None = None) -> None:
    """Run until interrupted. `name` is this process's at the broker, for several hubs on one database. Raises
    Refused."""
    start_logging()
    hub = open_hub(folder)
    address = hub.settings.http
    # What others need the hub for comes first: without it nothing is started.
    sockets = listening(address.host, address.port, "[http] port")
    enrol_desk = desk_of(hub)
    doors = DoorsServer(hub.settings, hub.sessions, enrol_desk)
    records = LogStore(hub.sessions)
    reach = Reach(address.reachable, plain=address.plain_webhooks)
    desk = SubscriptionDesk(hub.service.bench, Feed(hub.service, records), reach)
    hooks = Webhooks(desk, source=address.source)
    keys_after = partial(_keys_after, hub)
    link = HubLink(hub.settings, hub.service, keys_after(), hub.sessions, name=name or "hub", keys_after=keys_after)
    hub.service.attach(link)
    lists = BuilderThread(hub.service.lists)
    hub.service.bench.when_lists_are_wanted(lists.wake)
    lists.start()
    link.start()
    hooks.start()
    chores = Chores(hub.sessions)
    chores.start()
    doors.start()
    try:
        log.info("serving on %s port %s", address.host, address.port)
        application = create_app(hub.service, records, desk=desk, more=_more(hub, folder, enrol_desk))
        Server(uvicorn.Config(application, log_config=None, **uvicorn_options(address))).run(sockets)
    finally:
        say_to_systemd("STOPPING=1")
        doors.stop()
        chores.stop()
        hooks.stop()
        lists.stop()
        link.stop()


def _keys_after(hub: Hub) -> LinkKeys:
    """The keys that the newest trust document wants used, here and in the service; lists that another key signed are
    made anew. Raises Refused."""
    folder = hub.settings.folders.keys
    keyring = hub.service.bench.keyring = online_keys.keyring(folder)
    again = sign_anew(hub.sessions, keyring.list_key.verify_key.thumbprint)
    log.info("%d lists are to be signed with %s", again, keyring.list_key.verify_key.thumbprint)
    return online_keys.link_keys(folder)


def _more(hub: Hub, folder: Path, enrol_desk: EnrolDesk) -> list[RouteMaker]:
    """The routes that are not the hub's core: enrolment, records, artefacts, adapters."""
    rules = read_house_rules(folder)
    board = Switchboard(hub.service, hub.sessions, read_adapters(folder))
    return [
        partial(enrolment_routes, hub.service, enrol_desk),
        partial(record_routes, ClientRecords(hub.service, hub.sessions)),
        partial(artefact_routes, Desk(hub.sessions, hub.keyring, rules)),
        partial(adapter_routes, board, hub.sessions, rules.name),
    ]


def say_to_systemd(text: str) -> None:
    """sd_notify(3); nothing when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        # "@" stands for the zero byte of Linux's abstract socket names.
        sender.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)
