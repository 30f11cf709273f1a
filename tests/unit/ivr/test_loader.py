"""A bad flow is refused with file, node, field and reason, and with all that is wrong at once."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from centralita.core.errors import InvalidInput
from centralita.ivr.documents import read_document
from centralita.ivr.flow import learned
from centralita.ivr.loader import BadFlow, load, load_file
from centralita.ivr.nodes import NODE_TYPES
from tests.support.flows import Ride, flow_file

ROOT = Path(__file__).parents[3]
GOOD: dict[str, object] = {
    "flow": "main",
    "start": "menu",
    "variables": {"topic": ""},
    "nodes": {
        "menu": {
            "type": "menu",
            "prompt": "Hola",
            "choices": [
                {"key": "1", "say": ["ventas"], "next": "number"},
                {"key": "2", "next": "queue"},
            ],
            "on_failure": "bye",
        },
        "number": {"type": "gather", "prompt": "?", "variable": "n", "next": "hours"},
        "hours": {
            "type": "hours",
            "week": {"mon-fri": ["09:00-14:00"]},
            "open": "queue",
            "closed": "bye",
        },
        "queue": {"type": "enqueue", "queue": "sales", "otherwise": "bye"},
        "bye": {"type": "hangup"},
    },
}


def changed(path: str, value: object) -> dict[str, object]:
    """GOOD with one place set to `value`; None takes it away."""
    document = copy.deepcopy(GOOD)
    at: object = document
    *way, last = path.split("/")
    for name in way:
        at = at[int(name)] if isinstance(at, list) else at[name]  # type: ignore[index]
    key: int | str = int(last) if isinstance(at, list) else last
    if value is None:
        del at[key]  # type: ignore[attr-defined]
    else:
        at[key] = value  # type: ignore[index]
    return document


def test_a_good_flow_is_taken() -> None:
    assert load(GOOD, version=3).version == 3


@pytest.mark.parametrize(
    ("path", "value", "node", "field", "reason"),
    [
        ("start", "menus", "", "start", 'there is no node "menus"; did you mean "menu"?'),
        ("start", None, "", "start", "is missing"),
        ("flow", "Main Menu", "", "flow", "use a-z, 0-9, - and _"),
        ("language", "fr", "", "language", 'write "es" or "en"'),
        ("fault", "nowhere", "", "fault", 'there is no node "nowhere"'),
        ("fault", 5, "", "fault", "write the name of a node"),
        ("variables", [1], "", "variables", "names and first values"),
        ("nodes", {}, "", "nodes", "needs nodes by name"),
        ("titel", "x", "", "titel", 'unknown field; did you mean "title"?'),
        ("nodes/bye/type", "hang-up", "bye", "type", 'is no type of node; did you mean "hangup"?'),
        ("nodes/bye/type", None, "bye", "type", "is missing"),
        ("nodes/bye", "hangup", "bye", "", "a node is a mapping with a type"),
        ("nodes/number/next", "huors", "number", "next", 'did you mean "hours"?'),
        ("nodes/number/next", None, "number", "next", "is missing"),
        ("nodes/number/nxt", "x", "number", "nxt", 'unknown field; did you mean "next"?'),
        ("nodes/number/minimum", 0, "number", "minimum", "1 ≤ minimum ≤ maximum"),
        ("nodes/number/minimum", "x", "number", "minimum", "Expected `int`"),
        ("nodes/number/terminator", "##", "number", "terminator", "is not one key"),
        ("nodes/number/inter_digit", "3 secs", "number", "inter_digit", "is not a duration"),
        ("nodes/number/inter_digit", 3, "number", "inter_digit", "is not a duration"),
        ("nodes/menu/turn", {"tries": 0}, "menu", "turn.tries", "at least once"),
        ("nodes/menu/choices", [], "menu", "choices", "at least one choice"),
        ("nodes/menu/choices/1/key", "1", "menu", "choices[0].key", "key 1 is used twice"),
        ("nodes/menu/choices/0/key", "12", "menu", "choices[0].key", "is not one key"),
        ("nodes/menu/choices/1", {"next": "bye"}, "menu", "choices[1]", "a key, or words"),
        ("nodes/menu/choices/0/next", "gone", "menu", "choices[0].next", 'no node "gone"'),
        ("nodes/menu/prompt", "Hola {nmae}", "menu", "prompt", 'unknown variable "nmae"'),
        ("nodes/hours/timezone", "Madrid", "hours", "timezone", "is not a time zone"),
        ("nodes/hours/holidays", ["20261225"], "hours", "holidays", "is not a date"),
        ("nodes/hours/holidays", ["12-32"], "hours", "holidays", "is not a date"),
        ("nodes/hours/week", {"mon": ["14:00-09:00"]}, "hours", "week.mon", "split it in two"),
        ("nodes/hours/week", {"mon": ["9-14"]}, "hours", "week.mon", "is not a span"),
        ("nodes/hours/week", {"mon": ["09:00-14:00+02:00"]}, "hours", "week.mon", "not a span"),
        ("nodes/hours/week", {"monday": []}, "hours", "week", "is not a day"),
        ("nodes/queue/queue", "sails", "queue", "queue", 'did you mean "sales"?'),
        ("nodes/queue/priority", 500, "queue", "priority", "from -100 to 100"),
        ("nodes/lonely", {"type": "hangup"}, "lonely", "", "no other node leads here"),
        (
            "nodes/bye",
            {"type": "branch", "cases": [], "otherwise": "bye"},
            "bye",
            "",
            "a loop that never waits for the caller",
        ),
        (
            "nodes/bye",
            {"type": "play", "prompt": "x", "next": "bye"},
            "bye",
            "",
            "a loop without a way out",
        ),
        (
            "nodes/bye",
            {"type": "transfer", "target": "Ana", "on_failure": "queue"},
            "bye",
            "target",
            "cannot be called",
        ),
        (
            "nodes/bye",
            {"type": "subflow", "flow": "mian", "next": "queue"},
            "bye",
            "flow",
            'there is no flow "mian"; did you mean "main"?',
        ),
        (
            "nodes/bye",
            {"type": "branch", "cases": [{"variable": "n", "next": "queue"}], "otherwise": "queue"},
            "bye",
            "cases[0]",
            "exactly one of",
        ),
    ],
)
def test_each_mistake_is_named_with_its_place(
    path: str, value: object, node: str, field: str, reason: str
) -> None:
    with pytest.raises(BadFlow) as caught:
        load(changed(path, value), place="menu.yaml", flows={"main"}, queues={"sales"})
    found = [p for p in caught.value.problems if (p.node, p.field) == (node, field)]
    assert any(reason in problem.reason for problem in found), caught.value.problems
    assert "menu.yaml: " in str(caught.value)


def test_everything_wrong_is_told_at_once() -> None:
    document = changed("nodes/number/next", "x")
    document["start"] = "y"
    with pytest.raises(BadFlow) as caught:
        load(document)
    assert len(str(caught.value).splitlines()) >= 2


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("flow: main\nnodes: [\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"bad\.yaml:3: not valid YAML"):
        load_file(path)
    path.write_bytes(b"flow: \xff\n")
    with pytest.raises(InvalidInput, match=r"bad\.yaml: is not UTF-8"):
        load_file(path)
    with pytest.raises(InvalidInput, match=r"none\.yaml: cannot be read: No such file"):
        load_file(tmp_path / "none.yaml")
    path.write_text("just words", encoding="utf-8")
    with pytest.raises(BadFlow, match="a flow is a mapping"):
        load_file(path)


def test_yes_no_and_dates_are_words_as_people_write_them(tmp_path: Path) -> None:
    loaded = flow_file(
        tmp_path,
        """
        flow: main
        start: hours
        nodes:
          hours:
            type: hours
            week: {mon-fri: [09:00-14:00]}
            holidays: [2026-01-05, 12-25]
            open: sure
            closed: bye
          sure:
            type: menu
            prompt: Yes or no?
            choices: [{say: [yes], next: bye}, {say: [no], next: bye}]
            turn: {barge_in: false, tries: 2}
          bye: {type: hangup, outcome: refused}
        """,
    )
    assert Ride(loaded).notes == ["holiday", "refused"]


def test_what_is_published_from_a_file_is_what_was_checked(tmp_path: Path) -> None:
    file = tmp_path / "main.yaml"
    file.write_text("say: [yes, no, 2026-01-05]\n", encoding="utf-8")
    assert read_document(file) == {"say": ["yes", "no", "2026-01-05"]}


def test_three_thousand_wrong_targets_are_told_in_well_below_a_second() -> None:
    nodes = {
        f"node{number:05}": {"type": "play", "prompt": "x" * 30, "next": f"none{number:05}"}
        for number in range(3000)
    }
    document = {"flow": "big", "start": "node00000", "nodes": nodes}
    begun = time.thread_time()
    with pytest.raises(BadFlow) as caught:
        load(document)
    assert time.thread_time() - begun < 0.5
    assert [problem.node for problem in caught.value.problems] == list(nodes)[:20]
    assert "did you mean" in caught.value.problems[0].reason
    assert "did you mean" not in caught.value.problems[19].reason
    # 3,000 targets, 2,999 that nothing leads to, 3,000 that do not lead to an end
    assert caught.value.more == 3000 + 2999 + 3000 - 20
    assert str(caught.value).endswith("and 8979 more problems")


def test_a_long_chain_that_is_sound_is_loaded_quickly() -> None:
    nodes: dict[str, object] = {
        f"n{number}": {"type": "play", "prompt": "x", "next": f"n{number + 1}"}
        for number in range(4000)
    }
    nodes["n4000"] = {"type": "hangup"}
    begun = time.thread_time()
    assert len(load({"flow": "chain", "start": "n0", "nodes": nodes}).nodes) == 4001
    assert time.thread_time() - begun < 0.5


def test_a_flow_of_too_many_nodes_is_refused_at_once() -> None:
    nodes = {f"n{number}": {"type": "hangup"} for number in range(5001)}
    with pytest.raises(BadFlow, match="5001 nodes are more than 5000"):
        load({"flow": "big", "start": "n0", "nodes": nodes})


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, "has more than 100000 values"),
        (MERGES, "has more than 100000 values"),
        ("a: &a [*a]", "an anchor holds itself"),
        ("a: " + "[" * 60 + "&b [x]" + "]" * 60 + "\n" + "c: [[[[[*b]]]]]", None),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40, "64 deep"),
        ("[" * 65 + "]" * 65, "64 deep"),
        ("[" * 20_000, "64 deep"),
        ("a: x\n" * 250_000, "is larger than 1024 kB"),
        ("a: 1:99:_", None),
        ("a: !!timestamp x", "not valid YAML"),
        ("a: !!int x", "not valid YAML"),
        ("a: !!python/object:os.system x", "not valid YAML"),
    ],
    ids=[
        "laughs", "merges", "itself", "named again", "deep by an anchor", "deep", "very deep",
        "large", "base 60", "time", "number", "object",
    ],
)  # fmt: skip
def test_a_bomb_of_yaml_is_refused_before_it_is_made(
    tmp_path: Path, text: str, reason: str | None
) -> None:
    file = tmp_path / "bomb.yaml"
    file.write_text(text, encoding="utf-8")
    begun = time.thread_time()
    if reason is None:
        read_document(file)
    else:
        with pytest.raises(InvalidInput, match=reason) as caught:
            read_document(file)
        assert caught.value.place.startswith(str(file))
    assert time.thread_time() - begun < 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=3,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), value=JSON)
def test_whatever_stands_in_a_flow_is_taken_or_named(data: st.DataObject, value: object) -> None:
    """One place of a good document becomes anything at all."""
    document: object = {"root": copy.deepcopy(GOOD)}
    at: object = document
    key: int | str = "root"
    while data.draw(st.booleans()) or at is document:
        child = at[key]  # type: ignore[index]
        keys = list(range(len(child)) if isinstance(child, list) else child)
        if not isinstance(child, list | dict) or not keys:
            break
        at, key = child, data.draw(st.sampled_from(keys))
    at[key] = value  # type: ignore[index]
    try:
        load(document["root"], flows={"main"}, queues={"sales"})  # type: ignore[index]
    except BadFlow as exc:
        assert exc.problems


def test_every_type_of_node_has_its_name() -> None:
    for name, kind in NODE_TYPES.items():
        assert kind.__struct_config__.tag == name


def test_the_flows_that_we_ship_are_good() -> None:
    folder = Path(__file__).parents[3] / "centralita" / "server" / "demo" / "flows"
    files = sorted(folder.glob("*.yaml"))
    assert files
    names = {yaml.safe_load(path.read_text(encoding="utf-8"))["flow"] for path in files}
    for path in files:
        load_file(path, flows=names)


def test_what_the_demonstrations_flows_learn_has_a_name_on_the_pages() -> None:
    texts = (ROOT / "web" / "src" / "shared" / "i18n" / "es.ts").read_text(encoding="utf-8")
    flows = [load_file(path) for path in (ROOT / "centralita/server/demo/flows").glob("*.yaml")]
    written = {name for flow in flows for node in flow.nodes.values() for name in node.writes()}
    assert {"topic", "order", "_greeting"} <= written
    told = {name for name in written if not name.startswith("_")} - {"confidence"}
    assert [name for name in sorted(told) if f'"learned.{name}"' not in texts] == []


def test_people_are_told_what_has_a_value_and_is_not_the_flows_own() -> None:
    known = {"topic": "ventas", "order": "", "_greeting": "Hola", "language": "es"}
    assert learned(known) == {"topic": "ventas", "language": "es"}


def test_flows_that_come_with_us_speak_nobody_s_name_to_a_number() -> None:
    """A number is easily forged: whoever sends one would learn whose it is."""
    server = Path(__file__).parents[3] / "centralita" / "server"
    files = [*server.glob("*.yaml"), *(server / "demo" / "flows").glob("*.yaml")]
    assert len(files) > 3
    told = {file.name for file in files if "{customer_" in file.read_text(encoding="utf-8")}
    assert told == set()
