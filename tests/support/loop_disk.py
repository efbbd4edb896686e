"""Cut the power of a file system on a loop device."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

__all__ = ["LoopDisk", "why_not"]

FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
LET_GO_S = 60
SIZE = {"ext4": 96 << 20, "xfs": 320 << 20}
CHECK = {"ext4": ("e2fsck", "-f", "-n"), "xfs": ("xfs_repair", "-n")}


def why_not(kind: str, folder: Path) -> str:
    """Say why no such disk can be made here; nothing where it can."""
    if os.geteuid() != 0:
        return "only root may mount"
    for program in (f"mkfs.{kind}", "mount", "umount", CHECK[kind][0]):
        if shutil.which(program) is None:
            return f"there is no {program}"
    disk = LoopDisk(kind, folder)
    try:
        disk.mount()
    except subprocess.CalledProcessError as error:
        return f"mount: {error.stderr.strip()[-200:]}"
    try:
        disk.cut_power()
    except OSError as error:
        return f"the shutdown ioctl: {error.strerror}"
    finally:
        disk.unmount()
    return ""


class LoopDisk:
    """A file system in a file, mounted, whose power can be cut."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.image, self.top = folder / f"{kind}.img", folder / f"{kind}.mounted"
        self.top.mkdir(exist_ok=True)
        with self.image.open("wb") as file:
            file.truncate(SIZE[kind])
        _run(f"mkfs.{kind}", "-q", str(self.image))

    def mount(self) -> None:
        """Mount it; after a power cut this replays the journal."""
        _run("mount", "-o", "loop", str(self.image), str(self.top))

    def unmount(self) -> None:
        """Unmount it; returns once nobody has it mounted any more.

        Who was killed may take a moment to be gone.

        A mount namespace that another test made meanwhile has a copy of the mount. As long
        as that lives, a new mount would show the file system that has no power.
        """
        until = time.monotonic() + LET_GO_S
        while not self._is_let_go():
            if time.monotonic() > until:
                raise TimeoutError(f"{self.image} is at work for somebody")
            time.sleep(0.01)
        while _run("losetup", "--associated", str(self.image)):
            if time.monotonic() > until:
                raise TimeoutError(f"{self.image} is still mounted somewhere")
            time.sleep(0.01)

    def _is_let_go(self) -> bool:
        """Unmount it where nobody has a file of it open; return whether that was so."""
        words = ["umount", str(self.top)]
        return subprocess.run(words, check=False, capture_output=True).returncode == 0

    def cut_power(self) -> None:
        """Drop what is not on the disk, the journal's unwritten part too."""
        handle = os.open(self.top, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def check(self) -> None:
        """Check the unmounted file system; raises where it is damaged."""
        _run(*CHECK[self.kind], str(self.image))


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
