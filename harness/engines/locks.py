"""Locks on the devices of this machine, between all harness processes of all its users.

A lock is an advisory one of the kernel (`flock`): it ends with the process that holds it, however
that ends, so nothing has to be cleaned up after a crash.
"""

import errno
import fcntl
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from harness.engines.engine import EngineError

FOLDER_VARIABLE = "HARNESS_LOCK_DIR"
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)
_HOLDER_WIDTH = 200


def lock_folder() -> Path:
    """Folder of the lock files: `$HARNESS_LOCK_DIR`, or one that all users of the machine share.

    Raises:
        EngineError: it cannot be made, or something else has its name.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    folder = Path(given) if given else Path(tempfile.gettempdir()) / "harness-locks"
    try:
        folder.mkdir(mode=0o777, parents=True, exist_ok=True)
        mode = folder.lstat().st_mode
    except OSError as error:
        raise EngineError(
            f"{folder}: no folder for locks on devices: {error.strerror}; "
            f"name another with {FOLDER_VARIABLE}"
        ) from error
    if not stat.S_ISDIR(mode) and not given:  # in a folder of everybody, a link may be a trap
        raise EngineError(f"{folder}: not a folder; name another with {FOLDER_VARIABLE}")
    if not given:
        with suppress(OSError):  # somebody else's; they have opened it to all
            folder.chmod(0o1777)
    return folder


class DeviceLock:
    """A lock on one device.

    Args:
        device: `cpu`, or `gpu-` with an index or UUID.
        holder: who asks, for those that find it taken.
        folder: of the lock files.
    """

    def __init__(self, device: str, holder: str, folder: Path | None = None) -> None:
        self.device = device
        self._holder = f"process {os.getpid()}: {holder}"
        self._path = (folder or lock_folder()) / f"{re.sub(r'[^A-Za-z0-9-]', '_', device)}.lock"
        self._file: int | None = None

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free, without waiting.

        Args:
            shared: beside others that share it; without, alone.

        Raises:
            EngineError: the lock file cannot be opened, or its file system has no locks.
        """
        try:
            file = _open(self._path)
        except OSError as error:
            raise EngineError(
                f"{self._path}: no lock on the device: {error.strerror}; name another folder with "
                f"{FOLDER_VARIABLE}"
            ) from error
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if error.errno in _TAKEN:
                return False
            raise EngineError(
                f"{self._path}: the file system has no locks ({error.strerror}); name a folder on "
                f"another with {FOLDER_VARIABLE}"
            ) from error
        self._file = file
        with suppress(OSError):  # somebody else's file; the lock holds all the same
            os.ftruncate(file, 0)
            os.pwrite(file, self._holder.encode(errors="replace")[:_HOLDER_WIDTH], 0)
        return True

    def release(self) -> None:
        """Give it back; nothing if it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def held_by(self) -> str:
        """Who took it last, in words; empty if nobody said."""
        from harness.printable import printable

        try:
            text = self._path.read_bytes()[:_HOLDER_WIDTH].decode(errors="replace")
        except OSError:
            return ""
        return printable(text)

    def __enter__(self) -> "DeviceLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _open(path: Path) -> int:
    """Open a lock file; one of another user may only be readable, which is enough to lock it."""
    with suppress(PermissionError):
        try:
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            with suppress(OSError):
                os.fchmod(file, 0o666)  # whatever the umask says
            return file
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
