"""Accounts: people who sign in, with the agents whom they are; and how they change."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from centralita.core.errors import Conflict, InvalidInput, NotFound
from centralita.core.ids import AgentId, QueueId, UserId
from centralita.core.refusals import Refusal
from centralita.store.access import user_of
from centralita.store.centre import agent_of
from centralita.store.database import Database
from centralita.store.records import Account, AccountChange, Role
from centralita.store.tables import AgentRow, QueueAgentRow, QueueRow, SessionRow, UserRow


class Accounts:
    """Users, agents, queues and sessions, changed together or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Account, ...]:
        """Everybody by name, also those who may not sign in any more."""
        async with self._database.read() as session:
            users = (await session.scalars(select(UserRow).order_by(UserRow.username))).all()
            return tuple(await _accounts(session, users))

    async def get(self, user_id: UserId) -> Account:
        """Raises NotFound."""
        async with self._database.read() as session:
            return await _account(session, user_id)

    async def change(
        self, user_id: UserId, change: AccountChange, *, keep_session: str = ""
    ) -> Account:
        """Change an account, and end its sessions if that makes another one of it, all but the one
        whose token has the hash `keep_session`.

        Raises NotFound for nobody's id, Conflict when no admin would be left or when the extension
        is somebody's, and InvalidInput for a queue that is not there.
        """
        async with self._database.write() as session:
            # All admins, so that of two who remove one another at once one is refused.
            admins = await session.scalars(
                select(UserRow.id)
                .where(UserRow.role == Role.ADMIN.value, UserRow.active.is_(True))
                .order_by(UserRow.id)
                .with_for_update()
            )
            others = [ident for ident in admins if ident != user_id]
            user = await session.get(UserRow, user_id, with_for_update=True)
            if user is None:
                raise NotFound(f"no user {user_id}")
            was_admin = user.active and user.role == Role.ADMIN.value
            if change.active is not None:
                user.active = change.active
            if change.role is not None:
                user.role = change.role.value
            if was_admin and not others and not (user.active and user.role == Role.ADMIN.value):
                raise Conflict(
                    f"{user.username} is the last admin; make somebody else an admin first",
                    code=Refusal.LAST_ADMIN,
                )
            if change.password_hash is not None:
                user.password_hash = change.password_hash
            await _change_agent(session, user, change)
            if change.ends_sessions:
                await session.execute(
                    delete(SessionRow).where(
                        SessionRow.user_id == user_id, SessionRow.token_hash != keep_session
                    )
                )
            await session.flush()
            return await _account(session, user_id)


async def _change_agent(session: AsyncSession, user: UserRow, change: AccountChange) -> None:
    agent = await session.get(AgentRow, user.agent_id) if user.agent_id is not None else None
    wanted = change.extension is not None or change.ha1 is not None or bool(change.queues)
    if agent is None and change.extension is not None:
        # Somebody who was no agent until now.
        agent = AgentRow(
            id=f"agent_{user.username}", name=user.name, extension=change.extension, ha1="",
            ha1_sha256="", skills=[], status="logged_out", reason="", active=user.active,
        )  # fmt: skip
        user.agent_id = agent.id
        session.add(agent)
    if agent is None:
        if wanted:
            raise InvalidInput(f"{user.username} has no phone; give an extension first")
        return
    if change.active is not None:
        agent.active = change.active
    if change.extension is not None:
        holder = await session.scalar(
            select(AgentRow).where(AgentRow.extension == change.extension, AgentRow.id != agent.id)
        )
        if holder is not None:
            raise Conflict(
                f"extension {change.extension} is the phone of {holder.name} already",
                code=Refusal.EXTENSION_TAKEN,
                values={"name": holder.name, "extension": change.extension},
            )
        agent.extension = change.extension
    if change.ha1 is not None:
        agent.ha1, agent.ha1_sha256 = change.ha1, ""
    await session.flush()
    if change.queues is not None:
        await _serve(session, AgentId(agent.id), change.queues)


async def _serve(session: AsyncSession, agent_id: AgentId, wanted: Sequence[QueueId]) -> None:
    """Exactly these queues. Where the agent served before, the place among the agents stays."""
    known = set(await session.scalars(select(QueueRow.id)))
    for queue_id in wanted:
        if queue_id not in known:
            raise InvalidInput(f'there is no queue "{queue_id}"; make it with: queue add')
    serves = set(
        await session.scalars(
            select(QueueAgentRow.queue_id).where(QueueAgentRow.agent_id == agent_id)
        )
    )
    await session.execute(
        delete(QueueAgentRow).where(
            QueueAgentRow.agent_id == agent_id, QueueAgentRow.queue_id.not_in(wanted)
        )
    )
    for queue_id in dict.fromkeys(wanted):
        if queue_id not in serves:
            last = await session.scalar(
                select(func.max(QueueAgentRow.position)).where(QueueAgentRow.queue_id == queue_id)
            )
            session.add(
                QueueAgentRow(
                    queue_id=queue_id,
                    agent_id=agent_id,
                    position=0 if last is None else last + 1,
                )
            )


async def _account(session: AsyncSession, user_id: UserId) -> Account:
    user = await session.get(UserRow, user_id)
    if user is None:
        raise NotFound(f"no user {user_id}")
    (account,) = await _accounts(session, [user])
    return account


async def _accounts(session: AsyncSession, users: Sequence[UserRow]) -> list[Account]:
    agents = {
        row.id: row
        for row in await session.scalars(
            select(AgentRow).where(AgentRow.id.in_([user.agent_id for user in users]))
        )
    }
    serves: dict[str, list[QueueId]] = {}
    rows = await session.execute(
        select(QueueAgentRow.agent_id, QueueAgentRow.queue_id)
        .where(QueueAgentRow.agent_id.in_(agents))
        .order_by(QueueAgentRow.queue_id)
    )
    for agent_id, queue_id in rows:
        serves.setdefault(agent_id, []).append(QueueId(queue_id))
    return [
        Account(
            user=user_of(user),
            agent=agent_of(agents[user.agent_id]) if user.agent_id in agents else None,
            queues=tuple(serves.get(user.agent_id or "", ())),
        )
        for user in users
    ]
