"""`harness show RUN --picture NAME`: what its trained networks hold inside, drawn to a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from harness.api.run import load
from harness.cli.output import busy, console, say, strangers
from harness.environment.files import usable_name
from harness.messages import OptionError
from harness.present.write import write_whole


def draw_picture(
    run: str,
    name: str,
    cases: Sequence[str],
    *,
    seed: int | None,
    images: Sequence[int],
    steps: Sequence[int],
    out: Path | None,
) -> None:
    """Draw a picture of trained networks of a run, and say where it is.

    Args:
        run: what the run is called.
        name: of the picture.
        cases: labels; may be empty where there is one.
        seed: of the training; the first if absent.
        images: of the validation split.
        steps: of one case's training.
        out: the file; in `pictures/` of the run's directory if absent.
    """
    from harness.api.pictures import networks_of
    from harness.present.pictures.trained import draw_trained, require_picture
    from harness.present.plots.canvas import FileKind, render

    require_picture(name)
    kept = load(run)
    if out is None:
        numbers = [] if seed is None else [f"seed {seed}"]
        numbers += [f"image {number}" for number in images]
        numbers += [f"step {number}" for number in steps]
        file = usable_name(" ".join([name, *cases, *numbers]).replace(" ", "-"))
        out = kept.directory.path / "pictures" / f"{file}.png"
    kinds = {f".{each}": each for each in get_args(FileKind)}
    kind = kinds.get(out.suffix.lower())
    if kind is None:
        raise OptionError(f"--out {out}: no file of a picture; name a .png, .svg or .pdf file")
    doing = "training that far" if steps else "reading the trained networks"
    with busy(doing), strangers():
        networks = networks_of(kept, cases, seed, steps)
    with busy("drawing the picture"), strangers():
        content = render(draw_trained(name, networks, images), kind, text=True)
    write_whole(out, content)
    for remark in dict.fromkeys(said for each in networks.values() for said in each.remarks):
        say(f"note: {remark}", console(stderr=True))
    say(f"picture: {out}", console())
