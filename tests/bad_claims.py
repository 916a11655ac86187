"""Wrong edits of the toy project's `benchmarks.yaml`: seeds, settings and claims.

The line that the message must name is the one that has `#!` in the replacement."""

from toy_project import Edit

EXACT = """\
    kind: exact
    check: pixcl_bench.report.exact:stratified_variance  #!
    evidence: nbs/benchmarks/toy.ipynb
"""

BAD_CLAIMS: list[Edit] = [
    (
        "duplicate seed of a budget",
        "        methods: all\n",
        "        methods: all\n        seeds: [1, 1]  #!\n",
        ["duplicate seed 1"],
    ),
    (
        "wrong seed of a budget",
        "        methods: all\n",
        "        methods: all\n        seeds: [-1]  #!\n",
        ["seeds[0]", "-1"],
    ),
    (
        "exact claim without its check",
        (
            "  - id: plain-over-chance\n"
            "    task: toy\n"
            "    metric: score\n"
            "    better: plain\n"
            "    than: chance\n"
        ),
        "  - id: plain-over-chance  #!\n    task: toy\n    kind: exact\n",
        ["check: missing in a claim of kind exact"],
    ),
    (
        "exact claim that compares",
        "    than: chance\n",
        "    than: chance\n    check: a:b  #!\n",
        ["check: not used by a claim of kind superiority"],
    ),
    (
        "exact claim on a data set",
        "    metric: score\n    better: plain\n    than: chance\n",
        (
            "    kind: exact\n"
            "    check: pixcl_bench.report.exact:stratified_variance\n"
            "    evidence: nbs/benchmarks/toy.ipynb\n"
            "    dataset: digits  #!\n"
        ),
        ["dataset: not used by a claim of kind exact"],
    ),
    (
        "unknown module of an exact claim",
        "    metric: score\n    better: plain\n    than: chance\n",
        (
            "    kind: exact\n"
            "    check: pixcl_bench.report.exacct:stratified_variance  #!\n"
            "    evidence: nbs/benchmarks/toy.ipynb\n"
        ),
        ["module 'pixcl_bench.report.exacct' does not exist", "'pixcl_bench.report.exact'"],
    ),
    (
        "unknown check of an exact claim",
        "    metric: score\n    better: plain\n    than: chance\n",
        (
            "    kind: exact\n"
            "    check: pixcl_bench.report.exact:stratified_varience  #!\n"
            "    evidence: nbs/benchmarks/toy.ipynb\n"
        ),
        ["no function 'stratified_varience'", "'stratified_variance'"],
    ),
    (
        "heavy check of an exact claim",
        "    metric: score\n    better: plain\n    than: chance\n",
        (
            "    kind: exact\n"
            "    check: pixcl_bench.train:fit  #!\n"
            "    evidence: nbs/benchmarks/toy.ipynb\n"
        ),
        ["imports", "torch", "a report must not"],
    ),
    (
        "missing evidence of an exact claim",
        "    metric: score\n    better: plain\n    than: chance\n",
        (
            "    kind: exact\n"
            "    check: pixcl_bench.report.exact:stratified_variance\n"
            "    evidence: nbs/benchmarks/tyo.ipynb  #!\n"
        ),
        ["'nbs/benchmarks/tyo.ipynb' does not exist", "toy.ipynb"],
    ),
    (
        "unknown code module",
        "code: toybench.task\n",
        "code: toybench.tasks  #!\n",
        ["'toybench.tasks'", "'toybench.task'"],
    ),
    (
        "unknown settings model",
        "settings:ImageSSLSettings",
        "settings:ImageSSLSetting  #!",
        ["'ImageSSLSetting'", "'ImageSSLSettings'"],
    ),
    (
        "setting that a method may not set",
        "settings: {lr: 0.01}",
        "settings: {steps: 9}  #!",
        ["'steps' may not be set by a method"],
    ),
    (
        "setting of a method that a budget may not change",
        "own: {better: {weight_decay: 0.2}}",
        "own: {better: {steps: 2}}  #!",
        ["'steps' may not be set by a method"],
    ),
    (
        "own setting of a misspelt method",
        "own: {better: {weight_decay: 0.2}}",
        "own: {bettr: {weight_decay: 0.2}}  #!",
        ["unknown method 'bettr'", "'better'"],
    ),
    (
        "own setting out of range",
        "own: {better: {weight_decay: 0.2}}",
        "own: {better: {weight_decay: -1.0}}  #!",
        ["weight_decay", "-1"],
    ),
    (
        "unknown per_method",
        "per_method: [lr, weight_decay]",
        "per_method: [lr, weight_deca]  #!",
        ["'weight_deca'", "'weight_decay'"],
    ),
    (
        "setting out of range",
        "warmup: 0.1\n",
        "warmup: 1.1  #!\n",
        ["warmup", "less than or equal to 1", "1.1"],
    ),
    (
        "settings that contradict",
        "scale: [0.5, 1.0]}",
        "scale: [0.9, 0.5]}  #!",
        ["lower bound 0.9 is above the upper bound 0.5"],
    ),
    (
        "setting of a wrong length",
        "scale: [0.5, 1.0]}",
        "scale: [0.5]}  #!",
        ["scale[1] is missing"],
    ),
    (
        "claim of an unknown task",
        "    task: toy\n    metric: score\n    better: better",
        "    task: tyo  #!\n    metric: score\n    better: better",
        ["unknown task 'tyo'", "'toy'"],
    ),
    (
        "claim of an unknown method",
        "    than: plain\n",
        "    than: plain2  #!\n",
        ["unknown method 'plain2'", "'plain'"],
    ),
    (
        "claim of an unknown metric",
        "    metric: score\n    better: plain",
        "    metric: sore  #!\n    better: plain",
        ["unknown metric 'sore'", "'score'"],
    ),
    (
        "claim against itself",
        "    than: chance\n",
        "    than: plain  #!\n",
        ["compared with itself"],
    ),
    (
        "margin of a superiority claim",
        "    than: chance\n",
        "    than: chance\n    margin: 0.1  #!\n",
        ["margin: not used by"],
    ),
    (
        "unknown role",
        "role: method\n",
        "role: methd  #!\n",
        ["role: 'methd' is not one of", "'method'"],
    ),
    (
        "reported for an unknown method",
        "method: better, dataset: MNIST,",
        "method: beter, dataset: MNIST,  #!\n   ",
        ["'beter'", "'better'"],
    ),
    (
        "text in place of a list",
        "methods: [chance, plain]",
        "methods: chance  #!",
        ["a list is wanted", "write [chance]"],
    ),
    ("not YAML", "    title: A toy task\n", "    title: A: toy: task  #!\n", ["not valid YAML"]),
    ("another version", "version: 1\n", "version: 2  #!\n", ["version", "2"]),
]
