"""Projections: geometry against closed forms and photographed beads; what the three sets hold."""

import numpy as np
import pytest
import torch

from pixcl_bench.data.catalogue import load
from pixcl_bench.data.embedded import projections as p
from pixcl_bench.data.sets.landmarks import LandmarkSet
from pixcl_bench.data.synthetic.phantom import Array, Draws

SETS = ("drr", "drr-lateral", "drr-hard")


@pytest.fixture(scope="module")
def sets() -> dict[str, LandmarkSet]:
    return {name: load(name) for name in SETS}  # type: ignore[misc]


def body() -> p.Body:
    places = np.array([[8.0, 10.5, 9.0], [40.0, 6.0, 33.0], [25.3, 30.0, 8.8], [9.5, 31.0, 36.0]])
    return p.Body(np.zeros((50, 40, 44), np.float32), places)


def bead_errors(of: p.Body, view: p.View) -> list[float]:
    grid, errors = np.indices(of.density.shape), []
    for place, seen in zip(of.points, p.land(of.points, of.density.shape, view), strict=True):
        bead = np.exp(-((grid - place[:, None, None, None]) ** 2).sum(0) / 2).astype(np.float32)
        spot = p.shadow_of(p.Body(bead, of.points), view)
        centre = (np.indices(spot.shape) * spot).sum((1, 2)) / spot.sum()
        errors.append(float(np.linalg.norm(centre - seen)))
    return errors


def test_attenuation() -> None:
    found = p.attenuation(np.array([-2000.0, -1000, 0, 150, 1150, 3000]))
    np.testing.assert_allclose(found, [0, 0, 1, 1.15, 4.15, 5.2], rtol=1e-6)


def test_the_place_of_a_vertebra_does_not_move_when_its_top_or_its_process_is_cut_off() -> None:
    grid = np.diag([1.5, 1.5, 1.5, 1.0])
    bone = np.zeros((40, 80, 40), bool)
    bone[8:32, 50:74, 5:27] = True
    bone[18:22, 20:50, 5:15] = True
    whole = p.vertebral_body(p.millimetres(bone, grid))
    bone[:, :30] = False
    bone[:, :, 24:] = False
    np.testing.assert_allclose(p.vertebral_body(p.millimetres(bone, grid)), whole)
    with pytest.raises(ValueError, match="empty"):
        p.millimetres(bone & False, grid)


def test_a_straight_camera() -> None:
    straight = p.camera(0, 0, 0, 1.0)
    # the patient's right is on the left
    np.testing.assert_allclose(straight @ [30.0, 99.0, 0.0], [0, -10])
    np.testing.assert_allclose(straight @ [0.0, 0.0, 30.0], [-10, 0])  # the head is on top
    np.testing.assert_allclose(p.ray(straight), [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize("angles", [(8.0, 2.0, -2.0), (-5.0, 8.0, 7.0), (3.0, -8.0, 0.5)])
def test_cameras_turn_and_do_not_shear(angles: tuple[float, float, float]) -> None:
    matrix = p.camera(*angles, 1.05)
    np.testing.assert_allclose(matrix @ matrix.T, (1.05 / 3) ** 2 * np.eye(2), atol=1e-12)
    np.testing.assert_allclose(matrix @ p.ray(matrix), 0, atol=1e-12)


def test_sums_along_leaning_rays_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    density = rng.random((7, 5, 6)).astype(np.float32)
    direction = np.array([0.37, 1.0, -0.61])
    total = p.add_up(density, direction, 2)

    def at(u: float, d: int, v: float) -> float:
        (i, j), value = (int(np.floor(u)), int(np.floor(v))), 0.0
        for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
            if 0 <= i + a < 7 and 0 <= j + b < 6:
                value += (
                    (1 - abs(u - i - a)) * (1 - abs(v - j - b)) * float(density[i + a, d, j + b])
                )
        return value

    for u, v in np.ndindex(*total.shape):
        wanted = sum(at(u - 2 + (d - 2) * 0.37, d, v - 2 - (d - 2) * 0.61) for d in range(5))
        assert total[u, v] == pytest.approx(wanted * np.linalg.norm(direction), abs=1e-5)
    with pytest.raises(ValueError, match=r"lean by 3\.0 voxels, more than reach=2"):
        p.add_up(density, np.array([1.5, 1.0, 0.0]), 2)


def test_waves_are_undone() -> None:
    places: Array = 128.0 * Draws(0, "places").unit(200, 2)
    for number in range(5):
        waves = p.draw_waves(Draws(3, "waves", number))
        assert 0.3 < np.abs(waves.at(places)).max() < 2.81
        np.testing.assert_allclose(waves.undo(places + waves.at(places)), places, atol=1e-9)


@pytest.mark.parametrize("tilt", [2.0, 8.0])
def test_a_bead_is_seen_where_its_landmark_is(tilt: float) -> None:
    for number in range(3):
        for of in (body(), p.from_the_side(body())):
            view = p.draw_view(Draws(0, "bead", number), of, tilt)
            assert max(bead_errors(of, view)) < 0.1


def test_a_view_depends_on_its_number_alone_and_shutters_spare_landmarks() -> None:
    of = body()
    for number in range(20):
        view = p.draw_view(Draws(0, "view", number), of, 8.0)
        again = p.draw_view(Draws(0, "view", number), of, 8.0)
        assert np.array_equal(view.matrix, again.matrix)
        assert (view.gamma, view.noise, view.shutters) == (again.gamma, again.noise, again.shutters)
        top, left, bottom, right = view.shutters
        seen = p.land(of.points, of.density.shape, view)
        assert seen[:, 0].min() >= top + 3
        assert seen[:, 1].min() >= left + 3
        assert seen[:, 0].max() <= 127 - bottom - 3
        assert seen[:, 1].max() <= 127 - right - 3
        assert 0.7 <= view.gamma <= 1.4


def test_a_picture_is_dark_behind_its_shutters() -> None:
    of = p.Body(np.ones((60, 40, 60), np.float32), np.array([[30.0, 20.0, 30.0]]))
    view = p.View(
        p.camera(0, 0, 0, 1.0),
        np.zeros(2),
        p.draw_waves(Draws(0, "w"), size=0.0),
        shutters=(40, 50, 41, 52),
    )
    image = p.render(of, view, Draws(0, "noise"))
    assert image[:40].max() == image[-41:].max() == image[:, :50].max() == image[:, -52:].max() == 0
    assert image[40:-41, 50:-52].min() == 255


def test_what_the_sets_hold(sets: dict[str, LandmarkSet]) -> None:
    for data in sets.values():
        assert [len(data.splits[part]) for part in p.PARTS] == [500, 50, 150, 50]
        assert tuple(data.images.shape) == (750, 128, 128)
        assert data.num_landmarks == 17
        assert data.spacing.unique().tolist() == [3.0]
        first, second = data.points[:700], data.points[700:]
        assert bool(first.isfinite().all())
        assert 3 < float(first.min()) < float(first.max()) < 124
        known = second.isfinite().all(-1).all(0)
        assert [name for name, there in zip(data.names, known, strict=True) if there] == [
            "T12",
            "aorta at T12",
        ]
        assert bool(second[:, ~known].isnan().all())
        assert len({image.numpy().tobytes() for image in data.images}) == 750


def test_people_hang_the_right_way_round(sets: dict[str, LandmarkSet]) -> None:
    place = {name: sets["drr"].points[:700, i] for i, name in enumerate(sets["drr"].names)}
    assert bool((place["liver"][:, 1] + 20 < place["spleen"][:, 1]).all())
    assert bool((place["T12"][:, 0] + 40 < place["L5"][:, 0]).all())
    side = {
        name: sets["drr-lateral"].points[:700, i]
        for i, name in enumerate(sets["drr-lateral"].names)
    }
    # the front is on the left
    assert bool((side["bladder"][:, 1] + 3 < side["sacrum"][:, 1]).all())


def test_a_view_can_be_drawn_again(sets: dict[str, LandmarkSet]) -> None:
    of, data = p.first_person(), sets["drr-hard"]
    for number in (3, 651):
        draws = Draws(0, "drr-hard", number)
        view = p.draw_view(draws, of, 8.0)
        difference = p.render(of, view, draws).astype(int) - data.images[number].numpy().astype(int)
        assert np.abs(difference).max() <= 1  # the last digit may round otherwise elsewhere
        seen = torch.from_numpy(p.land(of.points, of.density.shape, view)).float()
        torch.testing.assert_close(seen, data.points[number], atol=1e-4, rtol=0)


def test_the_mean_position_is_far_from_right(sets: dict[str, LandmarkSet]) -> None:
    for data in sets.values():
        mean = data.points[data.splits["train"]].mean(0)
        assert 6 < float((data.points[data.splits["test"]] - mean).norm(dim=-1).mean()) < 9


def test_only_the_hard_set_has_parallax(sets: dict[str, LandmarkSet]) -> None:
    """What is left of the landmarks after the best affine map between two views."""
    rest = {}
    for name in ("drr", "drr-hard"):
        points = sets[name].points[:200].double()
        base = torch.cat([points[0], torch.ones(17, 1, dtype=torch.float64)], 1)
        left = points - base @ torch.linalg.lstsq(base.expand(200, 17, 3), points).solution
        rest[name] = float(left.norm(dim=-1).mean())
    assert rest["drr-hard"] > 1.5 * rest["drr"]


def test_loading_is_quick_once_converted(
    sets: dict[str, LandmarkSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(p, "_draw_set", lambda *_: pytest.fail("converted again"))
    again = p.drr()
    assert torch.equal(again.points.nan_to_num(), sets["drr"].points.nan_to_num())
