"""A real Asterisk as the other end of a trunk, driven by its REST interface (ARI).

It stands in a folder of its own, which `./dev test trunks` makes from Debian's packages, and runs
there by chroot; all that it is told and all that it writes is in one folder below.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from centralita.core.tasks import Tasks
from centralita.telephony.phone.g711 import Samples
from tests.support.phones import has_tone
from tests.support.server import free_port
from tests.support.story import eventually

ROOT_SETTING = "CENTRALITA_ASTERISK_ROOT"
ACCOUNT, PASSWORD = "34910000111", "a-long-one"
_APP = "tests"
_MODULES = """
    res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjproject
    res_pjsip res_pjsip_session res_pjsip_sdp_rtp res_pjsip_authenticator_digest
    res_pjsip_outbound_authenticator_digest res_pjsip_endpoint_identifier_ip
    res_pjsip_endpoint_identifier_user res_pjsip_registrar res_pjsip_caller_id
    res_pjsip_dtmf_info res_pjsip_pubsub res_pjsip_logger res_pjsip_nat res_pjsip_rfc3326
    res_pjsip_diversion res_rtp_asterisk res_srtp chan_pjsip bridge_simple codec_ulaw
    codec_alaw codec_resample format_pcm format_sln res_http_websocket res_websocket_client
    res_ari res_ari_model res_ari_channels res_ari_events res_ari_asterisk res_ari_recordings
    res_stasis res_stasis_playback res_stasis_recording res_stasis_snoop res_stasis_answer
    app_playtones pbx_config app_stasis func_channel
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a trunk to it is made."""

    transport: str
    srtp: bool = False
    registers: bool = False
    host: str = "127.0.0.11"

    def __str__(self) -> str:
        words = [self.transport, *(["srtp"] if self.srtp else [])]
        words += ["registered" if self.registers else "by-address"]
        return "-".join([*words, *(["ipv6"] if ":" in self.host else [])])


@dataclass(eq=False)
class Channel:
    """One end of a call at the Asterisk, in the hands of the test."""

    asterisk: Asterisk
    id: str
    ours: bool = False
    dialled: str = ""
    caller: str = ""
    up: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    humming: asyncio.Event = field(default_factory=asyncio.Event)
    cause: int = 0
    digits: str = ""
    held: bool = False
    _sound: Path | None = None

    async def answer(self) -> None:
        """Pick up."""
        await self.asterisk.ask("POST", f"/channels/{self.id}/answer")

    async def hums(self, hertz: int) -> None:
        """Say that tone from now on, and write down what is heard; see `hears`."""
        self.humming.clear()
        await self.asterisk.ask(
            "POST", f"/channels/{self.id}/continue", context="hums", extension=str(hertz),
            priority="1",
        )  # fmt: skip
        await asyncio.wait_for(self.humming.wait(), 5)
        await self._listens()

    async def _listens(self) -> None:
        name = f"heard-{self.id}".replace(".", "-")
        await self.asterisk.ask(
            "POST", f"/channels/{self.id}/record", name=name, format="sln", ifExists="overwrite"
        )
        self._sound = self.asterisk.folder / "spool" / "recording" / f"{name}.sln"

    async def presses(self, keys: str) -> None:
        """Send these keys."""
        await self.asterisk.ask("POST", f"/channels/{self.id}/dtmf", dtmf=keys)

    async def holds(self, held: bool) -> None:
        """Put the other side on hold, or take it back. Meanwhile nothing is written down."""
        if held and self._sound is not None:
            # What a channel does by ARI it does one after the other: a recording is in the way.
            await self.asterisk.ask("POST", f"/recordings/live/{self._sound.stem}/stop")
        await self.asterisk.ask("POST" if held else "DELETE", f"/channels/{self.id}/hold")
        if not held:
            await self._listens()

    async def hangs_up(self, cause: int = 16) -> None:
        """End it, or refuse it with a cause (Q.850)."""
        await self.asterisk.ask("DELETE", f"/channels/{self.id}", reason_code=str(cause))

    async def variable(self, name: str) -> str:
        """A channel variable or function."""
        answer = await self.asterisk.ask("GET", f"/channels/{self.id}/variable", variable=name)
        return str(answer["value"])

    def _heard(self) -> Samples:
        assert self._sound is not None, "it does not hum yet"
        try:
            data = self._sound.read_bytes()
        except FileNotFoundError:
            return np.zeros(0, dtype=np.int16)
        return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16)

    async def hears(self, hertz: int, within: float = 8) -> None:
        """Until the last half second has that tone."""

        async def look() -> bool | None:
            return has_tone(self._heard()[-4000:], hertz) or None

        await eventually(look, f"{self.id} hears {hertz}", within)

    async def hears_other_than(self, hertz: int, within: float = 8) -> None:
        """Until the last half second has sound, and none of that tone."""

        async def look() -> bool | None:
            last = self._heard()[-4000:].astype(np.float64)
            loud = len(last) == 4000 and float(np.sqrt(np.mean(last**2))) > 50
            return (loud and not has_tone(last.astype(np.int16), hertz)) or None

        await eventually(look, f"{self.id} hears something else than {hertz}", within)

    async def becomes(self, **wanted: object) -> None:
        """Until these fields have these values."""

        async def look() -> bool | None:
            return all(getattr(self, name) == value for name, value in wanted.items()) or None

        await eventually(look, lambda: f"{wanted}, was {self}")


class Asterisk:
    """Use as `async with Asterisk(name, line).running(ports of ours)`."""

    def __init__(self, name: str, line: Line) -> None:
        root = os.environ.get(ROOT_SETTING, "")
        assert root, f"run by ./dev test trunks, which sets {ROOT_SETTING}"
        self.root = Path(root)
        self.inside = f"/srv/{name}"
        self.folder = self.root / "srv" / name
        self.line = line
        self.port = free_port()
        self._http = free_port()
        for folder in ("etc", "lib", "spool/recording", "log", "run"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        if line.transport == "tls":
            self._write_certificate()
        self._session: aiohttp.ClientSession | None = None
        self._channels: dict[str, Channel] = {}
        self._arrived: asyncio.Queue[Channel] = asyncio.Queue()

    @property
    def certificate(self) -> Path:
        """What its TLS shows."""
        return self.folder / "etc" / "line.crt"

    @property
    def host(self) -> str:
        """Its address as it stands in a URI."""
        return f"[{self.line.host}]" if ":" in self.line.host else self.line.host

    # --- what it is asked for -----------------------------------------------------------------

    async def ask(self, method: str, path: str, **query: str) -> dict[str, Any]:
        """One request to its REST interface."""
        assert self._session is not None
        url = f"http://127.0.0.11:{self._http}/ari{path}"
        async with self._session.request(method, url, params=query) as answer:
            text = await answer.text()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text}"
            found: dict[str, Any] = await answer.json() if text else {}
            return found

    async def calls(self, number: str, caller: str = "+34600111222") -> Channel:
        """Call a number of ours through the trunk."""
        channel = self._channel(f"call-{len(self._channels)}")
        channel.ours = True
        await self.ask(
            "POST", "/channels", endpoint=f"PJSIP/{number}@{ACCOUNT}", app=_APP, callerId=caller,
            timeout="30", channelId=channel.id,
        )  # fmt: skip
        return channel

    async def is_called(self, within: float = 10) -> Channel:
        """The next call that comes from us."""
        return await asyncio.wait_for(self._arrived.get(), within)

    async def says(self, command: str) -> str:
        """The answer of its command line."""
        process = await asyncio.create_subprocess_exec(
            "chroot", str(self.root), "/usr/sbin/asterisk",
            "-C", f"{self.inside}/etc/asterisk.conf", "-rx", command,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode()

    def log(self) -> str:
        """All that it has written, with the SIP messages."""
        return (self.folder / "console.log").read_text(errors="replace")

    # --- its life -----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self, *, sip: int, tls: int) -> AsyncIterator[Asterisk]:
        """Start it, and end it by its process id. `sip` and `tls` are ports of ours."""
        self._write_files(tls if self.line.transport == "tls" else sip)
        with (self.folder / "console.log").open("ab") as console:
            process = await asyncio.create_subprocess_exec(
                "chroot", str(self.root), "/usr/sbin/asterisk", "-f", "-vvv", "-n",
                "-C", f"{self.inside}/etc/asterisk.conf", stdout=console, stderr=console,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            headers = {"Authorization": aiohttp.encode_basic_auth(_APP, _APP)}
            async with aiohttp.ClientSession(headers=headers) as session:
                self._session = session
                await eventually(self._is_ready, self.log, 30)
                await self.says("pjsip set logger on")
                url = f"http://127.0.0.11:{self._http}/ari/events?app={_APP}&subscribeAll=true"
                async with session.ws_connect(url) as events:
                    tasks = Tasks("Asterisk")
                    tasks.spawn(self._hear(events), name="hear events")
                    yield self
                    await tasks.close()
        finally:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _is_ready(self) -> bool | None:
        try:
            await self.ask("GET", "/asterisk/info")
        except (aiohttp.ClientError, AssertionError):
            return None
        return "Asterisk Ready" in self.log() or None

    async def _hear(self, events: aiohttp.ClientWebSocketResponse) -> None:
        async for message in events:
            event = message.json()
            about = event.get("channel", {})
            if not about:
                continue
            channel = self._channel(about["id"])
            if about.get("state") == "Up" and not channel.ours:
                channel.up.set()
            match event["type"]:
                case "StasisStart" if channel.ours and not event["args"]:
                    channel.up.set()
                case "StasisStart" if event["args"] == ["humming"]:
                    channel.humming.set()
                case "StasisStart" if not channel.dialled and not channel.ours:
                    channel.dialled = about["dialplan"]["exten"]
                    channel.caller = about["caller"]["number"]
                    self._arrived.put_nowait(channel)
                case "ChannelDtmfReceived":
                    channel.digits += event["digit"]
                case "ChannelHold":
                    channel.held = True
                case "ChannelUnhold":
                    channel.held = False
                case "ChannelDestroyed":
                    channel.cause = event["cause"]
                    channel.gone.set()
                case _:
                    pass

    def _channel(self, channel_id: str) -> Channel:
        return self._channels.setdefault(channel_id, Channel(self, channel_id))

    # --- its files ----------------------------------------------------------------------------

    def _write_files(self, ours: int) -> None:
        """Its configuration: one transport, and one endpoint that is the trunk."""
        etc = self.folder / "etc"
        files = {
            "asterisk.conf": _ASTERISK.format(folder=self.inside, modules=self._module_folder()),
            "modules.conf": "[modules]\nautoload=no\n"
            + "".join(f"load={name}.so\n" for name in _MODULES.split()),
            "http.conf": f"[general]\nenabled=yes\nbindaddr=127.0.0.11\nbindport={self._http}\n",
            "ari.conf": f"[general]\nenabled=yes\n[{_APP}]\ntype=user\npassword={_APP}\n",
            "extensions.conf": f"[lines]\nexten => _[+0-9].,1,Stasis({_APP})\n"
            f"exten => _[0-9],1,Stasis({_APP})\n"
            # What a channel does by ARI it does one after the other: the tone does it itself.
            f"[hums]\nexten => _X.,1,PlayTones(${{EXTEN}})\nsame => n,Stasis({_APP},humming)\n",
            "logger.conf": "[logfiles]\nconsole => verbose,notice,warning,error\n",
            "rtp.conf": "[general]\nrtpstart=41000\nrtpend=41999\n",
            "pjsip.conf": self._pjsip(ours),
            "stasis.conf": "",
        }
        for name, text in files.items():
            (etc / name).write_text(text, encoding="utf-8")

    def _module_folder(self) -> str:
        found = next(self.root.glob("usr/lib/*/asterisk/modules"))
        return f"/{found.relative_to(self.root)}"

    def _pjsip(self, port: int) -> str:
        line = self.line
        secure = line.transport == "tls"
        tls = f"cert_file={self.inside}/etc/line.crt\npriv_key_file={self.inside}/etc/line.key\n"
        ours = "[::1]" if ":" in line.host else "127.0.0.1"
        contact = f"sip:{ours}:{port}"
        contact += "" if line.transport == "udp" else f";transport={line.transport}"
        parts = [
            f"[line]\ntype=transport\nprotocol={line.transport}\nbind={self.host}:{self.port}\n"
            + (f"{tls}method=tlsv1_2\n" if secure else ""),
            f"[{ACCOUNT}]\ntype=endpoint\ntransport=line\ncontext=lines\ndisallow=all\n"
            "allow=alaw,ulaw\ndtmf_mode=rfc4733\ndirect_media=no\nmoh_passthrough=yes\n"
            f"timers=yes\ntimers_min_se=90\ntimers_sess_expires=90\naors={ACCOUNT}\n"
            f"media_encryption={'sdes' if line.srtp else 'no'}\n"
            + (f"auth={ACCOUNT}\n" if line.registers else ""),
        ]
        if line.registers:
            parts += [
                f"[{ACCOUNT}]\ntype=aor\nmax_contacts=1\nqualify_frequency=5\n",
                f"[{ACCOUNT}]\ntype=auth\nusername={ACCOUNT}\npassword={PASSWORD}\n",
            ]
        else:
            parts += [
                f"[{ACCOUNT}]\ntype=aor\ncontact={contact}\nqualify_frequency=5\n",
                f"[{ACCOUNT}]\ntype=identify\nendpoint={ACCOUNT}\nmatch={ours.strip('[]')}\n",
            ]
        return "\n".join(parts)

    def _write_certificate(self) -> None:
        etc = self.folder / "etc"
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=provider",
                "-addext", f"subjectAltName=IP:{self.line.host}",
                "-keyout", str(etc / "line.key"), "-out", str(etc / "line.crt"),
            ],
            check=True, capture_output=True,
        )  # fmt: skip


_ASTERISK = """
[directories]
astetcdir => {folder}/etc
astmoddir => {modules}
astvarlibdir => {folder}/lib
astdbdir => {folder}/lib
astkeydir => {folder}/lib
astdatadir => /usr/share/asterisk
astspooldir => {folder}/spool
astrundir => {folder}/run
astlogdir => {folder}/log
"""
