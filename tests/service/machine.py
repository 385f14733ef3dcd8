"""A Debian that is booted with a systemd of its own, and the daemon installed in it from a wheel.

Needs root, systemd-nspawn, mmdebstrap, and the mirrors of Debian and of Python's packages. It shares the
network of this machine, so that what listens on loopback here can be reached there.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SUITE = "trixie"
PYTHON = "3.13"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,util-linux,procps"
PLATFORMS = (
    "manylinux2014_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_28_x86_64",
)

UNIT = "conference-recorder"
SITE = "/srv/site"
"""Where an operator has put the wheel and our folder `systemd`."""


class Machine:
    """A booted tree.

    Attributes:
        tree: its root, as this machine has it.
    """

    def __init__(self, tree: Path, leader: int) -> None:
        self.tree = tree
        self._leader = leader

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, as root."""
        inside = ["nsenter", "-t", str(self._leader), "-a", "--", *command]
        result = subprocess.run(inside, capture_output=True, text=True, check=False, timeout=400)
        if check and result.returncode:
            raise AssertionError(f"{command}: {result.stdout}{result.stderr}\n{self.journal_text()}")
        return result

    def systemctl(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return self.run("systemctl", *arguments, check=check)

    def property(self, name: str, unit: str = UNIT) -> str:
        return self.systemctl("show", "--value", "-p", name, unit).stdout.strip()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        target = self.tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f"{target.name}.new")
        aside.write_text(text)
        aside.chmod(mode)
        aside.replace(target)

    def cursor(self) -> str:
        """Where the journal ends now."""
        said = self.run("journalctl", "--no-pager", "-n", "0", "--show-cursor").stdout
        return said.partition("cursor: ")[2].strip()

    def entries(self, cursor: str, unit: str = UNIT) -> list[dict[str, Any]]:
        """What the journal has of a unit since, each with its fields."""
        command = ("journalctl", "--no-pager", "-o", "json", "-u", unit, f"--after-cursor={cursor}")
        return [json.loads(line) for line in self.run(*command).stdout.splitlines()]

    def log(self, cursor: str) -> list[dict[str, Any]]:
        """The daemon's own lines since."""
        lines = []
        for entry in self.entries(cursor):
            with contextlib.suppress(ValueError, TypeError):
                lines.append(json.loads(entry["MESSAGE"]))
        return [line for line in lines if isinstance(line, dict)]

    def journal_text(self) -> str:
        inside = ["nsenter", "-t", str(self._leader), "-a", "--", "journalctl", "--no-pager", "-n", "40"]
        return subprocess.run(inside, capture_output=True, text=True, check=False).stdout

    def until(self, true: Callable[[], bool], within: float = 40) -> None:
        end = time.monotonic() + within
        while not true():
            if time.monotonic() > end:
                raise AssertionError(self.journal_text())
            time.sleep(0.2)


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Build a tree, install the daemon and its units, and boot it; skips where that cannot be had."""
    if os.geteuid():
        pytest.skip("only root may boot a tree")
    for program in ("systemd-nspawn", "mmdebstrap", "nsenter"):
        if not shutil.which(program):
            pytest.skip(f"there is no {program}")
    tree = folder / "tree"
    built = subprocess.run(
        ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, tree],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        pytest.skip(f"no tree can be built here: {built.stderr[-300:]}")
    site = tree / SITE.lstrip("/")
    _gather_wheels(site)
    shutil.copytree(ROOT / "systemd", site / "systemd")
    (ours,) = site.glob("conference_recorder-*.whl")
    # The next version is this one under another number.
    _rename_wheel(ours, "0.1.0", "0.2.0")
    command = [
        "systemd-nspawn",
        "-q",
        "-D",
        str(tree),
        "--boot",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
    ]
    output = (folder / "console").open("wb")
    with output:
        nspawn = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        try:
            machine = Machine(tree, _leader(nspawn))
            if not _is_up(machine):
                pytest.skip(f"it does not boot here: {(folder / 'console').read_text()[-300:]}")
            yield machine
        finally:
            nspawn.send_signal(signal.SIGTERM)  # which has it shut down in order
            try:
                nspawn.wait(30)
            except subprocess.TimeoutExpired:
                nspawn.kill()
                nspawn.wait()


def follow_readme(machine: Machine, mark: str) -> None:
    """Run the commands that the README has below a comment, as they stand there, beside the wheel."""
    _, _, below = (ROOT / "README.md").read_text().partition(f"<!-- {mark} -->\n```sh\n")
    commands = below.partition("```")[0]
    assert commands
    machine.run("env", "-C", SITE, "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={SITE}", "sh", "-ec", commands)


def _gather_wheels(folder: Path) -> None:
    """Our own, and all that it needs there."""
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, ROOT], check=True, capture_output=True)
    (ours,) = folder.glob("conference_recorder-*.whl")
    tags = ["--python-version", PYTHON, "--implementation", "cp", "--platform", "any"]
    tags += [word for abi in ("cp313", "abi3", "none") for word in ("--abi", abi)]
    tags += [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run(
        [*pip, "download", "-d", folder, "--only-binary=:all:", *tags, ours], check=True, capture_output=True
    )


def _rename_wheel(wheel: Path, old: str, new: str) -> None:
    """Make one of another version, with the same content."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(str(wheel).replace(old, new), "w") as target:
        for item in source.infolist():
            data = source.read(item)
            if item.filename.endswith("/METADATA"):
                data = data.replace(f"\nVersion: {old}\n".encode(), f"\nVersion: {new}\n".encode())
            if not item.filename.endswith("/RECORD"):
                target.writestr(item.filename.replace(old, new), data)
        target.writestr(f"conference_recorder-{new}.dist-info/RECORD", "")


def _leader(nspawn: "subprocess.Popen[bytes]") -> int:
    """The first process of the tree, as this machine numbers it."""
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    for _ in range(100):
        time.sleep(0.1)
        if nspawn.poll() is not None:
            pytest.skip("systemd-nspawn does not run here")
        if found := children.read_text().split():
            return int(found[0])
    pytest.skip("systemd-nspawn starts nothing here")


def _is_up(machine: Machine) -> bool:
    for _ in range(400):
        time.sleep(0.5)
        state = machine.run("systemctl", "is-system-running", check=False).stdout.strip()
        if state in {"running", "degraded"}:
            return True
    return False
