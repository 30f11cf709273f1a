"""Finding what was said: the same stories on SQLite and on PostgreSQL."""

# ruff: noqa: F811 (fixtures that come by import)
from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from centralita.core.ids import CustomerId, InteractionId, RecordingId
from centralita.store.database import MIGRATIONS, Database
from centralita.store.records import (
    RecordingRecord,
    TranscriptChannel,
    TranscriptRecord,
    TranscriptWord,
)
from centralita.store.store import Store, open_store
from centralita.timeline.model import CallDetails, Channel, Interaction
from centralita.timeline.repositories import Annotation
from tests.contract.test_store import (  # noqa: F401
    ANA,
    CALL,
    NOON,
    customer,
    message,
    postgres_server,
    store,
    url,
)

RECORDING = RecordingId("rec_1")


async def found(store: Store, query: str, **more: object) -> list[str]:
    part = await store.search(query, limit=50, **more)  # type: ignore[arg-type]
    return [hit.entry.id for hit in part.items]


async def tables_as_of(url: str, revision: str, *statements: str) -> None:
    """A database that an earlier release left, after these statements."""
    database = Database(url)

    def to(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with database.engine.begin() as connection:
        await connection.run_sync(to)
        for statement in statements:
            await connection.execute(text(statement))
    await database.close()


async def spoken(store: Store, *words: str) -> None:
    """A call of Ana's with these words, one each second."""
    call = CallDetails(call_id=CALL, caller="+34600111222", dialled="100")
    await store.interactions.add(
        replace(message("int_call", minutes=9), channel=Channel.CALL, body="", call=call)
    )
    await store.recordings.add(
        RecordingRecord(
            recording_id=RECORDING, call_id=CALL, kind="conversation", path="1.flac", channels=2,
            duration=timedelta(seconds=9), sha256="", created_at=NOON,
        )
    )  # fmt: skip
    await transcribed(store, *words)


async def transcribed(store: Store, *words: str) -> None:
    said = tuple(
        TranscriptWord(
            text=word, start=timedelta(seconds=n), end=timedelta(seconds=n + 1), confidence=1
        )
        for n, word in enumerate(words)
    )
    text = " ".join(words)
    await store.recordings.put_transcript(
        TranscriptRecord(
            recording_id=RECORDING, language="es", text=text,
            channels=(TranscriptChannel(speaker="caller", text=text, words=said),),
        )
    )  # fmt: skip


async def test_words_are_found_by_their_beginning_without_accents_and_case(
    store: Store,
) -> None:
    await store.customers.add(customer("cus_ana"))
    await store.interactions.add(replace(message("int_1"), body="Mañana llega el CAMIÓN 48213."))
    for query in ("manana", "MAÑANA", "cam", "camión lleg", "482", "48213, manana!"):
        assert await found(store, query) == ["int_1"], query
    for query in ("añana", "camion tren", "8213", "", "!?", '"', "') OR 1"):
        assert await found(store, query) == [], query


async def test_words_of_one_text_are_found_together_and_not_across_texts(
    store: Store,
) -> None:
    await store.customers.add(customer("cus_ana"))
    await spoken(store, "tres", "cajas", "de", "añada")
    await store.interactions.annotate(InteractionId("int_call"), Annotation(notes="Envío lunes"))
    assert await found(store, "cajas anada") == ["int_call"]
    assert await found(store, "envio lunes") == ["int_call"]
    assert await found(store, "cajas lunes") == []


async def test_a_transcript_leads_to_the_second_of_the_word(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    await spoken(store, "tres", "cajas", "de", "añada")
    (hit,) = (await store.search("aña", limit=5)).items
    (one,) = hit.found
    assert (hit.customer_name, one.place, one.recording_id) == ("Ana Núñez", "transcript", "rec_1")
    assert one.at == timedelta(seconds=3)
    assert [(piece.text, piece.hit) for piece in one.pieces] == [
        ("tres cajas de ", False),
        ("añada", True),
    ]


async def test_what_is_rewritten_is_found_as_it_is_now(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    await spoken(store, "burro")
    await transcribed(store, "churro")
    await store.interactions.annotate(InteractionId("int_call"), Annotation(notes="uno"))
    await store.interactions.annotate(InteractionId("int_call"), Annotation(notes="dos"))
    assert [await found(store, word) for word in ("burro", "churro", "uno", "dos")] == [
        [], ["int_call"], [], ["int_call"],
    ]  # fmt: skip
    await store.interactions.annotate(InteractionId("int_call"), Annotation(notes=""))
    assert await found(store, "dos") == []


async def test_a_search_is_for_one_customer_one_channel_and_in_parts(
    store: Store,
) -> None:
    await store.customers.add(customer("cus_ana"))
    await store.customers.add(customer("cus_leo", name="Leo"))
    for n in range(5):
        await store.interactions.add(replace(message(f"int_{n}", n), body=f"caja {n}"))
    other = replace(
        message("int_leo", 9), customer_id=CustomerId("cus_leo"), channel=Channel.EMAIL, body="caja"
    )
    await store.interactions.add(other)
    assert await found(store, "caja", customer_id=ANA) == [f"int_{n}" for n in (4, 3, 2, 1, 0)]
    assert await found(store, "caja", channel=Channel.EMAIL) == ["int_leo"]
    first = await store.search("caja", limit=4)
    rest = await store.search("caja", limit=4, after=first.next)
    assert [hit.entry.id for hit in first.items + rest.items] == [
        "int_leo", "int_4", "int_3", "int_2", "int_1", "int_0",
    ]  # fmt: skip
    assert rest.next is None


async def test_an_undone_change_leaves_the_index_as_it_was(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    try:
        async with store.transaction():
            await store.interactions.add(replace(message("int_1"), body="nunca"))
            raise RuntimeError("a fault")
    except RuntimeError:
        pass
    assert await found(store, "nunca") == []


async def test_what_was_there_before_the_index_is_found_after_the_upgrade(
    url: str,
) -> None:
    await tables_as_of(
        url,
        "0004",
        "INSERT INTO interactions (id, channel, direction, started_at, subject, body,"
        " disposition, notes, call_id, caller, dialled, candidates, details) VALUES"
        " ('int_1', 'call', 'in', '2026-01-05 12:00:00', 'Avería', '', '', 'Otoño', 'call_1',"
        " '', '', '[]', '{}')",
        "INSERT INTO recordings (id, call_id, kind, path, channels, duration_s, sha256,"
        " created_at, removed) VALUES ('rec_1', 'call_1', 'voicemail', '', 1, 1, '',"
        " '2026-01-05 12:00:00', false)",
        "INSERT INTO transcripts (recording_id, language, text, channels) VALUES"
        " ('rec_1', 'es', 'llámenme', '[]')",
    )
    opened = await open_store(url)
    for query in ("averia otono", "llamenme"):
        assert await found(opened, query) == ["int_1"]
    await opened.close()


async def test_a_timeline_can_begin_with_any_of_its_entries(store: Store) -> None:
    await store.customers.add(customer("cus_ana"))
    entries: list[Interaction] = [message(f"int_{n}", n // 2) for n in range(6)]
    for entry in entries:
        await store.interactions.add(entry)
    part = await store.interactions.timeline(ANA, limit=2, since=InteractionId("int_3"))
    assert [entry.id for entry in part.items] == ["int_3", "int_2"]
    rest = await store.interactions.timeline(
        ANA, limit=9, after=part.next, since=InteractionId("int_3")
    )
    assert [entry.id for entry in rest.items] == ["int_1", "int_0"]
