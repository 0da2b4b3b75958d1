"""A node that keeps the engine's protocol without PyTorch: jobs act by their label.

Started in place of Python by the task's script, so with the same arguments. `ok` finishes; `hang`
runs for ever; `once` hangs the first time; `crash` ends the task during the job, `early` before it.
What ran is noted in `$QUICK_NODE_LOG`.
"""

import os
import platform
import sys
import time
from pathlib import Path

from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import DelayedSubmission

from harness.case import Outcome
from harness.engines.engine import Finished, Measuring, Started
from harness.engines.slurm.task import ELSEWHERE, END, PLACE, JournalWriter, agreed


def main():
    os.environ["SUBMITIT_FOLDER"] = sys.argv[-1]
    pickled = JobEnvironment().paths.submitted_pickle
    while not pickled.exists():  # sbatch was quicker than its caller
        time.sleep(0.02)
    path, jobs, kind = DelayedSubmission.load(pickled).args
    if jobs[0].label.startswith("early"):
        print("Traceback\nModuleNotFoundError: No module named 'torch'")
        sys.exit(1)
    log = JournalWriter(Path(path))
    node, machine = os.environ["SLURMD_NODENAME"], platform.machine()
    if kind is not None and agreed(Path(kind), machine) != machine:
        log.write({ELSEWHERE: node, "machine": machine, "needed": "other"})
        return
    log.write({PLACE: {"node": node, "machine_key": machine, "environment": {}}})
    noted = Path(os.environ["QUICK_NODE_LOG"])
    for number, job in enumerate(jobs):
        before = noted.read_text().splitlines() if noted.exists() else []
        with noted.open("a") as file:
            file.write(f"{job.label} {node}\n")
        log.event(number, Started(job))
        log.event(number, Measuring(job, "params"))
        again = any(line.split(" ")[0] == job.label for line in before)
        if job.label.startswith("hang") or (job.label.startswith("once") and not again):
            time.sleep(600)
        if job.label.startswith("crash"):
            print("Segmentation fault")
            sys.exit(7)
        log.event(number, Finished(job, Outcome("ok", values={"params": 1}, elapsed=0.1)))
    log.write({END: True})


main()
