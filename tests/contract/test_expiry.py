"""Words whose time is over, on SQLite and on PostgreSQL: they go, that there were some stays."""

# ruff: noqa: F811 (fixtures that come by import)

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from centralita.channels.ledger import Failed
from centralita.channels.protocol import Trouble
from centralita.core.errors import NotFound
from centralita.core.ids import InteractionId, MessageId, NodeId, QueueId, RecordingId, TaskId
from centralita.store.records import RecordingRecord, TranscriptChannel, TranscriptRecord
from centralita.store.store import Store
from centralita.timeline.model import Channel, Direction, PathStep, Task, TaskKind, TaskState
from centralita.timeline.repositories import Annotation
from centralita.timeline.templates import OutgoingMessage
from tests.contract.test_erasure import everything
from tests.contract.test_store import (  # noqa: F401
    ANA,
    CALL,
    NOON,
    begin,
    customer,
    message,
    postgres_server,
    store,
    summary,
    url,
)

MINUTE = timedelta(minutes=1)


async def sent(store: Store, ident: str, body: str) -> OutgoingMessage:
    """A message of ours that waits."""
    entry = replace(message(ident), direction=Direction.OUT, subject="asunto", body=body)
    await store.interactions.add(entry)
    out = OutgoingMessage(
        id=MessageId(f"msg_{ident}"), interaction_id=entry.id, customer_id=ANA,
        channel=Channel.EMAIL, to="ana@example.org", created_at=NOON, created_by="user_ana",
    )  # fmt: skip
    await store.outbox.add(out)
    return out


async def test_old_messages_lose_their_words_and_keep_their_place(store: Store) -> None:
    await store.customers.add(customer("cus_ana", "+34600111222"))
    await store.interactions.add(replace(message("int_old"), body="esmeralda", subject="rubí"))
    await store.interactions.annotate(InteractionId("int_old"), Annotation(notes="ópalo"))
    await store.interactions.add(replace(message("int_new", minutes=10), body="topacio"))
    note = replace(message("int_note"), channel=Channel.NOTE, body="ámbar")
    await store.interactions.add(note)
    assert await store.expiry.messages(NOON + 5 * MINUTE) == 1
    assert await store.expiry.messages(NOON + 5 * MINUTE) == 0
    left = await everything(store)
    assert "esmeralda" not in left and "rubí" not in left
    # The younger one, what agents noted, and that there was a message.
    assert "topacio" in left and "ópalo" in left and "ámbar" in left
    old = await store.interactions.get(InteractionId("int_old"))
    assert old is not None and (old.channel, old.started_at) == (Channel.SMS, NOON)


async def test_what_waits_to_be_sent_keeps_its_words_and_what_failed_is_over(
    store: Store,
) -> None:
    await store.customers.add(customer("cus_ana", "+34600111222"))
    failed = await sent(store, "int_failed", "topacio")
    taken = await store.outbox.take(Channel.EMAIL, NOON)
    assert taken is not None
    await store.outbox.settle(taken.letter, Failed(trouble=Trouble.ADDRESS, answer="550"))
    queued = await sent(store, "int_queued", "esmeralda")
    assert await store.expiry.messages(NOON + MINUTE) == 1
    waiting = await store.interactions.get(queued.interaction_id)
    assert waiting is not None and waiting.body == "esmeralda"
    with pytest.raises(NotFound):
        await store.outbox.retry(failed.id, NOON)


async def test_what_was_said_goes_and_the_way_of_the_call_stays(store: Store) -> None:
    await store.customers.add(customer("cus_ana", "+34600111222"))
    entry = await begin(store)
    await store.journal.append(CALL, NOON, "heard_in_call", {"text": "turquesa"})
    step = PathStep(
        node_id=NodeId("menu"), at=NOON, kind="menu", result="ventas", said="granate",
        heard="perla",
    )  # fmt: skip
    await store.journal.end_call(replace(summary(), path=(step,)))
    for name in ("rec_1", "rec_2"):
        await store.recordings.add(
            RecordingRecord(
                recording_id=RecordingId(name), call_id=CALL, kind="voicemail", path=name,
                channels=1, duration=timedelta(seconds=3), sha256="",
                created_at=NOON + (10 * MINUTE if name == "rec_2" else timedelta(0)),
            )
        )  # fmt: skip
        words = "cuarzo" if name == "rec_1" else "ágata"
        said = TranscriptChannel(speaker="caller", text=words, words=())
        await store.recordings.put_transcript(
            TranscriptRecord(
                recording_id=RecordingId(name), language="es", text=words, channels=(said,)
            )
        )
    await store.tasks.add(
        Task(
            id=TaskId("task_1"), kind=TaskKind.VOICEMAIL, state=TaskState.DONE, created_at=NOON,
            queue_id=QueueId("sales"), customer_id=ANA, interaction_id=entry.id, call_id=CALL,
            caller="+34600111222", text="jade",
        )
    )  # fmt: skip
    gone = 0
    while count := await store.expiry.transcripts(NOON + 5 * MINUTE, limit=1):
        gone += count
    assert gone == 2
    left = await everything(store)
    assert [
        word for word in ("cuarzo", "turquesa", "granate", "perla", "jade") if word in left
    ] == []
    assert "ágata" in left and "ventas" in left
    # A recording without a transcript would be transcribed once more.
    assert await store.recordings.without_transcript() == ()
