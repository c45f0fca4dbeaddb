"""Line items of AWS bills: legacy reports and CUR 2.0 have the same columns under different names.

    identity/LineItemId   resourceTags/user:Team                      legacy CSV
    identity_line_item_id resource_tags_user_team                     legacy Parquet, as Athena wants it
    identity_line_item_id resource_tags, a map with `user_team` in it CUR 2.0

So columns are known by the letters and digits of their names. All tags become one JSON object with keys as
CUR 2.0 spells them. Tags whose keys become the same then, such as `Team` and `team`, all survive: each under
its own name as the report writes it, and under the common key the first of them that has a value.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from pipelines.domain.quoting import quote, quote_name
from pipelines.domain.raw_tables import AWS_CUR2
from pipelines.domain.tag_keys import in_snake_case
from pipelines.sources.columns import json_text, projection, require
from pipelines.sources.reading import DataFile

REQUIRED = (
    "line_item_usage_start_date",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_unblended_cost",
)
"""Without these there is no cost, or no day or meter to put it on."""

_TAGS = "resource_tags"
_TAG_COLUMN = re.compile(r"resource_?tags[/_](?P<tag>.+)", re.IGNORECASE | re.DOTALL)
# Older reports have the region's code under the first name only.
_ALSO_CALLED = {"product_region_code": ("product_region",)}


def query(file: DataFile, *, fix: str) -> str:
    """Return the SQL of one row per line item; `fix` says what to do about missing columns `{}`.

    Raises:
        Damaged: the file lacks a column that is needed.
    """
    columns = dict(_columns(file))
    present = {name: kind for name, (_, kind) in columns.items()}
    require(present, REQUIRED, where=file.where, fix=fix)
    selected = ", ".join(f"{sql} as {quote_name(name)}" for name, (sql, _) in columns.items())
    return f"select {projection(AWS_CUR2, present)} from (select {selected} from {file.relation})"


def column(file: DataFile, name: str) -> tuple[str, str] | None:
    """Return the SQL and the type of a column of `raw.aws_cur2`, whatever a file calls it, or None."""
    called = (name, *_ALSO_CALLED.get(name, ()))
    found = [
        own for each in called for own in file.present if _letters(_written(file, own)) == _letters(each)
    ]
    if not found:
        return None
    kinds = {file.present[own] for own in found}
    if len(kinds) == 1:
        return _first([quote_name(own) for own in found]), kinds.pop()
    return _first([f"{quote_name(own)}::varchar" for own in found]), "VARCHAR"


def _columns(file: DataFile) -> Iterator[tuple[str, tuple[str, str]]]:
    for name, _ in AWS_CUR2:
        found = _tags(file) if name == _TAGS else column(file, name)
        if found is not None:
            yield name, found


def _first(columns: Sequence[str]) -> str:
    return f"coalesce({', '.join(columns)})" if len(columns) > 1 else columns[0]


def _tags(file: DataFile) -> tuple[str, str] | None:
    """Return the SQL of all tags of a line: those of the map, and those with a column of their own."""
    in_map = [own for own in file.present if _written(file, own).lower() == _TAGS]
    objects = [json_text(quote_name(own), file.present[own]) for own in in_map]
    if in_columns := _tag_values(file):
        objects.insert(0, _json_object(in_columns))
    if not objects:
        return None
    together = objects[0]
    if len(objects) > 1:
        each = ", ".join(f"coalesce({one}, '{{}}')::json" for one in objects)
        together = f"json_merge_patch({each})::varchar"
    return f"nullif({together}, '{{}}')", "VARCHAR"


def _tag_values(file: DataFile) -> Mapping[str, str]:
    """Return the SQL of each tag's value, by its key."""
    by_key: dict[str, dict[str, list[str]]] = {}
    for own in file.present:
        if found := _TAG_COLUMN.fullmatch(_written(file, own)):
            same_key = by_key.setdefault(in_snake_case(found["tag"]), {})
            same_key.setdefault(found["tag"], []).append(f"nullif({quote_name(own)}::varchar, '')")
    values: dict[str, str] = {}
    for key, by_name in by_key.items():
        if len(by_name) > 1:
            values |= {name: _first(columns) for name, columns in by_name.items()}
        # A tag that is really called so has the first word.
        in_order = [by_name.pop(key, []), *by_name.values()]
        values[key] = _first([each for columns in in_order for each in columns])
    return values


def _json_object(values: Mapping[str, str]) -> str:
    # A member without a value is null as a whole, and concat_ws leaves nulls out.
    members = [
        f"{quote(json.dumps(key, ensure_ascii=False) + ':')} || to_json({value})::varchar"
        for key, value in values.items()
    ]
    return f"concat('{{', concat_ws(',', {', '.join(members)}), '}}')"


def _written(file: DataFile, own: str) -> str:
    return file.written.get(own, own)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
