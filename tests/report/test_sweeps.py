"""What `pixcl-bench pilot` and `pixcl-bench tune` print."""

import fake_records as fake
from shown import printed

from pixcl_bench.report.render.pilots import sections
from pixcl_bench.report.render.sweeps import console_sweeps, html_sweeps
from pixcl_bench.report.sweeps import sweeps, tuning_id

FLAT = {"random_init": (0.42,), "moco_v3": (0.6, 0.61, 0.611), "patchmix": (0.64, 0.66, 0.661)}
STEPS = (100, 300, 900)


def test_a_pilot_tells_how_many_steps_are_enough() -> None:
    config = fake.load()
    records = fake.pilot(FLAT, STEPS)
    table, *lines = console_sweeps(config, "pilot", records)
    text = printed(table)
    assert all(word in text for word in ("steps=100", "steps=900", "as it is", "PatchMix"))
    assert "66.0" in text
    told = dict(str(line).split(": ", 1) for line in lines)
    assert told["patchmix-over-moco-v3"] == "300 steps"
    assert told["patchmix-linear"] == "300 steps"
    assert told["simclr-over-random"] == "premature: the pilot has no runs of simclr"


def test_a_tuning_names_the_best_values_with_an_id() -> None:
    config = fake.load()
    records = []
    for lr, value in ((1e-3, 0.5), (2e-3, 0.6), (4e-3, 0.55)):
        for seed in (103, 104):
            changes = {"sweep": {"lr": lr}, "settings": {"lr": lr}, "profile": "tune"}
            records.append(fake.record("patchmix", seed, value, key=f"{lr}-{seed}", **changes))
    [sweep] = sweeps(config, records)
    assert sweep.variants == ["lr=0.001", "lr=0.002", "lr=0.004"]
    assert sweep.best("patchmix", largest=True).variant == "lr=0.002"
    assert sweep.best("patchmix", largest=False).variant == "lr=0.001"
    [line] = [part for part in console_sweeps(config, "tune", records) if isinstance(part, str)]
    assert line == f"patchmix: lr=0.002 (tuning {tuning_id(records)})"
    assert tuning_id(records) == tuning_id(records[::-1]) != tuning_id(records[1:])
    [(heading, page)] = html_sweeps(config, records)
    assert heading == "Image-level self-supervised learning: landcover-tiles"
    rows = [row for row in page.split("<tr>") if "lr=" in row]
    assert [row.count("*") for row in rows] == [0, 1, 0], "a star for the best"
    assert "60.0" in rows[1]
    assert "PatchMix" in page
    fewer = [r for r in records if (r.sweep["lr"], r.seed) != (2e-3, 104)]
    [(_, page)] = html_sweeps(config, fewer)
    rows = [row for row in page.split("<tr>") if "lr=" in row]
    assert [row.count("*") for row in rows] == [0, 0, 1], "one seed is not compared with two"
    assert "60.0 (n = 1)" in rows[1]


def test_the_curves_of_a_pilot_and_its_answers() -> None:
    config = fake.load()
    records = fake.pilot(FLAT, STEPS)
    [(heading, picture, table)] = sections(config, records)
    assert heading.startswith("Image-level self-supervised learning: landcover-tiles, validation")
    assert "<svg" in picture
    assert all(f">{steps}<" in picture for steps in ("100", "300", "900"))
    assert "300 steps" in table
    assert "premature: the pilot has no runs of simclr" in table
    assert "66.1" in table
    assert list(sections(config, [])) == []
