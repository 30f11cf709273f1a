"""The directory in routing's and the IVR's terms: agents, queues, flows, as of now."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from centralita.api import schemas as s
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.ids import FlowId, QueueId
from centralita.core.wire import Plain, parse_duration
from centralita.ivr.flow import Flow
from centralita.ivr.loader import BadFlow, load
from centralita.ivr.outgoing import OUTGOING
from centralita.routing.agent import AgentProfile
from centralita.routing.queue import QueueConfig
from centralita.routing.strategy import STRATEGIES
from centralita.server.config import Config
from centralita.store.records import AgentRecord, FlowRecord, QueueRecord
from centralita.store.store import Store
from centralita.timeline.identity import normal_phone

log = logging.getLogger(__name__)

_DURATIONS = ("ring_time", "wrap_up", "max_wait", "announce_every", "drop_window", "park_time")
_SWITCHES = (
    *("exit_when_empty", "record", "announce_recording", "announce_outgoing"),
    *("live_transcript", "hide_number"),
)
_CALLER_ID = re.compile(r"(\+?[0-9]{2,20})?")
# The number of a flow that answers whatever nothing else answers.
ANY_NUMBER = "*"
# Shorter ones are extensions and services, which nobody writes with a prefix.
_SHORTEST_NUMBER = 7
_KNOWN = {*_DURATIONS, *_SWITCHES, "skills", "strategy", "exit_key", "dispositions", "caller_id"}


def queue_config(record: QueueRecord) -> QueueConfig:
    """A queue as routing wants it; raises InvalidInput that names the queue and the setting."""
    values: dict[str, object] = {}
    for name, value in record.settings.items():
        place = f'queue "{record.queue_id}", setting "{name}"'
        if name not in _KNOWN:
            raise InvalidInput(f"unknown; known are {', '.join(sorted(_KNOWN))}", place=place)
        try:
            values[name] = _setting(name, value)
        except InvalidInput as exc:
            raise InvalidInput(str(exc), place=place) from exc
    if values.get("live_transcript") and not values.get("record", True):
        raise InvalidInput(
            'needs "record": agents keep card data out by pausing the recording',
            place=f'queue "{record.queue_id}", setting "live_transcript"',
        )
    known = dict(values)
    return QueueConfig(
        queue_id=record.queue_id,
        title=record.title,
        language=record.language or "es",
        **known,  # type: ignore[arg-type]  # names and types were checked one by one
    )


def _setting(name: str, value: Plain) -> object:
    if name in _DURATIONS:
        if not isinstance(value, str):
            raise InvalidInput(f'{value!r} is not a duration; write "30s"')
        span = parse_duration(value)
        if name in ("ring_time", "max_wait", "announce_every", "park_time") and span < timedelta(
            seconds=1
        ):
            raise InvalidInput("is shorter than a second")
        return span
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise InvalidInput(f"{value!r} is not true or false")
        return value
    if name == "skills":
        if not isinstance(value, dict) or not all(type(v) is int for v in value.values()):
            raise InvalidInput('write names and levels: {"german": 3}')
        return dict(value)
    if name == "dispositions":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InvalidInput("write a list of words")
        return tuple(str(item) for item in value)
    if name == "strategy":
        if not isinstance(value, str) or value not in STRATEGIES:
            raise InvalidInput(f"{value!r}; write one of {', '.join(STRATEGIES)}")
        return value
    if name == "caller_id":
        if not isinstance(value, str) or not _CALLER_ID.fullmatch(value):
            raise InvalidInput(f'{value!r} is not a number; write "+34911234567", or "" for none')
        return value
    if not isinstance(value, str) or len(value) > 1 or value not in "0123456789*#ABCD":
        raise InvalidInput(f'{value!r} is not one key; write "*", or "" for none')
    return value


def agent_profile(record: AgentRecord, queues: Sequence[QueueRecord]) -> AgentProfile:
    """An agent as routing wants it. A skill is `german` (level 1) or `german:3`."""
    skills = {}
    for text in record.skills:
        name, _, level = text.partition(":")
        skills[name] = int(level) if level.isdigit() else 1
    return AgentProfile(
        agent_id=record.agent_id,
        name=record.name,
        extension=record.extension,
        skills=skills,
        queues=frozenset(queue.queue_id for queue in queues if record.agent_id in queue.agents),
    )


def _phone(agent: AgentRecord) -> tuple[str, str, str]:
    return agent.agent_id, agent.extension, agent.ha1


class Center:
    """Agents, queues and published flows, read from the store and kept at hand."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self.agents: tuple[AgentRecord, ...] = ()
        self.queue_records: tuple[QueueRecord, ...] = ()
        self.queues: dict[QueueId, QueueConfig] = {}
        self.flows: dict[str, Flow] = {}
        self._numbers: dict[str, str] = {}
        self._whole_numbers: dict[str, str] = {}
        self._taking = asyncio.Lock()

    async def load(self) -> None:
        """Read everything anew; what calls already use stays as it is."""
        self.agents = tuple(agent for agent in await self._store.agents.all() if agent.active)
        self.queue_records = await self._store.queues.all()
        self.queues = {record.queue_id: self._queue(record) for record in self.queue_records}
        for record in await self._store.flows.all():
            published = await self._store.flows.published(record.flow_id)
            if published is not None:
                await self._take(published)

    async def agents_changed(self) -> bool:
        """Whether agents have come or gone, or their phones are others, since `load`."""
        now = [agent for agent in await self._store.agents.all() if agent.active]
        return [_phone(agent) for agent in now] != [_phone(agent) for agent in self.agents]

    def _queue(self, record: QueueRecord) -> QueueConfig:
        """The site's switch for the recording notice is above the queue's."""
        queue = queue_config(record)
        site = self._config.recordings.announce
        return replace(
            queue,
            announce_recording=queue.announce_recording and site,
            announce_outgoing=queue.announce_outgoing and site,
        )

    def profiles(self) -> list[AgentProfile]:
        """The agents for the board."""
        return [agent_profile(agent, self.queue_records) for agent in self.agents]

    def flow_for(self, dialled: str) -> Flow:
        """The flow that answers a number: sip.conf first, then the flow's own numbers.

        Raises NotFound when nothing answers it.
        """
        number = self._config.number_for(dialled)
        name = number.flow if number is not None else None
        name = name or self._own_number(dialled) or self._numbers.get(ANY_NUMBER)
        flow = self.flows.get(name) if name else None
        if flow is None:
            raise NotFound(f"no published flow answers {dialled}")
        return flow

    def answers(self, dialled: str) -> bool:
        """Whether a flow was given this very number, and not whatever nothing else answers."""
        return self._config.number_for(dialled) is not None or bool(self._own_number(dialled))

    def _own_number(self, dialled: str) -> str:
        """The flow that was given this number, as it is written or in another writing of it."""
        if dialled in self._numbers:
            return self._numbers[dialled]
        return self._whole_numbers.get(self._in_full(dialled), "")

    def _in_full(self, number: str) -> str:
        """In E.164; empty for an extension, which has only one writing."""
        if sum(sign.isdigit() for sign in number) < _SHORTEST_NUMBER:
            return ""
        try:
            return normal_phone(number, self._config.sip.region)
        except InvalidInput:
            return ""

    async def flow(self, name: str, version: int) -> Flow:
        """One version of a flow, published or not: a call keeps the one it began with.

        Raises NotFound when the store has lost it.
        """
        if name == OUTGOING.name:
            return OUTGOING
        current = self.flows.get(name)
        if current is not None and current.version == version:
            return current
        record = await self._store.flows.get(FlowId(name), version)
        if record is None:
            raise NotFound(f"there is no version {version} of flow {name}")
        return await asyncio.to_thread(load, dict(record.document), version=record.version)

    @property
    def default_queue(self) -> str:
        """Where callers go when a flow fails: the first queue there is."""
        return str(next(iter(self.queues), ""))

    # --- FlowControl for the API ----------------------------------------------------------------

    async def validate(
        self, flow_id: FlowId, document: Mapping[str, Plain]
    ) -> Sequence[s.FlowProblem]:
        """What is wrong with a document."""
        flows, queues = {*self.flows, flow_id}, set(self.queues)
        try:
            flow = await asyncio.to_thread(load, dict(document), flows=flows, queues=queues)
        except BadFlow as exc:
            problems = [
                s.FlowProblem(
                    place=f"nodes.{problem.node}.{problem.field}".removeprefix("nodes..").strip(
                        "."
                    ),
                    message=str(problem),
                )
                for problem in exc.problems
            ]
            if exc.more:
                problems.append(s.FlowProblem(place="", message=f"and {exc.more} more problems"))
            return problems
        if flow.name != flow_id:
            reason = f'the document says "{flow.name}", the address says "{flow_id}"'
            return [s.FlowProblem(place="flow", message=reason)]
        return []

    async def published(self, flow: FlowRecord) -> None:
        """New calls use this version from now on."""
        await self._take(flow)

    async def _take(self, record: FlowRecord) -> None:
        # One after the other, so that of two versions the one that was published last stays.
        async with self._taking:
            await self._use(record)

    async def _use(self, record: FlowRecord) -> None:
        try:
            flow = await asyncio.to_thread(load, dict(record.document), version=record.version)
        except BadFlow as exc:
            log.error(
                "published flow cannot be used",
                extra={"flow": record.flow_id, "version": record.version, "problems": str(exc)},
            )
            return
        self.flows[flow.name] = flow
        self._numbers = {
            number: name for number, name in self._numbers.items() if name != flow.name
        } | dict.fromkeys(record.numbers, flow.name)
        whole = {self._in_full(number): name for number, name in self._numbers.items()}
        self._whole_numbers = {number: name for number, name in whole.items() if number}
