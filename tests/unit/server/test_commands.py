"""What the commands print and how they end: bad input is named with its place and its cure."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from argon2 import PasswordHasher

from centralita.core.ids import AgentId, FlowId, QueueId, UserId
from centralita.server.__main__ import main
from centralita.store.records import Account, Role
from centralita.store.store import Store, open_store
from centralita.telephony.edge.config import ha1

T = TypeVar("T")

_NO_SERVER = "no server runs here; it counts as soon as one is started"

_FLOW = """flow: sales
language: es
start: end
nodes:
  end: {type: hangup, prompt: "Adiós"}
"""


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: list[str]
    err: list[str]


@dataclass(frozen=True)
class Terminal:
    """Somebody at the command line, and what is in the store."""

    data: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> Ran:
        self.capsys.readouterr()
        code = main([*words, "--data", str(self.data)])
        said = self.capsys.readouterr()
        return Ran(code, said.out.splitlines(), said.err.splitlines())

    def kept(self, ask: Callable[[Store], Coroutine[object, object, T]]) -> T:
        """What the store says."""

        async def asking() -> T:
            store = await open_store(f"sqlite+aiosqlite:///{self.data / 'centralita.db'}")
            try:
                return await ask(store)
            finally:
                await store.close()

        return asyncio.run(asking())

    def file(self, name: str, text: str) -> str:
        path = self.data.parent / name
        path.write_text(text, encoding="utf-8")
        return str(path)


@pytest.fixture
def run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path / "data", capsys)


def test_a_queue_is_made_and_changed_without_losing_the_rest(run: Terminal) -> None:
    made = run("queue", "add", "sales", "--title", "Sales", "--language", "en")
    assert (made.code, made.out) == (0, ["queue sales", _NO_SERVER])
    changed = run("queue", "add", "sales", "--set", "wrap_up=45s", "--set", "record=false")
    assert changed.code == 0
    queue = run.kept(lambda store: store.queues.get(QueueId("sales")))
    assert queue is not None
    assert (queue.title, queue.language) == ("Sales", "en")
    assert queue.settings == {"wrap_up": "45s", "record": False}


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ("wrap_up", 'centralita: "wrap_up": write NAME=VALUE, for instance wrap_up=30s'),
        ("wrap_up=soon", 'centralita: queue "sales", setting "wrap_up": '),
        ("warp=1", 'centralita: queue "sales", setting "warp": unknown; known are '),
    ],
)
def test_a_bad_setting_of_a_queue_keeps_nothing(run: Terminal, pair: str, reason: str) -> None:
    bad = run("queue", "add", "sales", "--set", pair)
    assert (bad.code, bad.out) == (1, [])
    assert bad.err[0].startswith(reason)
    assert run.kept(lambda store: store.queues.all()) == ()


def test_an_agent_gets_two_passwords_and_the_queues(run: Terminal) -> None:
    run("queue", "add", "sales")
    made = run(
        "user", "add", "Ana", "--extension", "201", "--queue", "sales", "--skill", "german:3"
    )
    assert made.code == 0
    assert [line.split()[:2] for line in made.out[:2]] == [["user", "ana:"], ["phone", "201:"]]
    assert made.out[2] == _NO_SERVER
    agent = run.kept(lambda store: store.agents.get(AgentId("agent_ana")))
    assert agent is not None
    assert (agent.name, agent.extension, agent.skills) == ("Ana", "201", ("german:3",))
    assert len(agent.ha1) == 32
    queue = run.kept(lambda store: store.queues.get(QueueId("sales")))
    assert queue is not None
    assert queue.agents == ("agent_ana",)
    user = run.kept(lambda store: store.users.by_name("ana"))
    assert user is not None
    assert user.role is Role.AGENT
    assert made.out[0].split()[-1] not in user.password_hash


def test_a_user_without_a_phone_gets_one_password(run: Terminal) -> None:
    made = run("user", "add", "boss", "--role", "admin")
    assert (made.code, len(made.out)) == (0, 2)
    again = run("user", "add", "Boss")
    assert (again.code, again.out) == (1, [])
    assert again.err == ['centralita: there is a user "boss" already']


def test_an_unknown_queue_is_named_and_nobody_is_made(run: Terminal) -> None:
    run("queue", "add", "sales")
    bad = run("user", "add", "ana", "--extension", "201", "--queue", "sales", "--queue", "sails")
    assert (bad.code, bad.out) == (1, [])
    assert bad.err == ['centralita: there is no queue "sails"; make it with: queue add']
    assert run.kept(lambda store: store.agents.all()) == ()
    queue = run.kept(lambda store: store.queues.get(QueueId("sales")))
    assert queue is not None
    assert queue.agents == ()


def test_an_extension_belongs_to_one_agent(run: Terminal) -> None:
    run("user", "add", "ana", "--extension", "201")
    bad = run("user", "add", "luis", "--extension", "201")
    assert (bad.code, bad.out) == (1, [])
    assert bad.err == ["centralita: extension 201 is the phone of ana already"]
    assert run.kept(lambda store: store.users.by_name("luis")) is None


def test_a_sound_flow_is_said_to_be_sound(run: Terminal) -> None:
    file = run.file("sales.yaml", _FLOW)
    checked = run("flow", "check", file)
    assert (checked.code, checked.err) == (0, [])
    assert checked.out == [f"{file}: flow sales is sound, 1 nodes"]


def test_one_bad_file_of_two_is_named_with_node_and_field(run: Terminal) -> None:
    good = run.file("good.yaml", _FLOW)
    bad = run.file("bad.yaml", _FLOW.replace("start: end", "start: start"))
    checked = run("flow", "check", good, bad)
    assert checked.code == 1
    assert checked.out == [f"{good}: flow sales is sound, 1 nodes"]
    assert checked.err
    assert all(line.startswith(f"{bad}: ") for line in checked.err)
    assert 'there is no node "start"' in "\n".join(checked.err)


def test_a_file_that_is_not_there_is_named(run: Terminal) -> None:
    checked = run("flow", "check", "none.yaml")
    assert (checked.code, checked.out) == (1, [])
    assert "none.yaml" in checked.err[0]
    published = run("flow", "publish", "none.yaml")
    assert (published.code, published.out) == (1, [])
    assert "none.yaml" in published.err[0]


def test_a_flow_is_published_with_its_numbers_and_keeps_them(run: Terminal) -> None:
    file = run.file("sales.yaml", _FLOW)
    first = run("flow", "publish", file, "--number", "100", "--number", "*")
    assert (first.code, first.out) == (0, ["published as version 1", _NO_SERVER])
    assert run("flow", "publish", file).out[0] == "published as version 2"
    flow = run.kept(lambda store: store.flows.published(FlowId("sales")))
    assert flow is not None
    assert flow.version == 2
    assert sorted(flow.numbers) == ["*", "100"]


def test_a_flow_to_an_unknown_queue_is_not_published(run: Terminal) -> None:
    text = (
        "flow: sales\nlanguage: es\nstart: wait\nnodes:\n"
        "  wait: {type: enqueue, queue: sails, otherwise: end}\n"
        "  end: {type: hangup}\n"
    )
    file = run.file("sales.yaml", text)
    bad = run("flow", "publish", file)
    assert (bad.code, bad.out) == (1, [])
    assert bad.err[0].startswith(f'{file}: node "wait", field "queue": ')
    assert run.kept(lambda store: store.flows.all()) == ()


def test_customers_are_imported_once_and_bad_lines_are_named(run: Terminal) -> None:
    file = run.file("people.csv", "external_id,name,phone\n1,Julia Ríos,600111222\n2,Bad,12x\n")
    first = run("import", "customers", file)
    assert first.code == 1
    assert first.out == ["1 added, 0 unchanged, 1 refused"]
    assert len(first.err) == 1
    assert first.err[0].startswith("people.csv:3: phone: ")
    again = run("import", "customers", file)
    assert again.out == ["0 added, 1 unchanged, 1 refused"]


def test_the_models_say_which_language_they_serve(run: Terminal) -> None:
    listed = run("models", "list")
    assert listed.code == 0
    assert [line.partition(":")[0] for line in listed.out] == ["es", "en"]


def test_a_wrong_command_line_is_2(run: Terminal) -> None:
    with pytest.raises(SystemExit) as ended:
        run("queue", "remove")
    assert ended.value.code == 2


# --- the audit log --------------------------------------------------------------------------------


def test_commands_that_change_things_are_entered_and_the_log_verified(run: Terminal) -> None:
    run("queue", "add", "sales")
    run("user", "add", "Ana", "--role", "admin")
    run("flow", "publish", run.file("sales.yaml", _FLOW))
    run("keys", "rotate")
    entries = run.kept(lambda store: store.audit.after(0, 10))
    assert [(entry.action, entry.object) for entry in entries[:3]] == [
        ("queue.put", "sales"), ("user.put", "user_ana"), ("flow.publish", "sales"),
    ]  # fmt: skip
    assert entries[3].action == "key.rotate"
    assert all(entry.who.startswith("cli:") for entry in entries)
    verified = run("audit", "verify")
    assert (verified.code, verified.err) == (0, [])
    assert verified.out[0].startswith("4 entries, each as it was written")
    noted = verified.out[1].strip()
    assert run("audit", "verify", "--known", noted).code == 0
    assert run("audit", "verify", "--known", "4:" + "0" * 64).code == 1
    assert "is not NUMBER:HASH" in run("audit", "verify", "--known", "four").err[0]


def test_a_log_whose_end_was_cut_off_fails_and_names_the_entry(run: Terminal) -> None:
    for queue in ("sales", "support"):
        run("queue", "add", queue)
    with sqlite3.connect(run.data / "centralita.db") as database:
        database.execute("DROP TRIGGER audit_is_append_only_DELETE")
        database.execute("DELETE FROM audit WHERE seq = 2")
    database.close()
    verified = run("audit", "verify")
    assert verified.code == 1
    assert verified.err == [
        "the audit log is broken: entry 2: is missing, and all after it up to 2, "
        "where the log once ended"
    ]


# --- accounts -------------------------------------------------------------------------------------


@pytest.fixture
def team(run: Terminal) -> Terminal:
    """The admin eva, and the agent ana at 201 who serves sales; support has nobody."""
    for queue in ("sales", "support"):
        run("queue", "add", queue)
    run("user", "add", "eva", "--role", "admin")
    run("user", "add", "ana", "--name", "Ana", "--extension", "201", "--queue", "sales")
    return run


def account(run: Terminal, name: str) -> Account:
    return run.kept(lambda store: store.accounts.get(UserId(f"user_{name}")))


def test_users_are_listed_and_those_who_are_out_say_so(team: Terminal) -> None:
    team("user", "disable", "ana")
    listed = team("user", "list")
    assert (listed.code, listed.out) == (
        0, ["ana: Ana, agent, phone 201, serves sales, DISABLED", "eva: eva, admin"],
    )  # fmt: skip


def test_a_disabled_user_is_no_agent_either_until_enabled(team: Terminal) -> None:
    out = team("user", "disable", "ANA")
    assert (out.code, out.out[-1]) == (0, _NO_SERVER)
    gone = account(team, "ana")
    assert gone.agent is not None
    assert (gone.user.active, gone.agent.active) == (False, False)
    assert team("user", "enable", "ana").code == 0
    back = account(team, "ana")
    assert back.agent is not None
    assert (back.user.active, back.agent.active) == (True, True)
    assert back.user.password_hash == gone.user.password_hash


def test_new_passwords_are_printed_once_and_the_old_ones_are_gone(team: Terminal) -> None:
    before = account(team, "ana")
    password = team("user", "set-password", "ana")
    phone = team("user", "phone-password", "ana")
    after = account(team, "ana")
    assert before.agent is not None
    assert after.agent is not None
    assert PasswordHasher().verify(after.user.password_hash, password.out[0].split()[-1])
    assert after.agent.ha1 == ha1("201", "centralita", phone.out[0].split()[-1])
    assert after.agent.ha1 != before.agent.ha1
    none = team("user", "phone-password", "eva")
    assert (none.code, none.out) == (1, [])
    assert none.err == ["centralita: eva has no phone; give one with: user move --extension"]


def test_an_agent_moves_between_queues_and_to_another_phone(team: Terminal) -> None:
    moved = team("user", "move", "ana", "--to", "support", "--from", "sales")
    assert (moved.code, moved.out[0]) == (0, "ana: Ana, agent, phone 201, serves support")
    again = team("user", "move", "ana", "--to", "sales", "--extension", "202")
    assert again.out[0] == "ana: Ana, agent, phone 202, serves sales, support"
    assert again.out[1].startswith("phone 202: ")
    for words in (("--to", "sails"), ("--from", "sails")):
        bad = team("user", "move", "ana", *words)
        assert (bad.code, bad.err) == (
            1, ['centralita: there is no queue "sails"; make it with: queue add'],
        )  # fmt: skip
    team("user", "add", "luis", "--extension", "203")
    taken = team("user", "move", "luis", "--extension", "202")
    assert taken.err == ["centralita: extension 202 is the phone of Ana already"]
    assert team("user", "move", "eva", "--extension", "300", "--to", "sales").code == 0
    boss = account(team, "eva")
    assert (boss.user.agent_id, boss.queues) == ("agent_eva", ("sales",))


def test_the_last_admin_is_not_removed_and_nobody_is_named_wrongly(team: Terminal) -> None:
    for words in (("disable", "eva"), ("role", "eva", "agent")):
        kept = team("user", *words)
        assert (kept.code, kept.out, kept.err) == (
            1, [], ["centralita: eva is the last admin; make somebody else an admin first"],
        )  # fmt: skip
    assert team("user", "role", "ana", "admin").code == 0
    assert team("user", "disable", "eva").code == 0
    assert account(team, "ana").user.role is Role.ADMIN
    unknown = team("user", "disable", "nobody")
    assert unknown.err == ['centralita: there is no user "nobody"; see: centralita user list']


def test_a_number_is_found_in_the_audit_log_by_who_has_the_keys(run: Terminal) -> None:
    """And by nobody else: so few numbers there are that a bare hash tells which one it is."""
    run("keys", "rotate")
    first = run("audit", "number", "+34600111222").out
    assert first[0].startswith("number:") and "by the key" in first[0]
    bare = hashlib.sha256(b"+34600111222").hexdigest()[:16]
    assert bare not in first[0]
    # What entries of before hold is told as well.
    assert first[1].startswith(f"number:{bare} ") and first[2].startswith("+34600111222 ")
    run("keys", "rotate")
    second = run("audit", "number", "+34600111222").out
    assert second[1:] == first
    assert second[0].split()[0] != first[0].split()[0]


def test_what_is_done_to_accounts_is_in_the_audit_log(team: Terminal) -> None:
    for words in (
        ("disable", "ana"), ("enable", "ana"), ("role", "ana", "supervisor"),
        ("set-password", "ana"), ("phone-password", "ana"), ("move", "ana", "--to", "support"),
    ):  # fmt: skip
        team("user", *words)
    entries = team.kept(lambda store: store.audit.after(4, 20))
    assert [entry.action for entry in entries] == [
        "user.disable", "user.enable", "user.role", "user.password", "user.phone_password",
        "user.move",
    ]  # fmt: skip
    assert {entry.object for entry in entries} == {"user_ana"}


def test_whatever_a_command_makes_is_for_our_user_alone(tmp_path: Path) -> None:
    data = tmp_path / "new" / "house"
    before = os.umask(0o022)
    try:
        assert main(["user", "add", "eva", "--data", str(data)]) == 0
    finally:
        os.umask(before)
    made = [data.parent, data, *data.rglob("*")]
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in made} == {
        path.name: "0o0" for path in made
    }
