"""A training whose process is killed, and the one that takes it up."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import torch

from harness.training.checkpoint import Checkpoint

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

PROGRAM = """
import os, signal, sys
from pathlib import Path

import torch
torch.set_num_threads(1)
from test_trainer import CPU, trainer
from tiny_data import TinyData, tiny_recipe
from harness.environment import used_files
from harness.training.checkpoint import Checkpoint

folder = sys.argv[1]
used_files.begin([folder], lambda used: None)
sys.path.insert(0, folder)
import beside

class Deadly(TinyData):
    def __getitem__(self, index):
        Deadly.read = getattr(Deadly, "read", 0) + 1
        if Deadly.read > 14:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)

checkpoint = Checkpoint(Path(folder, "kept"), {"name": "k"}, [folder])
trainer(data=Deadly(), checkpoint=checkpoint, save_every=0, save_share=1e9).run()
"""


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path):
    from test_trainer import parameters, same, trainer

    (tmp_path / "beside.py").write_text("VALUE = 1\n")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    ended = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        changed = shutil.copytree(tmp_path, tmp_path.with_name("changed"))
        (changed / "beside.py").write_text("VALUE = 2\n")
        checkpoint, other = (
            Checkpoint(folder / "kept", {"name": "k"}, [str(folder)])
            for folder in (tmp_path, changed)
        )
        again, whole = trainer(checkpoint=checkpoint), trainer(checkpoint=other)
        trained, anew = again.run(), whole.run()
    finally:
        torch.set_num_threads(threads)
    assert trained.first_step == 3  # 12 images of 4 a batch were read before the 15th
    assert same(parameters(again), parameters(whole))
    assert (checkpoint.warnings, anew.first_step) == ([], 0)
    assert other.warnings == [
        "a kept training counts as absent and was repeated: progress.safetensors of "
        f"{other.key} was made with another beside.py"
    ]
    assert sorted(p.name for p in checkpoint.folder.iterdir()) == [
        "lock",
        "training.json",
        "weights.safetensors",
    ]
