"""A configuration of two tasks, the second with two data sets and ten methods, and invented
records."""

import fake_records as fake
import numpy as np

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.store import Record

TASKS = ("image_ssl", "semi_seg")
DATASETS = ("heart", "chamber")
METHODS = {
    "supervised_only": ("few labels only", "floor", 0.71),
    "mean_teacher": ("Mean Teacher", "baseline", 0.74),
    "ua_mt": ("UA-MT", "baseline", 0.745),
    "cps": ("CPS", "baseline", 0.75),
    "mc_net": ("MC-Net+", "baseline", 0.755),
    "fba_net": ("FBA-Net", "method", 0.826),
    "arco_ns": ("ARCO, naive sampling", "ablation", 0.77),
    "arco_sg": ("ARCO, stratified", "method", 0.80),
    "arco_sag": ("ARCO, stratified-antithetic", "method", 0.79),
    "all_labels": ("all labels", "ceiling", 0.827),
}

LEARNER = "pixcl_bench.methods.baselines.image_ssl.simclr:simclr"

TASK = """\
  semi_seg:
    title: Semi-supervised segmentation
    notebook: nbs/benchmarks/image_ssl.ipynb
    code: pixcl_bench.tasks.image_ssl
    settings_model: pixcl_bench.tasks.settings:ImageSSLSettings
    primary: dice
    metrics:
      dice: {label: Dice, direction: max, scale: 100, digits: 1}
      jaccard: {label: Jaccard, direction: max, scale: 100, digits: 1}
      hd95: {label: "HD95, mm", direction: min, digits: 2}
      asd: {label: "ASD, mm", direction: min, digits: 2}
      undefined: {label: undefined cases, direction: min, digits: 1}
    baseline: mean_teacher
    datasets:
      heart: {settings: {lr: 0.1}}
      chamber: {}
    methods:
METHODS
    budgets:
      quick:
        seeds: [0, 1, 2]
        datasets: [heart]
        settings: {lr: 0.2}
      study:
        settings: {lr: 0.2}
        args: {arco_sg: {hidden: 1, out: 2}}
        datasets:
          heart:
            settings: {lr: 0.3}
            args: {arco_sg: {out: 3}}
          chamber:
            methods: [supervised_only, mean_teacher, cps, fba_net, all_labels]
"""

CLAIMS = """\
  - {id: sg-over-ns, task: semi_seg, metric: dice, better: arco_sg, than: arco_ns, origin: paper,
     statement: Stratified sampling beats naive sampling., paper: "85.5 against 82.6",
     source: Table 1}
  - {id: fba-over-mean-teacher, task: semi_seg, metric: hd95, better: fba_net, than: mean_teacher,
     dataset: chamber, origin: control, statement: FBA-Net is nearer to the surface.}
  - {id: fba-near-full, task: semi_seg, metric: dice, better: fba_net, than: all_labels,
     kind: equivalence, margin: 0.005, dataset: chamber, origin: paper,
     statement: FBA-Net is as good as all labels.,
     paper: 91.31 against 91.62, source: abstract}
  - {id: fba-good, task: semi_seg, metric: asd, better: fba_net, kind: threshold, threshold: 3.5,
     dataset: chamber, origin: control, statement: FBA-Net errs by a few millimetres.}
  - {id: arco-variance, task: semi_seg, kind: exact,
     check: "pixcl_bench.report.exact:stratified_variance",
     evidence: nbs/ops/00_losses.ipynb, origin: paper, source: Theorem 3.2,
     statement: "Stratified sampling never has more variance than naive sampling."}
"""

REPORTED = """\
  - {task: semi_seg, method: arco_sg, dataset: ACDC, metric: Dice, value: 85.5, unit: "%",
     source: Table 1}
"""


def text() -> str:
    """`benchmarks.yaml` in one file, with the part of a second task put in."""
    lines = [
        f"      {name}: {{title: '{title}', role: {role}, learner: '{LEARNER}'}}"
        for name, (title, role, _) in METHODS.items()
    ]
    task = TASK.replace("METHODS", "\n".join(lines))
    return f"{fake.text()}{task}\nclaims:\n{CLAIMS}\nreported:\n{REPORTED}"


def load() -> Config:
    """The configuration of both tasks."""
    return fake.load(text(), TASKS)


def record(method: str, seed: int, dataset: str, **changes) -> Record:
    """A sealed record of a run of the second task."""
    rng = np.random.default_rng([seed, sum(map(ord, method + dataset))])
    easy = np.random.default_rng([seed, len(dataset)]).normal(0, 0.01)
    dice = METHODS[method][2] + easy + rng.normal(0, 0.002)
    metrics = {
        "dice": dice,
        "jaccard": dice / (2 - dice),
        "hd95": 40 * (1 - dice),
        "asd": 12 * (1 - dice),
        "undefined": float(rng.integers(0, 2)),
    }
    fields = {
        "key": f"{method}{seed}{dataset}".encode().hex()[-20:],
        "task": "semi_seg",
        "dataset": dataset,
        "dataset_kind": "synthetic",
        "metrics": metrics,
        "uses_labels": True,
        "profile": "study",
    }
    return fake.record(method, seed, dice, **{**fields, **changes})


def grid(seeds: int, **changes) -> list[Record]:
    """Finished runs of both tasks in the profile `study`."""
    heart = [record(m, s, "heart", **changes) for s in range(seeds) for m in METHODS]
    few = ("supervised_only", "mean_teacher", "cps", "fba_net", "all_labels")
    chamber = [record(m, s, "chamber", **changes) for s in range(seeds) for m in few]
    return [*fake.grid(seeds, profile="study"), *heart, *chamber]
