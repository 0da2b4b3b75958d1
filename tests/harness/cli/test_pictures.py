"""`harness show NAME --picture FILE`: a picture that can be opened and shows something."""

import struct
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from harness.present.pictures import PICTURES, demonstrate

PNG = b"\x89PNG\r\n\x1a\n"


def size_of_png(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header (PNG specification, IHDR)."""
    head = path.read_bytes()[:24]
    assert head[:8] == PNG
    assert head[12:16] == b"IHDR"
    return struct.unpack(">II", head[16:24])


def test_there_is_a_picture_of_each_papers_module():
    assert set(PICTURES) == {
        "context_prior", "squeeze_reasoning", "region_attention", "graph_guided",
    }  # fmt: skip


@pytest.mark.parametrize("module", sorted(PICTURES))
def test_picture_is_drawn(user, module):
    done = user.call("show", module, "--picture", "inside.png")
    assert done.returncode == 0, done.stderr
    assert "drawn: inside.png" in done.stdout
    assert "Traceback" not in done.stderr
    path = user.folder / "inside.png"
    width, height = size_of_png(path)
    assert 400 <= width <= 4000
    assert 200 <= height <= 4000
    assert 10_000 <= path.stat().st_size <= 5_000_000
    pixels = matplotlib.image.imread(path)[..., :3]
    assert pixels.shape[:2] == (height, width)
    # Not one flat colour: panels, labels and a colour scale.
    assert len(np.unique((pixels * 255).astype(np.uint8).reshape(-1, 3), axis=0)) > 50
    share_of_background = float((pixels == pixels[0, 0]).all(-1).mean())
    assert 0.05 < share_of_background < 0.95


def test_the_same_picture_every_time():
    def pixels(seed: int) -> np.ndarray:
        canvas = FigureCanvasAgg(demonstrate("squeeze_reasoning", seed=seed))
        canvas.draw()
        return np.asarray(canvas.buffer_rgba()).copy()

    first, second, other = pixels(0), pixels(0), pixels(1)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_svg_by_its_ending(user):
    assert user.run("show", "squeeze_reasoning", "--picture", "inside.svg").returncode == 0
    assert "<svg" in (user.folder / "inside.svg").read_text(encoding="utf-8")[:1000]
    assert user.survivors() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ppm", "--picture", "inside.png"), "no picture of ppm; there are: context_prior"),
        (("squeeze_reasoning", "--picture", "no/folder/inside.png"), "no/folder/inside.png"),
        (("squeeze_reasoning", "--picture", "inside.docx"), ".png or .svg"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(user, arguments, said):
    done = user.call("show", *arguments)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not list(user.folder.glob("inside.*"))
