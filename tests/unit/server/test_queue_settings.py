"""A queue's settings, as admins write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from centralita.core.errors import InvalidInput
from centralita.core.ids import AgentId, QueueId
from centralita.core.wire import Plain
from centralita.server.center import agent_profile, queue_config
from centralita.store.records import AgentRecord, QueueRecord


def queue(**settings: Plain) -> QueueRecord:
    return QueueRecord(
        queue_id=QueueId("sales"), title="Sales", agents=(AgentId("ana"),), settings=settings
    )


def test_every_setting_is_taken() -> None:
    config = queue_config(
        queue(
            ring_time="15s",
            wrap_up="0s",
            max_wait="5m",
            announce_every="20s",
            drop_window="500ms",
            skills={"german": 3},
            strategy="most_skilled",
            exit_when_empty=False,
            exit_key="*",
            record=False,
            announce_recording=False,
            dispositions=["sold", "not sold"],
        )
    )
    assert not config.live_transcript
    assert queue_config(queue(live_transcript=True)).live_transcript
    assert config.ring_time == timedelta(seconds=15)
    assert config.wrap_up == timedelta(0)
    assert config.drop_window == timedelta(milliseconds=500)
    assert (config.skills, config.strategy) == ({"german": 3}, "most_skilled")
    assert (config.exit_when_empty, config.exit_key, config.record) == (False, "*", False)
    assert config.dispositions == ("sold", "not sold")


def test_nothing_said_is_a_sensible_queue() -> None:
    config = queue_config(queue())
    assert (config.language, config.strategy) == ("es", "longest_idle")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("wrapup", "30s", "unknown; known are"),
        ("wrap_up", "30 secs", '"30 secs" is not a duration; write'),
        ("wrap_up", 30, "30 is not a duration"),
        ("ring_time", "0s", "shorter than a second"),
        ("announce_every", "10ms", "shorter than a second"),
        ("record", "yes", "is not true or false"),
        ("record", 1, "is not true or false"),
        ("live_transcript", "yes", "is not true or false"),
        ("skills", ["german"], "write names and levels"),
        ("skills", {"german": "3"}, "write names and levels"),
        ("skills", {"german": True}, "write names and levels"),
        ("dispositions", "sold", "write a list of words"),
        ("dispositions", [1], "write a list of words"),
        ("strategy", "random", "write one of longest_idle, most_skilled"),
        ("strategy", ["longest_idle"], "write one of longest_idle, most_skilled"),
        ("exit_key", "12", "is not one key"),
        ("exit_key", 1, "is not"),
    ],
)
def test_what_is_wrong_is_named_with_queue_and_setting(
    name: str, value: Plain, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=rf'queue "sales", setting "{name}": ') as caught:
        queue_config(queue(**{name: value}))
    assert reason in str(caught.value)


def test_a_live_transcript_needs_a_recording_that_can_be_paused() -> None:
    with pytest.raises(InvalidInput, match='setting "live_transcript": needs "record"'):
        queue_config(queue(live_transcript=True, record=False))


def agent(*skills: str) -> AgentRecord:
    return AgentRecord(
        agent_id=AgentId("ana"),
        name="Ana",
        extension="201",
        skills=skills,
    )


def test_skills_have_levels_and_agents_their_queues() -> None:
    other = QueueRecord(queue_id=QueueId("support"), title="Support")
    profile = agent_profile(agent("german:3", "french", "dutch:x"), [queue(), other])
    assert profile.skills == {"german": 3, "french": 1, "dutch": 1}
    assert profile.queues == {QueueId("sales")}
