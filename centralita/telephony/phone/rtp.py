"""The phone's audio: what it says, and what it hears with the time each frame came."""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from centralita.telephony.phone.g711 import SILENCE, Samples, decode, encode

RATE = 8000
FRAME = 160
FRAME_SECONDS = 0.02
PCMA = 8
_HEADER = struct.Struct(">BBHII")
_DTMF = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """20 ms that came in; `at` is time.monotonic() of its arrival, `start` its first sample."""

    at: float
    start: int
    rms: float
    samples: Samples

    def has_tone(self, hertz: float) -> bool:
        """Whether a tone of that pitch (in steps of 50 Hz) is most of what is heard."""
        spectrum = np.abs(np.fft.rfft(self.samples.astype(np.float64))) ** 2
        nearest = round(hertz * len(self.samples) / RATE)
        total = float(spectrum[1:].sum())
        return self.rms > 100 and float(spectrum[nearest - 1 : nearest + 2].sum()) > total / 2


class RtpAudio(asyncio.DatagramProtocol):
    """One RTP socket: sends a frame every 20 ms (silence when there is nothing to say)."""

    def __init__(self) -> None:
        self.frames: list[HeardFrame] = []
        self.keys: asyncio.Queue[str] = asyncio.Queue()
        self.key_durations: list[int] = []
        self.first_sent_at = 0.0
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None
        self._dtmf_type = 101
        self._speech: deque[bytes] = deque()
        self._spoken: list[asyncio.Future[None]] = []
        self._hum: list[bytes] = []
        self._hum_position = 0
        self._keys: deque[tuple[bytes, bool]] = deque()
        self._by_hand: deque[tuple[bytes, int | None]] = deque()
        self._by_hand_start: int | None = None
        self._key_start = 0
        self._key_heard: int | None = None
        self._sequence = secrets.randbelow(1 << 15)
        self._timestamp = secrets.randbelow(1 << 30)
        self._ssrc = secrets.randbits(32)
        self._heard_ssrc = 0
        self._muted = False
        self._timer: asyncio.TimerHandle | None = None
        self._heard: dict[int, Samples] = {}
        self._first_timestamp: int | None = None
        self._watchers: list[tuple[Callable[[HeardFrame], bool], asyncio.Future[HeardFrame]]] = []

    async def open(self, host: str) -> int:
        """Bind a free port and return it."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self._transport = transport
        return int(transport.get_extra_info("sockname")[1])

    def start(self, peer: tuple[str, int], dtmf_type: int) -> None:
        """Send to `peer` from now on (again after a re-INVITE)."""
        self._peer, self._dtmf_type = peer, dtmf_type
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(loop.time(), self._tick, loop.time())

    @property
    def peer(self) -> tuple[str, int]:
        """Where we send to."""
        assert self._peer is not None, "no audio was negotiated yet"
        return self._peer

    def close(self) -> None:
        """Stop and free the port."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        for done in self._spoken:
            if not done.done():
                done.set_result(None)
        for _, future in self._watchers:
            future.cancel()

    # --- speaking ---------------------------------------------------------------------------

    async def say(self, samples: Samples) -> float:
        """Speak 16-bit samples at 8 kHz; returns time.monotonic() after the last frame left."""
        padded = np.pad(samples, (0, -len(samples) % FRAME))
        for index in range(0, len(padded), FRAME):
            self._speech.append(encode(padded[index : index + FRAME]))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._spoken.append(done)
        await done
        return time.monotonic()

    def hum(self, samples: Samples) -> None:
        """Repeat these samples, in whole frames, whenever there is nothing else to say."""
        whole = len(samples) // FRAME * FRAME
        self._hum = [encode(samples[at : at + FRAME]) for at in range(0, whole, FRAME)]

    def press(self, digit: str) -> None:
        """Send a key of 80 ms by RFC 4733, in turn with other keys."""
        event = _DTMF.index(digit)
        for step in range(4):
            self._keys.append((struct.pack(">BBH", event, 10, (step + 1) * FRAME), step == 0))
        for _ in range(3):
            self._keys.append((struct.pack(">BBH", event, 0x80 | 10, 5 * FRAME), False))

    def press_by_hand(self, packets: Iterable[tuple[bytes, int | None]]) -> None:
        """Send events of RFC 4733 as other gear does: payloads, each with its time after the
        first, in units of the clock. None lets one frame pass without a packet."""
        self._by_hand.extend(packets)

    @property
    def by_hand_left(self) -> int:
        """How many of these are still to be sent."""
        return len(self._by_hand)

    def mute(self, muted: bool) -> None:
        """Send nothing at all, as one whose cable is pulled, or go on."""
        self._muted = muted

    def report(self) -> None:
        """Send an RTCP report of having heard the other side (RFC 3550 6.4.2)."""
        assert self._transport is not None
        host, port = self.peer
        block = struct.pack(">IIIIII", self._heard_ssrc, 0, 0, 0, 0, 0)
        report = struct.pack(">BBHI", 0x81, 201, 7, self._ssrc) + block
        self._transport.sendto(report, (host, port + 1))

    # --- hearing ----------------------------------------------------------------------------

    def heard(self) -> Samples:
        """All that came, put together by RTP timestamp, gaps as silence."""
        if not self._heard:
            return np.zeros(0, dtype=np.int16)
        length = max(start + len(samples) for start, samples in self._heard.items())
        whole = np.zeros(length, dtype=np.int16)
        for start, samples in self._heard.items():
            if start >= 0:
                whole[start : start + len(samples)] = samples
        return whole

    async def until(
        self, wanted: Callable[[HeardFrame], bool], *, within: float = 10.0
    ) -> HeardFrame:
        """Wait for the first frame from now on that is wanted."""
        future: asyncio.Future[HeardFrame] = asyncio.get_running_loop().create_future()
        self._watchers.append((wanted, future))
        return await asyncio.wait_for(future, within)

    async def sound(self, *, above: float = 300.0, within: float = 10.0) -> HeardFrame:
        """Wait for a frame louder than `above` (root mean square of 16-bit samples)."""
        return await self.until(lambda frame: frame.rms > above, within=within)

    async def silence(
        self, *, below: float = 100.0, frames: int = 5, within: float = 10.0
    ) -> HeardFrame:
        """Wait for `frames` quiet frames in a row; returns the first of them."""
        quiet: list[HeardFrame] = []

        def is_quiet(frame: HeardFrame) -> bool:
            if frame.rms < below:
                quiet.append(frame)
            else:
                quiet.clear()
            return len(quiet) >= frames

        await self.until(is_quiet, within=within)
        return quiet[-frames]

    # --- the wire ---------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if len(data) <= _HEADER.size:
            return
        _, kind, _, timestamp, self._heard_ssrc = _HEADER.unpack_from(data)
        if kind & 0x7F == self._dtmf_type:
            self.key_durations.append(int.from_bytes(data[_HEADER.size + 2 : _HEADER.size + 4]))
        if kind & 0x7F == self._dtmf_type and timestamp != self._key_heard:
            # A key is several packets of one time; the first one tells.
            self._key_heard = timestamp
            self.keys.put_nowait(_DTMF[data[_HEADER.size]])
        if kind & 0x7F != PCMA:
            return
        if self._first_timestamp is None:
            self._first_timestamp = timestamp
        start = (timestamp - self._first_timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        samples = decode(data[_HEADER.size :])
        self._heard[start] = samples
        rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
        frame = HeardFrame(at=time.monotonic(), start=start, rms=rms, samples=samples)
        self.frames.append(frame)
        for watcher in tuple(self._watchers):
            wanted, future = watcher
            if future.done():
                self._watchers.remove(watcher)
            elif wanted(frame):
                self._watchers.remove(watcher)
                future.set_result(frame)

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        self._send_frame()
        following = due + FRAME_SECONDS
        if loop.time() > following + 0.2:  # the machine slept or was busy: do not send a burst
            following = loop.time()
        self._timer = loop.call_at(following, self._tick, following)

    def _send_frame(self) -> None:
        if self._peer is None or self._transport is None or self._muted:
            return
        marker, kind, timestamp = 0, PCMA, self._timestamp
        if self._by_hand:
            if self._by_hand_start is None:
                self._by_hand_start = self._timestamp
            payload, after = self._by_hand.popleft()
            if after is None:
                kind, payload = PCMA, SILENCE * FRAME
            else:
                kind = self._dtmf_type
                timestamp = (self._by_hand_start + after) & 0xFFFFFFFF
        elif self._keys:
            payload, first = self._keys.popleft()
            if first:
                self._key_start = self._timestamp
                marker = 0x80
            kind, timestamp = self._dtmf_type, self._key_start
        elif self._speech:
            payload = self._speech.popleft()
        elif self._hum:
            self._hum_position = (self._hum_position + 1) % len(self._hum)
            payload = self._hum[self._hum_position]
        else:
            payload = SILENCE * FRAME
        header = _HEADER.pack(0x80, marker | kind, self._sequence, timestamp, self._ssrc)
        self._transport.sendto(header + payload, self._peer)
        self.first_sent_at = self.first_sent_at or time.monotonic()
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        if not self._speech and self._spoken:
            spoken, self._spoken = self._spoken, []
            for done in spoken:
                if not done.done():
                    done.set_result(None)
