"""What agents do with their calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from centralita.api import schemas as s
from centralita.api.auditor import Auditor
from centralita.api.http import Forbidden, Handler, Incoming, Reply
from centralita.api.ports import ApiPorts, ConversationControl
from centralita.api.rights import check_may_work
from centralita.api.schemas import oncall as o
from centralita.audit.entry import Action, Outcome
from centralita.core.errors import Conflict, NotFound
from centralita.core.ids import AgentId, CallId, TaskId
from centralita.core.refusals import Refusal

Act = Callable[[ConversationControl, CallId], Awaitable[None]]


class Conversations:
    """Agents for their own conversation; supervisors for anybody's."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._auditor = auditor
        self._control = ports.conversations
        self._hub = ports.hub
        self._store = ports.store

    def handlers(self) -> dict[str, Handler]:
        simple: dict[str, Act] = {
            "hang_up": lambda control, call_id: control.hang_up(call_id),
            "hold": lambda control, call_id: control.hold(call_id),
            "resume": lambda control, call_id: control.resume(call_id),
            "consult_swap": lambda control, call_id: control.swap(call_id),
            "consult_complete": lambda control, call_id: control.complete(call_id),
            "consult_conference": lambda control, call_id: control.confer(call_id),
            "consult_cancel": lambda control, call_id: control.cancel(call_id),
            "pause_recording": lambda control, call_id: control.pause_recording(call_id, True),
            "resume_recording": lambda control, call_id: control.pause_recording(call_id, False),
        }
        return {
            **{name: self._simple(act) for name, act in simple.items()},
            "send_keys": self.keys,
            "transfer": self.transfer,
            "consult": self.consult,
            "park": self.park,
            "parked": self.parked,
            "pick_up": self.pick_up,
            "make_call": self.call,
            "read_along": self.read_along,
            "read_no_more": self.read_no_more,
        }

    def _simple(self, act: Act) -> Handler:
        async def handle(incoming: Incoming) -> Reply:
            await act(self._control, self._own(incoming))
            return Reply(None, 204)

        return handle

    async def keys(self, incoming: Incoming) -> Reply:
        wanted = incoming.body(o.KeysRequest)
        await self._control.keys(self._own(incoming), wanted.keys)
        return Reply(None, 204)

    async def transfer(self, incoming: Incoming) -> Reply:
        wanted = incoming.body(o.TransferRequest)
        await self._control.transfer(self._own(incoming), wanted.to)
        return Reply(None, 204)

    async def consult(self, incoming: Incoming) -> Reply:
        wanted = incoming.body(o.ConsultRequest)
        await self._control.consult(self._own(incoming), wanted.to)
        return Reply(None, 204)

    async def park(self, incoming: Incoming) -> Reply:
        return Reply(o.ParkingSlot(slot=await self._control.park(self._own(incoming))))

    async def parked(self, incoming: Incoming) -> Reply:
        return Reply(
            s.Page(
                items=[
                    o.ParkedCall(
                        slot=parked.slot,
                        call_id=parked.call_id,
                        caller=parked.caller,
                        customer_id=parked.customer_id,
                        customer_name=parked.customer_name,
                        since=parked.since,
                        by=parked.by,
                    )
                    for parked in self._hub.parked.values()
                ]
            )
        )

    async def pick_up(self, incoming: Incoming) -> Reply:
        await self._control.pick_up(incoming.path("id"), _agent(incoming))
        return Reply(None, 204)

    async def call(self, incoming: Incoming) -> Reply:
        wanted, agent_id = incoming.body(o.CallRequest), _agent(incoming)
        if wanted.task_id is not None:
            task = await self._store.tasks.get(TaskId(wanted.task_id))
            if task is None:
                raise NotFound(f"no task {wanted.task_id}", code=Refusal.NO_SUCH_TASK)
            check_may_work(incoming.who, task, await self._store.queues.all())
            if task.agent_id not in (None, agent_id):  # a supervisor takes it over first
                raise Conflict("another agent has this task", code=Refusal.TAKEN)
        return Reply(await self._control.call(agent_id, wanted), 201)

    async def read_along(self, incoming: Incoming) -> Reply:
        call_id, who = incoming.path("id"), incoming.who
        said = self._hub.transcripts.get(call_id)
        if said is None:
            raise NotFound(
                f"nothing is transcribed in call {call_id}", code=Refusal.NOT_TRANSCRIBED
            )
        if who.agent_id == said.agent_id:
            return Reply(None, 204)  # they are shown the own words anyway
        outcome = Outcome.DONE if who.is_supervisor else Outcome.REFUSED
        # No word before the entry that says who reads it.
        await self._auditor.enter(
            incoming, Action.TRANSCRIPT_READ, call_id, outcome, agent_id=said.agent_id
        )
        if not who.is_supervisor:
            raise Forbidden(
                "this is another agent's conversation; a supervisor may read along",
                code=Refusal.NOT_YOUR_CONVERSATION,
            )
        self._hub.read_along(who.user.id, call_id)
        return Reply(None, 204)

    async def read_no_more(self, incoming: Incoming) -> Reply:
        self._hub.read_no_more(incoming.who.user.id, incoming.path("id"))
        return Reply(None, 204)

    def _own(self, incoming: Incoming) -> CallId:
        """The call of the path, which must be the sender's. Raises NotFound, Forbidden."""
        call_id = CallId(incoming.path("id"))
        owner = self._control.owner(call_id)
        if not incoming.who.is_supervisor and incoming.who.agent_id != owner:
            raise Forbidden(
                "this is another agent's conversation; a supervisor may act in it",
                code=Refusal.NOT_YOUR_CONVERSATION,
            )
        return call_id


def _agent(incoming: Incoming) -> AgentId:
    agent_id = incoming.who.agent_id
    if agent_id is None:
        raise Conflict("this user is no agent and has no phone", code=Refusal.NO_AGENT)
    return agent_id
