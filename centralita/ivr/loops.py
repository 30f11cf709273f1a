"""Loops among the nodes of a flow, found in one walk. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Graph = Mapping[str, Sequence[str]]


def in_a_loop(graph: Graph) -> set[str]:
    """The nodes from which there is a way back to themselves (Tarjan, without recursion)."""
    found: set[str] = set()
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    is_open: set[str] = set()
    for start in graph:
        if start in number:
            continue
        walk = [(start, iter(graph[start]))]
        number[start] = lowest[start] = len(number)
        open_.append(start)
        is_open.add(start)
        while walk:
            name, targets = walk[-1]
            target = next((one for one in targets if one in graph), None)
            if target is None:
                walk.pop()
                if walk:
                    above = walk[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == number[name]:
                    group = [open_.pop()]
                    while group[-1] != name:
                        group.append(open_.pop())
                    is_open.difference_update(group)
                    if len(group) > 1 or name in graph[name]:
                        found.update(group)
            elif target not in number:
                number[target] = lowest[target] = len(number)
                open_.append(target)
                is_open.add(target)
                walk.append((target, iter(graph[target])))
            elif target in is_open:
                lowest[name] = min(lowest[name], number[target])
    return found


def leading_to(graph: Graph, ends: Iterable[str]) -> set[str]:
    """The nodes from which there is a way to one of `ends`, those among them."""
    before: dict[str, list[str]] = {}
    for name, targets in graph.items():
        for target in targets:
            before.setdefault(target, []).append(name)
    found = set(ends)
    waiting = list(found)
    while waiting:
        for name in before.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found
