"""Who may sign in, as what, at which phone: for admins."""

from __future__ import annotations

import logging

from msgspec import UNSET

from centralita.api import schemas as s
from centralita.api import views
from centralita.api.auditor import Auditor
from centralita.api.http import Handler, Incoming, Reply
from centralita.api.passwords import new_password, new_phone_password
from centralita.api.ports import ApiPorts
from centralita.audit.entry import Action
from centralita.core.errors import InvalidInput
from centralita.core.ids import QueueId, UserId
from centralita.core.refusals import Refusal
from centralita.store.records import AccountChange, Role
from centralita.telephony.edge.config import ha1

log = logging.getLogger(__name__)


class Accounts:
    """Each change is an entry of the audit log, and in force when it is answered."""

    def __init__(self, ports: ApiPorts, auditor: Auditor) -> None:
        self._ports = ports
        self._accounts = ports.store.accounts
        self._auditor = auditor

    def handlers(self) -> dict[str, Handler]:
        return {
            "users": self.list,
            "change_user": self.change,
            "reset_password": self.reset_password,
            "reset_phone_password": self.reset_phone_password,
        }

    async def list(self, incoming: Incoming) -> Reply:
        items = [views.account(account) for account in await self._accounts.all()]
        return Reply(s.Page(items=items))

    async def change(self, incoming: Incoming) -> Reply:
        patch, user_id = incoming.body(s.AccountPatch), UserId(incoming.path("id"))
        account = await self._accounts.get(user_id)
        known = {queue.queue_id for queue in await self._ports.store.queues.all()}
        queues = None
        if patch.queues is not UNSET:
            queues = tuple(QueueId(queue_id) for queue_id in patch.queues)
            for number, queue_id in enumerate(queues):
                if queue_id not in known:
                    raise InvalidInput(
                        "there is no such queue",
                        place=f"$.queues[{number}]",
                        code=Refusal.UNKNOWN_QUEUE,
                    )
        extension = phone_password = hashed = None
        moves = account.agent is None or account.agent.extension != patch.extension
        if patch.extension is not UNSET and moves:
            extension, phone_password = patch.extension, new_phone_password()
            hashed = ha1(extension, self._ports.settings.domain, phone_password)
        if patch.active is not UNSET and patch.active is not account.user.active:
            action = Action.USER_ENABLED if patch.active else Action.USER_DISABLED
            await self._auditor.enter(incoming, action, user_id)
        role = None
        if patch.role is not UNSET and patch.role != account.user.role.value:
            role = Role(patch.role)
            await self._auditor.enter(incoming, Action.USER_ROLE, user_id, role=patch.role)
        if extension is not None or queues is not None:
            await self._auditor.enter(
                incoming, Action.USER_MOVED, user_id, extension=extension,
                queues=None if queues is None else [*queues],
            )  # fmt: skip
        changed = await self._accounts.change(
            user_id,
            AccountChange(
                active=None if patch.active is UNSET else patch.active,
                role=role,
                extension=extension,
                ha1=hashed,
                queues=queues,
            ),
        )
        await self._ports.house.take_changes()
        log.info("account changed", extra={"user_id": user_id, "by": incoming.who.user.id})
        return Reply(views.account(changed, phone_password))

    async def reset_password(self, incoming: Incoming) -> Reply:
        user_id, password = UserId(incoming.path("id")), new_password()
        await self._accounts.get(user_id)
        hashed = await self._ports.passwords.hash(password)
        await self._auditor.enter(incoming, Action.USER_PASSWORD, user_id)
        await self._accounts.change(user_id, AccountChange(password_hash=hashed))
        await self._ports.house.take_changes()
        return Reply(s.NewPassword(password=password))

    async def reset_phone_password(self, incoming: Incoming) -> Reply:
        user_id, password = UserId(incoming.path("id")), new_phone_password()
        account = await self._accounts.get(user_id)
        if account.agent is None:
            raise InvalidInput("this user has no phone; give an extension first", place="path.id")
        extension = account.agent.extension
        await self._auditor.enter(incoming, Action.PHONE_PASSWORD, user_id, extension=extension)
        hashed = ha1(extension, self._ports.settings.domain, password)
        await self._accounts.change(user_id, AccountChange(ha1=hashed))
        await self._ports.house.take_changes()
        return Reply(s.NewPassword(password=password, extension=extension))
