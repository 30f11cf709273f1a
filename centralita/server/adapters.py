"""The protocols that packages declare, filled by their siblings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from centralita.core.clock import Clock
from centralita.core.errors import InvalidInput
from centralita.core.ids import CallId, LegId, QueueId, RecordingId
from centralita.ivr.ports import OnLeft
from centralita.ivr.prompts.cache import PromptCache
from centralita.ivr.signals import (
    CallNumber,
    Enqueue,
    EnterFlow,
    LeaveMessage,
    Onward,
    Prompt,
    QueueExit,
    StayWith,
)
from centralita.outbound.numbers import Number
from centralita.outbound.ways import attempts
from centralita.recordings.files import RecordingError
from centralita.recordings.recorder import Recorder
from centralita.routing.conversations.targets import (
    Connected,
    ToFlow,
    ToNumber,
    ToVoicemail,
)
from centralita.routing.dispatcher import Dispatcher, Returned
from centralita.routing.queue import QueuedCall
from centralita.server.config import Config
from centralita.server.trunks_out import ways_out_of
from centralita.telephony.attempts import Attempt, CallingParty, Srtp
from centralita.telephony.call import CallArrived
from centralita.telephony.edge.control import Registration, page_name

_NOTICE = {
    "es": "Para mejorar la calidad, esta llamada puede ser grabada.",
    "en": "This call may be recorded to improve our service.",
}
_UNHEARD = {
    "es": "No llega sonido de la otra parte.",
    "en": "No sound is coming from the other side.",
}
_POSITION = {
    "es": "Es usted el número {position} en la cola. Enseguida le atendemos.",
    "en": "You are number {position} in the queue. We will be with you shortly.",
}
_NUMBER = re.compile(r"\+?\d{1,20}")


class FlowPrompts:
    """`ivr.ports.PromptMaker` over the cache of rendered prompts."""

    def __init__(self, cache: PromptCache, folder: Path) -> None:
        self._cache = cache
        self._folder = folder

    async def files(self, prompts: Sequence[Prompt]) -> list[Path]:
        """A playable file for each prompt."""
        made = []
        for prompt in prompts:
            if prompt.wav:
                made.append(await self._cache.import_wav(self._folder / Path(prompt.wav).name))
            else:
                made.append(await self._cache.render(prompt.text, prompt.language))
        return made

    async def beep(self) -> Path:
        """The tone before a message."""
        return await self._cache.beep()

    async def ringing(self) -> Path:
        """What a caller hears while a transfer rings."""
        return await self._cache.music_on_hold()


class QueueAnnouncer:
    """`routing.dispatcher.Announcer` over the same cache."""

    def __init__(self, cache: PromptCache) -> None:
        self._cache = cache

    async def music(self) -> Path:
        """Music on hold."""
        return await self._cache.music_on_hold()

    async def ringing(self) -> Path:
        """What an agent hears while the phone of a third party rings."""
        return await self._cache.ringing()

    async def recording_notice(self, language: str) -> Path:
        """What the law wants said before recording; replaceable by the site's own file."""
        return await self._cache.prompt(
            "recording-notice", _NOTICE.get(language, _NOTICE["en"]), language
        )

    async def unheard(self, language: str) -> Path:
        """What an agent hears when the other side's line has died."""
        return await self._cache.prompt(
            "silent-line", _UNHEARD.get(language, _UNHEARD["en"]), language
        )

    async def position(self, position: int, language: str) -> Sequence[Path]:
        """The caller's place."""
        text = _POSITION.get(language, _POSITION["en"]).format(position=position)
        return [await self._cache.render(text, language)]


class Phones:
    """Where phones and outside numbers are: `PhoneBook` for routing; for flows see `outward.py`."""

    def __init__(
        self,
        config: Config,
        registered: Callable[[], Mapping[str, Registration]],
        usable: Callable[[str], bool] = lambda trunk: True,
    ) -> None:
        """`usable` is whether a trunk is believed to work: one that is not is tried last."""
        self._config = config
        self._registered = registered
        self._usable = usable
        self._ways = ways_out_of(config)

    def find(self, extension: str) -> tuple[Attempt, ...]:
        """How an agent's phone is rung, by way of the edge."""
        registered, domain = self._registered(), self._config.sip.domain
        registration = registered.get(extension)
        peer = _host_of(registration.contact) if registration is not None else ""
        uri = f"sip:{extension}@{domain}"
        if page_name(extension) in registered:
            if registration is None:
                return (Attempt(uri=f"sip:{page_name(extension)}@{domain}"),)
            # Both ring, and the first to answer has the call: see telephony/worker/targets.py.
            uri += ";also=page"
        secret = registration is not None and registration.transport == "tls"
        offers = Srtp(self._config.media.srtp).offers(secret=secret)
        return tuple(Attempt(uri=uri, peer=peer, encrypted=encrypted) for encrypted in offers)

    def locate(self, target: str) -> Place:
        """A transfer's target: an extension, a number outside when there is a trunk that takes
        calls, or a SIP URI of our own domain. Raises InvalidInput for what may not be called."""
        number = target.removeprefix("tel:").strip("<>")
        if number.startswith(("sip:", "sips:")):
            user, _, host = number.partition(":")[2].partition("@")
            host = re.split(r"[;:?>]", host)[0]
            if host and host != self._config.sip.domain and not _is_ours(host, self._config):
                raise InvalidInput(f"calls to {host} are not allowed; transfer to a number")
            number = user.split(";")[0]
        if not self._registered().keys().isdisjoint({number, page_name(number)}):
            return self._inside(number)
        number = re.sub(r"(?<=\d)-(?=\d)", "", number)
        if not _NUMBER.fullmatch(number):
            raise InvalidInput(f'"{target}" cannot be called')
        if self._ways:
            return Place(number=number)
        return self._inside(number)

    @property
    def calls_out(self) -> bool:
        """Whether there is a trunk that takes calls."""
        return bool(self._ways)

    def has(self, extension: str) -> bool:
        """Whether a phone of that extension is registered."""
        return not self._registered().keys().isdisjoint({extension, page_name(extension)})

    def outside(self, number: Number, party: CallingParty) -> tuple[Attempt, ...]:
        """How a number is called through the trunks. What may be called is not for here to say.
        Raises InvalidInput when no trunk is for it."""
        found = attempts(number, party, self._ways, self._usable)
        if not found:
            raise InvalidInput(
                f"no trunk is for {number.text}; name its beginning in calls_to of one"
            )
        return found

    def _inside(self, extension: str) -> Place:
        return Place(number=extension, attempts=self.find(extension))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a target is: a phone of ours, with how to ring it, or a number outside."""

    number: str
    attempts: tuple[Attempt, ...] = ()

    @property
    def is_outside(self) -> bool:
        """Whether the policy has a say in it."""
        return not self.attempts


def _host_of(contact: str) -> str:
    """The address in a Contact URI."""
    host = urlsplit("//" + contact.partition(":")[2]).hostname if ":" in contact else None
    return host or ""


def _is_ours(host: str, config: Config) -> bool:
    return host in {config.sip.address, config.sip.public_address, "127.0.0.1", "localhost"}


class Queues:
    """`ivr.ports.QueueGateway` over the dispatcher."""

    def __init__(self, dispatcher: Dispatcher, clock: Clock) -> None:
        self._dispatcher = dispatcher
        self._clock = clock

    def enqueue(
        self,
        arrived: CallArrived,
        order: Enqueue,
        on_left: OnLeft,
    ) -> None:
        """Let the caller wait in the queue that the flow names."""
        queue_id = QueueId(order.queue)
        queue = self._dispatcher.board.queues.get(queue_id)
        now = self._clock.now()
        if queue is None:
            raise InvalidInput(f'there is no queue "{order.queue}"')
        call = QueuedCall(
            call_id=arrived.call_id,
            leg_id=arrived.leg_id,
            queue_id=queue_id,
            queued_at=now,
            give_up_at=now + queue.max_wait,
            priority=order.priority,
            skills=order.skills,
            language=order.language or queue.language,
            caller=arrived.caller,
            caller_name=arrived.caller_name,
        )

        self._dispatcher.enqueue(call, _teller(on_left))

    def rejoin(self, call_id: CallId, on_left: OnLeft) -> bool:
        """Hear of a caller whom the dispatcher has taken over."""
        return self._dispatcher.rejoin(call_id, _teller(on_left))


def _teller(on_left: OnLeft) -> Callable[[Returned], None]:
    """Routing's return of a caller in the flow's words."""

    def left(returned: Returned) -> None:
        if returned.reason is None:
            on_left(QueueExit.CONVERSATION_ENDED, _onward(returned))
        else:
            on_left(QueueExit(returned.reason.value), None)

    return left


def _onward(returned: Returned) -> Onward | None:
    match returned.to:
        case ToNumber(number=number):
            return CallNumber(target=number, by=returned.by or "")
        case ToVoicemail(queue_id=queue_id):
            return LeaveMessage(queue=queue_id)
        case ToFlow(flow_id=flow_id, node=node):
            return EnterFlow(flow=flow_id, node=node)
        case Connected(leg_id=leg_id, acquainted=acquainted):
            return StayWith(leg_id=leg_id, acquainted=acquainted)
        case None:
            return None


class Messages:
    """`ivr.voicemail.MessageRecorder` over the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def start(
        self, call_id: CallId, leg_id: LegId, *, language: str, queue: str
    ) -> RecordingId:
        """Record the caller's leg."""
        recording_id = await self._recorder.start(
            call_id, (leg_id,), kind="voicemail", language=language, queue=queue
        )
        if not self._recorder.runs(recording_id):
            raise RecordingError("the message cannot be recorded")
        return recording_id

    async def finish(self, call_id: CallId, recording_id: RecordingId) -> None:
        """Keep it."""
        await self._recorder.stop(call_id)

    async def discard(self, recording_id: RecordingId) -> None:
        """Nothing was said."""
        await self._recorder.discard(recording_id)
