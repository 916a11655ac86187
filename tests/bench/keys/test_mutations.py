"""The mutation table: on a copy of this project, each clean-up keeps the keys of all runs, and
each change that may change a number gives new keys to exactly the runs that reach it."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from project import ROOT

from pixcl_bench.bench.config.grid import Run, plan
from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.keys.key import BOUNDARY
from pixcl_bench.bench.notebook import numbers_code
from pixcl_bench.data import fingerprint
from pixcl_bench.data.catalogue import catalogue
from pixcl_bench.meaning.graph import HOME, CodeGraph

Change = Callable[[ast.Module, ast.AST], None]


@cache
def runs() -> dict[str, Run]:
    """One run of every cell of every profile, as TASK/DATASET/METHOD."""
    config = load_config(ROOT / "benchmarks.yaml")
    found: dict[str, Run] = {}
    for profile in config.profiles:
        for run in plan(config, profile):
            found.setdefault(f"{run.task}/{run.dataset}/{run.method}", run)
    return found


class Copy:
    """A copy of the package and the notebooks, with the hashes that the runs and the data sets
    have there."""

    def __init__(self, root: Path):
        self.root = root
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "_modidx.py")
        shutil.copytree(ROOT / HOME, root / HOME, ignore=ignore)
        shutil.copytree(ROOT / "nbs" / "benchmarks", root / "nbs" / "benchmarks", ignore=ignore)
        self.graph = CodeGraph(root, BOUNDARY)
        self.data = CodeGraph(root, fingerprint.BOUNDARY)
        files = (*self.sources(), *self.notebooks())
        self.texts = {path: path.read_text(encoding="utf-8") for path in files}

    def hashes(self, renamed: Callable[[str], str] = lambda name: name) -> dict[str, str]:
        """The hash of the code of each cell; `renamed`: the new name of a learner."""
        pairs = {(run.learner, run.notebook) for run in runs().values()}
        found = {
            (learner, notebook): self.graph.code(
                [renamed(learner)], numbers_code(self.root / notebook)
            ).hash
            for learner, notebook in pairs
        }
        return {cell: found[run.learner, run.notebook] for cell, run in runs().items()}

    def data_hashes(self, renamed: Callable[[str], str] = lambda name: name) -> dict[str, str]:
        """The hash of the code of each built-in data set."""
        return {
            name: self.data.code([renamed(info.loader), *info.code]).hash
            for name, info in catalogue().items()
        }

    def restore(self) -> None:
        """Put back every file that was changed, moved or added."""
        for path in (*self.sources(), *self.notebooks()):
            if path not in self.texts:
                path.unlink()
        for path, text in self.texts.items():
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")

    def sources(self) -> Iterator[Path]:
        yield from sorted((self.root / HOME).rglob("*.py"))

    def notebooks(self) -> Iterator[Path]:
        yield from sorted((self.root / "nbs").rglob("*.ipynb"))

    def home_of(self, symbol: str) -> Path:
        """The file that defines a function or class."""
        word = re.compile(rf"^(?:def|class) {symbol}\b", re.MULTILINE)
        found = [path for path in self.sources() if word.search(path.read_text(encoding="utf-8"))]
        assert len(found) == 1, (symbol, found)
        return found[0]

    def module_of(self, path: Path) -> str:
        return ".".join(path.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__")

    def change(self, symbol: str, change: Change) -> None:
        path = self.home_of(symbol)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        before = ast.dump(tree)
        change(tree, definition(tree, symbol))
        assert ast.dump(tree) != before, "nothing was changed"
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")

    def replace(self, pattern: str, new: str) -> None:
        """Replace words everywhere, also in notebooks."""
        for path in (*self.sources(), *self.notebooks()):
            old = path.read_text(encoding="utf-8")
            text = re.sub(pattern, new, old)
            if text != old:
                path.write_text(text, encoding="utf-8")


def definition(tree: ast.Module, symbol: str) -> ast.AST:
    return next(node for node in tree.body if getattr(node, "name", None) == symbol)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, dict[str, str], dict[str, str]]:
    """One copy for all mutations, and the hashes of runs and data sets before any."""
    project = Copy(tmp_path_factory.mktemp("project"))
    return project, project.hashes(), project.data_hashes()


@pytest.fixture
def project(whole: tuple[Copy, dict[str, str], dict[str, str]]) -> Iterator[Copy]:
    yield whole[0]
    whole[0].restore()


@pytest.fixture
def base(whole: tuple[Copy, dict[str, str], dict[str, str]]) -> dict[str, str]:
    return whole[1]


def different(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {cell for cell in before if before[cell] != after[cell]}


# Clean-ups


def new_docstring(tree: ast.Module, node: ast.AST) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef):
            if ast.get_docstring(inner) is not None:
                inner.body = inner.body[1:] or [ast.Pass()]
            else:
                inner.body.insert(0, ast.Expr(ast.Constant("A new text.")))


def new_local_names(tree: ast.Module, node: ast.AST) -> None:
    """Every local variable of every method gets another name."""
    for function in [inner for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)]:
        parameters = {
            arg.arg
            for inner in ast.walk(function)
            if isinstance(inner, ast.arguments)
            for arg in (*inner.args, *inner.kwonlyargs)
        }
        stored = {
            inner.id
            for inner in ast.walk(function)
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
        }
        for inner in ast.walk(function):
            if isinstance(inner, ast.Name) and inner.id in stored - parameters:
                inner.id += "_new"


def new_error_texts(tree: ast.Module, node: ast.AST) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Raise) and isinstance(inner.exc, ast.Call):
            inner.exc.args = [ast.Constant("another text")]


def no_annotations(tree: ast.Module, node: ast.AST) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef):
            inner.returns = None
        if isinstance(inner, ast.arg):
            inner.annotation = ast.Name("object", ast.Load())


def reordered(tree: ast.Module, node: ast.AST) -> None:
    kinds = ast.FunctionDef | ast.ClassDef
    moved = [inner for inner in tree.body if isinstance(inner, kinds)]
    tree.body = [inner for inner in tree.body if not isinstance(inner, kinds)] + moved[::-1]


def another_function_beside(tree: ast.Module, node: ast.AST) -> None:
    tree.body += ast.parse("def a_new_function(x):\n    return x + 1").body


CLEAN_UPS: dict[str, Change] = {
    "docstrings": new_docstring,
    "local names": new_local_names,
    "texts of errors": new_error_texts,
    "annotations": no_annotations,
    "order of definitions": reordered,
    "a new function": another_function_beside,
}

TOUCHED = {
    "docstrings": ("nt_xent", "EMA"),
    "local names": ("nt_xent", "PixelContrastLoss"),
    "texts of errors": ("ema_schedule",),
    "annotations": ("EMA",),
    "order of definitions": ("entropy_map",),
    "a new function": ("epoch_order",),
}


@pytest.mark.parametrize(
    ("kind", "symbol"), [(kind, symbol) for kind, symbols in TOUCHED.items() for symbol in symbols]
)
def test_a_clean_up_loses_no_record(
    project: Copy, base: dict[str, str], kind: str, symbol: str
) -> None:
    project.change(symbol, CLEAN_UPS[kind])
    assert different(base, project.hashes()) == set()


@pytest.mark.parametrize("symbol", ["EMA", "epoch_order", "random_init"])
def test_a_renamed_definition_loses_no_record(
    project: Copy, base: dict[str, str], symbol: str
) -> None:
    project.replace(rf"\b{symbol}\b(?!\")", f"{symbol}_renamed")

    def renamed(learner: str) -> str:
        return re.sub(rf"\b{symbol}\b", f"{symbol}_renamed", learner)

    assert different(base, project.hashes(renamed)) == set()


@pytest.mark.parametrize("symbol", ["nt_xent", "epoch_order", "PixelSet"])
def test_a_moved_file_loses_no_record(project: Copy, base: dict[str, str], symbol: str) -> None:
    """The module goes into a new folder under a new name; who imports it says so."""
    path = project.home_of(symbol)
    old = project.module_of(path)
    for source in list(project.sources()):
        if (
            not re.search(rf"\b{path.stem}\b", source.read_text(encoding="utf-8"))
            and source != path
        ):
            continue
        text = absolute(source.read_text(encoding="utf-8"), project.module_of(source), source)
        source.write_text(text, encoding="utf-8")
    new = f"{HOME}.moved.{path.stem}_new"
    folder = project.root / HOME / "moved"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text("")
    path.rename(folder / f"{path.stem}_new.py")
    package, _, stem = old.rpartition(".")
    project.replace(
        rf"from {re.escape(package)} import {stem}\b( as \w+)?", rf"import {new} as {stem}"
    )
    project.replace(rf"\b{re.escape(old)}\b", new)
    assert (
        different(
            base, project.hashes(lambda learner: re.sub(rf"^{re.escape(old)}:", f"{new}:", learner))
        )
        == set()
    )


def absolute(text: str, module: str, path: Path) -> str:
    """Relative imports as absolute ones, one name each."""
    tree = ast.parse(text)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            parent = package[: len(package) - node.level + 1]
            node.module = ".".join([*parent, node.module] if node.module else parent)
            node.level = 0
    return ast.unparse(one_import_each(tree))


def one_import_each(tree: ast.Module) -> ast.Module:
    class Divide(ast.NodeTransformer):
        def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.ImportFrom]:
            return [ast.ImportFrom(node.module, [alias], node.level) for alias in node.names]

    return ast.fix_missing_locations(Divide().visit(tree))


@pytest.mark.parametrize("symbol", ["nt_xent", "ema_schedule"])
def test_another_way_to_import_loses_no_record(
    project: Copy, base: dict[str, str], symbol: str
) -> None:
    """`from package.module import name` becomes `import package.module as m` and `m.name`."""
    module = project.module_of(project.home_of(symbol))
    changed = 0
    for path in project.sources():
        if not re.search(rf"\b{symbol}\b", path.read_text(encoding="utf-8")):
            continue
        text = absolute(path.read_text(encoding="utf-8"), project.module_of(path), path)
        line = f"from {module} import {symbol}"
        if re.search(rf"^{re.escape(line)}$", text, re.MULTILINE):
            text = re.sub(
                rf"^{re.escape(line)}$", f"import {module} as its_home", text, flags=re.MULTILINE
            )
            text = re.sub(rf"(?<![\w.'\"]){symbol}\b(?!=)(?!['\"])", f"its_home.{symbol}", text)
            path.write_text(text, encoding="utf-8")
            changed += 1
    assert changed
    assert different(base, project.hashes()) == set()


# Changes that may change a number


def constant(tree: ast.Module, node: ast.AST) -> None:
    """The first number in the body of a definition."""
    for statement in body_of(node):
        for inner in ast.walk(statement):
            if isinstance(inner, ast.Constant) and type(inner.value) in (int, float):
                inner.value += 1
                return


def operator(tree: ast.Module, node: ast.AST) -> None:
    for statement in body_of(node):
        for inner in ast.walk(statement):
            if isinstance(inner, ast.BinOp):
                inner.op = ast.Sub() if isinstance(inner.op, ast.Add) else ast.Add()
                return


def default(tree: ast.Module, node: ast.AST) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.arguments):
            for value in (*inner.defaults, *inner.kw_defaults):
                if isinstance(value, ast.Constant) and type(value.value) in (int, float):
                    value.value += 1
                    return


def called(tree: ast.Module, node: ast.AST) -> None:
    for statement in body_of(node):
        for inner in ast.walk(statement):
            if isinstance(inner, ast.Call) and not isinstance(statement, ast.If):
                inner.func = ast.Name("id", ast.Load())
                return


def class_attribute(tree: ast.Module, node: ast.AST) -> None:
    assert isinstance(node, ast.ClassDef)
    node.body += ast.parse("a_new_attribute = 1").body


def decorator(tree: ast.Module, node: ast.AST) -> None:
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    node.decorator_list += [ast.Name("staticmethod", ast.Load())]


def body_of(node: ast.AST) -> list[ast.stmt]:
    """The statements of a function, or of the methods of a class, without guards that raise."""
    functions = [inner for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)]
    return [
        statement
        for function in functions
        for statement in function.body
        if not any(isinstance(inner, ast.Raise) for inner in ast.walk(statement))
    ]


CHANGES: dict[str, Change] = {
    "constant": constant,
    "operator": operator,
    "default": default,
    "called function": called,
    "class attribute": class_attribute,
    "decorator": decorator,
}

LANDMARKS_IGU = "igu_aug igu_sampling igu_intensity igu_estimated igu_pretrained igu_detector"
SPPS = "spps spps_random spps_oracle"
REACHED = {
    "nt_xent": f"image_ssl: simclr {SPPS} mncl mncl_released mncl_t02; "
    "landmarks: simclr_features; dense_transfer: simclr grass grass_warmup_only grass_released",
    "info_nce": "image_ssl: moco_v3 nnclr",
    "ema_schedule": "image_ssl: moco_v3 patchmix patchmix_ema byol; "
    "dense_transfer: byol patchmix pixcontrast pixpro",
    "SimCLR": f"image_ssl: simclr {SPPS}; "
    "dense_transfer: simclr grass grass_warmup_only grass_released",
    "entropy_map": f"landmarks: {LANDMARKS_IGU} cc2d_detector; dense_transfer: igu_aug",
    "stratify": "semi_seg: arco_ns arco_sg arco_sag arco_paper",
    "PixelContrastLoss": "semi_seg: arco_ns arco_sg arco_sag arco_paper",
    "attention": "dense_transfer: grass grass_warmup_only grass_released",
    "cross_patch_loss": f"landmarks: {LANDMARKS_IGU} cc2d cc2d_detector; dense_transfer: igu_aug",
    "build_encoder": "image_ssl: *; retrieval: *",
    "supervised_loss": "semi_seg: *; dense_transfer: *",
}
"""Which methods of which tasks reach a definition, by hand from the papers and the notebooks."""

CHANGED = [
    *(("constant", name) for name in ("SimCLR", "cross_patch_loss")),
    *(("operator", name) for name in ("nt_xent", "stratify")),
    *(("default", name) for name in ("info_nce", "build_encoder")),
    *(("called function", name) for name in ("entropy_map", "ema_schedule")),
    *(("class attribute", name) for name in ("SimCLR", "PixelContrastLoss")),
    *(("decorator", name) for name in ("attention", "supervised_loss")),
]


@pytest.mark.parametrize(("kind", "symbol"), CHANGED)
def test_a_change_counts_for_exactly_the_runs_that_reach_it(
    project: Copy, base: dict[str, str], kind: str, symbol: str
) -> None:
    project.change(symbol, CHANGES[kind])
    found = different(base, project.hashes())
    assert found == expected(REACHED[symbol])


def expected(words: str) -> set[str]:
    """The cells of "task: method method; task: *"."""
    wanted: set[str] = set()
    for part in words.split(";"):
        task, _, names = part.partition(":")
        methods = set(names.split())
        for cell, run in runs().items():
            if run.task == task.strip() and (methods == {"*"} or run.method in methods):
                wanted.add(cell)
    return wanted


def test_code_of_a_data_set_counts_for_that_set_alone(
    whole: tuple[Copy, dict[str, str], dict[str, str]], project: Copy
) -> None:
    project.change("digits", another_statement)
    assert different(whole[2], project.data_hashes()) == {"digits"}


def another_statement(tree: ast.Module, node: ast.AST) -> None:
    assert isinstance(node, ast.FunctionDef)
    node.body[1:1] = ast.parse("seed = 1").body


def test_a_byte_of_the_data_counts() -> None:
    info = catalogue()["landcover-tiles"]
    source = info.sources[0]
    member = replace(source.members[0], sha256="0" * 64)
    other = replace(source, members=(member, *source.members[1:]))
    assert replace(info, sources=(other, *info.sources[1:])).fingerprint() != info.fingerprint()


def test_text_about_a_data_set_does_not_count() -> None:
    info = catalogue()["landcover-tiles"]
    same = replace(info, title="x", licence="x", citation="x", size="x", split_rule="x", notes="x")
    assert same.fingerprint() == info.fingerprint()
