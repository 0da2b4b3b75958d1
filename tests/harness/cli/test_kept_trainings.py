"""Kept trainings at the command line: used again only where they are what would be trained."""

MODULE = """
    from torch import nn

    import helper


    class M(nn.Module):
        def __init__(self, in_channels: int, width: int = 8) -> None:
            super().__init__()
            self.conv = nn.Conv2d(in_channels, width, 1)

        def forward(self, x):
            return helper.act(self.conv(x))
"""
HELPER = """
    import torch


    def act(x):
        return x * 0
"""
SUITE = """
    suite: mini
    input: [1, 16, 4, 4]
    device: cpu
    threads: 1
    measure: [params, accuracy]
    recipe: smoke
    data: {name: scenes, root: data, context: scene, train: 80, val: 8, size: 48}
    recipe_changes: {steps: 120}
    cases: [{label: A, module: "m:M"}]
"""


def test_a_training_is_repeated_after_a_change_beside_its_file_and_after_damage(user):
    user.write("m.py", MODULE)
    user.write("helper.py", HELPER)
    user.write("mini.yaml", SUITE)

    def miou():
        done = user.call("run", "mini.yaml", "--notes")
        assert done.returncode == 0, done.stderr
        (record,) = user.records()
        return record["values"]["miou"], record["warnings"], done.stdout

    before, warnings, _ = miou()
    assert warnings == []
    user.write("helper.py", HELPER.replace("x * 0", "torch.relu(x)"))
    changed, warnings, _ = miou()
    assert changed != before
    files = (user.folder / "results" / "checkpoints").glob("*/weights.safetensors")
    kept = max(files, key=lambda file: file.stat().st_mtime_ns)
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    # As with an empty folder of checkpoints, and with a word.
    again, (warning,), printed = miou()
    assert again == changed
    assert "a kept training counts as absent and was repeated: weights.safetensors of " in warning
    assert "counts as absent" in printed
