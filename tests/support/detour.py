"""A way for the audio between a page and the media worker that loses packets, or is cut.

A pair of UDP ports on this machine: the page is led to one and the worker to the other, by what the
page reads and says of candidates in SDP. Both send there, for ICE asks them to find out, and what
comes in on one side goes out on the other. So packets are really lost, without rights of root.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from centralita.telephony.worker.addresses import route_to
from tests.support.browser import BrowserPage

_Address = tuple[str, int]

# Every connection that the page makes from now on, or renews, goes by `window.way`.
_LEAD = """
(() => {
  const Plain = RTCPeerConnection;
  const led = (sdp, port) => {
    const { host } = window.way;
    const by = `a=candidate:1 1 udp 2130706431 ${host} ${port} typ host`;
    return sdp
      .replace(/^a=candidate:.*$/m, "a=detour")
      .replace(/^a=(candidate|rtcp|end-of-candidates)\\b(?!-).*\\r\\n/gm, "")
      .replace("a=detour", by)
      .replace(/^m=audio \\d+/m, `m=audio ${port}`)
      .replace(/^c=IN .*$/gm, `c=IN IP4 ${host}\\r`);
  };
  window.RTCPeerConnection = class extends Plain {
    constructor(how) {
      super(how);
      window.connection = this;
    }
    setRemoteDescription({ type, sdp }) {
      const at = /^a=candidate:.* (\\S+) (\\d+) typ host/m.exec(sdp);
      window.worker = at?.slice(1) ?? window.worker;
      return super.setRemoteDescription({ type, sdp: led(sdp, window.way.page) });
    }
    get localDescription() {
      const plain = super.localDescription;
      return plain && { type: plain.type, sdp: led(plain.sdp, window.way.worker) };
    }
  };
})()
"""


@dataclass
class Side(asyncio.DatagramProtocol):
    """One of the two ports, and what has come in on it. Only whole packets of RTP are counted."""

    port: int = 0
    loss: float = 0.0
    passed: int = 0
    dropped: int = 0
    peer: _Address | None = None
    other: Side | None = None
    open: bool = True
    dice: random.Random = field(default_factory=random.Random)
    transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self.peer = (str(addr[0]), int(addr[1]))
        other = self.other
        if not self.open or other is None or other.peer is None or other.transport is None:
            return
        # STUN, DTLS and RTCP always pass: what is measured is what loss does to the voice.
        if _is_rtp(data):
            if self.dice.random() < self.loss:
                self.dropped += 1
                return
            self.passed += 1
        other.transport.sendto(data, other.peer)


@dataclass(frozen=True)
class Detour:
    """The way of the audio: `page` takes in what comes from the page, `worker` what comes from the
    worker."""

    host: str
    page: Side
    worker: Side

    async def lead(self, page: BrowserPage) -> None:
        """Connections that this page makes from now on take this way, and so do those before it
        that look for another one."""
        way = f'{{host: "{self.host}", page: {self.page.port}, worker: {self.worker.port}}}'
        await page.evaluate(f"window.way === undefined ? ({_LEAD.strip()}) : null")
        await page.evaluate(f"window.way = {way}")
        # A page that looks for another way is the one to ask first: the worker must be known.
        if (at := await page.evaluate("window.worker ?? null")) is not None:
            self.worker.peer = str(at[0]), int(at[1])

    def lose(self, share: float, seed: int) -> None:
        """Drop that share of the RTP packets in both directions, the same ones for a seed."""
        for place, side in enumerate((self.page, self.worker)):
            side.loss, side.dice = share, random.Random(2 * seed + place)

    def cut(self) -> None:
        """Let nothing through any more."""
        self.page.open = self.worker.open = False

    def mend(self) -> None:
        """Let everything through again."""
        self.page.open = self.worker.open = True


def _is_rtp(data: bytes) -> bool:
    """Whether it is RTP, not STUN, DTLS (RFC 7983) or RTCP (RFC 5761)."""
    return len(data) > 12 and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223


def _itself(side: Side) -> Side:
    return side


@asynccontextmanager
async def detour() -> AsyncIterator[Detour]:
    """A way for as long as the block lasts."""
    # Neither browsers nor pjnath take loopback: the address by which this machine leaves.
    host = route_to("192.0.2.99")
    loop = asyncio.get_running_loop()
    sides = Side(), Side()
    for side, other in zip(sides, reversed(sides), strict=True):
        transport, _ = await loop.create_datagram_endpoint(partial(_itself, side), (host, 0))
        side.transport, side.other = transport, other
        side.port = int(transport.get_extra_info("sockname")[1])
    try:
        yield Detour(host, *sides)
    finally:
        for side in sides:
            assert side.transport is not None
            side.transport.close()
