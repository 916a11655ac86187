"""Digests of source code and of files, without importing what they describe."""

import ast
import hashlib
import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any


def module_path(module: str) -> Path:
    """The source file of `module` ("package.part.name"), found without importing it or any package around it.

    Raises ModuleNotFoundError where there is no such file.
    """
    top, *parts = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ModuleNotFoundError(f"no package {top!r} for module {module!r}: is it installed?", name=top)
    if not parts and spec.origin:
        return Path(spec.origin)
    for place in spec.submodule_search_locations or ():
        stem = Path(place).joinpath(*parts)
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    raise ModuleNotFoundError(f"package {top!r} has no module {module!r}", name=module)


def code_digest(module: str) -> str:
    """sha256 (hex) of what the code of `module` does.

    Comments, docstrings, blank lines and layout do not count.
    """
    path = module_path(module)
    stat = path.stat()
    return _source_digest(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _source_digest(path: Path, mtime_ns: int, size: int) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    text = json.dumps(canonical_ast(tree), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_ast(node: Any) -> Any:
    """An AST node as nested lists, without docstrings and empty fields.

    `ast.dump` differs between Python versions in how it shows empty fields; this does not.
    """
    if isinstance(node, ast.AST):
        fields = (
            (name, getattr(node, name, None)) for name in node._fields if name not in ("kind", "type_comment")
        )
        shown = [[name, canonical_ast(_without_docstring(node, name, value))] for name, value in fields]
        return [type(node).__name__, *(pair for pair in shown if pair[1] not in (None, []))]
    if isinstance(node, list):
        return [canonical_ast(item) for item in node]
    return None if node is None else f"{type(node).__name__}:{node!r}"


def _without_docstring(node: ast.AST, name: str, value: Any) -> Any:
    owner = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    if owner and name == "body" and value and isinstance(value[0], ast.Expr):
        first = value[0].value
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return value[1:]
    return value


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's content, read in pieces."""
    digest = hashlib.new(algorithm, usedforsecurity=False) if algorithm == "md5" else hashlib.new(algorithm)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
