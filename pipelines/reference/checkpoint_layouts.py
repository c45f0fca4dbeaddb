"""The catalogue of checkpoint layouts as tables of the `reference` schema.

Names are matched by shape: every run of digits is one `#`, so that `checkpoint-500` and `checkpoint-1000` are
both `checkpoint-#` and a join on equality finds them. Patterns with stars are compared piece by piece.
"""

from collections.abc import Callable, Iterator, Mapping

from pipelines.domain.raw_tables import Columns
from pipelines.reference.layout_catalogue import (
    HEAD_LENGTH,
    TAIL_LENGTH,
    FileRule,
    Framework,
    Layout,
    NameRule,
    read_frameworks,
    read_metrics,
)
from pipelines.reference.name_patterns import NamePattern, parse_pattern
from pipelines.reference.tables import ReferenceTable

Row = tuple[object, ...]

_PATTERN: Columns = (
    ("is_exact", "boolean"),
    ("shape", "varchar"),
    ("starts_text", "varchar"),
    ("contains_text", "varchar"),
    ("ends_text", "varchar"),
    ("tail", "varchar"),
)
_NAMES: Columns = (
    ("layout_id", "varchar"),
    ("framework", "varchar"),
    ("name_rule", "bigint"),
    ("grain", "varchar"),
    ("checkpoint_kind", "varchar"),
    ("name_state", "varchar"),
    ("step_after", "varchar"),
    ("epoch_after", "varchar"),
    ("is_step_last", "boolean"),
    ("is_epoch_last", "boolean"),
    ("is_any_name", "boolean"),
    ("needs_company", "boolean"),
    ("is_sorted_by_digits", "boolean"),
    ("is_best_by_name", "boolean"),
    ("is_last_by_name", "boolean"),
    ("metric_pattern", "varchar"),
    ("in_folder_shape", "varchar"),
    ("specific", "bigint"),
    *_PATTERN,
)
_FILES: Columns = (
    ("layout_id", "varchar"),
    ("file_rule", "varchar"),
    ("folder_shape", "varchar"),
    ("folder_starts", "varchar"),
    ("place", "varchar"),
    ("file_role", "varchar"),
    ("beside_rule", "varchar"),
    ("unless_rule", "varchar"),
    ("beside_role", "varchar"),
    ("ranks_with", "varchar"),
    ("shard_after", "varchar"),
    ("shards_after", "varchar"),
    ("rank_after", "varchar"),
    ("column_after", "varchar"),
    ("stem_before", "varchar"),
    ("head", "varchar"),
    ("without_text", "varchar"),
    ("rule_order", "bigint"),
    ("is_marker", "boolean"),
    ("is_anchor", "boolean"),
    ("is_final_part", "boolean"),
    ("is_proof_of_run", "boolean"),
    ("is_whole_folder", "boolean"),
    ("is_unfinished_mark", "boolean"),
    *_PATTERN,
)


def layout_tables() -> tuple[ReferenceTable, ...]:
    """Return the catalogue as `reference.layout_*`, and `reference.metric_words`.

    Raises:
        Terminal: a file of the catalogue does not have its form.
    """
    forms = [(framework, layout) for framework in read_frameworks() for layout in framework.layouts]
    made = [
        ReferenceTable(name, columns, tuple(row for form in forms for row in rows_of(*form)))
        for name, (columns, rows_of) in _TABLES.items()
    ]
    words = tuple(_metric_words())
    return (*made, ReferenceTable("metric_words", _texts("word", "direction"), words))


def _texts(*names: str) -> Columns:
    return tuple((name, "varchar") for name in names)


def _layouts(framework: Framework, layout: Layout) -> Iterator[Row]:
    told = (framework.best, layout.rest)
    yield layout.layout, framework.framework, *told, layout.specific, framework.optimizer_alone


def _state_files(framework: Framework, layout: Layout) -> Iterator[Row]:
    for file in framework.state_files:
        pattern = parse_pattern(file.name)
        told = (file.place, file.tells, file.format, file.latest, file.best, file.value)
        yield layout.layout, file.name, *told, pattern.is_exact, pattern.starts, pattern.ends


def _run_folders(framework: Framework, layout: Layout) -> Iterator[Row]:
    yield from ((layout.layout, folder) for folder in framework.run_folders)


def _not_metrics(framework: Framework, layout: Layout) -> Iterator[Row]:
    yield from ((layout.layout, word) for word in framework.not_metrics)


def _names(framework: Framework, layout: Layout) -> Iterator[Row]:
    for order, rule in enumerate(layout.names):
        yield (layout.layout, framework.framework, order, layout.grain, *_name(rule, layout))


def _name(rule: NameRule, layout: Layout) -> Row:
    pattern = parse_pattern(rule.name)
    return (
        rule.kind,
        rule.state,
        pattern.after("step"),
        rule.epoch if rule.epoch is not None else pattern.after("epoch"),
        pattern.last_number == "step",
        pattern.last_number == "epoch" and rule.epoch is None,
        rule.name == "*",
        rule.company,
        rule.sorted,
        rule.best or rule.kind == "best_copy",
        rule.last or rule.kind == "last_copy",
        rule.metric,
        parse_pattern(rule.in_folder).shape if rule.in_folder is not None else None,
        layout.specific,
        *_pieces(pattern),
    )


def _files(_: Framework, layout: Layout) -> Iterator[Row]:
    changes = [rule.role_beside for rule in layout.files if rule.role_beside]
    deciding = {name for change in changes for name in (change.rule, change.unless)}
    for order, rule in enumerate(layout.files):
        yield layout.layout, *_file(order, rule, is_deciding=rule.rule in deciding)


def _file(order: int, rule: FileRule, *, is_deciding: bool) -> Row:
    pattern = parse_pattern(rule.file)
    beside = rule.role_beside
    return (
        rule.rule,
        *_folder(rule),
        rule.place,
        rule.role,
        beside.rule if beside else None,
        beside.unless if beside else None,
        beside.role if beside else None,
        rule.ranks_with,
        *(pattern.after(meaning) for meaning in ("shard", "shards", "rank", "column")),
        rule.stem_before,
        pattern.starts[:HEAD_LENGTH] if pattern.ends_in_digit else None,
        rule.without,
        order,
        rule.marker,
        bool(rule.anchor_up) or is_deciding,
        rule.final,
        rule.proves_run,
        rule.is_folder_rule,
        rule.unfinished,
        *_pieces(pattern),
    )


def _folder(rule: FileRule) -> Row:
    if rule.folder is None:
        return None, None
    pattern = parse_pattern(rule.folder)
    # The whole pattern stands for the folders that a star lets in: they all mean the same.
    return (pattern.shape, None) if pattern.is_exact else (f"{pattern.starts}*", pattern.starts)


def _pieces(pattern: NamePattern) -> Row:
    shape = pattern.shape if pattern.is_exact else None
    tail = pattern.tail(TAIL_LENGTH)
    return pattern.is_exact, shape, pattern.starts, pattern.contains, pattern.ends, tail


def _anchors(_: Framework, layout: Layout) -> Iterator[Row]:
    yield from ((layout.layout, rule.rule, levels) for rule in layout.files for levels in rule.anchor_up)


def _other_files(_: Framework, layout: Layout) -> Iterator[Row]:
    yield from ((layout.layout, other.ends_with, other.role) for other in layout.other_files)


def _temporary_folders(_: Framework, layout: Layout) -> Iterator[Row]:
    yield from ((layout.layout, mark) for mark in layout.temporary_folders)


def _requirements(_: Framework, layout: Layout) -> Iterator[Row]:
    for order, needed in enumerate(layout.requires):
        conditions = (needed.provider, needed.siblings_have_it, bool(needed.when), needed.final)
        yield from ((layout.layout, order, needed.what, rule, *conditions) for rule in needed.any_of)


def _conditions(_: Framework, layout: Layout) -> Iterator[Row]:
    for order, needed in enumerate(layout.requires):
        yield from ((layout.layout, order, rule) for rule in needed.when)


def _metric_words() -> Iterator[Row]:
    metrics = read_metrics()
    yield from ((word, "min") for word in metrics.lower_is_better)
    yield from ((word, "max") for word in metrics.higher_is_better)


_TABLES: Mapping[str, tuple[Columns, Callable[[Framework, Layout], Iterator[Row]]]] = {
    "layouts": (
        (
            *_texts("layout_id", "framework", "best_recorded", "rest_role"),
            ("specific", "bigint"),
            ("is_optimizer_alone", "boolean"),
        ),
        _layouts,
    ),
    "layout_state_files": (
        (
            *_texts("layout_id", "state_file", "place", "tells", "written_as"),
            *_texts("latest_field", "best_field", "field_holds"),
            ("is_exact", "boolean"),
            *_texts("starts_text", "ends_text"),
        ),
        _state_files,
    ),
    "layout_run_folders": (_texts("layout_id", "folder"), _run_folders),
    "layout_not_metrics": (_texts("layout_id", "word"), _not_metrics),
    "layout_names": (_NAMES, _names),
    "layout_files": (_FILES, _files),
    "layout_anchors": ((*_texts("layout_id", "file_rule"), ("levels_up", "bigint")), _anchors),
    "layout_other_files": (_texts("layout_id", "extension", "file_role"), _other_files),
    "layout_temporary_folders": (_texts("layout_id", "mark"), _temporary_folders),
    "layout_requirements": (
        (
            ("layout_id", "varchar"),
            ("requirement", "bigint"),
            ("what", "varchar"),
            ("file_rule", "varchar"),
            ("provider", "varchar"),
            ("is_where_siblings_have_it", "boolean"),
            ("is_conditional", "boolean"),
            ("is_for_final", "boolean"),
        ),
        _requirements,
    ),
    "layout_conditions": (
        (("layout_id", "varchar"), ("requirement", "bigint"), ("file_rule", "varchar")),
        _conditions,
    ),
}
