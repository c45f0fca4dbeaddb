from pathlib import Path

import pytest

from pipelines.errors import Terminal
from pipelines.reference.layout_catalogue import FileRule, Layout, read_frameworks, read_metrics

LAYOUTS = [layout for framework in read_frameworks() for layout in framework.layouts]
every_layout = pytest.mark.parametrize(
    "layout", [pytest.param(layout, id=layout.layout) for layout in LAYOUTS]
)

MINIMAL = """
framework: own
sources: [where it was read]
best: elsewhere
optimizer_alone: true
layouts:
  - layout: own
    grain: directory
    names: [{name: "save-{step}"}]
    files:
      - {rule: weights, file: weights.pt, role: weights, anchor_up: [0]}
    requires: [{what: weights, any_of: [weights]}]
"""


def catalogue(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_every_framework_names_its_sources_and_itself_once() -> None:
    names = [framework.framework for framework in read_frameworks()]
    assert names == sorted(set(names))
    assert all(framework.sources for framework in read_frameworks())


def test_no_file_that_would_have_to_be_unpickled_is_ever_read() -> None:
    pickled = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".npy", ".npz", ".joblib")
    read = [file.name for framework in read_frameworks() for file in framework.state_files]
    assert read
    assert [name for name in read if name.endswith(pickled)] == []


def test_layouts_are_named_once() -> None:
    names = [layout.layout for layout in LAYOUTS]
    assert len(names) == len(set(names))


@every_layout
def test_a_folder_is_a_checkpoint_only_by_a_file_that_proves_it(layout: Layout) -> None:
    anchored = any(rule.anchor_up for rule in layout.files)
    assert anchored == (layout.grain == "directory")


@every_layout
def test_a_layout_with_bare_numbers_for_names_looks_for_files_of_its_own(layout: Layout) -> None:
    common = {"config.json", "metadata", "checkpoint", "latest", "README.md"}
    assert not {rule.file for rule in layout.files if rule.anchor_up} & common


@every_layout
def test_a_file_that_changes_its_role_does_so_by_a_file_of_its_layout(layout: Layout) -> None:
    rules = {rule.rule: rule for rule in layout.files}
    for rule in layout.files:
        if rule.role_beside:
            assert rule.role_beside.rule in rules
            assert rule.role_beside.unless is None or rule.role_beside.unless in rules


@every_layout
def test_pointers_of_a_run_are_no_part_of_a_layout(layout: Layout) -> None:
    assert not [rule for rule in layout.files if rule.role == "pointer"]


def test_no_metric_word_has_two_directions() -> None:
    metrics = read_metrics()
    assert not set(metrics.lower_is_better) & set(metrics.higher_is_better)


def test_a_new_framework_is_one_more_file(tmp_path: Path) -> None:
    (framework,) = read_frameworks(catalogue(tmp_path, own=MINIMAL))
    assert [rule.rule for rule in framework.layouts[0].files] == ["weights"]


def test_a_nested_layout_lies_one_folder_down_under_its_own_name(tmp_path: Path) -> None:
    outer = MINIMAL.replace("own", "outer").replace(
        "    requires:", "    includes: [{layout: own, folder: 'inner_{number}'}]\n    requires:"
    )
    folder = catalogue(tmp_path, own=MINIMAL, outer=outer)
    nested = {rule.rule: rule for rule in read_frameworks(folder)[0].layouts[0].files}["own.weights"]
    assert (nested.folder, nested.anchor_up) == ("inner_{number}", (1,))


@pytest.mark.parametrize(
    "right, wrong, problem",
    [
        pytest.param("any_of: [weights]", "any_of: [no_such]", "no_such", id="a requirement without a file"),
        pytest.param(
            "requires:", "includes: [{layout: no, folder: x}]\n    requires:", "layout no", id="no layout"
        ),
        pytest.param("weights.pt", '"*.p"', "3 fixed characters", id="a name too open to be sieved"),
        pytest.param(
            "role: weights,", "role: weights, folder: 'a*b',", "star in 'folder'", id="a star in a folder"
        ),
        pytest.param("save-{step}", "save-{stpe}", "is not one of", id="an unknown number"),
        pytest.param("best: elsewhere", "best: somewhere", "best", id="an impossible value"),
    ],
)
def test_a_mistake_in_a_layout_is_refused(tmp_path: Path, right: str, wrong: str, problem: str) -> None:
    folder = catalogue(tmp_path, own=MINIMAL.replace(right, wrong))
    with pytest.raises(Terminal, match=problem.replace("*", r"\*")):
        read_frameworks(folder)


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = "      - {rule: weights, file: other.pt, role: weights}\n    requires:"
    with pytest.raises(Terminal, match="there twice"):
        read_frameworks(catalogue(tmp_path, own=MINIMAL.replace("    requires:", twice)))


def test_a_rule_for_a_whole_folder_needs_no_tail() -> None:
    assert FileRule(rule="data", folder="d", file="*", role="weights").is_folder_rule
