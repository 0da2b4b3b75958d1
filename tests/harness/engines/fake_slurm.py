"""A Slurm of one machine: its commands as programs on PATH, its tasks as real processes.

`sbatch`, `squeue`, `sacct` and `scancel` talk to a `Cluster` through files. The cluster runs each
task of an array as its script says, one at a time on each node, and ends it as Slurm would: at the
time limit, when its node is lost, when it is preempted, cancelled, or takes too much memory.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "srun")
PROGRAM = """#!{python} -IS
import os, pathlib, re, sys, time
root = pathlib.Path({root!r})
name = pathlib.Path(sys.argv[0]).name
words = dict(w.lstrip("-").partition("=")[::2] for w in sys.argv[1:] if w.startswith("--"))
(root / "calls").open("a").write(" ".join([name, *sys.argv[1:]]) + "\\n")
if (root / "down").exists():
    sys.exit(name + ": error: Unable to contact slurm controller (connect failure)")
if name == "sbatch":
    script = pathlib.Path(sys.argv[-1]).read_text()
    refusal = root / "refuse"
    if refusal.exists() and (part := refusal.read_text().partition("|"))[0] in script:
        sys.exit("sbatch: error: " + part[2].strip())
    while True:
        number = 100 + len(list((root / "spool").iterdir()))
        try:
            with open(root / "spool" / str(number), "x") as file:
                file.write(os.getcwd() + "\\n" + script + "\\n# whole\\n")
            break
        except FileExistsError:
            pass
    print("Submitted batch job", number)
elif name == "sacct":
    if (root / "no-accounting").exists():
        sys.exit("Slurm accounting storage is disabled")
    asked = words["jobs"].split(",")
    lines = (root / name).read_text().splitlines()
    print("\\n".join(line for line in lines if re.split("[_|]", line)[0] in asked))
elif name == "scancel":
    for number in sys.argv[1:]:
        if not number.startswith("-"):
            (root / "cancel" / number).touch()
elif name == "scontrol":
    print("MaxArraySize            = {most}")
"""

# The one that is called all the time starts no interpreter.
SQUEUE = """#!/bin/sh
cd {root}
echo "squeue $*" >> calls
if [ -e down ]; then
    echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
    exit 1
fi
table=squeue
for word; do
    case $word in
    --Format=*) table=exits ;;
    --jobs=*) asked=${{word#--jobs=}} ;;
    esac
done
grep -E "^($(echo "$asked" | tr , '|'))[_| ]" $table && exit
case $asked in
*,*) ;;
*) echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1 ;;
esac
"""


@dataclass
class Task:
    """A task of an array."""

    number: str
    script: str
    folder: str
    options: dict
    state: str = "PENDING"
    node: str = ""
    process: subprocess.Popen | None = None
    began: float = 0.0
    exit: str = "0:0"

    @property
    def is_over(self):
        return self.state not in ("PENDING", "RUNNING")


@dataclass
class Cluster:
    """What a slurmctld does, in a thread.

    Attributes:
        root: files that the commands and this talk through.
        nodes: name: command in front of every script there (`setarch` makes another machine).
        minute: seconds of a minute of the time limit.
        most: tasks of an array, plus one.
    """

    root: Path
    nodes: dict = field(default_factory=lambda: {"n1": []})
    minute: float = 60.0
    most: int = 1001

    def __post_init__(self):
        self.tasks: list[Task] = []
        self.lock = threading.RLock()
        self._spooled = set()
        self._forgotten = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        for name in ("bin", "spool", "cancel"):
            (self.root / name).mkdir(parents=True)
        text = PROGRAM.format(python=sys.executable, root=str(self.root), most=self.most)
        for name in COMMANDS:
            program = self.root / "bin" / name
            program.write_text(text)
            program.chmod(0o755)
        quick = SQUEUE.format(root=shlex.quote(str(self.root)))
        (self.root / "bin" / "squeue").write_text(quick)
        self._publish()

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stop.set()
        self._thread.join()
        for task in self.tasks:
            self._end(task, "CANCELLED")

    # What goes wrong on real clusters.

    def end(self, state, node=None):
        """End what runs (on a node) as the cluster's own decision; the numbers of the tasks."""
        with self.lock:
            ended = [t for t in self.tasks if t.state == "RUNNING" and node in (None, t.node)]
            for task in ended:
                self._end(task, state)
            self._publish()
        return [task.number for task in ended]

    def forget(self):
        """Finished tasks leave the queue, as after MinJobAge."""
        with self.lock:
            self._forgotten = {task.number for task in self.tasks if task.is_over}
            self._publish()

    def refuse(self, word, message):
        """Refuse scripts with a word in them."""
        (self.root / "refuse").write_text(f"{word}|{message}")

    @property
    def calls(self):
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def scripts(self):
        return [path.read_text() for path in sorted((self.root / "spool").iterdir())]

    # The controller.

    def _run(self):
        while not self._stop.is_set():
            with self.lock:
                self._take_in()
                self._cancel()
                self._look_after()
                self._begin()
                self._publish()
            time.sleep(0.02)

    def _take_in(self):
        for path in sorted((self.root / "spool").iterdir()):
            text = path.read_text()
            if path.name in self._spooled or "# whole" not in text:
                continue
            self._spooled.add(path.name)
            folder, _, script = text.partition("\n")
            options = dict(
                word.partition("=")[::2]
                for line in script.splitlines()
                if line.startswith("#SBATCH --")
                for word in [shlex.split(line)[1].removeprefix("--")]
            )
            last = re.match(r"0-(\d+)", options.get("array", ""))
            suffixes = [f"_{n}" for n in range(int(last[1]) + 1)] if last else [""]
            self.tasks += [Task(path.name + s, script, folder, options) for s in suffixes]

    def _cancel(self):
        for path in list((self.root / "cancel").iterdir()):
            for task in self.tasks:
                if path.name in (task.number, task.number.partition("_")[0]) and not task.is_over:
                    self._end(task, "CANCELLED by 1000")
            path.unlink()

    def _look_after(self):
        for task in self.tasks:
            if task.state != "RUNNING":
                continue
            code = task.process.poll()
            if code is not None:
                task.state = "FAILED" if code else "COMPLETED"
                task.exit = f"{max(code, 0)}:{max(-code, 0)}"
            elif time.monotonic() > task.began + float(task.options["time"]) * self.minute:
                self._end(task, "TIMEOUT")

    def _begin(self):
        for task in self.tasks:
            if task.state != "PENDING":
                continue
            excluded = task.options.get("exclude", "").split(",")
            busy = {t.node for t in self.tasks if t.state == "RUNNING"}
            free = [n for n in self.nodes if n not in busy and n not in excluded]
            if free:
                self._start(task, free[0])

    def _start(self, task, node):
        array, _, index = task.number.partition("_")
        variables = {
            "SLURM_JOB_ID": task.number.replace("_", ""),
            "SLURMD_NODENAME": node,
            "SLURM_JOB_NODELIST": node,
            "SLURM_JOB_NUM_NODES": "1",
            "SLURM_NTASKS": "1",
            "SLURM_NODEID": "0",
            "SLURM_PROCID": "0",
            "SLURM_LOCALID": "0",
        }
        if index:
            variables |= {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": index}
        else:
            variables["SLURM_JOB_ID"] = array
        output = task.options["output"].replace("%A", array).replace("%a", index)
        with Path(output.replace("%j", array).replace("%t", "0")).open("ab") as log:
            task.process = subprocess.Popen(
                [*self.nodes[node], "bash", "-s"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=task.folder,
                env=os.environ | variables,
                start_new_session=True,
            )
        task.process.stdin.write(task.script.encode())
        task.process.stdin.close()
        task.state, task.node, task.began = "RUNNING", node, time.monotonic()

    def _end(self, task, state):
        if task.is_over:
            return
        if task.process is not None:
            with suppress(OSError):
                os.killpg(task.process.pid, signal.SIGKILL)
            task.process.wait()
        task.state = state

    def _publish(self):
        queue, accounts, exits = [], [], []
        for t in self.tasks:
            reason = "Resources" if t.state == "PENDING" else "None"
            short = t.state.split()[0]
            if t.number not in self._forgotten:
                queue.append(f"{t.number}|{short}|{t.node}|{reason}")
                if t.state == "FAILED":
                    code, _, number = t.exit.partition(":")
                    exits.append(f"{t.number:40}{int(code) << 8 | int(number)}")
            accounts.append(f"{t.number}|{t.state}|{t.node or 'None assigned'}|{t.exit}")
        for name, lines in (("squeue", queue), ("sacct", accounts), ("exits", exits)):
            new = self.root / f".{name}"
            new.write_text("\n".join(lines) + "\n")
            new.replace(self.root / name)
