"""Messages through a running server: written by the API, received by real servers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.support import kannel, mail
from tests.support.kannel import KannelImitation, imitation
from tests.support.mail import Mailroom, certificate_for, mail_server
from tests.support.server import ApiClient, ServerProcess, free_port
from tests.support.story import Json, eventually

CARMEN, HER_PHONE = "carmen.ruiz@example.com", "+34600111222"


def conf(folder: Path, room: Mailroom, gateway: KannelImitation, security: str = "none") -> str:
    """The sections [email] and [sms], with their password files."""
    for name, password in (("mail", mail.PASSWORD), ("sms", kannel.PASSWORD)):
        (folder / name).write_text(password + "\n")
        (folder / name).chmod(0o600)
    login = "" if security == "none" else f"user = {mail.USER}\npassword_file = mail\n"
    return (
        f"[email]\nserver = localhost:{room.port}\nsecurity = {security}\n{login}"
        "from = Talleres Gil <hola@talleres.example>\nreply_to = pedidos@talleres.example\n"
        f"[sms]\nurl = http://127.0.0.1:{gateway.port}/cgi-bin/sendsms\nuser = {kannel.USER}\n"
        "password_file = sms\nfrom = Talleres\n"
    )


async def customer(api: ApiClient) -> str:
    found = (await api.get(f"/customers?identity={CARMEN}"))["items"]
    assert isinstance(found, list)
    return str(found[0]["id"])


async def write(api: ApiClient, channel: str, text: str) -> str:
    """An agent writes to Carmen; the entry's id."""
    to = {"to": CARMEN, "subject": "Su pedido"} if channel == "email" else {"to": HER_PHONE}
    body = {"channel": channel, "customer_id": await customer(api), "body": text} | to
    status, entry = await api.post("/messages", body)
    assert status == 201, entry
    return str(entry["id"])


async def becomes(api: ApiClient, entry_id: str, status: str, trouble: str | None = None) -> Json:
    """The message, once it is so far."""

    async def look() -> Json | None:
        entry = await api.get(f"/interactions/{entry_id}")
        sending = entry["sending"]
        assert isinstance(sending, dict)
        so = sending["status"] == status and sending["trouble"] == trouble
        return sending if so else None

    return await eventually(look, f"the message is {status}", within=20)


async def health(server: ServerProcess) -> Json:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/healthz") as answer:
            return dict(await answer.json())


@asynccontextmanager
async def servers(port: int | None = None) -> AsyncIterator[tuple[Mailroom, KannelImitation]]:
    async with mail_server(port=port) as room, imitation() as gateway:
        yield room, gateway


async def test_an_email_and_an_sms_arrive_and_everybody_hears_of_it(tmp_path: Path) -> None:
    certificate = certificate_for("localhost", tmp_path)
    async with (
        mail_server(security="starttls", certificate=certificate, login=True) as room,
        imitation() as gateway,
    ):
        server = ServerProcess(tmp_path, extra=conf(tmp_path, room, gateway, "starttls"))
        server.env["SSL_CERT_FILE"] = str(certificate.file)
        async with server, server.api("ana") as ana:
            live = await ana.live()
            email = await write(ana, "email", "Hola, Carmen: sale mañana.")
            sms = await write(ana, "sms", "Sale mañana.")
            got = await asyncio.wait_for(room.delivered.get(), 10)
            assert got.recipients == (CARMEN,) and got.encrypted and got.signed_in
            assert str(got.mail["Reply-To"]) == "pedidos@talleres.example"
            assert await gateway.got() == ("Talleres", HER_PHONE, "Sale mañana.")
            sent = await becomes(ana, email, "sent")
            assert sent["sent_at"] is not None and sent["tries"] == 1
            await becomes(ana, sms, "sent")
            heard: dict[str, str] = {}
            async with asyncio.timeout(10):
                while len(heard) < 2:
                    said = await live.receive_json()
                    if said["type"] == "message":
                        heard[said["interaction_id"]] = said["status"]
            assert heard == {email: "sent", sms: "sent"}
            assert (await health(server))["messages"] == {
                "ok": True, "message": "", "detail": {"sends": ["email", "sms"]},
            }  # fmt: skip
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{server.url}/metrics") as answer:
                    metrics = await answer.text()
            assert 'centralita_messages_total{channel="email",result="sent"} 1.0' in metrics
        log = server.log.read_text()
        assert "message sent" in log
        assert CARMEN not in log and HER_PHONE not in log and kannel.PASSWORD not in log


async def test_what_was_written_before_there_was_a_server_goes_when_there_is_one(
    tmp_path: Path,
) -> None:
    server = ServerProcess(tmp_path)
    async with server, server.api("ana") as ana:
        entry = await write(ana, "email", "Hola, Carmen.")
        waits = await becomes(ana, entry, "queued")
        assert waits["tries"] == 0
    async with servers() as (room, gateway):
        server.extra = conf(tmp_path, room, gateway)
        async with server, server.api("ana") as ana:
            await becomes(ana, entry, "sent")
            assert room.delivered.qsize() == 1


async def test_a_mail_server_that_is_away_or_in_a_bad_mood_costs_no_message(
    tmp_path: Path,
) -> None:
    async with imitation() as gateway:
        room = Mailroom(free_port())
        server = ServerProcess(tmp_path, extra=conf(tmp_path, room, gateway))
        async with server, server.api("ana") as ana:
            first = await write(ana, "email", "uno")
            waits = await becomes(ana, first, "queued", "unreachable")
            assert waits["next_at"] is not None
            room.at_rcpt.extend(["451 4.7.1 Greylisted"])
            async with mail_server(room=room):
                second = await write(ana, "email", "dos")  # finds out that the server is back
                await becomes(ana, second, "queued", "busy")
                await becomes(ana, first, "sent")
                retry = f"/messages/{(await becomes(ana, second, 'queued', 'busy'))['message_id']}"
                assert (await ana.post(f"{retry}/retry", None))[0] == 200
                await becomes(ana, second, "sent")
                room.at_rcpt.append("550 5.1.1 No such user")
                third = await write(ana, "email", "tres")
                await becomes(ana, third, "failed", "address")
                sent = [room.delivered.get_nowait() for _ in range(2)]
                assert [one.mail.get_content().strip() for one in sent] == ["uno", "dos"]


async def test_a_brain_killed_in_the_middle_sends_the_same_email_again_and_no_sms(
    tmp_path: Path,
) -> None:
    async with servers() as (room, gateway):
        room.hanging, gateway.hanging = asyncio.Event(), asyncio.Event()
        server = ServerProcess(tmp_path, extra=conf(tmp_path, room, gateway))
        async with server, server.api("ana") as ana:
            email, sms = await write(ana, "email", "Hola"), await write(ana, "sms", "Hola")
            await asyncio.wait_for(asyncio.gather(room.reached.wait(), gateway.reached.wait()), 10)
            # Both servers have it, and have not said so.
            brain = server.brain
            brain.send_signal(signal.SIGKILL)
            await asyncio.to_thread(brain.wait, 10)
            room.hanging.set()
            gateway.hanging.set()
            first = await asyncio.wait_for(room.delivered.get(), 10)
            second = await asyncio.wait_for(room.delivered.get(), 30)
            assert first.raw == second.raw
            assert first.mail["Message-ID"] == second.mail["Message-ID"]
        async with server, server.api("ana") as ana:
            await becomes(ana, email, "sent")
            unclear = await becomes(ana, sms, "failed", "unclear")
            assert len(gateway.asked) == 1
            assert (await ana.post(f"/messages/{unclear['message_id']}/retry", None))[0] == 200
            await becomes(ana, sms, "sent")
            assert len(gateway.asked) == 2 and room.delivered.empty()


async def test_a_renewed_brain_goes_on_with_what_waits(tmp_path: Path) -> None:
    async with servers() as (room, gateway):
        server = ServerProcess(tmp_path, extra=conf(tmp_path, room, gateway))
        async with server, server.api("ana") as ana:
            room.at_rcpt.append("451 4.7.1 Greylisted")
            waits = await write(ana, "email", "Hola")
            state = await becomes(ana, waits, "queued", "busy")
            first = server.brain
            os.kill(server.pid, signal.SIGUSR2)
            await asyncio.to_thread(first.wait, 20)

            async def served() -> bool | None:
                try:
                    return True if (await health(server))["status"] else None
                except aiohttp.ClientError:
                    return None

            await eventually(served, "another brain serves", within=20)
            status, _ = await ana.post(f"/messages/{state['message_id']}/retry", None)
            assert status == 200
            await becomes(ana, waits, "sent")
            assert room.delivered.qsize() == 1
