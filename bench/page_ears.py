"""What a page says and hears: its audio, tapped where it enters and leaves WebRTC, and counts."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from bench.chirps import Block
from tests.support.browser import BrowserPage
from tests.support.phones import RATE

# Frames of 10 ms as they come, with the page's time; at 8 kHz, which is all that a telephone has.
_TAP = """
(() => {
  window.taps = { microphone: [], ear: [] };
  const tap = async (track, name) => {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const at = performance.now();
      const all = new Float32Array(value.numberOfFrames);
      value.copyTo(all, { planeIndex: 0, format: "f32-planar" });
      const step = value.sampleRate / 8000;
      const samples = [];
      for (let from = 0; samples.length < Math.floor(all.length / step + 0.01); ) {
        const to = Math.round((samples.length + 1) * step);
        const sum = all.subarray(from, to).reduce((one, other) => one + other, 0);
        samples.push(Math.round((sum / (to - from)) * 32767));
        from = to;
      }
      value.close();
      window.taps[name].push([at, samples]);
    }
  };
  const ready = setInterval(() => {
    const sender = window.connection?.getSenders()[0]?.track;
    const receiver = window.connection?.getReceivers()[0]?.track;
    if (!sender || !receiver || connection.iceConnectionState !== "connected") return;
    clearInterval(ready);
    void tap(sender, "microphone");
    void tap(receiver, "ear");
  }, 20);
})()
"""
_TAKE = (
    "(() => { const all = window.taps; window.taps = { microphone: [], ear: [] }; return all; })()"
)
_COUNTS = """
connection.getStats().then((stats) => {
  const one = [...stats.values()].find((each) => each.type === "inbound-rtp");
  return [
    one.jitterBufferDelay, one.jitterBufferEmittedCount, one.concealedSamples,
    one.totalSamplesReceived, one.packetsLost, one.packetsReceived,
  ];
})
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the browser has counted since its call began, of what it hears."""

    buffered_seconds: float
    emitted: float
    concealed: float
    received: float
    packets_lost: float
    packets: float

    def since(self, before: Counts) -> Counts:
        """What has come since then."""
        return Counts(
            self.buffered_seconds - before.buffered_seconds,
            self.emitted - before.emitted,
            self.concealed - before.concealed,
            self.received - before.received,
            self.packets_lost - before.packets_lost,
            self.packets - before.packets,
        )

    @property
    def buffer_ms(self) -> float:
        """How long a sample was in the jitter buffer on average."""
        return 1000 * self.buffered_seconds / self.emitted if self.emitted else 0.0

    @property
    def concealed_percent(self) -> float:
        """How much of what was played had to be made up."""
        return 100 * self.concealed / self.received if self.received else 0.0


@dataclass(frozen=True, slots=True)
class Taps:
    """What was said at the page and heard there, with times of `time.monotonic`."""

    microphone: list[Block]
    ear: list[Block]


class PageEars:
    """Listens at a page, from when its call is up."""

    def __init__(self, page: BrowserPage) -> None:
        self._page = page
        self._ahead = 0.0

    async def begin(self) -> None:
        """Tap the call that comes next."""
        await self._page.evaluate(_TAP)
        # The page's clock and ours, by the quickest of some questions.
        best = 1.0
        for _ in range(20):
            asked = time.monotonic()
            theirs = float(await self._page.evaluate("performance.now()")) / 1000
            answered = time.monotonic()
            if answered - asked < best:
                best = answered - asked
                self._ahead = (asked + answered) / 2 - theirs

    async def hears_something(self) -> None:
        """Until sound comes from both."""
        await self._page.until("taps.microphone.length > 0 && taps.ear.length > 0")

    async def take(self) -> Taps:
        """What has come since the last time."""
        taps = await self._page.evaluate(_TAKE)
        # What a microphone gives was said while it was collected; what is heard begins to play.
        return Taps(
            microphone=[self._block(at, samples, said=True) for at, samples in taps["microphone"]],
            ear=[self._block(at, samples, said=False) for at, samples in taps["ear"]],
        )

    async def counts(self) -> Counts:
        """The browser's own figures."""
        return Counts(*map(float, await self._page.evaluate(_COUNTS)))

    def _block(self, at: float, samples: list[int], *, said: bool) -> Block:
        took = len(samples) / RATE if said else 0.0
        return Block(self._ahead + at / 1000 - took, np.array(samples, dtype=np.int16))
