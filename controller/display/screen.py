"""What the screen says: a pure function of the door's public state, the time, and the language somebody chose.

    composer = Composer()
    composer.heard(public, now_ms)              # newest word of the controller, None while it is not there
    composer.screen(now_ms, chosen=None)        # -> Screen, which the page draws as it is

`now_ms` is any monotonic clock; the time of day is the controller's, carried forward. While nobody has chosen a
language, an answer has its heading in every language of the signed policy, in its order, since it does not last; a
picture that lasts is told in one language after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from controller.display.catalogue import LANGUAGES, REFUSALS, Catalogue, catalogues
from controller.display.keyed_language import KeyedLanguage
from controller.formats.code_list import Language
from controller.formats.enrolment_messages import Enrolling
from controller.formats.messages import Guide, PublicState

State = Literal["idle", "typing", "granted", "refused", "wait", "help", "leave", "fault", "lost"]
SoundName = Literal["key", "granted", "refused", "wait"]

LEAVE_SOON_S = 15 * 60  # R004-05
AFTER_MS = 20_000
"""How long after a refusal help and number stay, after signing out how to leave the room: long enough to write nine
digits down, and for each of four languages to have its turn."""
TURN_MS = 5_000
DAY_S = 86_400
LAST_S = 253_402_128_000  # 9999-12-30: a list's instants may lie further, a calendar's days in no time zone do
NEXT_LANGUAGE = "#9"
CLEAR = "*"  # before it while digits stand: a `#` behind them would end the code
FATAL = frozenset({"lock"})  # faults with which no code opens


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A text and its language; the page marks it with `lang`, so that it is spoken and broken as such. Empty: any."""

    language: str
    text: str


class Screen(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. `dots`: digits typed. `languages`: those a person may choose from now, empty while none; `chosen`:
    the one they did; `switch`: what to type for the next one. `sound` is to be heard once whenever `moment` changes."""

    state: State
    headings: tuple[Line, ...]
    body: tuple[Line, ...] = ()
    footer: tuple[Line, ...] = ()
    dots: int = 0
    languages: tuple[Line, ...] = ()
    chosen: str = ""
    switch: str = ""
    spoken: str = "nl"
    sound: SoundName | None = None
    moment: str = ""


@dataclass(frozen=True)
class _Telling:
    """One public state being told: its languages, the catalogue of its details, its clock."""

    public: PublicState
    languages: tuple[Language, ...]
    at_s: int

    @property
    def first(self) -> Language:
        return self.languages[0]

    @property
    def words(self) -> Catalogue:
        return catalogues()[self.first]

    def all(self, text: Callable[[Catalogue], str]) -> tuple[Line, ...]:
        """A text in every language, the same word only once."""
        lines = [Line(language, text(catalogues()[language])) for language in self.languages]
        return tuple(line for n, line in enumerate(lines) if line.text not in {before.text for before in lines[:n]})

    def one(self, *texts: str) -> tuple[Line, ...]:
        """Details, in the first language; empty ones left out."""
        return tuple(Line(self.first, text) for text in texts if text)

    def clock(self, at_s: int) -> str:
        return self._local(at_s).strftime("%H:%M")

    def opens(self, at_s: int) -> str:
        """From when on the door opens; in figures alone where many languages leave one line for it."""
        local, time = self._local(at_s), self.clock(at_s)
        if local.date() == self._local(self.at_s).date():
            return f"→ {time}" if self.crowded else self.words.opens_at.format(time=time)
        day = f"{local.day}/{local.month}"
        return f"→ {day}, {time}" if self.crowded else self.words.opens_on.format(day=day, time=time)

    @property
    def crowded(self) -> bool:
        """Whether headings in every language leave room for one line more."""
        return len(self.languages) > 2

    def in_turn(self, since_ms: int) -> _Telling:
        """The same in one language, the next one after a while."""
        return replace(self, languages=(self.languages[since_ms // TURN_MS % len(self.languages)],))

    def leave_text(self) -> tuple[Line, ...]:
        """How to leave the room: of the languages spoken, those the town wrote it in."""
        leave = self.public.leave
        return tuple(Line(language, leave[language]) for language in self.languages if leave.get(language))

    def _local(self, at_s: int) -> datetime:
        return datetime.fromtimestamp(min(at_s, LAST_S), _zone(self.public.time_zone))


class Composer:
    """Remembers what the public state does not say: how old it is, and that there was a refusal just now."""

    def __init__(self) -> None:
        self._public: PublicState | None = None
        self._heard_ms = 0
        self._answered: PublicState | None = None
        self._answered_ms = 0
        self._ended_at: int | None = None
        self._languages: tuple[Language, ...] = ("nl",)
        self._keyed = KeyedLanguage()

    def heard(self, public: PublicState | None, now_ms: int) -> None:
        """The controller's newest word; None when it cannot be heard any more."""
        if public is not None and public.shown in {"refused", "wait"}:
            if public.digits:
                self._ended_at = public.shown_at
            if (
                public.shown_at == self._ended_at
            ):  # whoever types again has read it: it is neither shown nor heard twice
                public = msgspec.structs.replace(public, shown="idle", reason=None)
        self._public, self._heard_ms = public, now_ms
        if public is None:
            self._answered = None
            return
        self._keyed.heard(public, now_ms)
        self._languages = public.languages
        if public.shown in {"refused", "wait"} or public.reason == "signed_out":
            if self._answered is None or self._answered.shown_at != public.shown_at:
                self._answered_ms = now_ms
            self._answered = public
        elif public.shown != "idle" or public.digits:
            self._answered = None

    def screen(self, now_ms: int, chosen: str | None = None) -> Screen:
        """The picture for one page. `chosen` is what the person before that page touched, if it is to be had; it counts
        before what was chosen at the keypad."""
        picked = chosen if chosen in self._languages else self._keyed.language(self._languages, now_ms)
        languages = tuple(language for language in self._languages if language == picked) or self._languages
        if self._public is None:
            language = languages[now_ms // TURN_MS % len(languages)]
            words = catalogues()[language]
            heading, hint = Line(language, words.lost), Line(language, words.lost_hint)
            return Screen(state="lost", headings=(heading,), body=(hint,), spoken=language)
        at_s = (self._public.at + now_ms - self._heard_ms) // 1000
        telling = _Telling(self._public, languages, at_s)
        after_ms = now_ms - self._answered_ms
        if self._answered is not None and after_ms < AFTER_MS:
            screen = _tell(telling, telling.in_turn(after_ms), self._answered)
        else:
            screen = _tell(telling, telling.in_turn(now_ms), None)
        # The idle screen speaks as the policy says; whoever has begun may choose.
        begun = screen.state not in {"idle", "lost", "fault"}
        several = len(self._languages) > 1 and self._public.guide is None
        offered = self._languages if begun and several else ()
        names = tuple(Line(language, catalogues()[language].name) for language in offered)
        spoken = next((line.language for line in (*screen.body, *screen.headings) if line.language), languages[0])
        body = tuple(Line(line.language, unbroken(line.text)) for line in screen.body)
        screen = msgspec.structs.replace(screen, body=body, languages=names, chosen=picked or "", spoken=spoken)
        return _with_switch(screen, self._public, self._languages) if several else screen


def _tell(answer: _Telling, lasting: _Telling, lately: PublicState | None) -> Screen:
    """The picture that comes first; `lately` is the newest answer that goes on being told when it is over."""
    public = answer.public
    if public.guide is not None:
        return _guided(answer, public.guide)
    if public.enrolment is not None and public.shown == "idle" and not public.digits:
        return _enrolling(lasting, public.enrolment)
    if public.digits:
        return Screen(
            state="typing",
            headings=answer.all(lambda words: words.typing),
            body=() if answer.crowded else answer.one(answer.words.typing_hint),
            dots=public.digits,
            sound="key",
            moment=f"key {public.digits}",
        )
    match public.shown:
        case "granted" if public.reason != "signed_out":
            return _granted(answer)
        case "refused" | "wait":
            return _refused(answer)
        case "fault":
            return _out_of_order(lasting)
    if lately is not None and lately.reason == "signed_out":
        return _signed_out(lasting, lately)
    if _dead(public.faults):
        return _out_of_order(lasting)
    if lately is not None and (public.help or lately.incident):
        return _help(lasting, lately)
    if public.wait_s is not None:
        return _waiting(lasting, public.wait_s)
    if public.occupied_until is not None and public.occupied_until - lasting.at_s <= LEAVE_SOON_S:
        return _leave_soon(lasting, public.occupied_until)
    return _idle(lasting)


def _with_switch(screen: Screen, public: PublicState, languages: tuple[Language, ...]) -> Screen:
    """How to get another language without touching the screen: beside the languages while somebody is there, on the
    idle screen with those that come next."""
    if "keypad" in public.faults:
        return screen
    if screen.state == "idle":
        at = languages.index(screen.chosen) + 1 if screen.chosen in languages else 1
        following = (*languages[at:], *languages[: at - 1])
        codes = " ".join(language.upper() for language in following)
        return msgspec.structs.replace(screen, footer=(Line("", f"{NEXT_LANGUAGE}: {codes}"),))
    keys = CLEAR + NEXT_LANGUAGE if screen.dots else NEXT_LANGUAGE
    return msgspec.structs.replace(screen, switch=keys if screen.languages else "")


def _enrolling(telling: _Telling, enrolling: Enrolling) -> Screen:
    """For whoever gives the unit its hub: what to show, and the number to compare there."""
    told = telling.words.enrolment[enrolling.state]
    return Screen(
        state="help",
        headings=telling.one(told.title.format(code=enrolling.code)),
        body=telling.one(told.hint.format(reason=enrolling.reason)),
    )


def _guided(telling: _Telling, guide: Guide) -> Screen:
    """For whoever brings the door into service: what to do now, in the first language, with what was typed so far."""
    words = telling.words
    told = words.guide[guide.step]
    left = words.keys_left.format(keys=" ".join(guide.left)) if guide.left else ""
    return Screen(
        state="help",
        headings=telling.one(told.title),
        body=telling.one(told.hint, left, guide.typed),
        footer=telling.one(words.step_of.format(place=guide.place, of=guide.of)),
        sound="key",
        moment=f"guide {guide.place} {guide.left} {guide.typed}",
    )


def _idle(telling: _Telling) -> Screen:
    public = telling.public
    instructions = telling.all(_instruction(public.faults))
    notices = () if "camera" in public.faults else telling.all(lambda words: words.notice)
    status = telling.all(lambda words: _status(telling, words)) if public.bookings else ()
    if not public.room:
        return Screen(state="idle", headings=instructions, body=status + notices)
    return Screen(state="idle", headings=(Line("", public.room),), body=instructions + status + notices)


def _status(telling: _Telling, words: Catalogue) -> str:
    public = telling.public
    if public.occupied_until is not None:
        return words.in_use_until.format(time=telling.clock(public.occupied_until))
    if public.occupied_from is not None and public.occupied_from - telling.at_s < DAY_S:
        return words.free_until.format(time=telling.clock(public.occupied_from))
    return words.free


def _instruction(faults: Iterable[str]) -> Callable[[Catalogue], str]:
    if "keypad" in faults:
        return lambda words: words.keypad_out
    if "camera" in faults:
        return lambda words: words.camera_out
    return lambda words: words.instruction


def _granted(telling: _Telling) -> Screen:
    return Screen(
        state="granted",
        headings=telling.all(lambda words: words.granted),
        body=telling.one(telling.words.granted_hint),
        sound="granted",
        moment=f"granted {telling.public.shown_at}",
    )


def _signed_out(telling: _Telling, answer: PublicState) -> Screen:
    return Screen(
        state="leave",
        headings=telling.all(lambda words: words.signed_out),
        body=telling.one(telling.words.signed_out_hint) + telling.leave_text(),
        sound="granted",
        moment=f"signed out {answer.shown_at}",
    )


def _leave_soon(telling: _Telling, until_s: int) -> Screen:
    time = telling.clock(until_s)
    return Screen(
        state="leave",
        headings=telling.all(lambda words: words.leave_soon.format(time=time)),
        body=telling.leave_text() + telling.all(_instruction(telling.public.faults)),
    )


def _refused(telling: _Telling) -> Screen:
    public = telling.public
    # A newer controller may know reasons that this display does not: they are told as the neutral one.
    reason = public.reason if public.reason in REFUSALS else "unknown_code"
    assert reason is not None
    words = telling.words
    if public.opens_at is not None:
        body = telling.one(telling.opens(public.opens_at))
    elif telling.crowded:
        body = ()
    elif public.shown == "wait" and public.wait_s is not None:
        body = telling.one(_wait_hint(words, public.wait_s))
    else:
        body = telling.one(words.refused[reason].hint)
    sound: SoundName = "wait" if public.shown == "wait" else "refused"
    return Screen(
        state="wait" if public.shown == "wait" else "refused",
        headings=telling.all(lambda words: words.refused[reason].title),
        body=body,
        # Where there is one line, it tells when; the number follows with the help.
        footer=() if telling.crowded and body else _incident(telling, public),
        sound=sound,
        moment=f"{sound} {public.shown_at}",
    )


def _help(telling: _Telling, lately: PublicState) -> Screen:
    return Screen(
        state="help",
        headings=telling.all(lambda words: words.help),
        body=telling.one(telling.public.help),
        footer=_incident(telling, lately),
    )


def _waiting(telling: _Telling, wait_s: int) -> Screen:
    return Screen(
        state="wait",
        headings=telling.all(lambda words: words.wait),
        body=telling.one(_wait_hint(telling.words, wait_s)),
    )


def _out_of_order(telling: _Telling) -> Screen:
    return Screen(
        state="fault",
        headings=telling.all(lambda words: words.out_of_order),
        body=telling.one(telling.words.out_of_order_hint, telling.public.help),
    )


def _incident(telling: _Telling, public: PublicState) -> tuple[Line, ...]:
    if public.incident is None:
        return ()
    return (Line(telling.first, telling.words.incident.format(number=public.incident)),)


def _wait_hint(words: Catalogue, wait_s: int) -> str:
    return words.wait_hint.format(minutes=max(1, -(-wait_s // 60)))


def _dead(faults: Iterable[str]) -> bool:
    return bool(FATAL & set(faults)) or {"keypad", "camera"} <= set(faults)


def _zone(name: str) -> tzinfo:
    """The room's time zone; UTC on a unit that does not know it, which a wrong hour tells better than no screen."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def unbroken(text: str) -> str:
    """A telephone number stays on one line, and so does "QR-code": no break between two digits, nor behind "QR-"."""
    return re.sub(r"(?<=\d) (?=\d)", "\u00a0", text).replace("QR-", "QR\u2011")


def accepted(chosen: str) -> str | None:
    """A language code as a page sends it, None when it is none."""
    return chosen if chosen in LANGUAGES else None
