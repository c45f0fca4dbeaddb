"""Which of the tagged objects a rule of their bucket has moved, as verifications saw it.

No store tells when a rule moved something. Each verification that sees more of it than those before adds a
file `rules/moved-<n>.parquet`: savings count from the day of that look.
"""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from lifecycle.plan.directory import PlanDirectory
from pipelines.domain.quoting import quote
from pipelines.engine import connect

_NEW = """
    copy (
        select action_id, {day}::date as moved_date from read_parquet({seen})
        where action_id not in (select action_id from ({known}))
        order by action_id
    ) to {path} (format parquet, compression zstd)
"""
_NONE = "select null::varchar as action_id, null::date as moved_date where false"


def rule_moves(directory: PlanDirectory) -> str:
    """Return a query for all that was seen moved: `action_id`, and the day on which that was seen first."""
    files = sorted((directory.path / "rules").glob("moved-*.parquet"))
    return f"select action_id, moved_date from read_parquet({_listed(files)})" if files else _NONE


def note_rule_moves(directory: PlanDirectory, seen: Path, at: datetime) -> Path | None:
    """Write down what is seen moved for the first time; None where there is nothing new.

    `seen` has the `action_id` of everything that is tagged and in its new class.
    """
    folder = directory.path / "rules"
    number = len(list(folder.glob("moved-*.parquet"))) + 1
    path = folder / f"moved-{number:04d}.parquet"
    part = path.with_suffix(".part")
    known, day = rule_moves(directory), quote(at.date().isoformat())
    with closing(connect(threads=1)) as connection:
        folder.mkdir(exist_ok=True)
        connection.execute(_NEW.format(path=quote(str(part)), seen=quote(str(seen)), known=known, day=day))
        (count,) = connection.execute("select count(*) from read_parquet(?)", [str(part)]).fetchall()[0]
    if not count:
        part.unlink()
        return None
    return part.rename(path)


def _listed(files: Sequence[Path]) -> str:
    return "[" + ", ".join(quote(str(path)) for path in files) + "]"
