"""The agent's part in enrolment and renewal: errands to the hub over HTTPS, done beside its loop.

    errands = Errands(door, identity)
    errands.introduced(hello)                    # where the hub is; whom to believe
    errands.about(message)                       # what the controller wants carried
    for message in errands.news(time.time()): …  # what it is told

It carries, and can do nothing else: the controller believes a trust document by its hash and an answer by a MAC.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from controller.formats.encoding import decode
from controller.formats.enrolment import Renewed
from controller.formats.enrolment_messages import (
    AskRenewal,
    EnrolmentAnswer,
    EnrolmentFailed,
    FetchTrust,
    FoundTrust,
    SendEnrolment,
    SendRenewal,
)
from controller.formats.errors import Refused
from controller.formats.messages import Hello
from sync.agent import https
from sync.agent.enrol_identity import Identity

TRIES = 8
AGAIN_S = 5.0
ASK_AGAIN_S = 3_600.0
ASK_SOON_S = 120.0
"""How often to ask while there is no certificate that the broker would take."""

T = TypeVar("T")
News = FoundTrust | EnrolmentAnswer | EnrolmentFailed | AskRenewal
log = logging.getLogger(__name__)


class Errands:
    """One errand at a time. `now_s` is UTC seconds by this machine's clock."""

    def __init__(self, door: str, identity: Identity) -> None:
        self._door = door
        self._identity = identity
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._beside = ThreadPoolExecutor(1, "errands")
        self._stopping = threading.Event()
        self._hub: str | None = None  # after an enrolment
        self._trusted: tuple[str, ...] = ()
        self._inviting: tuple[str, tuple[str, ...]] | None = None  # hub and CAs, during one
        self._ask_s = 0.0
        self._renewed = threading.Event()

    def introduced(self, hello: Hello) -> None:
        """The controller says where the hub is, and which certificate it gave us."""
        self._hub, self._trusted = hello.hub, hello.authorities
        if hello.certificate is not None:
            self._take(hello.certificate)

    def about(self, message: FetchTrust | SendEnrolment | SendRenewal) -> None:
        """The controller wants something carried to the hub."""
        match message:
            case FetchTrust(hub=hub, trust=name):
                self._do(lambda: self._fetch(hub, name))
            case SendEnrolment(body=body):
                self._do(lambda: self._enrol(body))
            case SendRenewal(body=body):
                self._beside.submit(self._renew, body)

    def news(self, now_s: float) -> Iterator[News]:
        """What to tell the controller now."""
        while not self._news.empty():
            yield self._news.get()
        if self._hub is None or now_s < self._ask_s:
            return
        life = self._identity.life()
        if life is not None and now_s < life.renew_at:
            return
        self._ask_s = now_s + (ASK_AGAIN_S if life is not None and now_s < life.ends_at else ASK_SOON_S)
        try:
            csr = self._identity.request(self._door)
        except OSError as error:
            log.error("no request for a certificate can be written: %s", error)
            return
        yield AskRenewal(csr=csr, serial=life.serial if life else None)

    def took_certificate(self) -> bool:
        """Whether there is a new certificate since the last call."""
        taken = self._renewed.is_set()
        self._renewed.clear()
        return taken

    def close(self) -> None:
        """Let go of what is under way."""
        self._stopping.set()
        self._beside.shutdown(wait=False, cancel_futures=True)

    # ---- beside the loop

    def _do(self, errand: Callable[[], News]) -> None:
        def run() -> None:
            try:
                self._news.put(errand())
            except Refused as refused:
                log.warning("enrolment: %s", refused)
                self._news.put(EnrolmentFailed(reason=refused.code))
            except OSError as error:
                log.warning("enrolment: %s", error)
                self._news.put(EnrolmentFailed(reason="hub_unreachable"))

        self._beside.submit(run)

    def _fetch(self, hub: str, name: str) -> News:
        document = self._again(lambda: https.fetch_trust(hub, name))
        self._inviting = hub, https.authorities(document)
        return FoundTrust(document=document.decode("utf-8"), csr=self._identity.request(self._door))

    def _enrol(self, body: str) -> News:
        if self._inviting is None:
            raise Refused("unasked", "enrolment", "no trust document was fetched")
        hub, trusted = self._inviting
        return EnrolmentAnswer(body=self._again(lambda: https.post(hub, "enrolments", body, trusted)))

    def _renew(self, body: str) -> None:
        if self._hub is None:
            return
        try:
            answer = https.post(self._hub, "renewals", body, self._trusted)
            self._take(decode(answer.encode("utf-8"), Renewed, "renewal").certificate)
        except (Refused, OSError) as error:
            log.warning("no new certificate: %s", error)

    def _again(self, call: Callable[[], T]) -> T:
        """A network that has just come up may need some time."""
        for _ in range(TRIES - 1):
            try:
                return call()
            except OSError as error:
                log.info("the hub is not to be reached, trying again: %s", error)
                if self._stopping.wait(AGAIN_S):
                    raise
        return call()

    def _take(self, certificate: str) -> None:
        try:
            if self._identity.take(certificate):
                log.info("a new certificate is in use")
                self._renewed.set()
        except (Refused, OSError) as error:
            log.error("the certificate cannot be used: %s", error)
