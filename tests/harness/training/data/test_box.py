"""Room for boxes, against trying every place."""

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.data.draw import Draw, PixelBox, choose, places

boxes = st.builds(
    PixelBox, st.integers(-2, 12), st.integers(-2, 12), st.integers(1, 6), st.integers(1, 6)
)


def pixels(box):
    return [
        (y, x)
        for y in range(box.top, box.top + box.height)
        for x in range(box.left, box.left + box.width)
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(boxes, st.integers(0, 4)), max_size=3), st.integers(1, 6), st.integers(1, 6)
)
def test_a_place_is_free_when_no_window_shows_anything_of_the_others(apart, height, width):
    free = places((11, 14), (height, width), apart)
    assert free.shape == (12 - height, 15 - width)
    for top in range(free.shape[0]):
        for left in range(free.shape[1]):
            own = pixels(PixelBox(top, left, height, width))
            clear = all(
                max(abs(y - v), abs(x - u)) > radius
                for box, radius in apart
                for v, u in pixels(box)
                for y, x in own
            )
            assert free[top, left] == clear


def test_a_box_larger_than_the_canvas_fits_nowhere():
    assert choose(places((5, 5), (6, 2), []), (6, 2), Draw(0)) is None


def test_all_free_places_are_chosen():
    free = places((3, 3), (2, 2), [])
    chosen = {choose(free, (2, 2), Draw(0, i)) for i in range(60)}
    assert chosen == {PixelBox(top, left, 2, 2) for top in (0, 1) for left in (0, 1)}
