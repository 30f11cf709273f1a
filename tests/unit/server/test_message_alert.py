"""More messages than anybody expects are told of, once a day, before a limit stops them."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from centralita.channels.postman import Postman
from centralita.core.bus import Bus
from centralita.core.clock import ManualClock
from centralita.core.ids import CustomerId, InteractionId, MessageId
from centralita.outbound.rules import Rules
from centralita.server.health import messages_out
from centralita.server.message_alert import MessageAlert
from centralita.server.settings import OutboundConfig
from centralita.store.store import Store, open_store
from centralita.timeline.model import Channel, Customer, Direction, Interaction
from centralita.timeline.templates import OutgoingMessage

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
ANA = CustomerId("cus_ana")


async def write(store: Store, channel: Channel, count: int, at: datetime) -> None:
    for number in range(count):
        ident = f"{channel.value}_{at:%H%M}_{number}"
        entry = InteractionId(f"int_{ident}")
        await store.interactions.add(
            Interaction(
                id=entry, channel=channel, direction=Direction.OUT, started_at=at, customer_id=ANA
            )
        )
        await store.outbox.add(
            OutgoingMessage(
                id=MessageId(f"msg_{ident}"), interaction_id=entry, customer_id=ANA,
                channel=channel, to="+34600111222", created_at=at, created_by=f"user_{number % 3}",
            )
        )  # fmt: skip


async def test_too_many_are_told_of_once_a_day_by_channel(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/centralita.db")
    await store.customers.add(Customer(id=ANA, name="Ana", created_at=MORNING))
    clock = ManualClock(MORNING)
    postman = Postman([], store.outbox, Bus(), clock)
    alert = MessageAlert(
        replace(OutboundConfig(), sms_alert_at=5), Rules(region="ES", zone=UTC), store.outbox, clock
    )
    # Many emails are no matter here, and four SMS of all together are not five.
    await write(store, Channel.EMAIL, 20, MORNING)
    await write(store, Channel.SMS, 4, MORNING)
    with caplog.at_level(logging.WARNING):
        await alert.look()
        assert messages_out(postman, alert).ok and not caplog.records
        await write(store, Channel.SMS, 3, MORNING + timedelta(minutes=1))
        await alert.look()
        await alert.look()
    part = messages_out(postman, alert)
    assert not part.ok
    assert part.message.startswith("7 messages by sms were written today")
    assert part.message.endswith("sms_alert_at")
    (told,) = caplog.records
    assert told.getMessage() == "more messages were written today than the alert threshold"
    # The next day begins at nothing.
    clock.advance(timedelta(days=1))
    await alert.look()
    assert messages_out(postman, alert).ok
    await store.close()
