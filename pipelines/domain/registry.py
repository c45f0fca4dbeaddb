"""What a model registry still serves, read from MLflow's answers.

MLflow REST: `GET /api/2.0/mlflow/model-versions/search` answers
`{"model_versions": [...], "next_page_token": "…"}`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SEARCH_PATH = "/api/2.0/mlflow/model-versions/search"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version and where its files are."""

    name: str
    version: str
    stage: str
    aliases: tuple[str, ...]
    source: str
    run_id: str
    status: str

    @property
    def label(self) -> str:
        """Short form for reasons: `models:/chat/3 (Production, @champion)`."""
        marks = [
            mark for mark in (self.stage, *(f"@{alias}" for alias in self.aliases)) if mark and mark != "None"
        ]
        return f"models:/{self.name}/{self.version}" + (f" ({', '.join(marks)})" if marks else "")


def model_versions(answer: Mapping[str, Any]) -> Iterator[ModelVersion]:
    """Return the versions of one page of the registry's answer."""
    for entry in answer.get("model_versions", []):
        yield ModelVersion(
            name=str(entry["name"]),
            version=str(entry["version"]),
            stage=str(entry.get("current_stage") or ""),
            aliases=tuple(str(alias) for alias in entry.get("aliases") or ()),
            source=str(entry.get("source") or ""),
            run_id=str(entry.get("run_id") or ""),
            status=str(entry.get("status") or ""),
        )


def is_touched_by(source: str, artifact_uri: str) -> bool:
    """Tell whether a registered `source` lies at, above or below an artifact (both `s3://…`)."""
    above, below = sorted((source.rstrip("/"), artifact_uri.rstrip("/")), key=len)
    return bool(above) and (above == below or below.startswith(above + "/"))
