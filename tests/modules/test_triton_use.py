"""How kernels are launched, with kernels that only note how they were called."""

import pytest
import torch
from interpreter import interpreted

from context_modules import triton_use
from context_modules.triton_use import Tile, launch, products, tiles

pytestmark = interpreted


class Kernel:
    """Fits where a tile has at most so many positions."""

    def __init__(self, room):
        self.room, self.asked, self.ran = room, [], []

    def __getitem__(self, grid):
        def run(*tables, OWN, OTHERS, **given):
            from triton.runtime.errors import OutOfResources

            self.asked.append(OWN)
            if self.room < OWN:
                raise OutOfResources(OWN, self.room, "shared memory")
            self.ran.append((grid, OWN, OTHERS, given))

        return run


def run(kernel, sizes):
    launch(kernel, lambda tile: 96 // tile.own, [torch.ones(1, 96, 4)], {"queries": 96}, {}, sizes)


def test_a_tile_that_does_not_fit_is_followed_by_the_next_and_never_tried_again():
    kernel = Kernel(room=32)
    for _ in range(2):
        run(kernel, [Tile(64, 32), Tile(48, 32), Tile(32, 16, 4, 1)])
    assert kernel.asked == [64, 48, 32, 32]
    grid, own, others, given = kernel.ran[0]
    assert (grid, own, others) == ((3,), 32, 16)
    assert (given["num_warps"], given["num_stages"]) == (4, 1)


def test_what_fits_nowhere_is_said_in_one_line():
    with pytest.raises(NotImplementedError, match=r"^kernel: triton: no tile of .* fits this GPU"):
        run(Kernel(room=8), [Tile(32, 16), Tile(16, 16)])


@pytest.mark.parametrize("width", [16, 256, 512, 576, 1024, 4096])
@pytest.mark.parametrize("itemsize", [2, 4])
def test_tiles_become_smaller_down_to_what_a_product_takes(width, itemsize):
    found = tiles(width, itemsize)
    sizes = [tile.own * tile.others for tile in found]
    assert sizes == sorted(set(sizes), reverse=True)
    assert (found[-1].own, found[-1].others) == (16, 16)
    assert found[0].own == 16 or found[0].own * width <= 2**15
    assert all(side & (side - 1) == 0 for tile in found for side in (tile.own, tile.others))


def test_products_of_float32_go_by_the_flag():
    flags = torch.backends.cuda.matmul
    before = flags.allow_tf32
    try:
        for flags.allow_tf32, kind in ((True, "tf32"), (False, "ieee")):
            assert products() == kind
    finally:
        flags.allow_tf32 = before


def test_a_map_beyond_32_bits_is_refused():
    huge = torch.empty(1).expand(1, 2**24, 128)
    with pytest.raises(NotImplementedError, match="2\\^31"):
        triton_use.require_triton(huge)
