"""Cases as array tasks of a Slurm cluster; needs the extra `slurm` (submitit)."""

from harness.engines.slurm.engine import SlurmEngine, from_options

__all__ = ["SlurmEngine", "from_options"]
