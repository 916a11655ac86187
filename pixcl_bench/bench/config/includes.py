"""`benchmarks.yaml` and the files that it includes, as one document."""

from pathlib import Path, PurePosixPath
from typing import Any

from pixcl_bench.bench.config.inherit import resolve
from pixcl_bench.bench.config.wide import read_wide
from pixcl_bench.bench.config.yamlpos import Document, KeyPath, parse
from pixcl_bench.bench.errors import Problem, UsageError, nearest


def read_document(path: Path) -> Document:
    """A configuration file with what it includes. Problems go to the document; its data are None
    where a file cannot be read as a mapping. Raises UsageError where the file itself cannot be
    opened."""
    name = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return Document(name, problems=[Problem(name, 1, 1, "", _not_text(error))])
    except OSError as error:
        short = name if len(name) <= 200 else f"{name[:100]}...{name[-97:]}"
        raise UsageError(f"{short}: cannot be read: {error.strerror}") from error
    return assemble(parse(text, name), path.resolve().parent)


def assemble(document: Document, folder: Path) -> Document:
    """Put the included files of a parsed document in their places: tasks among its tasks, their
    claims and reported numbers among its lists, entries and groups made whole. Paths start from
    `folder`."""
    if not isinstance(document.data, dict):
        _not_a_mapping(document)
        return document
    _include_tasks(document, folder)
    if document.data is not None:
        tasks = document.at(("tasks",))
        for name in tasks if isinstance(tasks, dict) else ():
            _move_claims(document, name)
            _add_reported(document, name, folder)
        resolve(document)
    return document


def shown(path: Path) -> str:
    """A path as messages show it: relative to the working folder where it is inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _is_name(name: object) -> bool:
    """Whether this may be the name of a file; the schema tells of what may not."""
    return isinstance(name, str) and name.isprintable() and name != ""


def _not_text(error: UnicodeDecodeError) -> str:
    return f"not UTF-8 text: {error.reason} at byte {error.start}"


def _not_a_mapping(document: Document) -> None:
    if not document.problems:
        document.note((), "the file is not a mapping of keys")
    document.data = None


def _include_tasks(document: Document, folder: Path) -> None:
    """Add the task of every included file; the data become None where one of them cannot be
    read."""
    names = document.data.get("include")
    tasks: Any = document.data.setdefault("tasks", {}) if isinstance(names, list) else None
    first: dict[Path, int] = {}
    readable = True
    for i, name in enumerate(names if isinstance(tasks, dict) else ()):
        if _is_name(name) and _is_new(document, i, folder / name, first):
            entry = _included(document, ("include", i), name, folder)
            if entry is not None:
                tasks[Path(name).stem] = entry.data
                document.graft(("tasks", Path(name).stem), entry)
            readable = readable and entry is not None and entry.data is not None
    if not readable:
        document.data = None


def _is_new(document: Document, i: int, path: Path, first: dict[Path, int]) -> bool:
    """Whether the file and its task are not there yet; `first`: where each file is included."""
    at: KeyPath = ("include", i)
    before = first.setdefault(path.resolve(), i)
    task = ("tasks", path.stem)
    if before != i:
        line = document.line(("include", before), at)
        document.note(at, f"{shown(path)!r} is included twice: first on {line}", "remove one")
    elif document.at(task) is not None:
        message = f"the task {path.stem!r} stands on {document.line(task, at)} already"
        document.note(at, message, "an included file has the name of its task")
    else:
        return True
    return False


def _included(document: Document, at: KeyPath, name: str, folder: Path) -> Document | None:
    text = _text_beside(document, at, name, folder, ".yaml")
    if text is None:
        return None
    entry = parse(text, shown(folder / name))
    if not isinstance(entry.data, dict):
        _not_a_mapping(entry)
    return entry


def _move_claims(document: Document, task: str) -> None:
    """The claims in the entry of a task go to the list of all, with the name of the task."""
    entry, claims = document.at(("tasks", task)), document.data.setdefault("claims", [])
    if not isinstance(entry, dict) or not isinstance(entry.get("claims"), list):
        return
    if not isinstance(claims, list):
        return
    for i, claim in enumerate(entry.pop("claims")):
        source: KeyPath = ("tasks", task, "claims", i)
        if isinstance(claim, dict):
            if "task" in claim:
                message = f"'task' is not used here: the claim stands in the task {task!r}"
                document.note((*source, "task"), message, "remove it", key=True)
            claim = {**claim, "task": task}
        document.copy_marks(claim, source, ("claims", len(claims)), document)
        claims.append(claim)


def _add_reported(document: Document, task: str, folder: Path) -> None:
    """The numbers in the CSV file that a task names go to the list of all."""
    name = document.at(("tasks", task, "reported"))
    rows = document.data.setdefault("reported", [])
    if not _is_name(name) or not isinstance(rows, list):
        return
    text = _text_beside(document, ("tasks", task, "reported"), name, folder, ".csv")
    if text is not None:
        wide = read_wide(text, shown(folder / name), task)
        document.append(("reported",), wide)


def _text_beside(
    document: Document, at: KeyPath, name: str, folder: Path, ending: str
) -> str | None:
    """The text of a file that the document names at `at`; None where it cannot be read, with a
    problem there."""
    path, problem, hint = folder / name, "", ""
    if PurePosixPath(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        problem, hint = f"file {name!r} leaves the project", f"write it relative to {document.file}"
    elif path.suffix != ending:
        problem = f"file {name!r} is not a {ending} file"
    elif not path.is_file():
        near = path.parent.glob(f"*{ending}") if path.parent.is_dir() else ()
        others = [other.relative_to(folder).as_posix() for other in near]
        problem, hint = f"file {name!r} does not exist", nearest(name, others)
    if not problem:
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            problem = f"{shown(path)}: {_not_text(error)}"
        except OSError as error:
            problem = f"file {name!r} cannot be read: {error.strerror}"
    document.note(at, problem, hint)
    return None
