"""Real data sets, from small copies of their publishers' layouts."""

import numpy as np
import pytest
import torch
from label_files import colours, filled, picture, values
from PIL import Image

from harness.training.data import ade20k, camvid, cityscapes, coco_stuff, lip, pascal_context
from harness.training.data.dataset import VOID, DataError, open_data


def start(sample, count):
    return sample.labels[0, :count].tolist()


@pytest.fixture
def street(tmp_path):
    for split, city, frame in (
        ("train", "aachen", "aachen_000000_000019"),
        ("train", "ulm", "ulm_000001_000019"),
        ("val", "lindau", "lindau_000000_000019"),
    ):
        picture(tmp_path / f"leftImg8bit/{split}/{city}/{frame}_leftImg8bit.png")
        labels = filled(7, 33, 26, 0, 29, 255, 11)
        values(tmp_path / f"gtFine/{split}/{city}/{frame}_gtFine_labelIds.png", labels)
    return tmp_path


def test_cityscapes(street):
    data = open_data("cityscapes", "train", root=street)
    assert len(data) == 2
    assert len(open_data("cityscapes", "val", root=street)) == 1
    assert len(data.classes) == 19
    sample = data[1]
    assert start(sample, 7) == [0, 18, 13, VOID, VOID, VOID, 2]
    assert data.classes[13] == "car"
    assert sample.image.shape == (3, 6, 9)
    assert sample.image.dtype == torch.float32
    assert torch.equal(sample.image[0, 0] * 255, torch.arange(9.0))
    assert sample.labels.dtype == torch.int64


def test_ade20k(tmp_path):
    root = tmp_path / "ADEChallengeData2016"
    for split in ("training", "validation"):
        picture(root / f"images/{split}/ADE_{split}_00000001.jpg")
        values(root / f"annotations/{split}/ADE_{split}_00000001.png", filled(0, 1, 150, 13))
    for given in (root, tmp_path):
        data = open_data("ade20k", "val", root=given)
        assert start(data[0], 4) == [VOID, 0, 149, 12]
    assert (data.classes[0], data.classes[12], data.classes[149]) == ("wall", "person", "flag")
    assert len(set(data.classes)) == 150


def voc(root, labels, lists="SegmentationContext"):
    folder = root / "VOC2010"
    for name in ("2008_000002", "2008_000003"):
        picture(folder / f"JPEGImages/{name}.jpg")
        labels(folder, name)
    listing = folder / "ImageSets" / lists
    listing.mkdir(parents=True)
    (listing / "train.txt").write_text("2008_000002\n")
    (listing / "val.txt").write_text("2008_000003\n")


def exported(folder, name):
    values(folder / f"SegmentationClassContext/{name}.png", filled(0, 1, 59, 255, 2))


def test_pascal_context_as_exported(tmp_path):
    voc(tmp_path, exported)
    data = open_data("pascal_context", "val", root=tmp_path)
    assert len(data) == 1
    assert start(data[0], 5) == [VOID, 0, 58, VOID, 1]
    assert len(data.classes) == 59
    assert (data.classes[0], data.classes[1], data.classes[58]) == ("aeroplane", "bag", "wood")


def test_pascal_context_with_the_background_as_a_class(tmp_path):
    voc(tmp_path, exported)
    data = open_data("pascal_context", "val", root=tmp_path, parameters={"background": True})
    assert start(data[0], 5) == [0, 1, 59, VOID, 2]
    assert len(data.classes) == 60
    assert data.version != open_data("pascal_context", "val", root=tmp_path).version


def matlab(path, name, array):
    io = pytest.importorskip("scipy.io")
    path.parent.mkdir(parents=True, exist_ok=True)
    io.savemat(path, {name: np.asarray(array, dtype=np.uint16)}, do_compression=True)


def published(folder, name):
    labels = filled(2, 458, 255, 459, 284)
    matlab(folder.parent / f"trainval/{name}.mat", "LabelMap", labels)


@pytest.mark.parametrize(("background", "first"), [(False, [0, 58, VOID, VOID, 36]), (True, None)])
def test_pascal_context_as_published(tmp_path, background, first):
    voc(tmp_path, published, "Main")
    parameters = {"background": background}
    data = open_data("pascal_context", "train", root=tmp_path, parameters=parameters)
    assert start(data[0], 5) == (first or [1, 59, 0, 0, 37])
    assert data.classes[first[4] if first else 37] == "person"


def test_matlab_files_without_scipy_say_what_to_install(tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    def empty(folder, name):
        (folder.parent / "trainval").mkdir(exist_ok=True)
        (folder.parent / f"trainval/{name}.mat").write_bytes(b"MATLAB 5.0 MAT-file")

    voc(tmp_path, empty)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"needs SciPy: pip install .*\[data\]"):
        open_data("pascal_context", "train", root=tmp_path)[0]


def test_a_damaged_matlab_file_is_named(tmp_path):
    pytest.importorskip("scipy.io")

    def damaged(folder, name):
        (folder.parent / "trainval").mkdir(exist_ok=True)
        (folder.parent / f"trainval/{name}.mat").write_bytes(b"\0" * 300)

    voc(tmp_path, damaged)
    with pytest.raises(DataError, match=r"2008_000002\.mat"):
        open_data("pascal_context", "train", root=tmp_path)[0]


@pytest.mark.parametrize("folder", ["annotations", "stuffthingmaps"])
def test_coco_stuff_164k(tmp_path, folder):
    for split in ("train2017", "val2017"):
        picture(tmp_path / f"images/{split}/000000000009.jpg")
        labels = filled(0, 10, 12, 181, 255, 91)
        values(tmp_path / f"{folder}/{split}/000000000009.png", labels)
    data = open_data("coco_stuff", "train", root=tmp_path)
    # Ids are one more than values: 1 person, 11 fire hydrant, 13 stop sign, 182 wood, 92 banner.
    assert start(data[0], 6) == [0, 10, 11, 170, VOID, 80]
    names = [data.classes[i] for i in (0, 10, 11, 170, 80)]
    assert names == ["person", "fire hydrant", "stop sign", "wood", "banner"]
    assert len(set(data.classes)) == 171


def test_coco_stuff_10k(tmp_path):
    for name in ("COCO_train2014_000000000077", "COCO_train2014_000000000081"):
        picture(tmp_path / f"dataset/images/{name}.jpg")
        matlab(tmp_path / f"dataset/annotations/{name}.mat", "S", filled(0, 1, 182, 13))
    lists = tmp_path / "dataset/imageLists"
    lists.mkdir()
    (lists / "train.txt").write_text("COCO_train2014_000000000077\n")
    (lists / "test.txt").write_text("COCO_train2014_000000000081\n")
    data = open_data("coco_stuff", "val", root=tmp_path)
    assert len(data) == 1
    assert start(data[0], 4) == [VOID, 0, 170, 11]
    with pytest.raises(DataError, match="train2017"):
        open_data("coco_stuff", "val", root=tmp_path, parameters={"edition": "164k"})
    with pytest.raises(DataError, match="10k or 164k"):
        open_data("coco_stuff", "val", root=tmp_path, parameters={"edition": "10K"})


FRAMES = {
    "train": ["0006R0_f00930", "0001TP_008520", "0016E5_07920", "0016E5_08190"],
    "val": ["0016E5_07959", "0016E5_08159"],
    "test": ["0001TP_008550", "Seq05VD_f00000"],
}


def test_camvid_as_published(tmp_path):
    label = np.zeros((6, 9, 3), dtype=np.uint8)
    label[0, :5] = [(128, 128, 128), (192, 0, 192), (0, 0, 0), (192, 0, 128), (128, 0, 192)]
    label[1:] = (64, 128, 64)
    for frame in [f for frames in FRAMES.values() for f in frames]:
        picture(tmp_path / f"701_StillsRaw_full/{frame}.png")
        colours(tmp_path / f"LabeledApproved_full/{frame}_L.png", label)
    train = open_data("camvid", "train", root=tmp_path)
    val = open_data("camvid", "val", root=tmp_path)
    assert (len(train), len(val)) == (4, 2)
    assert start(val[0], 6) == [0, 10, VOID, 1, 3, VOID]
    assert val[0].labels[1:].unique().tolist() == [9]
    assert [val.classes[i] for i in (0, 10, 1, 3, 9)] == [
        "sky",
        "bicyclist",
        "building",
        "road",
        "pedestrian",
    ]


def test_the_frames_of_camvid_are_split_as_in_segnet():
    # Sequences 0001TP, 0006R0 and Seq05VD at one frame a second, and the frames of 0016E5.
    first = [f"0001TP_{n:06}" for n in range(6690, 10381, 30)]
    second = [f"0006R0_f{n:05}" for n in range(930, 3931, 30)]
    slow = [*range(390, 2401, 30), *range(4350, 7921, 30), *range(8190, 8641, 30)]
    third = [f"0016E5_{n:05}" for n in [*slow, *range(7959, 8160, 2)]]
    test = [f"Seq05VD_f{n:05}" for n in range(0, 5101, 30)]
    splits = [camvid.split_of(frame) for frame in [*first, *second, *third, *test]]
    counted = [splits.count(split) for split in ("train", "val", "test")]
    assert counted == [367, 101, 233]
    for split, frames in FRAMES.items():
        assert {camvid.split_of(frame) for frame in frames} == {split}


def test_camvid_as_segnet_lays_it_out(tmp_path):
    for split in ("train", "val"):
        picture(tmp_path / f"CamVid/{split}/0001TP_006690.png")
        values(tmp_path / f"CamVid/{split}annot/0001TP_006690.png", filled(0, 11, 10, 4))
    data = open_data("camvid", "val", root=tmp_path)
    assert start(data[0], 4) == [0, VOID, 10, 4]


def test_stray_colours_of_camvid_are_void_and_many_are_an_error(tmp_path):
    label = np.full((20, 20, 3), 128, dtype=np.uint8)
    label[0, 0] = (1, 2, 3)
    colours(tmp_path / "a.png", label)
    assert camvid.decode_colours(tmp_path / "a.png")[0, :2].tolist() == [VOID, 0]
    label[:2] = (1, 2, 3)
    colours(tmp_path / "a.png", label)
    with pytest.raises(DataError, match="10 % of the pixels"):
        camvid.decode_colours(tmp_path / "a.png")


def test_the_colours_of_camvid_are_32_different_ones():
    members = [colour for group in camvid.GROUPS.values() for colour in group.values()]
    assert len(set(members)) == 31
    assert (0, 0, 0) not in members  # Void, the 32nd


def test_numbers_of_classes():
    assert len(cityscapes.EVALUATED) == len(set(cityscapes.EVALUATED.values())) == 19
    assert len(ade20k.CLASSES) == 150
    assert len(coco_stuff.NAMES) == 182
    assert len(pascal_context.CATEGORIES) == len(set(pascal_context.CATEGORIES.values())) == 59
    assert len(lip.CLASSES) == 20
    assert list(pascal_context.CATEGORIES) == sorted(
        pascal_context.CATEGORIES
    )  # numbered by the alphabet


LIP_LAYOUTS = {
    "archives": ("TrainVal_images", "TrainVal_parsing_annotations"),
    "archives in folders of their names": (
        "TrainVal_images/TrainVal_images",
        "TrainVal_parsing_annotations/TrainVal_parsing_annotations/TrainVal_parsing_annotations",
    ),
    "side by side": (".", "."),
}


def people(root, images, labels, listed=True):
    names = {"train": ["77_471474", "100034_483681"], "val": ["36_454991"]}
    for split, several in names.items():
        for name in several:
            picture(root / images / f"{split}_images/{name}.jpg")
            values(root / labels / f"{split}_segmentations/{name}.png", filled(0, 14, 15, 19, 13))
        if listed:
            (root / images / f"{split}_id.txt").write_text("\n".join(several) + "\n")
    return root


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("layout", LIP_LAYOUTS)
def test_lip(tmp_path, layout, listed):
    people(tmp_path, *LIP_LAYOUTS[layout], listed)
    data = open_data("lip", "val", root=tmp_path)
    assert len(data) == 1
    assert start(data[0], 5) == [0, 14, 15, 19, 13]
    names = [data.classes[i] for i in (0, 13, 14, 15, 19)]
    assert names == ["background", "face", "left arm", "right arm", "right shoe"]
    assert len(set(data.classes)) == 20


def test_the_list_of_lip_decides_what_belongs_to_a_split(tmp_path):
    people(tmp_path, *LIP_LAYOUTS["archives"])
    (tmp_path / "TrainVal_images/train_id.txt").write_text("100034_483681\n")
    assert len(open_data("lip", "train", root=tmp_path)) == 2  # as it is, and mirrored


def test_lip_has_each_training_image_mirrored_with_left_and_right_exchanged(tmp_path):
    people(tmp_path, *LIP_LAYOUTS["archives"])
    data = open_data("lip", "train", root=tmp_path)
    once = open_data("lip", "train", root=tmp_path, parameters={"mirrored": False})
    assert (len(data), len(once), len(open_data("lip", "val", root=tmp_path))) == (4, 2, 1)
    assert data.version != once.version
    for index in range(2):
        plain, mirrored = data[index], data[index + 2]
        assert torch.equal(plain.labels, once[index].labels)
        assert torch.equal(mirrored.image, plain.image.flip(-1))
        assert mirrored.labels[0, -5:].tolist() == [13, 18, 14, 15, 0]
        assert torch.equal(mirrored.labels[1:], plain.labels[1:])  # faces all over
    with pytest.raises(DataError, match="give true or false"):
        open_data("lip", "train", root=tmp_path, parameters={"mirrored": 1})


def test_a_folder_may_hold_several_data_sets_by_their_names(street, tmp_path):
    people(tmp_path / "lip", *LIP_LAYOUTS["archives"])
    beside = tmp_path / "cityscapes"
    beside.mkdir()
    for name in ("leftImg8bit", "gtFine"):
        (tmp_path / name).rename(beside / name)
    inside = open_data("cityscapes", "train", root=tmp_path)
    assert inside.version == open_data("cityscapes", "train", root=beside).version
    assert len(open_data("lip", "val", root=tmp_path)) == 1


REAL = ("cityscapes", "ade20k", "pascal_context", "coco_stuff", "camvid", "lip")


@pytest.mark.parametrize("name", REAL)
def test_a_missing_folder_says_what_was_expected(name, tmp_path):
    with pytest.raises(DataError, match=r"--data-root \(expected "):
        open_data(name, "train")
    with pytest.raises(DataError, match=r"no folder .*gone \(expected "):
        open_data(name, "train", root=tmp_path / "gone")
    with pytest.raises(DataError, match=r"laid out in another way.*\(expected "):
        open_data(name, "train", root=tmp_path)
    with pytest.raises(DataError, match="no parameter 'crop'"):
        open_data(name, "train", root=tmp_path, parameters={"crop": 3})


def test_missing_labels_are_named_and_counted(street):
    for file in (street / "gtFine/train").rglob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match=r"aachen_.*_labelIds\.png and 1 other files are missing"):
        open_data("cityscapes", "train", root=street)


def test_a_split_without_images_is_an_error(street):
    for file in (street / "leftImg8bit/val").rglob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match=r"holds no \*/\*_leftImg8bit\.png"):
        open_data("cityscapes", "val", root=street)


def test_a_missing_list_is_named(tmp_path):
    voc(tmp_path, exported)
    (tmp_path / "VOC2010/ImageSets/SegmentationContext/val.txt").unlink()
    with pytest.raises(DataError, match=r"cannot read the list .*Main/val\.txt"):
        open_data("pascal_context", "val", root=tmp_path)


def only(street, pattern):
    return next((street).rglob(pattern))


def test_a_damaged_image_is_named(street):
    image = only(street / "leftImg8bit/val", "*.png")
    image.write_bytes(image.read_bytes()[:50])
    with pytest.raises(DataError, match=r"cannot read the image .*lindau"):
        open_data("cityscapes", "val", root=street)[0]


def test_labels_of_another_size_are_an_error(street):
    values(only(street / "gtFine/val", "*.png"), filled(7, size=(5, 9)))
    with pytest.raises(DataError, match="differ in size: 6 x 9 and 5 x 9"):
        open_data("cityscapes", "val", root=street)[0]


def test_values_that_are_no_label_are_an_error(street):
    values(only(street / "gtFine/val", "*.png"), filled(7, 77, 8))
    with pytest.raises(DataError, match="77 is no label"):
        open_data("cityscapes", "val", root=street)[0]


def test_colours_in_place_of_labels_are_an_error(street):
    picture(only(street / "gtFine/val", "*.png"))
    with pytest.raises(DataError, match="one label per pixel"):
        open_data("cityscapes", "val", root=street)[0]


def test_indexed_images_are_read_by_index(street):
    file = only(street / "gtFine/val", "*.png")
    image = Image.fromarray(filled(7, 26, 8).astype(np.uint8)).convert("P")
    image.putdata(filled(7, 26, 8).ravel().tolist())
    image.putpalette([200, 10, 10] * 256)
    image.save(file)
    assert start(open_data("cityscapes", "val", root=street)[0], 3) == [0, 13, 1]


def test_the_version_tells_files_apart(street):
    before = open_data("cityscapes", "train", root=street)
    assert before.version == open_data("cityscapes", "train", root=street).version
    assert before.version != open_data("cityscapes", "val", root=street).version
    values(only(street / "gtFine/train", "aachen*.png"), filled(*range(30), size=(6, 90)))
    assert before.version != open_data("cityscapes", "train", root=street).version
