"""Wrong edits of the toy project's `benchmarks.yaml`: files, code, arguments and data sets.

The line that the message must name is the one that has `#!` in the replacement."""

from toy_project import Edit

BAD_NAMES: list[Edit] = [
    ("path escape", "nbs/benchmarks/toy.ipynb", "../../toy.ipynb  #!", ["leaves the project"]),
    ("absolute path", "nbs/benchmarks/toy.ipynb", "/tmp/toy.ipynb  #!", ["leaves the project"]),
    (
        "missing notebook",
        "nbs/benchmarks/toy.ipynb",
        "nbs/benchmarks/tyo.ipynb  #!",
        ["does not exist", "toy.ipynb"],
    ),
    ("not a notebook", "nbs/benchmarks/toy.ipynb", "toybench/task.py  #!", ["not an .ipynb"]),
    (
        "a name that is no folder",
        "      better:\n",
        "      ../better:  #!\n",
        ["'../better' is not a safe folder name"],
    ),
    (
        "unknown module",
        "toybench.learners:plain",
        "toybench.learner:plain  #!",
        ["'toybench.learner'", "'toybench.learners'"],
    ),
    (
        "unknown builder",
        "toybench.learners:plain",
        "toybench.learners:plan  #!",
        ["no function 'plan'", "'plain'"],
    ),
    (
        "not a learner",
        "toybench.learners:chance",
        "chance  #!",
        ["neither package.module:builder nor an entry point"],
    ),
    (
        "unknown argument",
        "args: {width: 8}",
        "args: {widht: 8}  #!",
        ["unknown argument 'widht' of better", "'width'"],
    ),
    (
        "argument of a wrong type",
        "{width: 4,",
        "{width: wide, #!\n",
        ["width: plain wants int, got 'wide'"],
    ),
    (
        "argument not among the choices",
        "mode: ok}",
        "mode: okay}  #!",
        ["mode: plain wants Literal", "'ok'"],
    ),
    (
        "argument given by the task",
        "args: {width: 8}",
        "args: {width: 8, encoder: x}  #!",
        ["'encoder' is given by the task"],
    ),
    (
        "missing argument",
        "learner: toybench.learners:plain\n        args: {width: 4, ",
        "learner: toybench.learners:plain  #!\n        args: {",
        ["needs the argument 'width'"],
    ),
    (
        "tuple of a wrong length",
        "args: {width: 8}",
        "args: {sizes: [1]}  #!",
        ["sizes: better wants tuple[int, int]"],
    ),
    (
        "unknown argument of a budget",
        "{sizes: [2, 3]}",
        "{size: [2, 3]  #!\n        }",
        ["unknown argument 'size' of better", "'sizes'"],
    ),
    (
        "argument of a budget of a wrong type",
        "{sizes: [2, 3]}",
        "{sizes: 2  #!\n        }",
        ["sizes: better wants tuple[int, int]"],
    ),
    (
        "arguments of a misspelt method",
        "{better: {sizes: [2, 3]}}",
        "{bettr: {sizes: [2, 3]}}  #!",
        ["unknown method 'bettr'", "'better'"],
    ),
    (
        "data sets in words",
        "datasets: [digits]",
        "datasets: digits  #!",
        ["a list of names is wanted, or a mapping", "write [digits]"],
    ),
    (
        "duplicate data set of a budget",
        "[digits, landcover-tiles]",
        "[digits, digits]  #!",
        ["duplicate data set 'digits'"],
    ),
    (
        "unknown data set of a budget's mapping",
        "[digits, landcover-tiles]",
        "{digit: {}}  #!",
        ["unknown data set 'digit'", "'digits'"],
    ),
    (
        "unknown key of a budget's data set",
        "[digits, landcover-tiles]",
        "{digits: {seting: {}}}  #!",
        ["unknown key 'seting'", "'settings'"],
    ),
    (
        "unknown setting of a budget's data set",
        "[digits, landcover-tiles]",
        "{digits: {settings: {step: 4}}}  #!",
        ["unknown key 'step'", "'steps'"],
    ),
    (
        "setting of a budget's data set out of range",
        "[digits, landcover-tiles]",
        "{digits: {settings: {steps: -4}}}  #!",
        ["steps", "-4"],
    ),
    (
        "unknown method of a budget's data set",
        "[digits, landcover-tiles]",
        "{digits: {methods: [plian]}}  #!",
        ["unknown method 'plian'", "'plain'"],
    ),
    (
        "duplicate method of a budget's data set",
        "[digits, landcover-tiles]",
        "{digits: {methods: [plain, plain]}}  #!",
        ["duplicate method 'plain'"],
    ),
    (
        "arguments of a misspelt method on a data set",
        "[digits, landcover-tiles]",
        "{digits: {args: {bettr: {}}}}  #!",
        ["unknown method 'bettr'", "'better'"],
    ),
    (
        "unknown argument on a data set",
        "[digits, landcover-tiles]",
        "{digits: {args: {better: {size: [1, 2]}}}}  #!",
        ["unknown argument 'size' of better", "'sizes'"],
    ),
    (
        "argument of a wrong type on a data set",
        "[digits, landcover-tiles]",
        "{digits: {args: {better: {width: x}}}}  #!",
        ["width: better wants int"],
    ),
    (
        "argument given by the task, on a data set",
        "[digits, landcover-tiles]",
        "{digits: {args: {better: {network: x}}}}  #!",
        ["'network' is given by the task"],
    ),
]
