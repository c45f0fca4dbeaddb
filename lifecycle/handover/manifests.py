"""A plan's actions → manifests for the engines of the clouds. Only DuckDB touches the rows.

An action is handed over where the engine cannot hit anything but the object that was planned; all others are
left out, each with its reason. What is deleted is handed over by whole checkpoints or not at all, markers in
jobs that come before the rest.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lifecycle.handover.jobs import Job
from lifecycle.model import BucketCapability, PlanFile
from pipelines import published
from pipelines.domain.quoting import quote

OBJECTS_PER_MANIFEST = 10_000_000
"""Some gigabytes: what one request can still upload."""
LEFT_OUT = "left-out.parquet"
_BLOCK_BYTES = 1 << 20
_ALONE = """
    create or replace temp view alone as
    with

    actions as (

        select
            actions.*,
            places.versioning,
            places.object_lock,
            places.has_acls,
            surprises.reason as surprise,
            coalesce(actions.version_id, 'null') in ('null', '') as has_no_version,
            case
                when actions.scheme = 'gs' and actions.action = 'delete' then 'gcs-delete'
                when actions.scheme = 'gs' then 'gcs-rewrite'
                when actions.action = 'delete' then 's3-tag-delete'
                when actions.path = 'copy-in-parts' then 's3-tag-archive'
                else 's3-copy'
            end as operation,
            case when actions.action <> 'delete' then 1 when actions.is_marker then 2 else 3 end as stage
        from read_parquet({files}) as actions
        left join places on actions.scheme = places.scheme and actions.bucket = places.bucket
        left join surprises on actions.checkpoint_id = surprises.checkpoint_id

    )

    select
        *,
        case
            when surprise is not null then surprise
            when versioning is null then 'nothing is known of its bucket'
            when action not in ('archive', 'delete') then 'the cloud''s engine has no such operation'
            when object_lock then 'it may be locked, and the cloud''s engine does not look first'
            when operation = 's3-copy' and has_acls
                then 'a copy by the cloud''s engine loses the access control list'
            when path = 'tag-and-rule' then 'it has to be looked at before and after it is tagged: apply does'
            when operation = 's3-copy' and path <> 'copy-in-place' then 'it cannot be copied in place'
            when operation = 's3-tag-delete' and (path <> 'delete-marker' or versioning <> 'on')
                then 'it would go for good, and a tag has no condition'
            when operation = 's3-tag-delete' and has_no_version
                then 'its version is not known, so a tag could hit another one'
            when operation in ('s3-tag-delete', 's3-tag-archive') and not $with_tags
                then 'it needs a tag, which replaces the tags it has (--with-tags allows that)'
            when scheme = 'gs' and generation is null then 'its generation is not known'
            when operation = 'gcs-rewrite' and versioning = 'on'
                then 'a rewrite of an older generation would hide a newer one'
        end as own_obstacle
    from actions
"""
_BROKEN = """
    create or replace temp table broken as
    select checkpoint_id, min(own_obstacle) as obstacle
    from alone
    where action = 'delete' and own_obstacle is not null
    group by all
"""
"""A table, so that the actions are not kept in memory to be read twice."""
_JUDGED = """
    create or replace temp view judged as
    select
        alone.*,
        coalesce(alone.own_obstacle, if(alone.action = 'delete', broken.obstacle, null)) as obstacle
    from alone left join broken on alone.checkpoint_id = broken.checkpoint_id
"""
_JOBS = """
    select
        operation, stage, scheme, bucket, coalesce(target_class, '') as target_class,
        count(*) as objects, sum(size_bytes)::bigint as size_bytes, max(last_modified_at) as newest_at
    from judged
    where obstacle is null
    group by all
    order by all
"""
_LEFT_OUT = """
    select
        action_id, 'skipped' as result, obstacle as detail, '' as token, false as is_open,
        null::timestamp as "at", size_bytes
    from judged
    where obstacle is not null
"""
_REASONS = """
    select detail as reason, count(*) as objects, sum(size_bytes)::bigint as size_bytes
    from read_parquet(?)
    group by all
    order by all
"""
_S3_KEY = "replace(url_encode(object_key), '%2F', '/')"
_COLUMNS: Mapping[str, str] = {
    "s3-copy": f"url_encode(bucket), {_S3_KEY}",
    "s3-tag-archive": f"url_encode(bucket), {_S3_KEY}",
    "s3-tag-delete": f"url_encode(bucket), {_S3_KEY}, url_encode(version_id)",
    "gcs-rewrite": "bucket, object_key as name, generation",
    "gcs-delete": "bucket, object_key as name, generation",
}
"""A copy names no version on purpose: of an older one it would make the newest."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Objects that no job is about, and why."""

    reason: str
    objects: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Ground:
    """What a bucket is like right now, as far as its cloud's engine has to be kept from it."""

    capability: BucketCapability
    has_acls: bool


@dataclass(frozen=True)
class Manifests:
    """A plan's action files, and where manifests go."""

    connection: duckdb.DuckDBPyConnection
    actions: Sequence[tuple[Path, int]]
    """Action files with their rows, in order."""
    grounds: Sequence[Ground]
    surprises: Mapping[str, str]
    """Checkpoints that are not what was planned, and why."""
    directory: Path
    with_tags: bool = False
    most_objects: int = OBJECTS_PER_MANIFEST

    def write(self) -> tuple[tuple[Job, ...], tuple[LeftOut, ...]]:
        """Write a manifest per job, and `left-out.parquet` with every action that is in none."""
        self._register()
        found: list[tuple[int, Mapping[str, Any]]] = []
        groups = list(self._groups())
        (self.directory / "parts").mkdir()
        for number, files in enumerate(groups):
            self._judge(files)
            found += [(number, row) for row in published.rows(self.connection, _JOBS)]
            copy = f"copy ({_LEFT_OUT}) to {quote(str(self._part(number)))} (format parquet)"
            self.connection.execute(copy)
        # Stage by stage: a job never begins before all of an earlier stage.
        found.sort(key=lambda each: (each[1]["stage"], each[0]))
        jobs = tuple(self._job(index, groups[group], row) for index, (group, row) in enumerate(found, 1))
        return jobs, self._left_out(len(groups))

    def _register(self) -> None:
        places = [
            {
                "scheme": ground.capability.scheme,
                "bucket": ground.capability.bucket,
                "versioning": ground.capability.versioning,
                "object_lock": ground.capability.object_lock,
                "has_acls": ground.has_acls,
            }
            for ground in self.grounds
        ]
        names = ("scheme", "bucket", "versioning")
        schema = pa.schema(
            [*((name, pa.string()) for name in names), ("object_lock", pa.bool_()), ("has_acls", pa.bool_())]
        )
        self.connection.register("places", pa.Table.from_pylist(places, schema))
        columns = {"checkpoint_id": list(self.surprises), "reason": list(self.surprises.values())}
        texts = pa.schema([("checkpoint_id", pa.string()), ("reason", pa.string())])
        self.connection.register("surprises", pa.table(columns, texts))

    def _groups(self) -> Iterator[list[Path]]:
        """Put chunks together, as many as fit into one manifest."""
        group: list[Path] = []
        count = 0
        for path, rows in self.actions:
            if group and count + rows > self.most_objects:
                yield group
                group, count = [], 0
            group.append(path)
            count += rows
        if group:
            yield group

    def _judge(self, files: Iterable[Path]) -> None:
        listed = "[" + ", ".join(quote(str(path)) for path in files) + "]"
        alone = _ALONE.replace("{files}", listed)
        self.connection.execute(alone.replace("$with_tags", "true" if self.with_tags else "false"))
        self.connection.execute(_BROKEN)
        self.connection.execute(_JUDGED)

    def _job(self, index: int, files: Sequence[Path], row: Mapping[str, Any]) -> Job:
        self._judge(files)
        job = Job(name=f"job-{index:03d}", manifest=f"job-{index:03d}.csv", sha256="", md5="", **row)
        path = self.directory / job.manifest
        same = (
            ("operation", job.operation),
            ("stage", job.stage),
            ("scheme", job.scheme),
            ("bucket", job.bucket),
            ("coalesce(target_class, '')", job.target_class),
        )
        where = " and ".join(f"{name} = {quote(str(value))}" for name, value in same)
        rows = f"select {_COLUMNS[job.operation]} from judged where obstacle is null and {where}"
        header = "true" if job.scheme == "gs" else "false"
        self.connection.execute(f"copy ({rows}) to {quote(str(path))} (format csv, header {header})")
        sha256, md5 = _hashes(path)
        return replace(job, sha256=sha256, md5=md5)

    def _left_out(self, count: int) -> tuple[LeftOut, ...]:
        parts = [str(self._part(number)) for number in range(count)]
        reasons = tuple(LeftOut(**row) for row in published.rows(self.connection, _REASONS, [parts]))
        listed = "[" + ", ".join(quote(part) for part in parts) + "]"
        whole = f"select * exclude (size_bytes) from read_parquet({listed})"
        path = self.directory / LEFT_OUT
        self.connection.execute(f"copy ({whole}) to {quote(str(path))} (format parquet, compression zstd)")
        for part in parts:
            Path(part).unlink()
        (self.directory / "parts").rmdir()
        return reasons

    def _part(self, number: int) -> Path:
        return self.directory / "parts" / f"{number:06d}.parquet"


def plan_files(directory: Path, files: Iterable[PlanFile]) -> tuple[tuple[Path, int], ...]:
    """Return where the action files of a plan are, with their rows."""
    return tuple((directory / file.name, file.rows) for file in files)


def _hashes(path: Path) -> tuple[str, str]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()
