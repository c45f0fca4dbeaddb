"""The transcript in lifecycle/README.md is what the program says: names, numbers, words.

`pytest tests/golden tests/unit/lifecycle/test_readme.py --update-golden` writes it anew.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lifecycle import cli

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

README = Path(__file__).parents[3] / "lifecycle" / "README.md"
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
"""The commands read the clock; a plan is valid for a day."""
SHOWN_ID = "1a2b3c4d"
_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)


def fill(lab: Lab) -> None:
    """Two runs: one has a save to archive, the other, where versions are kept, one to delete."""
    for step, days in ((200, 60), (300, 20), (400, 10)):
        lab.save(step, days)
    for step, days in ((100, 120), (200, 20), (300, 10)):
        lab.save(step, days, bucket="acme-datasets", run="runs/ranker")


def test_the_transcript_is_what_the_program_says(
    serve: Callable[..., Lab],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    lab = serve(fill, as_of=YESTERDAY)
    lab.publish()
    monkeypatch.chdir(lab.home)
    monkeypatch.setenv("MORAINE_CONFIG", str(lab.config))
    lab.policy()
    for console in (cli._console, cli._output):
        monkeypatch.setattr(console, "_width", 118)
    page = README.read_text(encoding="utf-8")
    found = _BLOCK.search(page)
    assert found, "lifecycle/README.md shows no transcript"
    said = "".join(
        f"$ {line}\n{_answer(line, lab, monkeypatch, capsys)}"
        for line in re.findall(r"^\$ (.+)$", found.group(), re.MULTILINE)
    )
    if request.config.getoption("--update-golden", default=False):
        README.write_text(page.replace(found.group(), said), encoding="utf-8")
    assert said == found.group(), "see the difference; --update-golden accepts it"


def _answer(line: str, lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Type a command; return what it says, with ids and times as the page spells them."""
    made = [path.name for path in (lab.home / "lake" / "plans").glob("stale-*/")]
    monkeypatch.setattr(sys, "argv", shlex.split(line.replace("PLAN", made[0] if made else "PLAN")))
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr()
    text = "\n".join(row.rstrip() for row in (said.out + said.err).splitlines() if row.strip())
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-22 06:00 UTC", text)
    text = text.replace(f"{YESTERDAY}", "2026-11-20").replace(f"{lab.home}/", "")
    text = re.sub(r"(?<=stale-2026-11-20-)[0-9a-f]{8}", SHOWN_ID, text)
    return text + "\n"
