"""Wrong passwords, old challenges and forged senders: who is shut out for them, and who is not."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.telephony.edge.config import ha1
from tests.support.edge import RunningEdge, edge_config, free_port, phone, running_edge
from tests.support.sip import Message, Party, authorization, page_party, stream_party, udp_party

ORIGIN = "http://127.0.0.1:8080"
OFFICE = [str(201 + number) for number in range(40)]


@asynccontextmanager
async def _edge(tmp_path: Path, **changes: object) -> AsyncIterator[RunningEdge]:
    """An edge for an office of forty phones."""
    async with udp_party() as worker:
        config = replace(
            edge_config(tmp_path, [worker.local]),
            **{"flood_requests": 100_000, **changes},  # type: ignore[arg-type]
        )
        phones = [phone(extension, f"of {extension}") for extension in OFFICE]
        async with running_edge(config, phones) as edge:
            yield edge


@dataclass
class DeskPhone:
    """A phone as they are sold: it answers with its last challenge until it gets another."""

    edge: RunningEdge
    party: Party
    extension: str
    password: str = ""
    challenge: str = ""
    used: int = 0

    async def registers(self) -> list[Message]:
        """All answers, up to the one that is no challenge."""
        answers = [await self.asks()]
        while answers[-1].status == 401 and len(answers) < 3:
            self.challenge, self.used = answers[-1]["www-authenticate"], 0
            answers.append(await self.asks())
        return answers

    async def asks(self, timeout: float = 5.0) -> Message:
        """The answer to one REGISTER."""
        uri, line = "sip:centralita", ""
        if self.challenge:
            self.used += 1
            password = self.password or f"of {self.extension}"
            line = "Authorization: " + authorization(
                self.challenge, "REGISTER", uri, self.extension, password, count=self.used
            )
        call_id = secrets.token_hex(8)
        text = self.party.request(
            "REGISTER",
            uri,
            user=self.extension,
            to=f"sip:{self.extension}@centralita",
            call_id=call_id,
            extra=line,
            expires=60,
        )
        self.party.send(text, self.edge.address)
        while (answer := await self.party.receive_answer("REGISTER", timeout))[
            "call-id"
        ] != call_id:
            pass
        return answer


async def _expired(edge: RunningEdge, phone: DeskPhone) -> Message:
    """The answer to a challenge that has just become too old."""
    async with asyncio.timeout(10):
        while (answer := await phone.asks()).status == 200:
            pass
    return answer


async def test_an_office_whose_challenges_expire_together_goes_on(tmp_path: Path) -> None:
    async with (
        _edge(tmp_path, nonce=timedelta(seconds=1)) as edge,
        udp_party("127.0.0.40") as router,
    ):
        phones = [DeskPhone(edge, router, extension) for extension in OFFICE]
        for desk in phones:
            assert [answer.status for answer in await desk.registers()] == [401, 200]
        for _ in range(4):  # far more than the guesses of an address
            old = await _expired(edge, phones[0])
            assert "stale=true" in old["www-authenticate"]
            for desk in phones:
                answers = await desk.registers()
                assert answers[-1].status == 200
                assert all("stale=true" in each["www-authenticate"] for each in answers[:-1])
        assert await edge.control.bans() == []


async def test_an_old_challenge_is_no_guess_whatever_the_password(tmp_path: Path) -> None:
    async with (
        _edge(tmp_path, nonce=timedelta(seconds=1), guesses=3, guesses_of_address=6) as edge,
        udp_party("127.0.0.40") as router,
    ):
        honest = DeskPhone(edge, router, "201")
        await honest.registers()
        await _expired(edge, honest)
        for desk in (DeskPhone(edge, router, "202", "wrong"), DeskPhone(edge, router, "999")):
            desk.challenge = honest.challenge
            for _ in range(10):
                answer = await desk.asks()
                assert answer.status == 401
                assert "stale=true" in answer["www-authenticate"]
        # Nor one that somebody else was given, by which he would have them banned.
        async with udp_party("127.0.0.66") as stranger:
            stranger.send(stranger.request("REGISTER", "sip:centralita"), edge.address)
            honest.challenge = (await stranger.receive())["www-authenticate"]
        for _ in range(10):
            assert "stale=true" in (await honest.asks())["www-authenticate"]
        assert await edge.control.bans() == []


async def test_a_phone_with_a_wrong_password_is_locked_and_the_office_goes_on(
    tmp_path: Path,
) -> None:
    async with _edge(tmp_path, guesses=3) as edge, udp_party("127.0.0.40") as router:
        wrong = DeskPhone(edge, router, "201", "wrong")
        wrong.challenge = (await wrong.asks())["www-authenticate"]
        assert [(await wrong.asks()).status for _ in range(3)] == [401] * 3
        with pytest.raises(TimeoutError):
            await wrong.asks(timeout=0.5)
        await edge.log_has("user locked for too many wrong passwords 127.0.0.40/201")
        for extension in OFFICE[1:]:
            assert (await DeskPhone(edge, router, extension).registers())[-1].status == 200
        # The same extension at another address is not concerned, and the lock can be lifted.
        async with udp_party("127.0.0.41") as home:
            assert (await DeskPhone(edge, home, "201").registers())[-1].status == 200
        (ban,) = await edge.control.bans()
        assert (ban.address, ban.reason) == ("127.0.0.40", "guesses")
        await edge.control.lift_ban("127.0.0.40")
        assert (await DeskPhone(edge, router, "201").registers())[-1].status == 200


async def test_who_guesses_at_many_phones_is_banned(tmp_path: Path) -> None:
    async with (
        _edge(tmp_path, guesses=3, guesses_of_address=20) as edge,
        udp_party("127.0.0.66") as guesser,
    ):
        silent_after = 0
        for extension in OFFICE:
            desk = DeskPhone(edge, guesser, extension, "guess")
            try:
                desk.challenge = (await desk.asks(timeout=0.5))["www-authenticate"]
                assert (await desk.asks(timeout=0.5)).status == 401
            except TimeoutError:
                break
            silent_after += 1
        assert silent_after == 20
        await edge.log_has("address banned for too many wrong passwords 127.0.0.66")


async def test_a_page_that_guesses_loses_its_connection_also_behind_an_exempt_proxy(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with _edge(
        tmp_path, guesses=3, ws_port=port, origins=(ORIGIN,), exempt=("127.0.0.1",)
    ) as edge:
        await edge.control.admit_page("201", ha1("201", "centralita", "of the page"))
        async with (
            page_party(f"ws://127.0.0.1:{port}", origin=ORIGIN) as guesser,
            page_party(f"ws://127.0.0.1:{port}", origin=ORIGIN) as page,
        ):
            desk = DeskPhone(edge, guesser, "201", "guess")
            desk.challenge = (await desk.asks())["www-authenticate"]
            assert [(await desk.asks()).status for _ in range(3)] == [401] * 3
            with pytest.raises(TimeoutError):
                await desk.asks(timeout=0.5)
            await edge.log_has("page closed for too many wrong passwords")
            async with asyncio.timeout(5):
                while len(await edge.control.connections()) > 1:
                    await asyncio.sleep(0.05)  # another process closes it
            ours = DeskPhone(edge, page, "201", "of the page")
            assert (await ours.registers())[-1].status == 200


async def test_forged_datagrams_do_not_ban_a_phone(tmp_path: Path) -> None:
    async with (
        _edge(tmp_path, flood_requests=20) as edge,
        udp_party("127.0.0.40") as router,
        udp_party("127.0.0.40") as forger,
        udp_party("127.0.0.66") as flooder,
    ):
        desk = DeskPhone(edge, router, "201")
        assert (await desk.registers())[-1].status == 200
        for _ in range(10):
            for _ in range(40):
                forger.send(forger.request("OPTIONS", "sip:centralita"), edge.address)
            assert (await desk.asks()).status == 200  # in the middle of it
        assert forger.inbox.qsize() < 200
        await edge.log_has("only phones are heard at an address with too many requests 127.0.0.40")
        assert await edge.control.bans() == []
        # By a connection nobody is forged; nor is an address spared where no phone is.
        async with stream_party(edge.address) as home:
            assert (await DeskPhone(edge, home, "202").registers())[-1].status == 200
        for _ in range(100):
            flooder.send(flooder.request("OPTIONS", "sip:centralita"), edge.address)
        await edge.log_has("address banned for too many requests 127.0.0.66")
        log = edge.log.read_text(errors="replace")
        assert len(re.findall("only phones are heard", log)) == 1
