"""The gate on two equal versions: no alarm."""

import json
import shutil
from collections.abc import Iterator

from harness.environment.git import git
from harness.selfcheck.finding import Finding, judged, skipped
from harness.selfcheck.setting import CommandError, Setting

MODULES = {
    "Interlaced": "interlaced:InterlacedSelfAttention",
    "Pyramid": "pyramid_pooling:PyramidPooling",
    "Squeeze": "squeeze_excitation:SqueezeExcitation",
}

_SIZE = {"cpu": "[1, 64, 32, 32]", "cuda": "[1, 512, 64, 64]"}
_BESIDE = 25.0  # seconds that two worktrees, two imports and the report may take
_SHARE = 0.6  # of the section's time that the gate may measure, where that is less


def check(setting: Setting) -> Iterator[Finding]:
    """A finding a case: anything but `faster` and `slower`, which would be false."""
    if shutil.which("git") is None:
        yield skipped("two versions", "git is missing; install it")
        return
    code = "".join(
        f"from context_modules.{target.partition(':')[0]} import {target.partition(':')[2]}\n"
        for target in MODULES.values()
    )
    code += "".join(
        f"\n\nclass {name}({target.partition(':')[2]}):\n    pass\n"
        for name, target in MODULES.items()
    )
    setting.write("equal.py", code)
    cases = "".join(f'  - {{label: {name}, module: "equal:{name}"}}\n' for name in MODULES)
    setting.write(
        "equal.yaml",
        f"suite: equal\ninput: {_SIZE[setting.device]}\nmeasure: [latency]\ncases:\n{cases}",
    )
    setting.write(".gitignore", "__pycache__\n")
    who = ("-c", "user.name=self-check", "-c", "user.email=self-check@localhost")
    git(setting.folder, "init", "--quiet")
    git(setting.folder, "add", ".")
    git(setting.folder, *who, "commit", "--quiet", "--message", "equal versions")
    budget = max(5.0, min(setting.left() - _BESIDE, _SHARE * setting.left()))
    done = setting.harness(
        *("gate", "equal.yaml", "--against", "HEAD", "--device", setting.device),
        *("--budget", f"{budget:.0f}", "--process-seconds", "0.2", "--json"),
    )
    if done.code not in (0, 1, 3):
        raise CommandError(f"harness gate ended with {done.code}: {done.last}")
    for each in json.loads(done.out)["comparisons"]:
        effect = each["effect"]
        seen = "no effect known" if effect is None else f"{effect:+.1%}"
        said = f"{each['verdict']}, {seen}, {each['replicates_a']} processes a version"
        equal = each["verdict"] in ("same", "unclear")
        said = f"{'no alarm' if equal else 'false alarm'}: {said}"
        yield judged(each["label"], equal, said, verdict=each["verdict"], effect=effect)
