"""What a model registry still serves, and which runs still write, as MLflow's answers say it.

MLflow REST: `GET /api/2.0/mlflow/model-versions/search` answers
`{"model_versions": [...], "next_page_token": "…"}`; the other lists are built alike.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.domain.claims import Claim, is_in_bucket, place_named

API = "/api/2.0/mlflow"
SEARCH_PATH = f"{API}/model-versions/search"
DELETED = "Deleted_Internal"
"""The stage of a version that somebody deleted: some stores keep its row."""
ACTIVE = frozenset({"RUNNING", "SCHEDULED"})
"""States of a run that may still write. One that died without a word stays `RUNNING` for good."""
RESUMED_FROM = frozenset(
    {"resume_from_checkpoint", "resume_from", "resume", "ckpt_path", "load_checkpoint", "init_from", "load"}
)
"""Parameters that name what a run goes on from, whatever form the name has."""

_LONGEST_PLACE = 4096


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version and where its files are."""

    name: str
    version: str
    stage: str
    aliases: tuple[str, ...]
    source: str
    """As the registry says it."""
    run_id: str
    status: str
    model_id: str = ""
    """MLflow 3's own id of the model, `m-…`; a folder is called like it."""
    location: str = ""
    """Where that is: `s3://…`, `gs://…`, a path that only another machine knows, or empty."""

    @property
    def label(self) -> str:
        """Short form for reasons: `models:/chat/3 (Production, @champion)`."""
        marks = [
            mark for mark in (self.stage, *(f"@{alias}" for alias in self.aliases)) if mark and mark != "None"
        ]
        return f"models:/{self.name}/{self.version}" + (f" ({', '.join(marks)})" if marks else "")

    @property
    def claim(self) -> Claim:
        """What it needs; one that is located exactly needs nothing else of its run."""
        place = self.location or _in_bucket(self.source)
        ids = () if is_in_bucket(place) else (self.run_id, self.model_id)
        return Claim(self.label, place, tuple(filter(None, ids)))


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A place that a run names."""

    named_by: str
    """`artifact_uri`, `params.output_dir`, `tags.…`."""
    location: str
    """`s3://…` or `gs://…`, or a path that only another machine knows."""


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run that has not ended, and every place that it names."""

    run_id: str
    name: str
    status: str
    started_at: datetime | None
    """UTC, naive."""
    places: tuple[NamedPlace, ...] = ()
    model_ids: tuple[str, ...] = ()
    """Models that it wrote or reads."""

    @property
    def label(self) -> str:
        """Short form for reasons: `run chat-7b (0123abcd), RUNNING since 2026-11-20`."""
        called = f"run {self.name} ({self.run_id})" if self.name else f"run {self.run_id}"
        since = f" since {self.started_at:%Y-%m-%d}" if self.started_at else ""
        return f"{called}, {self.status}{since}"

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What it needs: what it names, and every folder that is called like it or its models."""
        own = Claim(self.label, "", tuple(filter(None, (self.run_id, *self.model_ids))))
        return (own, *(Claim(f"{self.label}, as {one.named_by}", one.location) for one in self.places))


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that one registry said."""

    versions: tuple[ModelVersion, ...] = ()
    runs: tuple[ActiveRun, ...] = ()

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What its versions and runs need."""
        needed = [version.claim for version in self.versions]
        return (*needed, *(claim for run in self.runs for claim in run.claims))


def model_versions(answer: Mapping[str, Any]) -> Iterator[ModelVersion]:
    """Return the versions of one page of the registry's answer; a deleted one serves nothing."""
    for entry in answer.get("model_versions", []):
        stage = str(entry.get("current_stage") or "")
        if stage != DELETED:
            yield ModelVersion(
                name=str(entry["name"]),
                version=str(entry["version"]),
                stage=stage,
                aliases=tuple(str(alias) for alias in entry.get("aliases") or ()),
                source=str(entry.get("source") or ""),
                run_id=str(entry.get("run_id") or ""),
                status=str(entry.get("status") or ""),
                model_id=str(entry.get("model_id") or ""),
            )


def aliases(answer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return model, version and alias of one page of registered models: versions do not carry them all."""
    for model in answer.get("registered_models", []):
        for entry in model.get("aliases") or ():
            yield str(model["name"]), str(entry["version"]), str(entry["alias"])


def active_runs(answer: Mapping[str, Any], artifacts: str = "") -> Iterator[ActiveRun]:
    """Return the runs of one page that have not ended.

    `artifacts` is where a server that hands out artifacts itself keeps them.
    """
    for entry in answer.get("runs", []):
        info = entry["info"]
        if info.get("status") in ACTIVE:
            yield ActiveRun(
                run_id=str(info["run_id"]),
                name=str(info.get("run_name") or ""),
                status=str(info["status"]),
                started_at=_moment(info.get("start_time")),
                places=_places(entry, artifacts),
                model_ids=tuple(_model_ids(entry)),
            )


def _places(run: Mapping[str, Any], artifacts: str) -> tuple[NamedPlace, ...]:
    named = [NamedPlace("artifact_uri", place_named(str(run["info"].get("artifact_uri") or ""), artifacts))]
    # What lies where the run's id is in the path is known by the id; no other machine's path is needed.
    named = [one for one in named if is_in_bucket(one.location)]
    data = run.get("data") or {}
    for kind in ("params", "tags"):
        for entry in data.get(kind) or ():
            key, value = str(entry.get("key") or ""), str(entry.get("value") or "")
            location = place_named(value, artifacts) if 0 < len(value) <= _LONGEST_PLACE else ""
            if is_in_bucket(location) or (key in RESUMED_FROM and "/" in location):
                named.append(NamedPlace(f"{kind}.{key}", location))
    return tuple({one.location: one for one in reversed(named)}.values())[::-1]


def _model_ids(run: Mapping[str, Any]) -> Iterator[str]:
    for side, models in (("outputs", "model_outputs"), ("inputs", "model_inputs")):
        for entry in (run.get(side) or {}).get(models) or ():
            if entry.get("model_id"):
                yield str(entry["model_id"])


def _moment(milliseconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


def _in_bucket(source: str) -> str:
    place = place_named(source)
    return place if is_in_bucket(place) else ""
