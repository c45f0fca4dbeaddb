"""What receipts say about a plan, as one small table beside its actions: why something is not as planned.

A receipt never makes a difference disappear: it tells why there is one, and whether it is final.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lifecycle.model import Plan, Receipt
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.journal import newest_receipts
from lifecycle.records.moves import traces_of
from lifecycle.records.traces import changes_in

FOR_GOOD = "it cannot be undone, as the plan said"
_NOT_YET = "it is not undone yet"
_SCHEMA = pa.schema(
    [
        ("action_id", pa.string()),
        ("result", pa.string()),
        ("detail", pa.string()),
        ("token", pa.string()),
        ("is_open", pa.bool_()),
        ("at", pa.timestamp("us")),
    ]
)
_Row = tuple[str, str | None, str, str, bool, datetime | None]


def write_applied(directory: PlanDirectory, plan: Plan, path: Path) -> None:
    """Write what apply said: a row per action that has a receipt. `is_open`: it may be tried again."""
    _write(path, (_applied(directory, chunk) for chunk in plan.chunks))


def write_undone(directory: PlanDirectory, plan: Plan, path: Path) -> None:
    """Write what undo said: a row per action that was done, or may have been."""
    _write(path, (_undone(directory, chunk) for chunk in plan.chunks))


def _applied(directory: PlanDirectory, chunk: str) -> Iterator[_Row]:
    for action_id, receipt in newest_receipts(directory.receipts(chunk)).items():
        is_open = receipt.event == "intent" or receipt.result == "failed"
        yield action_id, receipt.result, receipt.detail, receipt.etag, is_open, receipt.at


def _undone(directory: PlanDirectory, chunk: str) -> Iterator[_Row]:
    newest = newest_receipts(directory.undo_receipts(chunk))
    for change in changes_in(directory.actions(chunk), traces_of(directory, chunk)):
        action_id = change.action.action_id
        if not change.can_be_undone:
            yield action_id, "for good", FOR_GOOD, "", False, None
        else:
            yield _back(action_id, newest.get(action_id))


def _back(action_id: str, said: Receipt | None) -> _Row:
    if said is None or said.result is None:
        return action_id, None, _NOT_YET, "", True, None
    is_open = said.result not in ("done", "changed")
    return action_id, said.result, said.detail, said.etag, is_open, said.at


def _write(path: Path, chunks: Iterable[Iterable[_Row]]) -> None:
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        for chunk in chunks:
            columns = list(map(list, zip(*chunk, strict=True))) or [[] for _ in _SCHEMA]
            writer.write_table(pa.table(columns, _SCHEMA))
