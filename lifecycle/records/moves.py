"""What the engines of the clouds did of a plan that was handed over, as verifications saw it.

Engines write no receipts. Each verification that sees more as planned than those before it adds a file
`handover/moved-<n>.parquet`, ordered by action. When something was done nobody knows better than that:
between the hand-over and the verification.
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import simplejson

from lifecycle.model import Receipt
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.traces import Trace, read_traces
from pipelines.domain.quoting import quote
from pipelines.engine import connect

_NEW = """
    copy (
        select seen.action_id, seen.token, {handed_at} as handed_at, {seen_at} as seen_at
        from read_parquet({seen}) as seen
        anti join ({known}) as known on seen.action_id = known.action_id
        order by seen.action_id
    ) to {path} (format parquet, compression zstd)
"""
_OF_CHUNK = """
    select action_id, token, handed_at, seen_at
    from read_parquet(?)
    where starts_with(action_id, ?)
"""


def moved_files(directory: PlanDirectory) -> list[str]:
    """Return the files that tell what was seen as planned, oldest first."""
    return sorted(map(str, directory.handover.glob("moved-*.parquet")))


def note_moves(directory: PlanDirectory, seen: Path, at: datetime) -> Path | None:
    """Write down which actions are seen as planned for the first time; None where there is nothing new.

    Args:
        directory: a plan that was handed over.
        seen: a row per action that is as planned now: `action_id`, and its `token` where something is there.
        at: when that was.
    """
    files = moved_files(directory)
    path = directory.handover / f"moved-{len(files) + 1:04d}.parquet"
    part = path.with_suffix(".part")
    known = f"select action_id from read_parquet({_listed(files)})" if files else "select '' as action_id"
    handed_at, seen_at = (f"timestamp {quote(str(moment))}" for moment in (_handed_at(directory), at))
    values = {"seen": quote(str(seen)), "known": known, "handed_at": handed_at, "seen_at": seen_at}
    with closing(connect(threads=1)) as connection:
        connection.execute(_NEW.format(path=quote(str(part)), **values))
        (count,) = connection.execute("select count(*) from read_parquet(?)", [str(part)]).fetchall()[0]
    if not count:
        part.unlink()
        return None
    return part.rename(path)


def traces_of(directory: PlanDirectory, chunk: str) -> Mapping[str, Trace]:
    """Return what is known of a chunk's actions: by its receipts, or by what was seen of an engine's work.

    Raises:
        Terminal: a line of the receipts is none.
    """
    if not directory.is_handed_over:
        return read_traces(directory.receipts(chunk))
    files = moved_files(directory)
    if not files:
        return {}
    with closing(connect(threads=1)) as connection:
        rows = connection.execute(_OF_CHUNK, [files, f"{chunk.removeprefix('chunk-')}-"]).fetchall()
    return {
        action_id: Trace(handed_at, Receipt(action_id, "outcome", seen_at, "done", etag=token))
        for action_id, token, handed_at, seen_at in rows
    }


def _handed_at(directory: PlanDirectory) -> datetime:
    document = simplejson.loads((directory.handover / "handover.json").read_bytes())
    return datetime.fromisoformat(document["at"]).astimezone(UTC).replace(tzinfo=None)


def _listed(files: list[str]) -> str:
    return "[" + ", ".join(map(quote, files)) + "]"
