"""An agent writes, in a real browser, and sees what becomes of it at a real mail server."""

# ruff: noqa: F811 (fixtures that come by import)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from centralita.api import schemas as s
from centralita.channels.email import EmailSender, MailServer
from centralita.channels.fake import FakeSender
from centralita.channels.mailbox import Mailbox
from centralita.channels.postman import MessageMoved, Postman
from centralita.channels.protocol import Sender, Unclear
from centralita.core.bus import Bus
from centralita.core.ids import TemplateId
from centralita.server.live_feed import message_changed
from centralita.timeline.model import Channel
from centralita.timeline.templates import Template, TemplateText
from tests.integration.test_web_after_call import hello, wraps_up
from tests.integration.test_web_page import (  # noqa: F401
    SignsIn,
    browser,
    desk,
    signs_in,
    visit,
)
from tests.support.browser import BrowserPage, why_skip
from tests.support.desk import Desk
from tests.support.mail import Mailroom, mail_server
from tests.support.server import free_port
from tests.support.visit import Visit

pytestmark = pytest.mark.skipif(why_skip() != "", reason=why_skip())


@asynccontextmanager
async def sending(desk: Desk, *senders: Sender) -> AsyncIterator[None]:
    """What is written at this desk is sent, and the pages hear of it."""
    bus = Bus()
    bus.subscribe(MessageMoved, lambda moved: desk.hub.publish(message_changed(moved)))
    postman = desk.post.postman = Postman(senders, desk.store.outbox, bus, desk.clock)
    desk.post.channels = {sender.channel for sender in senders}
    postman.start()
    yield
    await postman.close()


def smtp(room: Mailroom) -> EmailSender:
    return EmailSender(
        MailServer(
            host="127.0.0.1", port=room.port, security="none",
            sender=Mailbox(name="Talleres Gil", address="hola@talleres.example"),
        )
    )  # fmt: skip


async def writes(ana: BrowserPage, template: str, text: str) -> None:
    await ana.click("next-message")
    await ana.select("message-template", template)
    await ana.until("document.querySelector('[data-testid=message-text]')?.value.length > 0")
    await ana.fill("message-text", text)
    await ana.click("message-save")


async def test_what_is_written_is_sent_and_the_open_history_says_so(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    await desk.store.templates.put(hello())
    ana = await wraps_up(desk, visit, signs_in)
    async with mail_server() as room, sending(desk, smtp(room)):
        room.hanging = asyncio.Event()
        await ana.click("next-message")
        await ana.select("message-template", "hello")
        await ana.sees("message-save", "Enviar")
        assert await ana.count("not-sent-yet") == 0
        await ana.click("next-message")
        await writes(ana, "hello", "Hola, Julia: sale mañana.")
        await ana.sees("text=El mensaje está en camino")
        await asyncio.wait_for(room.reached.wait(), 5)
        room.hanging.set()
        # Nobody touches the page.
        await ana.sees('[data-testid="entry-sending"][data-status="sent"]', "Enviado")
        got = room.delivered.get_nowait()
        assert got.recipients == ("julia.rios@example.org",)
        assert got.mail.get_content().strip() == "Hola, Julia: sale mañana."
        assert await ana.inaccessible() == []
        assert await ana.problems() == []


async def test_an_address_that_is_none_is_said_in_words_and_tried_again_by_a_button(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    await desk.store.templates.put(hello())
    ana = await wraps_up(desk, visit, signs_in)
    async with mail_server() as room, sending(desk, smtp(room)):
        room.at_rcpt.append("550 5.1.1 No such user here")
        await writes(ana, "hello", "Hola, Julia: sale mañana.")
        await ana.sees('[data-testid="entry-sending"][data-status="failed"]', "No enviado")
        await ana.sees("entry-trouble", "no existe o no acepta mensajes")
        assert "No such user" not in await ana.text("entry-trouble")
        assert await ana.inaccessible() == []
        await ana.click("message-retry")
        await ana.sees('[data-testid="entry-sending"][data-status="sent"]', "Enviado")
        assert room.delivered.qsize() == 1 and await ana.count("entry-trouble") == 0


async def test_what_waits_for_a_server_says_until_when_and_goes_at_once_on_demand(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    await desk.store.templates.put(hello())
    ana = await wraps_up(desk, visit, signs_in, locale="en-GB")
    room = Mailroom(free_port())
    async with sending(desk, smtp(room)):
        await writes(ana, "hello", "Hello Julia.")
        await ana.sees("entry-trouble", "does not answer")
        await ana.sees("entry-trouble", "Next try")
        await ana.sees('[data-testid="entry-sending"][data-status="queued"]', "Waiting")
        async with mail_server(room=room):
            await ana.click("message-retry")
            await ana.sees('[data-testid="entry-sending"][data-status="sent"]', "Sent")


async def test_an_sms_of_which_nobody_knows_is_left_to_the_agent(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    texts = (TemplateText(language="es", body="Su caja sale hoy."),)
    sms = Template(id=TemplateId("sms"), channel=Channel.SMS, name="Caja", texts=texts)
    await desk.store.templates.put(sms)
    ana = await wraps_up(desk, visit, signs_in)
    gateway = FakeSender("sms", repeatable=False)
    gateway.refuse(Unclear("no answer"))
    async with sending(desk, gateway):
        await writes(ana, "sms", "ñ" * 1531)
        await ana.sees("text=Es demasiado largo para un SMS")
        await ana.fill("message-text", "Su caja sale hoy.")
        await ana.click("message-save")
        await ana.sees("entry-trouble", "pregunte al cliente")
        await ana.click("message-retry")
        await ana.sees('[data-testid="entry-sending"][data-status="sent"]', "Enviado")
        assert [letter.to for letter in gateway.taken] == ["+34600111222"]


async def test_a_server_in_trouble_for_long_is_told_to_everybody_in_words(
    desk: Desk, visit: Visit, signs_in: SignsIn
) -> None:
    desk.floor.health.messages = s.Part(ok=False, message="no email has gone since noon (login)")
    ana = await signs_in("ana")
    await ana.sees("faults", "Los correos o los SMS no salen ahora")
    assert "login" not in await ana.text("faults")
    assert await ana.inaccessible() == []
