"""What a notebook shows of a plot is what its file shows."""

from dataclasses import replace

from harness.present.plots import canvas as style
from harness.present.plots.canvas import canvas
from harness.present.plots.sheet import PAGE


def test_a_figure_shows_itself_as_its_file_with_title_and_notes():
    with style.house(replace(PAGE, titled=True)):
        figure, axes = canvas(2.0, "A title", ["a note"])
        axes.plot([1, 2], [3, 4])
    data, metadata = figure._repr_mimebundle_()
    assert data["image/png"] == style.render(figure, "png")
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"]["width"] == round(100 * PAGE.width)
