"""What was tagged and is still in its old class: does it wait for a rule of its bucket, or wait in vain?

No listing shows tags, so each such object is asked for its own. Waiting is as planned for some days; after
that, without its tag or without the rule, it is a difference with a reason.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lifecycle.apply.tagging import ARCHIVE_TAG
from lifecycle.decide.by_rule import days_until_moved
from lifecycle.errors import ActionRefused, Gone
from lifecycle.handover.bucket_rules import is_in_force, move_rule
from lifecycle.model import Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import Clouds, KeepsRules
from pipelines.domain.quoting import quote

PATIENCE = timedelta(days=3)
"""Rules act once a day, and a large bucket may take another."""
_LIKELY = "most likely the store is behind with its rules, or does not carry them out"
_WORKERS = 8
_ROWS_PER_READ = 1000
_WAITING = """
    select action_id, bucket, object_key, wanted_class, "at"
    from compared
    where is_waiting
"""
_TOLD = """
    create or replace table compared as
    select
        compared.* replace (
            if(told.action_id is null, difference, nullif(told.reason, '')) as difference,
            told.action_id is not null and told.reason = '' as is_waiting
        )
    from compared left join read_parquet($told) as told on compared.action_id = told.action_id
"""
_MOVED = """
    copy (
        select action_id
        from compared
        where action_id is not null and difference is null and not is_waiting and path = 'tag-and-rule'
    ) to {path} (format parquet)
"""
_SCHEMA = pa.schema([("action_id", pa.string()), ("reason", pa.string())])


@dataclass(frozen=True)
class Waiting:
    """The buckets in which a plan tags objects, and what is in force there."""

    clouds: Clouds
    plan: Plan
    now: datetime
    in_force: Mapping[str, bool]
    """By bucket: the plan's rule is there."""

    def tell(self, connection: duckdb.DuckDBPyConnection, told: Path) -> None:
        """Ask every object that may wait, and say in `compared` which do and why others do not."""
        answer = connection.cursor().execute(_WAITING)
        with ThreadPoolExecutor(_WORKERS) as pool, pq.ParquetWriter(told, _SCHEMA) as writer:
            while rows := answer.fetchmany(_ROWS_PER_READ):
                found = list(pool.map(self._difference, rows))
                writer.write_table(pa.table([[row[0] for row in rows], found], _SCHEMA))
        connection.execute(_TOLD, {"told": str(told)})

    def _difference(self, row: tuple[Any, ...]) -> str:
        """Return why an object waits in vain; nothing where it just waits."""
        _, bucket, key, to, tagged_at = row
        try:
            tags = self.clouds["s3"].tags(bucket, key)
        except Gone:
            return "it is not there"
        except ActionRefused as error:
            return f"whether it waits for its rule cannot be told: {error.what}"
        if (ARCHIVE_TAG, self.plan.id) not in tags.items():
            return f"its tag is gone, so no rule moves it to {to}"
        if not self.in_force[bucket]:
            return f"the bucket's rule that moves it to {to} is gone"
        waits = self.now - tagged_at
        if waits <= self._patience(bucket, to):
            return ""
        return f"the bucket's rule has not moved it to {to} for {waits.days} days: {_LIKELY}"

    def _patience(self, bucket: str, to: str) -> timedelta:
        # Where a tag restarts an object's time, it gets as old as the rule wants only then.
        return PATIENCE if self._is_aws(bucket) else PATIENCE + timedelta(days=days_until_moved(to))

    def _is_aws(self, bucket: str) -> bool:
        places = {known.place: known.is_aws for known in self.plan.capabilities}
        return places.get(f"s3://{bucket}", False)


def rules_in_force(clouds: Clouds, directory: PlanDirectory, plan: Plan) -> Mapping[str, bool]:
    """Tell of each bucket in which apply tags objects whether the plan's own rule is there.

    Raises:
        ActionRefused, Transient: rules cannot be read.
    """
    found: dict[str, bool] = {}
    for tagged in directory.tagged(plan.chunks):
        rule = move_rule(plan.id, tagged.to, tagged.first_key, tagged.last_key)
        cloud = clouds["s3"]
        found[tagged.bucket] = isinstance(cloud, KeepsRules) and is_in_force(cloud.rules(tagged.bucket), rule)
    return found


def write_moved(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write which of the tagged objects are in their new class."""
    connection.execute(_MOVED.replace("{path}", quote(str(path))))


def spent(in_force: Mapping[str, bool], waiting: Iterable[str]) -> tuple[str, ...]:
    """Return the buckets whose rule is there and has nothing to move any more."""
    still = set(waiting)
    return tuple(
        f"s3://{bucket}" for bucket, is_there in in_force.items() if is_there and bucket not in still
    )
