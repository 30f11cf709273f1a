"""`centralita user`: who may sign in, as what, at which phone. In a running server, too."""

from __future__ import annotations

import argparse
from dataclasses import replace

from centralita.api.passwords import hash_password, new_password, new_phone_password
from centralita.audit.entry import Action
from centralita.core.errors import InvalidInput, NotFound
from centralita.core.ids import AgentId, QueueId, UserId
from centralita.server.commands import enter, open_data
from centralita.server.config import Config
from centralita.server.control import tell_server
from centralita.store.records import (
    Account,
    AccountChange,
    AgentRecord,
    QueueRecord,
    Role,
    UserRecord,
)
from centralita.store.store import Store
from centralita.telephony.edge.config import ha1


async def user_add(config: Config, options: argparse.Namespace) -> int:
    """Make a user, and the agent and phone that belong to them."""
    password, phone_password = new_password(), new_phone_password()
    username = options.username.lower()
    agent_id = AgentId(f"agent_{username}") if options.extension else None
    name = options.name or options.username
    async with open_data(config) as store:
        if await store.users.by_name(username) is not None:
            raise InvalidInput(f'there is a user "{username}" already')
        queues = [await _queue(store, queue_id) for queue_id in options.queue]
        await enter(
            config, store, Action.USER_PUT, f"user_{username}",
            role=options.role, extension=options.extension, queues=options.queue,
        )  # fmt: skip
        if agent_id is not None:
            for agent in await store.agents.all():
                if agent.extension == options.extension and agent.agent_id != agent_id:
                    raise InvalidInput(
                        f"extension {agent.extension} is the phone of {agent.name} already"
                    )
            await store.agents.put(
                AgentRecord(
                    agent_id=agent_id,
                    name=name,
                    extension=options.extension,
                    ha1=ha1(options.extension, config.sip.domain, phone_password),
                    skills=tuple(options.skill),
                )
            )
            for queue in queues:
                await store.queues.put(replace(queue, agents=(*queue.agents, agent_id)))
        await store.users.put(
            UserRecord(
                user_id=UserId(f"user_{username}"),
                username=username,
                name=name,
                role=Role(options.role),
                password_hash=hash_password(password),
                agent_id=agent_id,
            )
        )
    print(f"user {username}: {password}")
    if agent_id is not None:
        print(f"phone {options.extension}: {phone_password}")
    print(await tell_server(config.run_dir))
    return 0


async def user_list(config: Config, options: argparse.Namespace) -> int:
    """A line for each."""
    async with open_data(config) as store:
        for account in await store.accounts.all():
            print(_line(account))
    return 0


async def user_disable(config: Config, options: argparse.Namespace) -> int:
    """Out, everywhere and at once; a conversation goes on."""
    async with open_data(config) as store:
        account = await _account(store, options.username)
        await enter(config, store, Action.USER_DISABLED, account.user.user_id)
        await store.accounts.change(account.user.user_id, AccountChange(active=False))
    print(f"user {account.user.username} is disabled: no sign-in, no session, no live feed")
    if account.agent is not None:
        print(
            f"phone {account.agent.extension} rings no more and cannot register; "
            "a conversation that goes on is not cut off"
        )
    print(await tell_server(config.run_dir))
    return 0


async def user_enable(config: Config, options: argparse.Namespace) -> int:
    """In again, with the passwords from before."""
    async with open_data(config) as store:
        account = await _account(store, options.username)
        await enter(config, store, Action.USER_ENABLED, account.user.user_id)
        await store.accounts.change(account.user.user_id, AccountChange(active=True))
    print(f"user {account.user.username} may sign in again, with the same passwords as before")
    print(await tell_server(config.run_dir))
    return 0


async def user_role(config: Config, options: argparse.Namespace) -> int:
    """Another role, from the next sign-in on, which is necessary."""
    role = Role(options.role)
    async with open_data(config) as store:
        account = await _account(store, options.username)
        if account.user.role is not role:
            await enter(config, store, Action.USER_ROLE, account.user.user_id, role=role.value)
            await store.accounts.change(account.user.user_id, AccountChange(role=role))
    print(f"user {account.user.username} is {role.value} now, and has to sign in again")
    print(await tell_server(config.run_dir))
    return 0


async def user_set_password(config: Config, options: argparse.Namespace) -> int:
    """A new one, printed; whoever was signed in with the old one is no more."""
    password = new_password()
    async with open_data(config) as store:
        account = await _account(store, options.username)
        await enter(config, store, Action.USER_PASSWORD, account.user.user_id)
        await store.accounts.change(
            account.user.user_id, AccountChange(password_hash=hash_password(password))
        )
    print(f"user {account.user.username}: {password}")
    print("all sessions that were open have ended")
    print(await tell_server(config.run_dir))
    return 0


async def user_phone_password(config: Config, options: argparse.Namespace) -> int:
    """A new one, printed; whoever registered with the old one is registered no more."""
    password = new_phone_password()
    async with open_data(config) as store:
        account = await _account(store, options.username)
        if account.agent is None:
            raise InvalidInput(
                f"{account.user.username} has no phone; give one with: user move --extension"
            )
        extension = account.agent.extension
        await enter(config, store, Action.PHONE_PASSWORD, account.user.user_id, extension=extension)
        await store.accounts.change(
            account.user.user_id, AccountChange(ha1=ha1(extension, config.sip.domain, password))
        )
    print(f"phone {extension}: {password}")
    print(await tell_server(config.run_dir))
    return 0


async def user_move(config: Config, options: argparse.Namespace) -> int:
    """To another extension, to and from queues."""
    async with open_data(config) as store:
        account = await _account(store, options.username)
        for queue_id in (*options.to, *getattr(options, "from")):
            await _queue(store, queue_id)
        queues = tuple(
            dict.fromkeys(
                queue_id
                for queue_id in (*account.queues, *map(QueueId, options.to))
                if queue_id not in getattr(options, "from")
            )
        )
        password, change = "", AccountChange(queues=queues)
        if options.extension and (
            account.agent is None or account.agent.extension != options.extension
        ):
            password = new_phone_password()
            hashed = ha1(options.extension, config.sip.domain, password)
            change = replace(change, extension=options.extension, ha1=hashed)
        await enter(
            config, store, Action.USER_MOVED, account.user.user_id,
            extension=change.extension, queues=[*queues],
        )  # fmt: skip
        moved = await store.accounts.change(account.user.user_id, change)
    print(_line(moved))
    if password:
        print(f"phone {options.extension}: {password}")
    print(await tell_server(config.run_dir))
    return 0


def _line(account: Account) -> str:
    user, agent = account.user, account.agent
    words = [f"{user.username}: {user.name}, {user.role.value}"]
    if agent is not None:
        words.append(f"phone {agent.extension}")
        words.append(f"serves {', '.join(account.queues) or 'no queue'}")
    if not user.active:
        words.append("DISABLED")
    return ", ".join(words)


async def _account(store: Store, username: str) -> Account:
    user = await store.users.by_name(username)
    if user is None:
        raise NotFound(f'there is no user "{username}"; see: centralita user list')
    return await store.accounts.get(user.user_id)


async def _queue(store: Store, queue_id: str) -> QueueRecord:
    queue = await store.queues.get(QueueId(queue_id))
    if queue is None:
        raise NotFound(f'there is no queue "{queue_id}"; make it with: queue add')
    return queue
