"""Phones that others wrote, driven by tests: sipp, baresip and linphonec, without a sound card."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from centralita.recordings.files import read_wav
from centralita.telephony.phone.g711 import Samples
from tests.support.server import free_port

RATE = 8000
_MODULES = (
    "g711",
    "g722",
    "opus",
    "srtp",
    "aufile",
    "aubridge",
    "sndfile",
    "ctrl_tcp",
    "account",
    "menu",
    "uuid",
)


def sound(*parts: Samples | float) -> Samples:
    """Samples one after another; a number is so many seconds of silence."""
    pieces = [
        np.zeros(int(RATE * part), dtype=np.int16) if isinstance(part, int | float) else part
        for part in parts
    ]
    return np.concatenate(pieces)


def tone(hertz: float, seconds: float, loudness: float = 8000) -> Samples:
    """A pure tone."""
    time = np.arange(int(RATE * seconds)) / RATE
    return (np.sin(2 * np.pi * hertz * time) * loudness).astype(np.int16)


def has_tone(samples: Samples, hertz: float, rate: int = RATE) -> bool:
    """Whether some quarter of a second consists mostly of that tone."""
    length = rate // 4
    for start in range(0, len(samples) - length + 1, length // 2):
        part = samples[start : start + length].astype(np.float64)
        power = np.abs(np.fft.rfft(part)) ** 2
        nearest = round(hertz * length / rate)
        near = float(power[nearest - 2 : nearest + 3].sum())
        if float(np.sqrt(np.mean(part**2))) > 150 and near > float(power[1:].sum()) / 2:
            return True
    return False


def offset_of(wanted: Samples, within: Samples) -> tuple[float, float]:
    """Where `wanted` is found in `within`: seconds, and how alike they are (1: the same shape)."""
    size = 1 << (len(wanted) + len(within) - 1).bit_length()
    spectrum = np.fft.rfft(within.astype(np.float64), size)
    pattern = np.fft.rfft(wanted.astype(np.float64), size)
    alike = np.fft.irfft(spectrum * np.conj(pattern), size)[: len(within)]
    at = int(np.argmax(np.abs(alike)))
    part = within[at : at + len(wanted)].astype(np.float64)
    energy = float(np.sqrt((part**2).sum() * (wanted.astype(np.float64)[: len(part)] ** 2).sum()))
    return at / RATE, abs(float(alike[at])) / energy if energy else 0.0


def chirp(seconds: float = 0.4, low: float = 500, high: float = 2500) -> Samples:
    """A sound that is found again to the sample."""
    time = np.arange(int(RATE * seconds)) / RATE
    sweep = np.sin(2 * np.pi * (low * time + (high - low) * time**2 / (2 * seconds)))
    return (sweep * 9000).astype(np.int16)


def write_wav(path: Path, samples: Samples, *, rate: int = RATE, channels: int = 1) -> None:
    """A file of 16 bits of what is 8 kHz and mono, at another rate if need be; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if rate != RATE:
        samples = np.asarray(soxr.resample(samples, RATE, rate), dtype=np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(samples, channels).astype("<i2").tobytes())


def need(program: str, package: str) -> None:
    """Fail with the cure when a program is missing."""
    if shutil.which(program) is None:
        raise AssertionError(f"{program} is not installed: apt-get install {package}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


# --- baresip ------------------------------------------------------------------------------------


@dataclass
class Baresip:
    """A running baresip: its microphone is a file, what it hears and says is dumped to files."""

    folder: Path
    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[dict[str, object]] = field(default_factory=list)
    log: Path = Path()

    async def command(self, name: str, params: str = "") -> None:
        """A command of its menu."""
        body = json.dumps({"command": name, "params": params, "token": "test"}).encode()
        self.writer.write(b"%d:%s," % (len(body), body))
        await self.writer.drain()

    async def dial(self, uri: str) -> None:
        """Call somebody."""
        await self.command("dial", uri)

    async def hears(self, seconds: float) -> None:
        """Stay in the call so long: its microphone goes on."""
        await asyncio.sleep(seconds)

    async def hang_up(self) -> None:
        """End the call."""
        await self.command("hangup")

    async def press(self, key: str) -> None:
        """A key of the dial pad (RFC 4733)."""
        await self.command("sndcode", key)

    async def happens(self, kind: str, within: float = 15) -> dict[str, object]:
        """The next event of that type, such as REGISTER_OK, CALL_ESTABLISHED, CALL_CLOSED."""
        try:
            async with asyncio.timeout(within):
                while True:
                    event = await self._next()
                    self.events.append(event)
                    if event.get("type") == kind:
                        return event
        except (TimeoutError, asyncio.IncompleteReadError) as exc:
            seen = [event.get("type") for event in self.events if event.get("event")]
            words = self.log.read_text(errors="replace")[-3000:]
            raise AssertionError(f"no {kind}; events {seen}; it printed:\n{words}") from exc

    async def _next(self) -> dict[str, object]:
        size = int((await self.reader.readuntil(b":"))[:-1])
        body = await self.reader.readexactly(size + 1)
        message: dict[str, object] = json.loads(body[:-1])
        return message

    async def heard(self) -> Samples:
        """What came from the other side, in its latest call; to be read when that has ended."""
        return await self._dump("dec")

    async def said(self) -> Samples:
        """What it sent."""
        return await self._dump("enc")

    async def _dump(self, kind: str) -> Samples:
        dumps = sorted(
            self.folder.glob(f"dump-*-{kind}.wav"), key=lambda path: path.stat().st_mtime
        )
        assert dumps, f"no dump of {kind} in {[path.name for path in self.folder.iterdir()]}"
        return np.array((await asyncio.to_thread(read_wav, dumps[-1]))[0])


@contextlib.asynccontextmanager
async def baresip(
    folder: Path,
    server: tuple[str, int],
    user: str,
    microphone: Samples,
    *,
    password: str = "",
    answers: bool = False,
    codec: str = "PCMA/8000/1",
    encryption: str = "",
) -> AsyncIterator[Baresip]:
    """Run baresip for `user`; with a password it registers. `answers`: it picks up at once.

    `codec` is the only one it offers; `encryption` is its name for one, such as `srtp-mand`.
    """
    need("baresip", "baresip")
    # baresip's file microphone does not resample: the file is in the codec's own form
    _, rate, channels = codec.split("/")
    write_wav(folder / "microphone.wav", microphone, rate=int(rate), channels=int(channels))
    sip, control = free_port(), free_port()
    first = 20000 + (sip % 400) * 20
    (folder / "config").write_text(
        f"module_path /usr/lib/baresip/modules\n"
        f"sip_listen 127.0.0.1:{sip}\n"
        f"rtp_ports {first}-{first + 19}\n"
        f"ctrl_tcp_listen 127.0.0.1:{control}\n"
        f"audio_player aubridge,null\n"
        f"audio_source aufile,{folder / 'microphone.wav'}\n"
        f"audio_alert aubridge,alert\n"
        f"snd_path {folder}\n"
        "call_local_timeout 120\n"
        "net_interface 127.0.0.1\n"
        + "".join(f"module{'_app' if name in ('account', 'menu', 'ctrl_tcp') else ''} {name}.so\n"
                  for name in _MODULES),
        encoding="utf-8",
    )  # fmt: skip
    host, port = server
    interval = 300 if password else 0
    (folder / "accounts").write_text("# made by command, once somebody listens to its events\n")
    account = (
        f"<sip:{user}@{host}:{port}>;auth_user={user};auth_pass={password};regint={interval};"
        f"answermode={'auto' if answers else 'manual'};audio_codecs={codec}"
        + (f";mediaenc={encryption}" if encryption else "")
    )
    log = folder / "baresip.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("baresip", "-f", str(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "HOME": str(folder)},
        )
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(10):
            while writer is None:
                with contextlib.suppress(ConnectionError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", control)
                    break
                assert process.returncode is None, log.read_text(errors="replace")
                await asyncio.sleep(0.05)
        running = Baresip(folder, process, reader, writer, log=log)
        await running.command("uanew", account)
        if password:
            await running.happens("REGISTER_OK")
        yield running
    finally:
        if writer is not None:
            writer.close()
        await _end(process)


# --- sipp ---------------------------------------------------------------------------------------

_SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="one key">
  <send retrans="500"><![CDATA[
INVITE sip:100@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:{number}@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:100@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:{number}@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 96
a=rtpmap:8 PCMA/8000
a=rtpmap:96 telephone-event/8000
a=fmtp:96 0-16
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
Max-Forwards: 70
From: <sip:{number}@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send>
  <pause milliseconds="1500"/>
{press}
  <pause milliseconds="{stay}"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
Max-Forwards: 70
From: <sip:{number}@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 3 BYE
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"""
_INFO = """
  <send retrans="500"><![CDATA[
INFO [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
Max-Forwards: 70
From: <sip:{number}@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 INFO
Content-Type: application/dtmf-relay
Content-Length: [len]

Signal={key}
Duration=160
]]></send>
  <recv response="200"/>
"""
_PLAY = '  <nop><action><exec play_dtmf="{key}"/></action></nop>'


@contextlib.asynccontextmanager
async def sipp(
    folder: Path, server: tuple[str, int], number: str, *, key: str, how: str
) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Sipp calls 100 and presses a key, by SIP INFO (`info`) or in RTP (`rfc4733`, needs root).

    Yields how to wait for its end; its exit code is 0 when everything went as in the scenario.
    """
    need("sipp", "sip-tester")
    press = (_INFO if how == "info" else _PLAY).replace("{key}", key)
    text = _SCENARIO.replace("{press}", press).replace("{number}", number).replace("{stay}", "5000")
    (folder / "scenario.xml").write_text(text, encoding="utf-8")
    host, port = server
    process = await asyncio.create_subprocess_exec(
        *("sipp", f"{host}:{port}", "-sf", str(folder / "scenario.xml"), "-m", "1"),
        *("-i", "127.0.0.1", "-p", str(free_port()), "-mi", "127.0.0.1"),
        *("-mp", str(free_port() // 2 * 2), "-nostdin", "-timeout", "40", "-trace_err"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm"},
    )

    async def finished() -> int:
        return await asyncio.wait_for(process.wait(), 40)

    try:
        yield finished
    finally:
        await _end(process)


# --- linphonec ----------------------------------------------------------------------------------


@dataclass
class Linphonec:
    """A running linphonec, which is told what to do on its standard input."""

    process: asyncio.subprocess.Process
    log: Path

    async def command(self, line: str) -> None:
        """One line, as a person types it. A digit during a call is a key of the dial pad."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()

    async def says(self, words: str, within: float = 15) -> None:
        """Until these words have been printed."""
        deadline = asyncio.get_running_loop().time() + within
        while words not in (text := self.log.read_text(errors="replace")):
            assert asyncio.get_running_loop().time() < deadline, f"no «{words}» in:\n{text}"
            assert self.process.returncode is None, text
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def linphonec(
    folder: Path, number: str, microphone: Samples, heard: Path
) -> AsyncIterator[Linphonec]:
    """Run linphonec as an unregistered phone whose microphone and loudspeaker are files."""
    need("linphonec", "linphone-cli")
    write_wav(folder / "microphone.wav", microphone)
    sip, rtp = free_port(), free_port() // 2 * 2
    (folder / "linphonerc").write_text(
        f"[sip]\nsip_port={sip}\nsip_tcp_port=0\nsip_tls_port=0\nguess_hostname=0\n"
        f"use_ipv6=0\nbind_address=127.0.0.1\ncontact=sip:{number}@127.0.0.1\n"
        "default_proxy=-1\nuse_info=0\nuse_rfc2833=1\n"
        f"[rtp]\naudio_rtp_port={rtp}\n"
        "[net]\nfirewall_policy=0\nmtu=0\n"
        "[video]\ncapture=0\ndisplay=0\nautomatically_initiate=0\n"
        "[sound]\nechocancellation=0\n"
        "[audio_codec_0]\nmime=PCMA\nrate=8000\nenabled=1\n",
        encoding="utf-8",
    )
    log = folder / "linphonec.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("linphonec", "-c", str(folder / "linphonerc")),
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder),
                 "XDG_CONFIG_HOME": str(folder), "TERM": "dumb"},
        )  # fmt: skip
    running = Linphonec(process, log)
    try:
        # Without this it looks for an IPv6 address of this machine, and offers it.
        await running.command("ipv6 disable")
        await running.command("soundcard use files")
        await running.command(f"play {folder / 'microphone.wav'}")
        await running.command(f"record {heard}")
        yield running
        await running.command("quit")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 3)
    finally:
        await _end(process)
