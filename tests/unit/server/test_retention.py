"""Retention: the sound goes when its time is over; that there was one stays."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from centralita.core.clock import SteadyClock
from centralita.core.ids import CallId, InteractionId, RecordingId
from centralita.server.auditing import audit_log
from centralita.server.retention import Retention
from centralita.server.settings import RetentionConfig
from centralita.store.records import RecordingRecord
from centralita.store.store import Store, open_store
from centralita.timeline.model import Channel, Direction, Interaction
from tests.support.house import house_config


def sound_file(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"sound")
    return folder / name


async def keep(store: Store, folder: Path, name: str, age: timedelta) -> Path:
    """A recording of that age, with its file."""
    file = sound_file(folder, f"{name}.flac")
    await store.recordings.add(
        RecordingRecord(
            recording_id=RecordingId(name), call_id=CallId("call_1"), kind="conversation",
            path=file.name, channels=2, duration=timedelta(seconds=1), sha256="",
            created_at=SteadyClock().now() - age,
        )
    )  # fmt: skip
    return file


async def test_only_what_is_too_old_goes_and_its_entry_stays(tmp_path: Path) -> None:
    config = house_config(tmp_path)
    config = replace(config, recordings=replace(config.recordings, retention=timedelta(days=30)))
    store = await open_store(config.database_url)
    try:
        old = await keep(store, config.recordings_dir, "old", timedelta(days=31))
        new = await keep(store, config.recordings_dir, "new", timedelta(days=29))
        lost = await keep(store, config.recordings_dir, "lost", timedelta(days=40))
        lost.unlink()
        retention = Retention(config, store, SteadyClock(), audit_log(config, store, SteadyClock()))
        assert await retention.remove_expired() == 2
        assert (old.exists(), new.exists()) == (False, True)
        records = await store.recordings.of_call(CallId("call_1"))
        removed = {record.recording_id: record.removed for record in records}
        assert removed == {"lost": True, "old": True, "new": False}
        assert await retention.remove_expired() == 0
        entries = await store.audit.after(0, 10)
        assert [(entry.who, entry.action) for entry in entries] == [
            ("server", "recording.expire")
        ] * 2
        assert {entry.object for entry in entries} == {"old", "lost"}
    finally:
        await store.close()


async def test_without_a_retention_everything_stays(tmp_path: Path) -> None:
    config = house_config(tmp_path)
    config = replace(config, recordings=replace(config.recordings, retention=None))
    store = await open_store(config.database_url)
    try:
        old = await keep(store, config.recordings_dir, "old", timedelta(days=9999))
        assert (
            await Retention(
                config, store, SteadyClock(), audit_log(config, store, SteadyClock())
            ).remove_expired()
            == 0
        )
        assert old.exists()
    finally:
        await store.close()


async def test_words_go_after_their_own_time_and_the_audit_log_says_how_many(
    tmp_path: Path,
) -> None:
    config = house_config(tmp_path)
    config = replace(config, retention=RetentionConfig(messages=timedelta(days=30)))
    store = await open_store(config.database_url)
    try:
        now = SteadyClock().now()
        for name, days in (("int_old", 31), ("int_new", 29)):
            await store.interactions.add(
                Interaction(
                    id=InteractionId(name), channel=Channel.EMAIL, direction=Direction.IN,
                    started_at=now - timedelta(days=days), customer_id=None, body="hola",
                )
            )  # fmt: skip
        audit = audit_log(config, store, SteadyClock())
        retention = Retention(config, store, SteadyClock(), audit)
        assert await retention.remove_texts() == {"messages": 1}
        assert await retention.remove_texts() == {}
        old = await store.interactions.get(InteractionId("int_old"))
        new = await store.interactions.get(InteractionId("int_new"))
        assert old is not None and new is not None
        assert (old.body, new.body) == ("", "hola")
        (noted,) = await store.audit.after(0, 10)
        assert (noted.who, noted.action, noted.object) == ("server", "texts.expire", "messages")
        assert json.loads(noted.details)["count"] == 1
        # Without a time of their own they stay for ever.
        forever = replace(config, retention=RetentionConfig())
        assert await Retention(forever, store, SteadyClock(), audit).remove_texts() == {}
    finally:
        await store.close()
