"""What tables and plots say about trainings: recipe, data, seeds, and what seeds tell apart."""

from made_rows import row

from harness.present.trainings import trained


def scored(label, *seeds, **more):
    return row(label, 1, 1, 1, 1) | {
        "miou": sum(seeds) / len(seeds), "miou_seeds": list(seeds), "recipe": "grid",
        "train_steps": 900, "data": "scenes", "data_version": "ab12",
        "train_seeds": list(range(len(seeds))), "train_keys": [label],
    } | more  # fmt: skip


def test_what_all_rows_share_is_said_once():
    first, *_ = trained([scored("A", 0.5), scored("B", 0.6)])
    assert first == (
        "Trained with recipe grid; steps 900; data scenes; data version ab12; seeds 0."
    )
    first, *_ = trained([scored("A", 0.5), scored("B", 0.6, recipe="grid with loss.affinity 0")])
    assert "recipe by row (grid, grid with loss.affinity 0)" in first


def test_rows_near_the_best_are_named():
    rows = [scored("A", 0.90, 0.91), scored("B", 0.905, 0.903), scored("C", 0.50, 0.51)]
    _, line = trained(rows)
    assert "from 1.86 points of mIoU on" in line
    assert "deviation 0.58 within the rows, pooled over 3" in line
    assert line.endswith("not told apart from the best, A: B.")
    _, line = trained(rows[::2])
    assert line.endswith("nothing is that near to the best row.")


def test_rows_of_one_training_are_one_group():
    """Evaluations of one network scatter alike; they are no further evidence of the scatter."""
    one = scored("A", 0.90, 0.91)
    again = scored("A, mirrored", 0.92, 0.93, train_keys=["A"])
    alone = [*trained([one, scored("C", 0.5, 0.51)])][1]
    with_again = [*trained([one, again, scored("C", 0.5, 0.51)])][1]
    assert alone.partition("(")[0] == with_again.partition("(")[0]


def test_rows_of_other_numbers_of_seeds_are_compared_by_their_own():
    rows = [scored("A", 0.90, 0.91), scored("B", 0.905, 0.903, 0.904, 0.9), scored("C", 0.5, 0.51)]
    _, line = trained(rows)
    assert "from 1.23 points of mIoU on" in line
    assert "of those with more seeds, from fewer points on" in line
    assert line.endswith("not told apart from the best, A: B.")


def test_single_seeds_tell_nothing_apart():
    _, line = trained([scored("A", 0.5), scored("B", 0.6)])
    assert line == "One seed of each row: how much of a difference is chance is not known."
    assert len(trained([scored("A", 0.5)])) == 1
    assert trained([row("A", 1, 1, 1, 1)]) == []


def stopped(why, seeds, *apart):
    return {"why": why, "points": 0.5, "rows": 3, "seeds": seeds, "apart": list(apart)}


def test_rounds_of_seeds_say_what_they_have_found_at_one_level():
    rows = [
        scored("A", 0.90, 0.91, 0.92, seeds_stopped=stopped("limit", 12, "C")),
        scored("B", 0.905, 0.903, 0.9, seeds_stopped=stopped("limit", 12, "C")),
        scored("C", 0.5, 0.51, 0.52, seeds_stopped=stopped("separated", 3, "A", "B")),
    ]
    of_all, first, second = trained(rows)
    assert of_all.endswith("seeds from 0 on.")
    assert "known to 0.5 points of mIoU" in first
    assert "95 % for all 3 pairs of rows and all looks together" in first
    assert first.endswith(
        "told apart: C (3 seeds); neither at the limit: A (12 seeds), B (12 seeds)."
    )
    assert second == "Not told apart from the best, A: B."
    rows[0]["seeds_stopped"] = stopped("separated", 5, "B", "C")
    assert trained(rows)[-1] == "The best, A, is told apart from every other row."
