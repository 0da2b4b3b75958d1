"""Cases as array tasks of a Slurm cluster; needs the extra `slurm` (submitit)."""
