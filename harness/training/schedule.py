"""The learning rate over the steps of a training."""


def poly(step: int, steps: int, *, power: float = 0.9, warmup_steps: int = 0) -> float:
    """The factor on the base learning rate: (1 - step / steps) ** power.

    Source: the "poly" policy of CPNet, Section 4.1, GGCF, Section 4.1, and SRNet's supplement;
    power 1 is RANet's linear decay (Section 4). A warm-up rises linearly to the schedule's own
    value, so that the steps behind it do not depend on it.

    Args:
        step: from 0 on.
        steps: of the whole training.
        power: exponent; 0 keeps the rate.
        warmup_steps: steps of the rise; step 0 then has 1 / (warmup_steps + 1) of the rate.

    Returns:
        A factor in (0, 1] for 0 <= step < steps.

    Raises:
        ValueError: `step` is not in the training.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is not in a training of {steps} steps")
    factor = (1.0 - step / steps) ** power
    if step < warmup_steps:
        factor *= (step + 1) / (warmup_steps + 1)
    return float(factor)
