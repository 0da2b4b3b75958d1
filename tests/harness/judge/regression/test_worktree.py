import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.environment.git import GitError
from harness.judge.regression.version import Version, state_hash, working_tree, worktree


def git(folder, *arguments):
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "code.py").write_text("VALUE = 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    (root / "code.py").write_text("VALUE = 2\n")
    git(root, "commit", "-qam", "two")
    return root


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch):
    """Temporary folders where the test can see what is left of them."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))


def untouched(root):
    return (
        git(root, "status", "--porcelain"),
        git(root, "rev-parse", "HEAD"),
        git(root, "symbolic-ref", "HEAD"),
        git(root, "worktree", "list"),
        (root / ".git" / "index").read_bytes(),
        {p.name: p.read_text() for p in root.iterdir() if p.is_file()},
    )


def left(tmp_path):
    return list((tmp_path / "scratch").iterdir())


def test_a_commit_lies_beside_a_dirty_checkout_and_leaves_no_trace(repository, tmp_path):
    (repository / "code.py").write_text("VALUE = 3\n")
    (repository / "new.py").write_text("NEW = 1\n")
    git(repository, "add", "new.py")
    before = untouched(repository)
    with worktree(repository, "HEAD~1") as checkout:
        assert (checkout.root / "code.py").read_text() == "VALUE = 1\n"
        assert not (checkout.root / "new.py").exists()
        assert checkout.commit == git(repository, "rev-parse", "HEAD~1")
        assert str(checkout) == f"HEAD~1 ({checkout.commit[:10]})"
        (checkout.root / "written.txt").write_text("by a module")
    assert untouched(repository) == before
    assert left(tmp_path) == []
    mine = working_tree(repository)
    assert mine.dirty
    assert "with uncommitted changes" in str(mine)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_it_is_gone_after_an_error_and_after_ctrl_c(repository, tmp_path, error):
    before = untouched(repository)
    with pytest.raises(error), worktree(repository, "main"):
        raise error
    assert untouched(repository) == before
    assert left(tmp_path) == []


@pytest.mark.parametrize("ref", ["nowhere", "deadbeef", "", "-h", "HEAD:code.py", "a b\x1b[2J"])
def test_an_unknown_ref_is_one_clear_sentence(repository, tmp_path, ref):
    with pytest.raises(GitError, match="is no commit of") as caught, worktree(repository, ref):
        pass
    assert "git fetch origin" in str(caught.value)
    assert str(caught.value).isprintable()
    assert left(tmp_path) == []


def test_no_repository_is_one_clear_sentence(tmp_path):
    with pytest.raises(GitError, match="is in no git checkout"):
        working_tree(tmp_path)


def test_a_commit_that_differs_as_soon_as_it_is_checked_out_is_refused(repository, tmp_path):
    """As with a filter that this machine lacks, or that changes what it is given."""
    git(repository, "checkout", "-q", "-b", "filtered")
    (repository / ".gitattributes").write_text("*.dat text eol=lf\n")
    (repository / "blob.dat").write_bytes(b"one\r\ntwo\r\n")
    blob = git(repository, "hash-object", "-w", "--no-filters", "blob.dat")
    git(repository, "update-index", "--add", "--cacheinfo", f"100644,{blob},blob.dat")
    git(repository, "add", ".gitattributes")
    git(repository, "commit", "-qm", "not normalised")
    with (
        pytest.raises(GitError, match="is dirty as soon as git has checked it out") as caught,
        worktree(repository, "filtered"),
    ):
        pass
    assert "blob.dat" in str(caught.value)
    assert left(tmp_path) == []
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_hooks_and_the_variables_of_hooks_have_no_part_in_it(repository, tmp_path, monkeypatch):
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    hook.chmod(0o755)
    before = untouched(repository)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository / ".git" / "index"))
    with worktree(repository, "HEAD~1") as checkout:
        assert (checkout.root / "code.py").read_text() == "VALUE = 1\n"
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert untouched(repository) == before
    assert not (tmp_path / "ran").exists()


def test_a_second_ctrl_c_waits_for_the_removal(repository, tmp_path, monkeypatch):
    import harness.judge.regression.version as module

    removing, run = threading.Event(), module.git

    def slow(folder: Path, *arguments: str) -> str:
        if arguments[:2] == ("worktree", "remove"):
            removing.set()
            time.sleep(0.3)
        return run(folder, *arguments)

    monkeypatch.setattr(module, "git", slow)

    def press():
        removing.wait(10)
        os.kill(os.getpid(), 2)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt), worktree(repository, "main"):
        raise KeyboardInterrupt
    thread.join()
    assert left(tmp_path) == []
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_worktrees_of_the_user_are_not_forgotten(repository, tmp_path):
    """One on a disk that is not mounted just now looks stale to git."""
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "theirs"))
    (tmp_path / "theirs").rename(tmp_path / "unmounted")
    before = git(repository, "worktree", "list")
    with worktree(repository, "main"):
        pass
    assert git(repository, "worktree", "list") == before


def test_a_fingerprint_sees_what_is_measured(repository):
    states = [state_hash(repository)]
    (repository / "report.md").write_text("a report written meanwhile")
    assert state_hash(repository) == states[0]
    (repository / "code.py").write_text("VALUE = 9\n")
    states.append(state_hash(repository))
    (repository / "fresh.py").write_text("1\n")
    states.append(state_hash(repository))
    git(repository, "commit", "-qam", "three")
    states.append(state_hash(repository))
    assert len(set(states)) == 4


@contextmanager
def ctrl_c_at_start(number):
    """Press Ctrl-C as soon as the process of that number exists, before its caller knows of it."""
    seen: list[int] = []

    def trace(frame, event, _):
        if frame.f_code.co_name != "_execute_child":
            return trace if event == "call" else None
        pid = frame.f_locals["self"].pid
        if pid is not None and pid not in seen:
            seen.append(pid)
            if len(seen) == number:
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(None)


def test_ctrl_c_while_git_is_started_leaves_nothing(repository, tmp_path):
    before = untouched(repository)
    with (
        ctrl_c_at_start(2) as started,
        pytest.raises(KeyboardInterrupt),
        worktree(repository, "main"),
    ):
        pytest.fail("it was checked out all the same")
    assert not psutil.pid_exists(started[1])
    assert untouched(repository) == before
    assert list((tmp_path / "scratch").iterdir()) == []


def test_ctrl_c_while_a_version_is_started_leaves_no_process(repository, tmp_path):
    version = Version(working_tree(repository), repository, tmp_path / "version")
    with ctrl_c_at_start(1) as started, pytest.raises(KeyboardInterrupt):
        version.start()
    version.close()
    assert len(started) == 1
    assert not psutil.pid_exists(started[0])
