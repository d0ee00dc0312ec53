"""Pictures: written completely, readable, and as large as their panels need."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from matplotlib.image import imread

from common.report.plots import (
    Panel,
    image_grid,
    image_rows,
    pixels_webp,
    plot_history,
    plot_images,
    plot_sweep,
)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return {name: rng.random((256, 300), np.float32) for name in ("input", "prediction", "target")}


def size(path):
    height, width = imread(path).shape[:2]
    return width, height


def test_images_stand_side_by_side_and_the_error_is_one_more_panel(tmp_path, images):
    plot_images(tmp_path / "three.png", images)
    plot_images(tmp_path / "four.png", images, error=("prediction", "target"))
    assert size(tmp_path / "three.png") == (1260, 400)
    assert size(tmp_path / "four.png") == (1680, 400)
    assert {path.name for path in tmp_path.iterdir()} == {"three.png", "four.png"}


def test_louder_images_are_brighter_on_one_scale(tmp_path):
    """The panels are at 0.2 and 0.8 of a common scale, not each at its own maximum."""
    quiet, loud = (np.full((256, 300), level, np.float32) for level in (0.2, 0.8))
    plot_images(tmp_path / "two.png", {"quiet": quiet, "loud": loud})
    row = imread(tmp_path / "two.png")[200, :, :3].sum(axis=-1)
    inside = row[150:250].mean(), row[500:600].mean()
    assert 0.1 < inside[0] < inside[1] - 0.5


def test_equal_content_gives_equal_bytes(tmp_path, images):
    for name in ("a.png", "b.png"):
        plot_images(tmp_path / name, images)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_curve_for_each_loss_that_was_measured(tmp_path):
    rows = [
        {"epoch": 1, "gen_mae": 0.5, "gen_loss": 50.0, "val_gen_mae": None, "seconds": 3.0},
        {"epoch": 2, "gen_mae": 0.4, "gen_loss": 41.0, "val_gen_mae": 0.45, "seconds": 3.0},
    ]
    plot_history(tmp_path / "two.png", rows)
    assert size(tmp_path / "two.png") == (1000, 400)
    plot_history(tmp_path / "three.png", [*rows, {"epoch": 3, "gen_mae": 0.3, "disc_loss": 1.4}])
    assert size(tmp_path / "three.png") == (1500, 400)
    plot_history(tmp_path / "one.png", [{"epoch": 1, "gen_mae": 0.3}])
    assert size(tmp_path / "one.png") == (500, 400)


def test_a_sweep_is_drawn_with_and_without_suggestion(tmp_path):
    rates = np.geomspace(1e-9, 1, 50)
    losses = 1 + np.linspace(0, 1, 50) ** 2
    curves = {"gen_mae": (losses, losses), "disc_loss": (losses, losses)}
    plot_sweep(tmp_path / "sweep.png", rates, curves, {"gen_mae": 1e-4, "disc_loss": None})
    assert size(tmp_path / "sweep.png") == (1000, 400)


def test_a_picture_that_fails_leaves_nothing(tmp_path, images):
    with pytest.raises(KeyError):
        plot_images(tmp_path / "x.png", images, error=("prediction", "absent"))
    assert not list(tmp_path.iterdir())


def test_an_image_alone_has_a_pixel_for_each_value():
    image = np.kron(np.linspace(0, 1, 12).reshape(3, 4), np.ones((16, 16)))
    picture = imread(io.BytesIO(pixels_webp(image)), format="webp")
    assert picture.shape[:2] == image.shape
    # the first row is the lowest
    brightness = picture[::-1, :, :3].sum(axis=-1, dtype=int)[8::16, 8::16]
    assert np.all(np.diff(brightness.ravel()) > 0)


def test_an_image_alone_has_at_most_1200_columns():
    image = np.repeat([[0.0, 1.0]], 1501, axis=1)
    picture = imread(io.BytesIO(pixels_webp(image)), format="webp")
    assert picture.shape[:2] == (1, 1001)


def test_rows_of_images_have_labels_and_titles():
    figure = image_rows(
        [("above", np.zeros((2, 3, 4)), "ab"), ("below", np.ones((2, 3, 4)), ())], size=(1, 1)
    )
    assert [axis.get_ylabel() for axis in figure.axes] == ["above", "", "below", ""]
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "", ""]
    assert [axis.images[0].get_array().max() for axis in figure.axes] == [0, 0, 1, 1]


def test_a_grid_leaves_the_rest_of_its_last_row_empty_and_explains_its_colours():
    panels = [Panel(np.eye(4), str(number)) for number in range(3)]
    axes = image_grid(panels, size=(1, 1), columns=2).axes
    assert [axis.get_title() for axis in axes] == ["0", "1", "2", ""]
    assert not axes[3].axison
    explained = image_grid([*panels, Panel(np.eye(4), limits=(-1, 1))], size=(1, 1), bar="x")
    assert [axis.get_ylabel() for axis in explained.axes[4:]] == ["x", ""]
    each = image_grid(panels, size=(1, 1), bar="", bar_for_each=True)
    assert len(each.axes) == 2 * len(panels)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "none", "TkAgg"])
def test_pictures_are_drawn_whatever_backend_the_surroundings_ask_for(tmp_path, backend):
    program = (
        "import numpy, pathlib; from common.report import plots;"
        "plots.plot_images(pathlib.Path('x.png'), {'a': numpy.eye(256)});"
        "plots.pixels_webp(numpy.eye(9))"
    )
    environment = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert size(tmp_path / "x.png")[1] == 400
