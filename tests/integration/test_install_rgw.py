"""The script that installs Ceph's gateway for the integration tests: where it cannot, one line says why."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "install-rgw"
USED = ("sh", "mktemp", "rm", "tail", "timeout", "env", "cat")
PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "monmaptool", "ceph-authtool", "radosgw", "radosgw-admin")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine that has nothing but a shell, used by root."""
    for name in USED:
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    put(tmp_path, "id", "echo 0")
    return tmp_path


def put(machine: Path, name: str, does: str) -> None:
    program = machine / name
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)


def said(machine: Path) -> str:
    """Run the script there; whatever happens, it must not stop the checks that follow it."""
    ended = subprocess.run(
        [str(SCRIPT)], env={"PATH": str(machine)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    (line,) = ended.stdout.splitlines()
    return line


def test_without_apt_it_says_so(machine: Path) -> None:
    assert "has no apt-get" in said(machine)


def test_without_root_it_says_so(machine: Path) -> None:
    put(machine, "apt-get", "touch used")
    put(machine, "id", "echo 1000")
    assert "needs root" in said(machine)


@pytest.mark.parametrize(
    "fails, reason",
    [
        ("*update*", "the lists of packages cannot be fetched"),
        ("*--download-only*", "its packages cannot be fetched"),
        ("*radosgw", "its packages cannot be installed"),
    ],
)
def test_what_apt_says_last_is_the_reason(machine: Path, fails: str, reason: str) -> None:
    put(machine, "apt-get", f'case "$*" in {fails}) echo first >&2; echo E: no route >&2; exit 100;; esac')
    assert said(machine) == (
        f"no Ceph RGW: {reason} (E: no route); the integration tests that need it will skip"
    )


def test_what_is_there_is_not_installed_again(machine: Path) -> None:
    for name in PROGRAMS:
        put(machine, name, "echo version 16.2.15")
    put(machine, "apt-get", "exit 100")
    assert said(machine) == "Ceph RGW is installed: version 16.2.15"


def test_it_is_installed_by_apt_without_questions(machine: Path) -> None:
    chmod = shutil.which("chmod")
    made = [
        f'printf "#!/bin/sh\\necho version 16\\n" > "{machine}/{name}"; "{chmod}" +x "{machine}/{name}"'
        for name in PROGRAMS
    ]
    asked = 'test "$DEBIAN_FRONTEND" = noninteractive || exit 100'
    put(machine, "apt-get", "\n".join([asked, 'case "$*" in *radosgw)', *made, ";; esac"]))
    assert said(machine) == "Ceph RGW was installed: version 16"
