"""The model registry: which checkpoints production answers from, as MLflow says it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.demo.chance import digest
from pipelines.demo.training import SERVED, checkpoint_uri


@dataclass(frozen=True, slots=True)
class Registration:
    """A model version and where its files are."""

    name: str
    version: str
    stage: str
    source: str
    aliases: tuple[str, ...] = ()


def registrations() -> tuple[Registration, ...]:
    """Return what the company registered: one version in production, one put away elsewhere."""
    return (
        Registration("reward-model", "4", "Production", checkpoint_uri(*SERVED), ("champion",)),
        Registration("reward-model", "3", "Archived", "s3://acme-model-archive/reward-7b/2025/final"),
    )


def search_answer(
    found: Sequence[Registration], page_token: str = "", page_size: int = 100
) -> dict[str, object]:
    """Return one page of MLflow's answer to a search for model versions."""
    start = int(page_token) if page_token.isdigit() else 0
    page = found[start : start + page_size]
    answer: dict[str, object] = {"model_versions": [_version(entry) for entry in page]}
    if start + page_size < len(found):
        answer["next_page_token"] = str(start + page_size)
    return answer


def _version(entry: Registration) -> dict[str, object]:
    return {
        "name": entry.name,
        "version": entry.version,
        "creation_timestamp": 1767225600000,
        "last_updated_timestamp": 1767225600000,
        "current_stage": entry.stage,
        "description": "",
        "source": entry.source,
        "run_id": digest("mlflow", entry.name, entry.version),
        "status": "READY",
        "aliases": list(entry.aliases),
    }
