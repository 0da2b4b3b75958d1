import pytest
import torch
from torch.nn import functional as F

from context_modules.segmentor import Segmentor
from context_modules.small_backbone import SmallBackbone


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (1, 5)])
def test_maps_have_their_strides_and_widths(size):
    backbone = SmallBackbone(3, width=8)
    x = torch.randn(2, 3, *size)
    maps = backbone.features(x)
    assert [m.shape[1] for m in maps] == list(backbone.feature_channels) == [2, 8, 8]
    for stride, each in zip((1, 2, backbone.output_stride), maps, strict=True):
        assert each.shape[-2:] == tuple(-(-side // stride) for side in size)
    torch.testing.assert_close(backbone.eval()(x), backbone.features(x)[-1])


def reach(size, y, x, output, backbone=None):
    """Rows and columns of the image that one place of an output depends on."""
    backbone = (backbone or SmallBackbone(1, width=4)).eval().double()
    for parameter in backbone.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    image = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(output(backbone(image))[0, 0, y, x], image)
    rows, columns = torch.nonzero(gradient[0, 0], as_tuple=True)
    return rows, columns


def test_a_position_sees_thirteen_pixels():
    rows, columns = reach(64, 8, 9, lambda m: m)
    radius = SmallBackbone(1, width=4).receptive_radius
    assert (int(rows.min()), int(rows.max())) == (32 - radius, 32 + radius)
    assert (int(columns.min()), int(columns.max())) == (36 - radius, 36 + radius)


def test_a_prediction_sees_at_most_eleven_pixels_to_each_side():
    def upsampled(m):
        return F.interpolate(m, (64, 64), mode="bilinear", align_corners=False)

    farthest = 0
    for pixel in range(32, 36):
        rows, _ = reach(64, pixel, 30, upsampled)
        farthest = max(farthest, int((rows - pixel).abs().max()))
    assert farthest == 11 == SmallBackbone(1, width=4).prediction_radius


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize(("stride", "convs"), [(2, 1), (2, 3), (4, 1)])
def test_views_are_as_narrow_as_they_are_said_to_be(stride, convs, colours):
    backbone = SmallBackbone(
        1,
        width=8,
        output_stride=stride,
        stem_convs=convs,
        stem_width=3,
        colours=colours,
        positions=True,
    )

    def upsampled(m):
        return F.interpolate(m.sum(1, keepdim=True), (64, 64), mode="bilinear")

    rows, columns = reach(64, 8, 8, lambda m: m.sum(1, keepdim=True), backbone)
    assert int((rows - 8 * stride).abs().max()) == backbone.receptive_radius
    assert int((columns - 8 * stride).abs().max()) == backbone.receptive_radius
    farthest = 0
    for pixel in range(32, 32 + stride):
        rows, _ = reach(64, pixel, 30, upsampled, backbone)
        farthest = max(farthest, int((rows - pixel).abs().max()))
    assert farthest == backbone.prediction_radius


@pytest.mark.parametrize("stride", [2, 4])
def test_the_map_ends_in_the_colour_around_and_the_place(stride):
    backbone = SmallBackbone(3, width=12, output_stride=stride, colours=True, positions=True).eval()
    x = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        maps = backbone.features(x)
    last = maps[-1]
    assert torch.equal(backbone(x).detach(), last)
    assert [m.shape[1] for m in maps] == list(backbone.feature_channels)
    assert last.shape == (2, 12, 32 // stride, 48 // stride)
    y, reach_ = 3, stride - 1
    window = x[1, :, y * stride - reach_ : y * stride + reach_ + 1, : reach_ + 1]
    scale = (1 + 1e-5) ** -0.5  # of the norm's running statistics at first
    torch.testing.assert_close(last[1, 5:8, y, 0], window.mean((1, 2)) * scale)
    rows = torch.linspace(-torch.pi / 2, torch.pi / 2, 32 // stride)
    torch.testing.assert_close(last[0, 8, :, 5], rows.sin())
    columns = torch.linspace(-torch.pi / 2, torch.pi / 2, 48 // stride)
    torch.testing.assert_close(last[1, 11, 2], columns.cos())
    far, near = (last[0, 8:, 4, 4] @ last[0, 8:, 4, column] for column in (7, 5))
    assert float(near) > float(far)  # products of places fall with their distance


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"output_stride": 8}, "choose 2 or 4"),
        ({"stem_convs": 0}, "at least 1"),
        ({"stem_width": 0}, "at least 1"),
        ({"width": 4, "colours": True, "positions": True}, "leave no channel"),
    ],
)
def test_arguments_that_make_no_backbone_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        SmallBackbone(3, **arguments)


def test_cost_is_the_printed_one():
    backbone = SmallBackbone(3, width=64)
    convolutions = [m for m in backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    positions = [64 * 64] * 3 + [32 * 32, 16 * 16]
    macs = sum(c.weight.numel() * n for c, n in zip(convolutions, positions, strict=True))
    w, pixels = 64, 64 * 64
    assert macs == 9 * pixels * (3 * w // 4 + w * w // 8 + w * w // 16 + w * w // 16)
    assert round(macs / 1e6, 1) == 39.5


def test_a_segmentor_takes_it_with_an_auxiliary_head():
    network = Segmentor(3, backbone="small", backbone_arguments={"width": 8}, classes=4)
    out = network(torch.randn(2, 3, 20, 24))
    assert out.logits.shape == out.auxiliary.shape == (2, 4, 20, 24)


@pytest.mark.parametrize("width", [0, -4, 6])
def test_a_width_that_has_no_quarter_is_refused(width):
    with pytest.raises(ValueError, match="multiple of 4"):
        SmallBackbone(3, width=width)
