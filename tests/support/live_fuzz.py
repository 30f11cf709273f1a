"""Requests that know a live dialog: with its tags, or with tags that are nearly right."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable

from tests.support.raw_call import OFFER, RawCall, tag_of
from tests.support.wire import Wire, header, status_of

_METHODS = (
    "INVITE", "UPDATE", "INFO", "OPTIONS", "MESSAGE", "NOTIFY", "PRACK", "REFER", "SUBSCRIBE",
)  # fmt: skip
_HOLD = OFFER + b"a=sendonly\r\n"
_OFFERS = (
    OFFER, _HOLD, OFFER + b"a=inactive\r\n", OFFER.replace(b"40000", b"0"),
    OFFER.replace(b"RTP/AVP 8 101", b"RTP/AVP 96"), OFFER.replace(b"127.0.0.1", b"0.0.0.0"),
    OFFER + OFFER, OFFER[:60], b"v=0\r\n", b"\xff\xfe\x00", b"",
)  # fmt: skip
_MOST_DIALOGS = 12


class LiveFuzzer:
    """Keeps some calls alive on a wire, and sends what could confuse whoever serves them."""

    def __init__(self, line: Wire, seed: int, *, dialled: str = "100") -> None:
        self._line = line
        self._random = random.Random(seed)
        self._dialled = dialled
        self._calls: list[RawCall] = []
        self._over: list[RawCall] = []
        self._acknowledged: set[tuple[str, str]] = set()
        self._buried: set[tuple[str, str]] = set()
        self.sent: Counter[str] = Counter()

    async def batch(self, size: int) -> None:
        """So many messages; returns when they have been dealt with."""
        while len(self._calls) < 4:
            self._begin()
        for _ in range(size):
            name, attack = self._random.choice(self._attacks)
            self.sent[name] += 1
            attack(self)
        await self._line.served()
        self._bury()
        if len(self._line.answers) > 2000:
            await self.leave()
            del self._over[:-200]  # a late answer may still come
            self._line.answers.clear()

    async def leave(self) -> None:
        """End all that is alive, once it has been answered."""
        self._over += self._calls
        self._calls.clear()
        with contextlib.suppress(TimeoutError):  # what was never understood has no answer
            async with asyncio.timeout(3):
                while not all(map(self._is_answered, self._over)):
                    await self._line.came()
        self._bury()
        await self._line.served()

    @staticmethod
    def _is_answered(call: RawCall) -> bool:
        return any(status_of(reply) >= 200 for reply in call.replies)

    def _bury(self) -> None:
        """Acknowledge what was answered, and end what was only thought to be over: who never
        acknowledges holds a line for 32 s. An INVITE that came again after its end is another
        call, with another tag."""
        over = {call.call_id.encode(): call for call in self._over}
        known = over | {call.call_id.encode(): call for call in self._calls}
        for answer in self._line.answers:
            call_id = header(answer, "Call-ID")
            call = known.get(call_id)
            if call is None or status_of(answer) != 200 or b"INVITE" not in header(answer, "CSeq"):
                continue
            tag = tag_of(header(answer, "To"))
            if (call.call_id, tag) not in self._acknowledged:
                self._acknowledged.add((call.call_id, tag))
                self._line.send(call.request("ACK", to_tag=tag))
            wanted = call_id not in over and tag == call.their_tag
            if not wanted and (call.call_id, tag) not in self._buried:
                self._buried.add((call.call_id, tag))
                self._line.send(call.request("BYE", cseq=10_000, to_tag=tag))

    # --- what is sent -----------------------------------------------------------------------

    def _begin(self) -> RawCall:
        call = RawCall(self._line, dialled=self._dialled).invite()
        self._calls.append(call)
        return call

    def _one(self) -> RawCall:
        pool = self._over if self._over and self._random.random() < 0.15 else self._calls
        return self._random.choice(pool) if pool else self._begin()

    def _nearly(self, tag: str) -> str:
        """The tag, or one that is nearly it."""
        ways: tuple[Callable[[], str], ...] = (
            lambda: tag, lambda: tag, lambda: tag, lambda: tag[:-1], lambda: tag + "x",
            lambda: tag.swapcase(), lambda: tag[::-1], lambda: "", lambda: "%00" + tag,
            lambda: self._one().tag, lambda: self._one().their_tag, lambda: "0", lambda: tag * 20,
        )  # fmt: skip
        return self._random.choice(ways)()

    def _take_over(self) -> None:
        call = self._one()
        name = self._random.choice(("Replaces", "Replaces", "Join", "Target-Dialog"))
        call_id = self._random.choice((call.call_id, call.call_id, call.call_id.upper(), "x" * 300))
        ours, theirs = self._nearly(call.tag), self._nearly(call.their_tag)
        if self._random.random() < 0.3:
            ours, theirs = theirs, ours
        value = f"{name}: {call_id};to-tag={theirs};from-tag={ours}"
        value += self._random.choice(
            ("", ";early-only", ";early-only;x=y", "\r\nRequire: replaces")
        )
        times = self._random.choice((1, 1, 1, 2))
        self._calls.append(
            RawCall(self._line, dialled=self._dialled, more=(value.encode(),) * times).invite()
        )
        self._end_some()

    def _refer(self) -> None:
        call, other = self._one(), self._one()
        tags = f"to-tag%3D{self._nearly(other.their_tag)}%3Bfrom-tag%3D{self._nearly(other.tag)}"
        target = self._random.choice(
            ("sip:202@centralita", "sip:@", "tel:+34", "sip:100@centralita", "", "<", "sip:x@[::1]")
        )
        value = f"Refer-To: <{target}?Replaces={other.call_id}%3B{tags}>"
        self._line.send(call.request("REFER", value.encode()))

    def _within(self) -> None:
        call = self._one()
        method = self._random.choice(_METHODS)
        cseq = self._random.choice((None, None, None, 1, 0, 2**31 - 1, call.cseq))
        body = self._random.choice(_OFFERS) if self._random.random() < 0.7 else b""
        content = self._random.choice(
            ("application/sdp", "application/sdp", "application/dtmf-relay", "application/dtmf",
             "message/sipfrag", "text/plain", "multipart/mixed", "")
        )  # fmt: skip
        self._line.send(
            call.request(
                method,
                body=body,
                cseq=cseq,
                to_tag=self._nearly(call.their_tag),
                from_tag=self._nearly(call.tag),
                content=content,
            )
        )

    def _hold(self) -> None:
        call = self._one()
        for body in (_HOLD, OFFER, self._random.choice(_OFFERS)):
            self._line.send(call.request("INVITE", body=body))
            if self._random.random() < 0.6:
                self._line.send(call.request("ACK", cseq=call.cseq))

    def _acknowledge(self) -> None:
        call = self._one()
        self._line.send(call.request("ACK", body=self._random.choice((b"", b"", *_OFFERS))))

    def _cancel_race(self) -> None:
        call = self._begin()
        cancel = call.request("CANCEL", branch=call.call_id, to_tag="")
        bye = call.request("BYE", to_tag=self._nearly(call.their_tag))
        again = call.invite
        steps: list[Callable[[], object]] = [
            lambda: self._line.send(cancel), lambda: self._line.send(bye), again,
            lambda: self._line.send(call.request("ACK", branch=call.call_id)),
            lambda: self._line.send(cancel),
        ]  # fmt: skip
        for step in self._random.sample(steps, self._random.randint(1, len(steps))):
            step()
        self._end_some()

    def _bye_race(self) -> None:
        if not self._calls:
            return
        call = self._calls.pop(self._random.randrange(len(self._calls)))
        self._over.append(call)
        last = (
            call.request("BYE"), call.request("INVITE", body=OFFER), call.request("BYE"),
            call.request("UPDATE", body=_HOLD), call.request("CANCEL", branch=call.call_id),
        )  # fmt: skip
        for message in self._random.sample(last, self._random.randint(1, len(last))):
            self._line.send(message)

    def _end_some(self) -> None:
        while len(self._calls) > _MOST_DIALOGS:
            self._bye_race()

    _attacks: tuple[tuple[str, Callable[[LiveFuzzer], None]], ...] = (
        ("take over", _take_over),
        ("refer", _refer),
        ("within", _within),
        ("within", _within),
        ("hold", _hold),
        ("ack", _acknowledge),
        ("cancel", _cancel_race),
        ("bye", _bye_race),
    )
