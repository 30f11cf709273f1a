"""Pages at the edge: SIP over WebSocket (RFC 7118), as browsers and as strangers speak it."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from centralita.telephony.edge.config import EdgeTrunk, ha1
from centralita.telephony.edge.control import Registration
from tests.support.edge import RunningEdge, edge_config, free_port, phone, running_edge
from tests.support.sip import SDP, page_party, udp_party

SECRET, DESK = "of the hour", "of the desk"
ORIGIN = "http://127.0.0.1:8080"
WORKER = ("127.0.0.1", 5999)


@dataclass
class Page:
    """A browser's page, as far as SIP is concerned."""

    socket: aiohttp.ClientWebSocketResponse
    name: str = "first"
    count: int = field(default=0)

    async def registers(self, secret: str = SECRET, extension: str = "201") -> str:
        """The status line of the answer, once challenged."""
        challenge = await self._register(extension, "")
        nonce = re.search(r'nonce="([^"]+)"', challenge)
        assert nonce is not None, challenge
        one = ha1(extension, "centralita", secret)
        two = _md5("REGISTER:sip:centralita")
        ours = secrets.token_hex(4)
        answer = _md5(f"{one}:{nonce[1]}:00000001:{ours}:auth:{two}")
        return (
            await self._register(
                extension,
                f'Authorization: Digest username="{extension}", realm="centralita", '
                f'nonce="{nonce[1]}", uri="sip:centralita", response="{answer}", algorithm=MD5, '
                f'cnonce="{ours}", nc=00000001, qop=auth\r\n',
            )
        ).splitlines()[0]

    async def _register(self, extension: str, authorization: str) -> str:
        self.count += 1
        await self.socket.send_str(
            "REGISTER sip:centralita SIP/2.0\r\n"
            f"Via: SIP/2.0/WS {self.name}.invalid;branch=z9hG4bK{self.name}{self.count}\r\n"
            f"Max-Forwards: 69\r\nTo: <sip:{extension}@centralita>\r\n"
            f"From: <sip:{extension}@centralita>;tag=x\r\nCall-ID: {self.name}\r\n"
            f"CSeq: {self.count} REGISTER\r\n{authorization}"
            f"Contact: <sip:{self.name}@{self.name}.invalid;transport=ws>;expires=120\r\n\r\n"
        )
        message = await asyncio.wait_for(self.socket.receive(), 5)
        return str(message.data)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@asynccontextmanager
async def page_edge(tmp_path: Path, **change: object) -> AsyncIterator[RunningEdge]:
    config = replace(
        edge_config(tmp_path, [WORKER]),
        ws_port=free_port(),
        wss_port=free_port(),
        origins=(ORIGIN,),
        **change,  # type: ignore[arg-type]
    )
    async with running_edge(config, [phone("201", DESK)]) as edge:
        yield edge


@asynccontextmanager
async def open_page(
    edge: RunningEdge, *, name: str = "first", origin: str = ORIGIN, tls: bool = False
) -> AsyncIterator[Page]:
    config = edge.edge.config
    url = f"wss://127.0.0.1:{config.wss_port}" if tls else f"ws://127.0.0.1:{config.ws_port}"
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["sip"], origin=origin, ssl=trusting) as socket,
    ):
        assert socket.protocol == "sip"
        yield Page(socket, name)


async def registered(edge: RunningEdge, *names: str) -> dict[str, Registration]:
    """The registrations, as soon as they are of these names."""
    async with asyncio.timeout(10):
        while set(found := await edge.control.registrations()) != set(names):
            await asyncio.sleep(0.05)  # another process: nothing to await but its answer
        return found


@pytest.mark.parametrize("tls", [False, True])
async def test_a_page_registers_beside_the_phones_and_is_gone_with_its_connection(
    tmp_path: Path, tls: bool
) -> None:
    async with page_edge(tmp_path) as edge:
        await edge.control.admit_page("201", ha1("201", "centralita", SECRET))
        async with open_page(edge, tls=tls) as page:
            assert await page.registers() == "SIP/2.0 200 OK"
            found = await registered(edge, "201~page")
            assert found["201~page"].page
            assert found["201~page"].extension == "201"
            assert found["201~page"].connection >= 0
        await registered(edge)


async def test_each_way_has_its_own_secrets(tmp_path: Path) -> None:
    async with page_edge(tmp_path) as edge, open_page(edge) as page:
        # No page is admitted: the phone's password does not help.
        assert "401" in await page.registers(DESK)
        await edge.control.admit_page("201", ha1("201", "centralita", SECRET))
        assert "401" in await page.registers(DESK)
        assert "200" in await page.registers(SECRET)


async def test_a_secret_runs_out_and_is_replaced_by_the_next(tmp_path: Path) -> None:
    async with page_edge(tmp_path, page_secret=timedelta(seconds=2)) as edge:
        async with open_page(edge) as page:
            await edge.control.admit_page("201", ha1("201", "centralita", "old"))
            await edge.control.admit_page("201", ha1("201", "centralita", SECRET))
            assert "401" in await page.registers("old")
            assert "200" in await page.registers(SECRET)
            async with asyncio.timeout(15):
                while True:  # Kamailio sweeps its table by its own clock
                    async with open_page(edge, name="another") as another:
                        if "200" not in await another.registers(SECRET):
                            break
                    await asyncio.sleep(0.2)


async def test_the_page_that_registers_last_is_the_one_that_is_rung(tmp_path: Path) -> None:
    async with page_edge(tmp_path) as edge, open_page(edge) as first:
        await edge.control.admit_page("201", ha1("201", "centralita", SECRET))
        assert "200" in await first.registers()
        async with open_page(edge, name="second") as second:
            assert "200" in await second.registers()
            found = await registered(edge, "201~page")
            assert "second@" in found["201~page"].contact
            await edge.control.dismiss_page("201", "centralita")
            await registered(edge)
            assert "401" in await second.registers()


async def test_pages_of_other_sites_get_no_connection(tmp_path: Path) -> None:
    async with page_edge(tmp_path) as edge:
        for origin in ("http://evil.example.org", "null", "http://127.0.0.1:8081", ""):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with open_page(edge, origin=origin):
                    pass
            assert refused.value.status == 403
        # By TLS the host that one connects to is ours: whose page it is shows in the origin.
        async with open_page(edge, origin="https://127.0.0.1", tls=True):
            pass


async def test_what_phones_use_is_no_web_server(tmp_path: Path) -> None:
    async with page_edge(tmp_path) as edge, aiohttp.ClientSession() as session:
        host, port = edge.address
        async with session.get(f"http://{host}:{port}/", headers={"Origin": ORIGIN}) as answer:
            assert answer.status == 404
        url = f"http://127.0.0.1:{edge.edge.config.ws_port}/"
        async with session.get(url, headers={"Origin": ORIGIN}) as answer:
            assert answer.status == 400


async def test_over_tcp_a_message_without_its_length_is_still_refused(tmp_path: Path) -> None:
    async with page_edge(tmp_path) as edge:
        reader, writer = await asyncio.open_connection(*edge.address)
        writer.write(
            b"OPTIONS sip:201@centralita SIP/2.0\r\nVia: SIP/2.0/TCP x.invalid;branch=z9hG4bK1\r\n"
            b"Max-Forwards: 69\r\nTo: <sip:201@centralita>\r\nFrom: <sip:x@x.invalid>;tag=x\r\n"
            b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.read(4096), 5)
        assert answer.startswith(b"SIP/2.0 400 ")
        writer.close()


@pytest.mark.parametrize("exempt", [(), ("127.0.0.1",)], ids=["counted", "exempt"])
async def test_a_page_behind_a_reverse_proxy_at_a_trunks_address_is_no_trunk(
    tmp_path: Path, exempt: tuple[str, ...]
) -> None:
    trunk = EdgeTrunk(name="here", addresses=("127.0.0.0/8",))
    async with (
        page_edge(tmp_path, trunks=(trunk,), exempt=exempt, unproven=timedelta(seconds=17)) as edge,
        page_party(f"ws://127.0.0.1:{edge.edge.config.ws_port}", origin=ORIGIN) as stranger,
        udp_party("127.0.0.2") as provider,
    ):
        for method in ("INVITE", "OPTIONS", "MESSAGE"):
            body = SDP if method == "INVITE" else ""
            stranger.send(stranger.request(method, "sip:100@centralita", body=body))
            assert (await stranger.receive()).status == 407
        # nor may he stay like one
        (connection,) = await edge.control.connections()
        assert connection.lifetime == 17
        # by other ways that address is the trunk
        provider.send(provider.request("OPTIONS", "sip:centralita"), edge.address)
        assert (await provider.receive()).status == 200
