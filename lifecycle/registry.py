"""What a model registry serves and which runs still write right now, and whether a plan would touch it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from lifecycle.errors import Protected
from lifecycle.pins import refuse_needed
from pipelines.domain.claims import Claim, Claims
from pipelines.domain.configuration import Configuration, Source
from pipelines.domain.registry import Registry
from pipelines.domain.registry_talk import Question, read_registry, read_saved
from pipelines.domain.uris import HttpUri, parse_uri
from pipelines.errors import MoraineError, NotFound
from pipelines.stores import Store, open_store

_TIMEOUT_SECONDS = 30.0


def claims_now(configuration: Configuration, base: Path, token: str | None = None) -> tuple[Claim, ...]:
    """Return what every configured registry says is needed, asked now; `token` is MLflow's own.

    Raises:
        Protected: a registry cannot be read; not knowing what it serves protects everything.
    """
    found: list[Claim] = []
    for source in configuration.sources:
        if source.kind == "mlflow":
            found += _read(source, configuration, base, token).claims
    return tuple(found)


def refuse_claimed(claims: Iterable[Claim], uris: Iterable[str]) -> None:
    """Refuse to touch what a registry serves or a run still writes.

    Raises:
        Protected: naming the checkpoint and who needs it.
    """
    said = "the registry names a checkpoint that the plan would change"
    refuse_needed(Claims.of(claims), uris, said, keeps="it keeps what the registry names")


def _read(source: Source, configuration: Configuration, base: Path, token: str | None) -> Registry:
    try:
        uri = parse_uri(source.uri, base=base)
        if isinstance(uri, HttpUri):
            return _asked(uri.url, source.artifacts or "", token)
        return read_saved(_saved(open_store(uri, configuration.endpoints)), source.artifacts or "")
    except (
        MoraineError,
        httpx.HTTPError,
        httpx.InvalidURL,
        RecursionError,
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


def _saved(store: Store) -> list[Any]:
    pages = [json.loads(store.read(blob.key)) for blob in store.list() if blob.key.endswith(".json")]
    if not pages:
        raise NotFound("no answer is saved there", where=store.uri, fix="Save one as a .json file.")
    return pages


def _asked(url: str, artifacts: str, token: str | None) -> Registry:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS) as client:
        return read_registry(lambda question: _answer(client, question), artifacts)


def _answer(client: httpx.Client, question: Question) -> dict[str, Any] | None:
    method = "GET" if question.body is None else "POST"
    answer = client.request(method, question.path, params=question.parameters, json=question.body)
    if question.may_be_missing and answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST):
        return None
    page = answer.raise_for_status().json()
    if not isinstance(page, dict):
        raise TypeError("the answer is no object")
    return page
