"""A customer with a history, for pages that show one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile

from centralita.api import views
from centralita.api.live_messages import AgentChanged, CallChanged, OfferMade, QueueChanged
from centralita.core.ids import (
    AgentId,
    CallId,
    CaseId,
    CustomerId,
    IdentityId,
    InteractionId,
    LegId,
    NodeId,
    QueueId,
    RecordingId,
    TaskId,
    TemplateId,
)
from centralita.store.records import (
    QueueRecord,
    RecordingRecord,
    TranscriptChannel,
    TranscriptRecord,
    TranscriptWord,
)
from centralita.timeline import model as m
from centralita.timeline.directory import candidates_of, customer_of
from centralita.timeline.templates import Template, TemplateText
from tests.support.desk import Desk

JULIA = CustomerId("cus_julia")
CALLER = "+34600111222"
ANA = AgentId("agent_ana")
SALES = QueueId("sales")


def ago(**time: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time)


@dataclass
class Visit:
    """Julia Ríos, what was said with her before, and the calls she makes."""

    desk: Desk
    folder: Path
    voicemail = RecordingId("rec_call_voicemail")

    async def history(self) -> None:
        """Messages, an old call with its recording, a voicemail, two cases."""
        store = self.desk.store
        await store.queues.put(
            QueueRecord(
                queue_id=SALES,
                title="Ventas",
                language="es",
                agents=(ANA, AgentId("agent_leo")),
                settings={
                    "dispositions": ["venta", "pedido_cambiado", "volverá_a_llamar", "queja"]
                },
            )
        )
        await store.customers.add(customer(JULIA, "Julia Ríos", CALLER, "julia.rios@example.org"))
        for case_id, subject, state, days in (
            ("case_1", "Pedido 48213: falta una caja", m.CaseState.OPEN, 1.2),
            ("case_2", "Factura de octubre", m.CaseState.SOLVED, 40),
        ):
            await store.cases.add(
                m.Case(
                    id=CaseId(case_id), customer_id=JULIA, subject=subject, state=state,
                    opened_at=ago(days=days + 1), updated_at=ago(days=days),
                )
            )  # fmt: skip
        await self._message(
            "sms", m.Direction.IN, 0.09, "", "¿Sabéis algo de la caja que falta? Es para el sábado."
        )
        await self._message(
            "email", m.Direction.OUT, 1.1, "Re: Pedido 48213",
            "Hola, Julia:\n\nHemos reclamado al transporte la caja que falta. Le confirmamos la "
            "entrega en cuanto lo sepamos.\n\nUn saludo,\nAna",
        )  # fmt: skip
        await self._message(
            "email", m.Direction.IN, 1.3, "Pedido 48213",
            "Buenas tardes: de las tres cajas de mi pedido han llegado dos. La tercera consta como "
            "entregada, pero aquí no está. ¿Podéis mirarlo? Gracias.",
        )  # fmt: skip
        await self._message(
            "note", m.Direction.INTERNAL, 20, "", "Prefiere que la llamen por la tarde."
        )
        await self._old_call()
        await self._voicemail()

    async def more(self) -> None:
        """A second customer, a template, a callback that is overdue, what ana did today."""
        store = self.desk.store
        await store.customers.add(
            customer(CustomerId("cus_marta"), "Marta Ríos", "+34911222333", "marta@example.org")
        )
        await store.templates.put(
            Template(
                id=TemplateId("hello"), channel=m.Channel.EMAIL, name="Confirmación",
                texts=(
                    TemplateText(
                        language="es", subject="Su pedido",
                        body="Hola, {name}:\n\nSu pedido sale hoy.\n\nUn saludo,\n{agent}",
                    ),
                ),
            )
        )  # fmt: skip
        await store.tasks.add(
            m.Task(
                id=TaskId("task_2"), kind=m.TaskKind.CALLBACK, state=m.TaskState.OPEN,
                created_at=ago(hours=3), due_at=ago(minutes=20), agent_id=ANA, customer_id=JULIA,
                caller=CALLER, text="Confirmar la hora de entrega.",
            )
        )  # fmt: skip
        await store.call_events.append(
            CallId("call_old"), ago(), "conversation_ended", {"agent_id": ANA, "talked": 96.0}
        )

    async def _message(
        self, channel: str, direction: m.Direction, days: float, subject: str, body: str
    ) -> None:
        await self.desk.store.interactions.add(
            m.Interaction(
                id=InteractionId(f"int_{channel}_{days}"), channel=m.Channel(channel),
                direction=direction, started_at=ago(days=days), ended_at=ago(days=days),
                customer_id=JULIA, subject=subject, body=body,
                agent_id=None if direction is m.Direction.IN else ANA,
            )
        )  # fmt: skip

    async def _old_call(self) -> None:
        began = ago(days=12)
        call_id = CallId("call_old")
        await self.desk.store.interactions.add(
            m.Interaction(
                id=InteractionId("int_old"), channel=m.Channel.CALL, direction=m.Direction.IN,
                started_at=began, ended_at=began + timedelta(seconds=131), customer_id=JULIA,
                agent_id=ANA, queue_id=SALES, disposition="venta",
                notes="Tres cajas de la añada nueva, entrega en la tienda.",
                call=m.CallDetails(
                    call_id=call_id, caller=CALLER, dialled="100",
                    answered_at=began + timedelta(seconds=1), outcome=m.Outcome.CONVERSATION,
                    ended_by="remote_hangup", ended_at_place="conversation", language="es",
                    path=steps(began),
                    waits=(
                        m.QueueWait(
                            queue_id=SALES, since=began, waited=timedelta(seconds=19),
                            how="answered",
                        ),
                    ),
                    talks=(
                        m.Talk(
                            agent_id=ANA, leg_id=LegId("leg_1"),
                            since=began + timedelta(seconds=30), talked=timedelta(seconds=96),
                        ),
                    ),
                    learned={"pedido": "48213"},
                ),
            )
        )  # fmt: skip
        await self.record(
            call_id, "conversation", 12.0,
            ("agent", 0.4, "buenos días le atiende ana en qué puedo ayudarle"),
            ("caller", 4.1, "hola quería tres cajas de la añada nueva"),
            ("agent", 8.2, "claro que sí se las mandamos a la tienda"),
        )  # fmt: skip

    async def _voicemail(self) -> None:
        began = ago(days=0.3)
        call_id = CallId("call_voicemail")
        await self.desk.store.interactions.add(
            m.Interaction(
                id=InteractionId("int_voicemail"), channel=m.Channel.CALL,
                direction=m.Direction.IN, started_at=began,
                ended_at=began + timedelta(seconds=40), customer_id=JULIA, queue_id=SALES,
                call=m.CallDetails(
                    call_id=call_id, caller=CALLER, dialled="100",
                    answered_at=began, outcome=m.Outcome.VOICEMAIL, ended_by="remote_hangup",
                    ended_at_place="voicemail", language="es", path=steps(began),
                ),
            )
        )  # fmt: skip
        text = "hola soy julia por favor llámenme por la caja que falta"
        await self.record(call_id, "voicemail", 8.0, ("voicemail", 0.5, text))
        await self.desk.store.tasks.add(
            m.Task(
                id=TaskId("task_1"), kind=m.TaskKind.VOICEMAIL, state=m.TaskState.OPEN,
                created_at=began, queue_id=SALES, customer_id=JULIA,
                interaction_id=InteractionId("int_voicemail"), call_id=call_id, caller=CALLER,
                text=text,
            )
        )  # fmt: skip

    async def record(
        self, call_id: CallId, kind: str, length: float, *said: tuple[str, float, str]
    ) -> None:
        """A recording that sounds, and its words spread evenly from where each turn begins."""
        channels = 2 if kind == "conversation" else 1
        time = np.arange(int(length * 8000)) / 8000
        sound = np.stack([0.2 * np.sin(2 * np.pi * 300 * (1 + n) * time) for n in range(channels)])
        file = self.folder / "recordings" / f"{call_id}.flac"
        soundfile.write(file, sound.T, 8000, subtype="PCM_16")
        recording_id = RecordingId(f"rec_{call_id}")
        await self.desk.store.recordings.add(
            RecordingRecord(
                recording_id=recording_id, call_id=call_id, kind=kind, path=file.name,
                channels=channels, duration=timedelta(seconds=length),
                sha256=hashlib.sha256(file.read_bytes()).hexdigest(), created_at=ago(days=1),
            )
        )  # fmt: skip
        speakers = sorted({speaker for speaker, _, _ in said})
        await self.desk.store.recordings.put_transcript(
            TranscriptRecord(
                recording_id=recording_id,
                language="es",
                text=" ".join(text for _, _, text in said),
                channels=tuple(
                    TranscriptChannel(
                        speaker=speaker,
                        text=" ".join(text for who, _, text in said if who == speaker),
                        words=tuple(
                            word
                            for who, since, text in said
                            if who == speaker
                            for word in words(text, since)
                        ),
                    )
                    for speaker in speakers
                ),
            )
        )

    async def rings(self, agent_id: AgentId = ANA, *, caller: str = CALLER) -> OfferMade:
        """A call of this caller is written; the offer by which it rings is yet to publish."""
        began = ago(seconds=41)
        call_id, interaction_id = CallId("call_now"), InteractionId("int_now")
        store = self.desk.store
        directory = self.desk.ports.directory
        who = await directory.keep(await directory.who_is(caller))
        known = customer_of(who)
        customer_id = known.id if known is not None else None
        await store.interactions.add(
            m.Interaction(
                id=interaction_id, channel=m.Channel.CALL, direction=m.Direction.IN,
                started_at=began, customer_id=customer_id,
                candidates=candidates_of(who), queue_id=SALES,
                call=m.CallDetails(
                    call_id=call_id, caller=caller, dialled="100", path=steps(began)
                ),
            )
        )  # fmt: skip
        context = (
            views.context(await store.context.context_for(customer_id, datetime.now(UTC)))
            if customer_id is not None
            else None
        )
        return OfferMade(
            offer_id="offer_1", call_id=call_id, agent_id=agent_id, queue_id=SALES,
            queue_title="Ventas", ringing_since=datetime.now(UTC), caller=caller,
            interaction_id=interaction_id, customer=context, choices=views.choices(who),
            learned={"language": "es", "pedido": "48213", "motivo": "entrega"},
            path=views.path(steps(began)),
        )  # fmt: skip

    def agent(self, agent_id: AgentId = ANA, **change: object) -> None:
        """Publish an agent as available, or as `change` says."""
        record = self.desk.hub.agents[agent_id]
        values: dict[str, object] = {
            "status": "available", "state": "idle", "registered": True,
            "since": datetime.now(UTC),
        }  # fmt: skip
        values |= change
        self.desk.hub.publish(
            AgentChanged(
                agent_id=agent_id, name=record.name, extension=record.extension,
                **values,  # type: ignore[arg-type]
            )
        )  # fmt: skip

    def queue(self, waiting: int) -> None:
        """Publish the queue with that many callers."""
        self.desk.hub.publish(
            QueueChanged(
                queue_id=SALES, title="Ventas", waiting=waiting, agents_available=1,
                longest_wait_since=ago(seconds=75) if waiting else None,
            )
        )  # fmt: skip

    def talks(self, agent_id: AgentId = ANA) -> None:
        """Publish the call as a conversation with the agent."""
        self.desk.hub.publish(
            CallChanged(
                call_id="call_now", state="bridged", caller=CALLER, customer_id=JULIA,
                customer_name="Julia Ríos", queue_id=SALES, agent_id=agent_id,
                since=datetime.now(UTC),
            )
        )  # fmt: skip


def customer(customer_id: CustomerId, name: str, phone: str, email: str = "") -> m.Customer:
    """A customer of some years, with a phone and an address."""
    given = [(m.IdentityKind.PHONE, phone)]
    if email:
        given.append((m.IdentityKind.EMAIL, email))
    return m.Customer(
        id=customer_id, name=name, created_at=ago(days=800), segment="Tiendas", language="es",
        notes="Vinoteca La Cepa, Logroño.",
        identities=tuple(
            m.Identity(
                id=IdentityId(f"idn_{customer_id}_{kind}"), customer_id=customer_id, kind=kind,
                value=value,
            )
            for kind, value in given
        ),
    )  # fmt: skip


def steps(began: datetime) -> tuple[m.PathStep, ...]:
    """A way through the menu."""
    return tuple(
        m.PathStep(
            node_id=NodeId(node),
            at=began + timedelta(seconds=after),
            kind=kind,
            result=result,
            said=said,
            heard=heard,
        )
        for node, after, kind, result, said, heard in (
            ("bienvenida", 1, "play", "", "Bienvenido a Talleres Gil.", ""),
            ("menú", 4, "menu", "speech", "¿Ventas, soporte o facturación?", "quería ventas"),
            ("pedido", 9, "gather", "48213", "Marque el número de su pedido.", ""),
            ("cola_ventas", 17, "enqueue", "", "Le pasamos con un compañero.", ""),
        )
    )


def words(text: str, since: float) -> list[TranscriptWord]:
    """One word each 0.35 s."""
    return [
        TranscriptWord(
            text=word,
            start=timedelta(seconds=since + 0.35 * place),
            end=timedelta(seconds=since + 0.35 * place + 0.3),
            confidence=0.5 if word == "añada" else 0.97,
        )
        for place, word in enumerate(text.split())
    ]
