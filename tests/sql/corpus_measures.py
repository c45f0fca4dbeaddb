"""How much of the labelled listings is recognised, per framework: the table of `docs/checkpoints.md`.

    python -m tests.sql.corpus_measures

writes that page anew.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.reference.layout_catalogue import Framework, read_frameworks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "checkpoints.md"
Row = Mapping[str, Any]
Label = tuple[str, str, Row]
"""Listing, key, label."""

_HEAD = """# Checkpoints: what is recognised

This page is written by `python -m tests.sql.corpus_measures`; a test keeps it current.

## Measured on the labelled listings

Every listing in `tests/corpus` is read as an inventory of its own bucket, all of them in one build.
*Objects* and *groups* are those of checkpoints; a group is right when it has exactly the objects of
its label. *Precision* and *recall* are of objects. *State*, *latest* and *best* are compared where
the listing and the small files that a night reads can tell; a best that only a tracker knows is not
among them. *Kept* counts the objects that may go by their label and stay. *At risk* counts protected
objects that nothing protects.

| Framework | Objects | Precision | Recall | Groups | Right | State | Latest | Best | Kept | At risk |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""
_CATALOGUE = """
## The catalogue

One file per framework in `pipelines/reference/layouts`, with its sources. *Latest* and *best* are
the small files that name them; without one they follow from names, steps and times. *Optimizer
apart* says whether optimizer state lies in objects of its own.

| Framework | Forms | Latest by | Best by | Optimizer apart |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out for the listings of one framework, or of all."""

    name: str
    objects: int = 0
    recognised: int = 0
    wrongly: int = 0
    groups: int = 0
    right: int = 0
    compared: int = 0
    states: int = 0
    latests: int = 0
    bests: int = 0
    kept: int = 0
    at_risk: int = 0

    @property
    def precision(self) -> float:
        """Share of what was recognised that is of a checkpoint."""
        found = self.recognised + self.wrongly
        return self.recognised / found if found else 1

    @property
    def recall(self) -> float:
        """Share of the checkpoints' objects that was recognised."""
        return self.recognised / self.objects if self.objects else 1

    def share(self, count: int, of: int) -> float:
        """Return count / of, 1 where there is nothing to compare."""
        return count / of if of else 1


def measure(
    labels: Iterable[Label], checkpoints: Mapping[str, Row], objects: Mapping[tuple[str, str], Row]
) -> tuple[Measured, ...]:
    """Return one row per framework of the labels, and one of all at the end."""
    by_framework: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_framework[label[2].get("framework") or "no checkpoint"].append(label)
    made: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for key, row in objects.items():
        made[row["checkpoint_id"].partition("://")[2]].add(key)
    groups = {frozenset(keys): checkpoints[name] for name, keys in made.items()}
    rows = [
        _measured(name, found, groups, checkpoints, objects) for name, found in sorted(by_framework.items())
    ]
    total = {field: sum(getattr(row, field) for row in rows) for field in Measured.__slots__[1:]}
    return (*rows, Measured("all", **total))


def _measured(
    name: str,
    labels: Iterable[Label],
    groups: Mapping[frozenset[tuple[str, str]], Row],
    checkpoints: Mapping[str, Row],
    objects: Mapping[tuple[str, str], Row],
) -> Measured:
    labels = tuple(labels)
    members = [(listing, key) for listing, key, label in labels if label["group"]]
    others = [(listing, key) for listing, key, label in labels if not label["group"]]
    truth: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    label_of: dict[tuple[str, str], Row] = {}
    for listing, key, label in labels:
        if label["group"]:
            truth[listing, label["group"]].add((listing, key))
            label_of[listing, label["group"]] = label
    pairs = [
        (label_of[group], groups[frozenset(keys)])
        for group, keys in truth.items()
        if frozenset(keys) in groups
    ]
    return Measured(
        name,
        objects=len(members),
        recognised=sum(key in objects for key in members),
        wrongly=sum(key in objects for key in others),
        groups=len(truth),
        right=len(pairs),
        compared=len(pairs),
        states=sum(label["state"] == row["state"] for label, row in pairs),
        latests=sum(label["latest"] == row["is_latest"] for label, row in pairs),
        bests=sum(_best_is_right(label, row) for label, row in pairs),
        kept=sum(
            key in objects and _of(objects[key], checkpoints)["is_protected"] and not label["protected"]
            for key, label in _keyed(labels)
        ),
        at_risk=sum(
            key in objects and not _of(objects[key], checkpoints)["is_protected"] and label["protected"]
            for key, label in _keyed(labels)
        ),
    )


def _keyed(labels: Iterable[Label]) -> Iterable[tuple[tuple[str, str], Row]]:
    return (((listing, key), label) for listing, key, label in labels)


def _of(member: Row, checkpoints: Mapping[str, Row]) -> Row:
    return checkpoints[member["checkpoint_id"].partition("://")[2]]


def _best_is_right(label: Row, row: Row) -> bool:
    told = bool(label["best"]) and label.get("best_from") != "external"
    return told == bool(row["is_best"])


def page(rows: Iterable[Measured], frameworks: Iterable[Framework]) -> str:
    """Return the page in Markdown."""
    return (
        _HEAD
        + "".join(_line(row) for row in rows)
        + _CATALOGUE
        + "".join(_entry(framework) for framework in frameworks)
    )


def _line(row: Measured) -> str:
    shares = (
        row.share(row.right, row.groups),
        row.share(row.states, row.compared),
        row.share(row.latests, row.compared),
        row.share(row.bests, row.compared),
    )
    told = (
        row.objects,
        f"{row.precision:.4f}",
        f"{row.recall:.3f}",
        row.groups,
        *(f"{share:.3f}" for share in shares),
    )
    return f"| {row.name} | " + " | ".join(str(cell) for cell in (*told, row.kept, row.at_risk)) + " |\n"


def _entry(framework: Framework) -> str:
    def told(*what: str) -> str:
        return ", ".join(f"`{file.name}`" for file in framework.state_files if file.tells in what)

    latest = told("latest", "both") or "names, steps and times"
    best = told("best", "both", "metric") or (
        "the name" if framework.best == "name" else "names that say best"
    )
    forms = [f"`{layout.layout}`" for layout in framework.layouts]
    forms += [f"through {other}" for other in framework.through]
    apart = "yes" if framework.optimizer_alone else "no"
    return f"| {framework.framework} | {', '.join(forms)} | {latest} | {best} | {apart} |\n"


def main() -> None:
    """Write the page."""
    from tests.sql.test_checkpoint_corpus import LISTINGS, judge, labels  # noqa: PLC0415 it imports this module

    with TemporaryDirectory() as folder:
        judged = judge(Path(folder), LISTINGS)
    rows = measure(labels(*LISTINGS), judged.checkpoints, judged.objects)
    PAGE.write_text(page(rows, read_frameworks()), encoding="utf-8")


if __name__ == "__main__":
    main()
