"""Strongly connected components of a graph (Tarjan 1972), without recursion."""

from collections.abc import Callable, Container, Iterator
from typing import TypeVar

Node = TypeVar("Node")


def strong_components(
    start: Node, children: Callable[[Node], list[Node]], known: Container[Node]
) -> Iterator[list[Node]]:
    """The components that can be reached from `start`, each after all those that it reaches;
    `known` nodes are not followed."""
    index: dict[Node, int] = {start: 0}
    low: dict[Node, int] = {start: 0}
    path: list[Node] = [start]
    on_path = {start}
    work = [(start, iter(children(start)))]
    while work:
        node, rest = work[-1]
        child = next((c for c in rest if c not in known), None)
        if child is not None:
            if child not in index:
                index[child] = low[child] = len(index)
                path.append(child)
                on_path.add(child)
                work.append((child, iter(children(child))))
            elif child in on_path:
                low[node] = min(low[node], index[child])
            continue
        work.pop()
        if work:
            parent = work[-1][0]
            low[parent] = min(low[parent], low[node])
        if low[node] == index[node]:
            component: list[Node] = []
            while not component or component[-1] != node:
                component.append(path.pop())
                on_path.discard(component[-1])
            yield component
