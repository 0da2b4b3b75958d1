"""`harness show RUN --picture NAME`: a file of what trained networks hold, or a sentence."""

from xml.etree import ElementTree

import pytest
from test_pictures import size_of_png

from harness.present.pictures import TRAINED


def test_a_picture_lies_beside_its_run_under_a_name_of_its_own(user, trained_run):
    done = user.call("show", str(trained_run), "--picture", "regions", "--case", "Regions")
    assert done.returncode == 0, done.stderr
    file = trained_run / "pictures" / "regions-Regions.png"
    assert done.stdout == f"picture: {file}\n"
    width, height = size_of_png(file)
    assert width > height > 300
    many = ("--case", "Prior", "--case", "Prior (BCE)", "--seed", "0", "--image", "3")
    done = user.call("show", "run", str(trained_run), "--picture", "prior", *many)
    assert done.stdout.endswith("/pictures/prior-Prior-Prior-(BCE)-seed-0-image-3.png\n")


def test_predictions_of_some_images_as_a_drawing(user, trained_run):
    file = user.folder / "some.svg"
    images = ("--image", "1", "--image", "4", "--case", "ISA")
    asked = ("--picture", "predictions", *images, "--out", str(file))
    assert user.call("show", str(trained_run), *asked).returncode == 0
    said = " ".join(ElementTree.parse(file).getroot().itertext())
    assert "image 1" in said
    assert "image 4" in said
    assert "image 0" not in said
    first = file.read_bytes()
    assert user.call("show", str(trained_run), *asked).returncode == 0
    assert file.read_bytes() == first


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--picture", "prio", "--case", "Prior"), "did you mean prior?"),
        (("--picture", "nodes", "--case", "Prior"), "nodes: Prior has nothing of it; there are:"),
        (("--picture", "prior", "--out", "a.docx"), "name a .png, .svg or .pdf file"),
        (("--picture", "prior"), "so that one has to be named: Prior, Prior (BCE)"),
        (("--case", "Prior"), "--case is for pictures; add --picture NAME"),
        (("--picture", "prior", "--notes"), "--notes is not for pictures; leave it out"),
        (("--picture", "prior", "--figure", "slide"), "--figure is not for pictures"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line(user, trained_run, options, said):
    done = user.call("show", str(trained_run), *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_module_has_no_picture_of_a_run(user):
    done = user.call("show", "context_prior", "--picture", "prior")
    assert done.returncode == 2
    assert "--picture prior: of trained networks, and context_prior is a module" in done.stderr
    assert not list(user.folder.iterdir())


def test_the_help_names_every_picture(user):
    said = " ".join(user.call("show", "--help").stdout.replace("│", " ").split())
    missing = [name for name in TRAINED if name not in said]
    assert missing == []
