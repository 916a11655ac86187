"""`extends` and groups: short entries of a document become whole ones, with the marks of where each
part was written."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pixcl_bench.bench.config.yamlpos import Document, KeyPath
from pixcl_bench.bench.errors import nearest

TABLES = {"datasets": "data set", "methods": "method", "budgets": "budget"}
"""The tables of a task whose entries may extend each other, with the word for an entry."""

_NOT_TAKEN_OVER = frozenset({"extends", "title"})
"""Two methods of one title could not be told apart in a table."""

_Groups = Mapping[str, list[str]]
_Parts = list[tuple[KeyPath, Any]]
"""Where the parts of an entry were written, and what they say; a later part comes on top."""


def resolve(document: Document) -> None:
    """Fill in what entries of every task take over by `extends`, then put the members of groups in
    place of their names. Problems go to the document."""
    tasks = document.at(("tasks",))
    for task in tasks if isinstance(tasks, dict) else ():
        at: KeyPath = ("tasks", task)
        for table in TABLES:
            entries = document.at((*at, table))
            done: set[str] = set()
            for name in entries if isinstance(entries, dict) else ():
                _extend(document, (*at, table), name, (), done)
        _expand_task(document, at)


def _extend(
    document: Document, at: KeyPath, name: str, above: tuple[str, ...], done: set[str]
) -> None:
    """Make the entry `name` of the table at `at` whole. `above`: the entries that wait for it."""
    table = document.at(at)
    entry = table[name]
    parent = entry.get("extends") if isinstance(entry, dict) and name not in done else None
    if isinstance(parent, str):
        chain = (*above, name)
        if parent in chain:
            circle = " -> ".join((*chain[chain.index(parent) :], parent))
            document.note((*at, name, "extends"), f"extends goes round in a circle: {circle}")
            document.incomplete.update((*at, word) for word in chain)
        elif parent not in table:
            message = f"unknown {TABLES[str(at[-1])]} {parent!r}"
            document.note((*at, name, "extends"), message, nearest(parent, set(table) - {name}))
            document.incomplete.update((*at, word) for word in (*above, name))
        else:
            _extend(document, at, parent, chain, done)
            if isinstance(table[parent], dict):
                given = {k: v for k, v in table[parent].items() if k not in _NOT_TAKEN_OVER}
                parts: _Parts = [((*at, parent), given), ((*at, name), entry)]
                table.update(_layered(document, at, {name: parts}))
    done.add(name)


def _layered(document: Document, at: KeyPath, entries: Mapping[str, _Parts]) -> dict[str, Any]:
    """Entries of the table at `at`, each merged of its parts: mappings into mappings, any other
    value replaces. Every value keeps the mark of the place that it comes from."""
    placed = Document(document.file)
    found: dict[str, Any] = {}
    for name, parts in entries.items():
        for source, value in parts:
            document.copy_marks(value, source, (*at, name), placed)
            found[name] = _over(found.get(name), value)
    document.marks.update(placed.marks)
    document.keys.update(placed.keys)
    return found


def _over(below: Any, value: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(value, dict):
        return deepcopy(value)
    return below | {key: _over(below.get(key), inner) for key, inner in value.items()}


def _expand_task(document: Document, at: KeyPath) -> None:
    methods, datasets = (_groups(document, at, table) for table in ("methods", "datasets"))
    budgets = document.at((*at, "budgets"))
    for profile in budgets if isinstance(budgets, dict) else ():
        here = (*at, "budgets", profile)
        _expand(document, (*here, "methods"), methods)
        _expand(document, (*here, "datasets"), datasets)
        for key in ("args", "own"):
            _expand(document, (*here, key), methods)
        entries = document.at((*here, "datasets"))
        for name in entries if isinstance(entries, dict) else ():
            for key in ("methods", "args", "method_seeds"):
                _expand(document, (*here, "datasets", name, key), methods)


def _groups(document: Document, at: KeyPath, table: str) -> _Groups:
    """The groups of a task's methods or data sets, without what is wrong in them."""
    groups, known = document.at((*at, "groups", table)), document.at((*at, table))
    if not isinstance(groups, dict) or not isinstance(known, dict):
        return {}
    found: dict[str, list[str]] = {}
    for name, members in groups.items():
        here: KeyPath = (*at, "groups", table, name)
        if name in known or name == "all":
            what = f"a {TABLES[table]} of the task" if name in known else "every method"
            document.note(here, f"the group {name!r} has the name of {what}", "rename it", key=True)
        elif isinstance(members, list):
            words = [word if isinstance(word, str) else "" for word in members]
            found[name] = [word for word in words if word in known]
            for i, member in enumerate(words):
                if member and member not in known:
                    message = f"unknown {TABLES[table]} {member!r}"
                    document.note((*here, i), message, nearest(member, known))
    return found


def _expand(document: Document, at: KeyPath, groups: _Groups) -> None:
    """Replace names of groups in the list, or among the keys of the mapping, at `at`."""
    data, parent = document.at(at), document.at(at[:-1])
    names = data if isinstance(data, list | dict) else ()
    if any(isinstance(name, str) and name in groups for name in names):
        expand = _expand_list if isinstance(data, list) else _expand_mapping
        parent[at[-1]] = expand(document, at, data, groups)


def _expand_list(document: Document, at: KeyPath, data: list[Any], groups: _Groups) -> list[Any]:
    placed = [
        (member, document.mark((*at, i)))
        for i, item in enumerate(data)
        for member in (groups.get(item, [item]) if isinstance(item, str) else [item])
    ]
    document.marks.update({(*at, i): mark for i, (_, mark) in enumerate(placed)})
    return [member for member, _ in placed]


def _expand_mapping(
    document: Document, at: KeyPath, data: dict[str, Any], groups: _Groups
) -> dict[str, Any]:
    """What is said of a group is said of each member; what is said later of a member comes on
    top."""
    parts: dict[str, _Parts] = {}
    for name, value in data.items():
        for member in groups.get(name, [name]):
            parts.setdefault(member, []).append(((*at, name), value))
    return _layered(document, at, parts)
