"""The catalogue of checkpoint layouts as written in `layouts/`: one YAML per framework, with its sources.

A pattern is a name in which numbers are called by what they mean (`{step}`, `{shard}`, `{shards}`, `{rank}`,
`{column}`, `{epoch}`, `{number}`) and `*` is any text. To add a framework, add a file.
"""

import re
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from pipelines.domain.yaml_text import parse_shipped_yaml
from pipelines.errors import Terminal
from pipelines.reference.name_patterns import NamePattern, parse_pattern

LAYOUTS = Path(__file__).parent / "layouts"
METRICS = "metrics.yaml"
TAIL_LENGTH = 4
"""File names are sieved by their last characters before anything else looks at them."""
HEAD_LENGTH = 5
"""Names that end in a digit are sieved by their first characters instead."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NameRule(_Frozen):
    """How a checkpoint's own folder or file is called."""

    name: str
    """Pattern."""
    kind: Literal["intermediate", "best_copy", "last_copy", "final"] = "intermediate"
    """What such a name says it is."""
    best: bool = False
    """The name says that it was the best, whatever else it is."""
    last: bool = False
    """The name says that nothing came after it, whatever else it is."""
    metric: str | None = None
    """Regular expression of two groups, the metric's name and its value, where no `=` joins them."""
    state: Literal["named", "temporary", "trash"] = "named"
    """Whether the name says that the save did not end, or that somebody threw it away."""
    epoch: str | None = None
    """Text in front of the epoch, where a star leaves its place open."""
    company: bool = False
    """The name alone is too common: it counts only beside a checkpoint whose name has a number."""
    in_folder: str | None = None
    """Pattern of the folder around it, for names that mean something only there."""
    sorted: bool = False
    """It has no step: the digits of the name, a date and a time, order the saves."""

    @model_validator(mode="after")
    def _is_a_pattern(self) -> "NameRule":
        parse_pattern(self.name)
        if self.metric is not None and re.compile(self.metric).groups != 2:
            raise ValueError(f"{self.metric!r} must have two groups")
        return self


class RoleBeside(_Frozen):
    """Another role, where certain files stand in the same checkpoint."""

    rule: str
    """The file that must be there."""
    unless: str | None = None
    """The file that must not."""
    role: str
    """The role then."""


class FileRule(_Frozen):
    """A file inside a checkpoint."""

    rule: str
    """Its name within the layout."""
    file: str
    """Pattern of the file name."""
    without: str | None = None
    """Text that the shape of its name must not have, where a star would take too much."""
    folder: str | None = None
    """Pattern of the folder it lies in, for files that are known by it."""
    place: Literal["any", "top", "below"] = "any"
    """Directly in the checkpoint's folder, deeper, or either."""
    role: str
    """What it holds."""
    anchor_up: tuple[int, ...] = ()
    """Where it proves a checkpoint: so many folders up, the name must be one of the layout's."""
    marker: bool = False
    """It is written last, so it goes first when a checkpoint is deleted."""
    final: bool = False
    """Also part of the finished model at the root of a run."""
    proves_run: bool = False
    """Weights beside it are the product of a run, not a downloaded model."""
    ranks_with: str | None = None
    """Files of one set are written by the same ranks: 0 to the highest, none missing."""
    role_beside: RoleBeside | None = None
    """The role that it takes beside other files."""
    unfinished: bool = False
    """It lies beside a checkpoint, called by its stem, as long as that one is written or removed."""
    stem_before: str | None = None
    """Several files are one checkpoint, called by what their names have in front of this text."""

    @model_validator(mode="after")
    def _can_be_matched(self) -> "FileRule":
        pattern = parse_pattern(self.file)
        if self.folder is not None and "*" in self.folder[:-1]:
            raise ValueError(f"rule {self.rule!r}: a star in 'folder' is read at its end only")
        if not self.is_folder_rule and not _can_be_sieved(pattern):
            raise ValueError(
                f"rule {self.rule!r}: {self.file!r} must end in {TAIL_LENGTH - 1} fixed characters, "
                f"or end in a number and begin with {HEAD_LENGTH}"
            )
        return self

    @property
    def is_folder_rule(self) -> bool:
        """Whether the folder alone decides."""
        return self.file == "*" and self.folder is not None


class Include(_Frozen):
    """The files of another layout, here too."""

    layout: str
    """Which."""
    folder: str | None = None
    """Pattern of the folder that they lie in; without it they lie beside the others."""
    anchors: bool = True
    """Whether they prove a checkpoint here as they do there."""
    final: bool = False
    """Whether they belong to the finished model at the root of a run here as they do there."""


class OtherFile(_Frozen):
    """Small files that anybody may add directly to the checkpoint's folder."""

    ends_with: str
    """End of the name, from its last dot."""
    role: str
    """What they count as."""


class StateFile(_Frozen):
    """A small file in which the framework writes down which checkpoint counts."""

    name: str
    """Pattern of its name."""
    place: Literal["run", "checkpoint"] = "run"
    """Beside the checkpoints, or in the folder of each."""
    tells: Literal["latest", "best", "both", "metric", "pin"]
    """What reading it tells; `metric`: the value of one checkpoint, to be compared."""
    format: Literal["text", "json", "jsonlines", "textproto"]
    """How it is written. Nothing that would have to be unpickled is ever named here."""
    beside: str | None = None
    """It counts only where a file of exactly this name lies beside it, for names that others use too."""
    each: str | None = None
    """Where the list of entries stands, of a file that tells the metrics of many checkpoints."""
    about: str | None = None
    """Where an entry names its checkpoint, a folder beside the file; makes it a file of many."""
    leaves_out: tuple[str, ...] = ()
    """Settings and counters that stand among the metrics."""
    latest: str | None = None
    """Where it stands: a JSON path, or the field of a text proto; without it the whole text."""
    best: str | None = None
    """The same for the best one, or for the metric."""
    value: Literal["name", "path", "key", "step", "number"] = "name"
    """What stands there: a checkpoint's name, a path of the training host, a key, a step, a number."""


class Requirement(_Frozen):
    """What a complete checkpoint has."""

    what: str
    """In words, for the reason."""
    any_of: tuple[str, ...]
    """Rules: one file of them is enough."""
    when: tuple[str, ...] = ()
    """Only where one of these is there."""
    provider: str | None = None
    """Only on that provider's stores."""
    siblings_have_it: bool = False
    """Only where another checkpoint of the same folder has it."""
    final: bool = False
    """Also required of the finished model at the root of a run."""


class Layout(_Frozen):
    """One form in which a framework writes a checkpoint."""

    layout: str
    """Its name."""
    grain: Literal["directory", "object"]
    """Whether a checkpoint is a folder or one file."""
    names: tuple[NameRule, ...]
    """In order: the first that matches counts."""
    files: tuple[FileRule, ...]
    """In order: the first that matches counts."""
    includes: tuple[Include, ...] = ()
    """Layouts nested in this one."""
    other_files: tuple[OtherFile, ...] = ()
    """Harmless additions."""
    rest: str | None = None
    """What any other file counts as, where the framework lets people write what they like."""
    specific: int = 0
    """Where files prove two layouts of one folder, the one with more of this counts."""
    temporary_folders: tuple[str, ...] = ()
    """Text in the name of a folder that says: what is below did not end."""
    requires: tuple[Requirement, ...]
    """What makes it complete."""


class Framework(_Frozen):
    """One file of `layouts/`."""

    framework: str
    """The name that users see."""
    sources: tuple[str, ...]
    """Where these facts were read."""
    through: tuple[str, ...] = ()
    """Frameworks that write its checkpoints for it, in their forms."""
    best: Literal["name", "elsewhere"]
    """Whether a checkpoint's name carries the metric that decides which is best."""
    not_metrics: tuple[str, ...] = ()
    """Words in front of `=` that are counters."""
    run_folders: tuple[str, ...] = ()
    """Last folders that are not part of the run's name."""
    optimizer_alone: bool
    """Whether optimizer state lies in objects of its own, so that it may go while the weights stay."""
    state_files: tuple[StateFile, ...] = ()
    """Where latest and best are written down."""
    layouts: tuple[Layout, ...]
    """Its forms."""


class Metrics(_Frozen):
    """`metrics.yaml`: which way is better."""

    sources: tuple[str, ...]
    """Where these facts were read."""
    lower_is_better: tuple[str, ...]
    """Words of a metric's name."""
    higher_is_better: tuple[str, ...]
    """Words of a metric's name."""


@cache
def read_frameworks(folder: Path = LAYOUTS) -> tuple[Framework, ...]:
    """Return every framework of the catalogue, nested layouts written out.

    Raises:
        Terminal: a file does not have the form, or names a layout or rule that is not there.
    """
    paths = sorted(path for path in folder.glob("*.yaml") if path.name != METRICS)
    found = tuple(
        parse_shipped_yaml(path.read_text(encoding="utf-8"), Framework, origin=str(path)) for path in paths
    )
    known = {layout.layout: layout for framework in found for layout in framework.layouts}
    return tuple(_written_out(framework, known) for framework in found)


@cache
def read_metrics(folder: Path = LAYOUTS) -> Metrics:
    """Return which way is better.

    Raises:
        Terminal: the file does not have the form.
    """
    path = folder / METRICS
    return parse_shipped_yaml(path.read_text(encoding="utf-8"), Metrics, origin=str(path))


def _written_out(framework: Framework, known: dict[str, Layout]) -> Framework:
    layouts = tuple(_with_includes(layout, known) for layout in framework.layouts)
    for layout in layouts:
        _check_rules(framework, layout)
    return framework.model_copy(update={"layouts": layouts})


def _with_includes(layout: Layout, known: dict[str, Layout]) -> Layout:
    nested = [
        _nested(rule, include)
        for include in layout.includes
        if include.layout in known
        for rule in _with_includes(known[include.layout], known).files
    ]
    return layout.model_copy(update={"files": (*layout.files, *nested)})


def _nested(rule: FileRule, include: Include) -> FileRule:
    def renamed(name: str) -> str:
        return f"{include.layout}.{name}"

    down = 1 if include.folder else 0
    beside = rule.role_beside and rule.role_beside.model_copy(
        update={
            "rule": renamed(rule.role_beside.rule),
            "unless": rule.role_beside.unless and renamed(rule.role_beside.unless),
        }
    )
    changes = {
        "rule": renamed(rule.rule),
        "folder": rule.folder or include.folder,
        "place": "any" if include.folder else rule.place,
        "anchor_up": tuple(levels + down for levels in rule.anchor_up) if include.anchors else (),
        "final": rule.final and include.final,
        "proves_run": False,
        "role_beside": beside,
    }
    return rule.model_copy(update=changes)


def _can_be_sieved(pattern: NamePattern) -> bool:
    if len(pattern.fixed_end) >= TAIL_LENGTH - 1 or pattern.text == pattern.fixed_end:
        return True
    head = pattern.starts[:HEAD_LENGTH]
    return pattern.is_exact and pattern.ends_in_digit and len(head) == HEAD_LENGTH and "#" not in head


def _check_rules(framework: Framework, layout: Layout) -> None:
    rules = [rule.rule for rule in layout.files]
    named = [name for requirement in layout.requires for name in (*requirement.any_of, *requirement.when)]
    wrong = [name for name in named if name not in rules] + [name for name in rules if rules.count(name) > 1]
    wrong += [f"layout {include.layout}" for include in layout.includes if not _is_nested(layout, include)]
    if wrong:
        raise Terminal(
            f"{wrong[0]!r} is not there, or is there twice",
            where=f"layout {layout.layout} of {framework.framework}",
            fix="Correct the name: rules are called by 'rule', those of a nested layout by 'layout.rule'.",
        )


def _is_nested(layout: Layout, include: Include) -> bool:
    return any(rule.rule.startswith(f"{include.layout}.") for rule in layout.files)
