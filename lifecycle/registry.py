"""What a model registry serves right now, and whether a plan would touch it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from lifecycle.errors import Protected
from pipelines.domain.configuration import Configuration, Source
from pipelines.domain.registry import SEARCH_PATH, ModelVersion, model_versions
from pipelines.domain.uris import HttpUri, parse_uri
from pipelines.errors import MoraineError, NotFound
from pipelines.stores import Store, open_store

_PAGE_SIZE = 1000
_TIMEOUT_SECONDS = 30.0


def served_versions(
    configuration: Configuration, base: Path, token: str | None = None
) -> tuple[ModelVersion, ...]:
    """Return every registered version of every configured registry, read now; `token` is MLflow's own.

    Raises:
        Protected: a registry cannot be read; not knowing what it serves protects everything.
    """
    found: list[ModelVersion] = []
    for source in configuration.sources:
        if source.kind == "mlflow":
            found += _read(source, configuration, base, token)
    return tuple(found)


def refuse_served(versions: Iterable[ModelVersion], uris: Iterable[str]) -> None:
    """Refuse to touch what a registry serves.

    Raises:
        Protected: naming the checkpoint and the version.
    """
    served = tuple(versions)
    by_place = {version.source.rstrip("/"): version for version in served if version.source}
    above = {place: version for source, version in by_place.items() for place in _lineage(source)}
    by_run = {version.run_id: version for version in served if version.run_id}
    for uri in uris:
        # At, above or below the checkpoint; or an artifact folder that carries the registered run's id.
        touching = above.get(uri.rstrip("/")) or next(
            (by_place[place] for place in _lineage(uri.rstrip("/")) if place in by_place), None
        )
        touching = touching or next((by_run[part] for part in uri.split("/") if part in by_run), None)
        if touching:
            raise Protected(
                f"the registry serves a checkpoint that the plan would change: {touching.label}",
                where=uri,
                fix="Nothing was changed. Make a new plan; it keeps what is registered.",
            )


def _lineage(place: str) -> Iterator[str]:
    """Yield a place and everything above it, up to its bucket."""
    while place.count("/") > 1 and not place.endswith("//"):
        yield place
        place = place.rpartition("/")[0]


def _read(source: Source, configuration: Configuration, base: Path, token: str | None) -> list[ModelVersion]:
    try:
        uri = parse_uri(source.uri, base=base)
        if isinstance(uri, HttpUri):
            pages: Iterable[Mapping[str, Any]] = _answers(uri.url, token)
        else:
            pages = _saved(open_store(uri, configuration.endpoints))
        return [version for page in pages for version in model_versions(page)]
    except (
        MoraineError,
        httpx.HTTPError,
        httpx.InvalidURL,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
    ) as error:
        raise Protected(
            f"the registry {source.name!r} cannot be read, so it is not known what it serves",
            where=source.uri,
            fix="Nothing was changed. See that it answers and apply again; the plan stays valid.",
        ) from error


def _saved(store: Store) -> list[Mapping[str, Any]]:
    pages = [json.loads(store.read(blob.key)) for blob in store.list() if blob.key.endswith(".json")]
    if not pages:
        raise NotFound("no answer is saved there", where=store.uri, fix="Save one as a .json file.")
    return pages


def _answers(url: str, token: str | None) -> Iterator[Mapping[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    seen = {""}
    page = ""
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS) as client:
        while True:
            parameters = {"max_results": str(_PAGE_SIZE)} | ({"page_token": page} if page else {})
            answer = client.get(SEARCH_PATH, params=parameters).raise_for_status().json()
            yield answer
            page = answer.get("next_page_token") or ""
            if not page:
                return
            if page in seen:
                raise ValueError("the registry names a page a second time")
            seen.add(page)
