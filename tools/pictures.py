"""Draws the pictures of the README into `nbs/pictures/`: `python -m tools.pictures [--found]`.

`strip.png`: four pictures made by the code of four papers. `found.svg`: every claim and control
with its interval, from the published records. With `--found` only the second one, which every new
publication changes.
"""

import argparse
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.records.disk import write_atomic
from pixcl_bench.bench.records.published import read_all_published
from pixcl_bench.report.render.figures import standalone
from pixcl_bench.report.render.papers import found_svg
from pixcl_bench.report.verdicts import decide_claims
from tools.project import find_root

FOLDER = "nbs/pictures"


def entropy_picture(axes: Any) -> None:
    """IGU-Aug: the entropy of the grey values around every pixel of a radiograph."""
    from pixcl_bench.data.catalogue import load
    from pixcl_bench.methods.igu_aug.information import entropy_map

    films: Any = load("cephalogram")
    image = films.images[:1]
    entropy = entropy_map(image)[0]
    half = image.shape[-1] // 2
    edges = (-0.5, half - 0.5, 2 * half - 0.5)
    axes.imshow(image[0, :, :half], cmap="gray", extent=(edges[0], edges[1], 2 * half, 0))
    axes.imshow(entropy[:, half:], cmap="inferno", extent=(edges[1], edges[2], 2 * half, 0))
    axes.set_xlim(edges[0], edges[2])
    axes.set_title("IGU-Aug: how informative a pixel is", fontsize=9)


def mix_picture(axes: Any) -> None:
    """PatchMix: images made of patches of two others."""
    import torch

    from pixcl_bench.data.catalogue import load
    from pixcl_bench.methods.patchmix import mix_images

    tiles: Any = load("landcover-tiles")
    labels = tiles.labels[tiles.splits["train"]]
    each = torch.stack([(labels == c).nonzero()[20, 0] for c in (0, 2, 4, 9)])
    index = tiles.splits["train"][each]
    images = next(tiles.images.batches([index], torch.device("cpu"))).float() / 255
    torch.manual_seed(1)
    mixed = mix_images(images, patch=8, num_mix=2)
    rows = torch.cat([torch.cat(list(mixed[a:b]), 2) for a, b in ((0, 2), (2, 4))], 1)
    axes.imshow(rows.permute(1, 2, 0) ** 0.7, interpolation="nearest")
    axes.set_title("PatchMix: patches of two images", fontsize=9)


def sampler_picture(axes: Any) -> None:
    """ARCO: pixels of three classes, drawn group by group in antithetic pairs."""
    import torch
    from matplotlib.colors import ListedColormap

    from pixcl_bench.methods.arco.sampling import draw, stratify

    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    wave = 4 * torch.sin(3 * torch.atan2(y - 44, x - 40))
    radius = ((y - 44) ** 2 + (x - 40) ** 2).sqrt() + wave
    heart = torch.full((96, 96), -1, dtype=torch.int64)
    heart[((y - 50) / 30) ** 2 + ((x - 66) / 20) ** 2 < 1] = 0
    heart[radius < 30] = 1
    heart[radius < 19] = 2
    drawn = draw(stratify(heart[None], 3), 48, generator=torch.Generator().manual_seed(1))
    axes.imshow(heart, cmap=ListedColormap(["#f4f4f2", "#f6cfc6", "#c9dcec", "#cfe6cc"]))
    for edge in (24, 48, 72):
        axes.axhline(edge - 0.5, color="#888888", lw=0.5)
        axes.axvline(edge - 0.5, color="#888888", lw=0.5)
    for places, colour in zip(drawn, ("#b22222", "#1f4e79", "#2e6b34"), strict=True):
        axes.plot(places % 96, places // 96, ".", color=colour, ms=4)
    axes.set_title("ARCO: pixels drawn cell by cell", fontsize=9)


def crop_picture(axes: Any) -> None:
    """GraSS: where the gradient of the loss points after a short warm-up, and the crop."""
    import torch
    from matplotlib.patches import Rectangle

    from pixcl_bench.data.catalogue import load
    from pixcl_bench.methods.grass.learner import GuideOptions, grass
    from pixcl_bench.nets.transfer import build_map_encoder
    from pixcl_bench.ops.views import RandomView
    from pixcl_bench.train import TrainConfig, epoch_order, fit

    land: Any = load("landcover")
    view_of = RandomView(size=48, mean=(0, 0, 0), std=(1, 1, 1), scale=(0.25, 1.0), grey=0.1)

    def batches(start: int) -> Any:
        pool = land.splits["unlabelled"]
        for index in epoch_order(len(pool), 32, 0, start):
            images = land.images[pool[index]]
            yield {"view1": view_of(images).image, "view2": view_of(images).image}

    torch.manual_seed(0)
    encoder = build_map_encoder("resnet_nano").set_statistics(land.mean, land.std)
    learner = grass(encoder=encoder, hidden=128, out=64, guide=GuideOptions(warmup=1.0))
    settings = TrainConfig(steps=40, lr=2e-3, weight_decay=0.05, seed=0)
    fit(learner, batches, settings, progress=False)
    contrast = [float(land.images[i].float().std()) for i in land.splits["test"].tolist()]
    chosen = land.splits["test"][torch.tensor(contrast).topk(12).indices]
    shown = land.images[chosen].float() / 255
    maps, boxes = learner.look(torch.cat([shown, shown.flip(3)]))
    sizes = (boxes[:12, 2] - boxes[:12, 0]) * (boxes[:12, 3] - boxes[:12, 1])
    best = int((sizes.float() - 0.25 * shown.shape[-1] ** 2).abs().argmin())
    r0, c0, r1, c1 = boxes[best].tolist()
    axes.imshow(shown[best].permute(1, 2, 0).clamp(max=1) ** 0.7)
    axes.imshow(maps[best], cmap="magma", alpha=0.4)
    axes.add_patch(Rectangle((c0, r0), c1 - c0 - 1, r1 - r0 - 1, fill=False, color="cyan", lw=2))
    axes.set_title("GraSS: crop where the gradient points", fontsize=9)


PICTURES = (entropy_picture, mix_picture, sampler_picture, crop_picture)


def draw_strip(path: Path) -> None:
    """The four pictures side by side, at most 200 kB."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 2.9), dpi=100, facecolor="white", layout="constrained")
    for axes, picture in zip(figure.subplots(1, len(PICTURES)), PICTURES, strict=True):
        picture(axes)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.savefig(path, metadata={"Software": None}, pil_kwargs={"optimize": True})


def found_text(root: Path) -> str:
    """The figure of all verdicts as the text of an SVG file."""
    config = load_config(root / "benchmarks.yaml")
    records = read_all_published(root / "published", "study")
    pilots = read_all_published(root / "published", "pilot")
    return standalone(found_svg(decide_claims(config, records, pilots), records))


def main(argv: list[str] | None = None) -> int:
    """Draw the pictures; 0 where all went well."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__)
    parser.add_argument("--found", action="store_true", help="only the figure of the verdicts")
    parser.add_argument("--root", type=Path, help="the repository (default: found from here)")
    options = parser.parse_args(argv)
    root = options.root or find_root()
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "found.svg", found_text(root))
    if not options.found:
        draw_strip(folder / "strip.png")
    print(f"{FOLDER} written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
