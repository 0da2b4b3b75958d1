"""Best and second of a column, as every form of a table marks them."""

from collections.abc import Sequence

from harness.measure.metric import Direction
from harness.present.formats import NUMBER


def ranks(texts: Sequence[str], aim: Direction | None) -> list[int | None]:
    """1 for the best, 2 for the second best, `None` for all others and for what is no number.

    The shown digits count: two values that read the same are equally good, and a measured value
    shows no more digits than its interval supports. Where all are equal none is best; where two
    values share the first place there is no second one.

    Args:
        texts: of a column's cells, as they are shown.
        aim: whether less or more is better; `None` where neither is, and nothing is marked.
    """
    values = {
        index: float(text) for index, text in enumerate(texts) if NUMBER.fullmatch(text) is not None
    }
    order = sorted(set(values.values()), reverse=aim == "max")
    if aim is None or len(order) < 2:
        return [None] * len(texts)
    best = [index for index, value in values.items() if value == order[0]]
    places = {order[0]: 1} if len(best) > 1 else {order[0]: 1, order[1]: 2}
    return [places.get(values[index]) if index in values else None for index in range(len(texts))]
