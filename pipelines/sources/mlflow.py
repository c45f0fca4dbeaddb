"""What an MLflow registry serves and which runs still write: asked over HTTP, or read from saved answers.

Each reading is a whole delivery and replaces the one before. An unchanged registry read on another day is a
new delivery all the same: how fresh the protection of models is has to be known.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx

from pipelines.domain.deliveries import Delivery, Part
from pipelines.domain.registry import SEARCH_PATH, ActiveRun, ModelVersion, Registry
from pipelines.domain.registry_talk import (
    EndlessList,
    NoSuchList,
    Question,
    read_registry,
    read_saved,
)
from pipelines.domain.uris import HttpUri
from pipelines.errors import NotFound, Terminal, Transient
from pipelines.sources import observed
from pipelines.sources.places import Place

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
LARGEST_ANSWER = 256 * 2**20
"""Bytes of one page; a thousand runs with all their parameters have a few megabytes."""

Row = dict[str, object]


def find(place: Place, now: datetime) -> tuple[Delivery, Delivery]:
    """Return the runs that have not ended and the registered versions; a service is asked at `now`.

    Raises:
        Transient: the registry does not answer.
        NotFound: there are no saved answers.
        Terminal: the registry refuses, or answers something else.
    """
    if isinstance(place.uri, HttpUri):
        return _deliveries(place, _asked(place, place.uri.url), now)
    blobs = [blob for blob in place.blobs() if blob.key.endswith(".json")]
    if not blobs:
        raise NotFound(
            "no saved answer of a registry was found: there is no *.json",
            where=f"source {place.source.name}, {place.where(place.prefix)}",
            fix=f"Save what GET {SEARCH_PATH} answers there, or write the registry's http:// address as uri.",
        )
    registry = Registry()
    for blob in blobs:
        where = place.where(blob.key)
        with _understood(where):
            page = read_saved([_json(place.files.read(blob.key), where)], place.source.artifacts or "")
        registry = Registry((*registry.versions, *page.versions), (*registry.runs, *page.runs))
    parts = tuple(Part(blob.key, blob.size_bytes) for blob in blobs)
    return _deliveries(place, registry, max(blob.modified_at for blob in blobs), parts)


def _deliveries(
    place: Place, registry: Registry, read_at: datetime, parts: tuple[Part, ...] = ()
) -> tuple[Delivery, Delivery]:
    # Runs first: where the versions have landed, both have.
    runs = [row for run in registry.runs for row in _run_rows(run)]
    versions = [_version_row(version) for version in registry.versions]
    return (
        _delivery(place, "mlflow_runs", runs, read_at, parts),
        _delivery(place, "mlflow_versions", versions, read_at, parts),
    )


def _delivery(
    place: Place, table: str, rows: Sequence[Row], read_at: datetime, parts: tuple[Part, ...]
) -> Delivery:
    checksum = observed.fingerprint(rows)
    delivery = Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table=table,
        delivery_id=f"{read_at:%Y-%m-%d}-{checksum[:12]}",
        delivered_at=read_at,
        checksum=checksum,
        scope="registry",
        parts=parts,
        snapshot_at=read_at,
    )
    return observed.keep(place, delivery, [{**row, "read_at": read_at} for row in rows])


def _version_row(version: ModelVersion) -> Row:
    return {
        "name": version.name,
        "version": version.version,
        "stage": version.stage,
        "aliases": json.dumps(version.aliases),
        "source": version.source,
        "run_id": version.run_id,
        "status": version.status,
        "model_id": version.model_id,
        "location": version.location,
    }


def _run_rows(run: ActiveRun) -> Iterator[Row]:
    known = {
        "run_id": run.run_id,
        "name": run.name,
        "status": run.status,
        "started_at": run.started_at,
    }
    for folder in (run.run_id, *run.model_ids):
        yield {**known, "named_by": "", "location": "", "folder": folder}
    for named in run.places:
        yield {**known, "named_by": named.named_by, "location": named.location, "folder": ""}


def _asked(place: Place, url: str) -> Registry:
    headers = {"Authorization": f"Bearer {place.token}"} if place.token else {}
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT) as client, _understood(url):
        return read_registry(
            lambda question: _answer(client, question, f"{url}{question.path}"), place.source.artifacts or ""
        )


def _answer(client: httpx.Client, question: Question, where: str) -> dict[str, Any] | None:
    method = "GET" if question.body is None else "POST"
    try:
        answer = client.request(method, question.path, params=question.parameters, json=question.body)
    except httpx.TransportError as error:
        raise Transient(
            f"the registry does not answer ({type(error).__name__})",
            where=where,
            fix="Check that it runs and that its address is right, then run again.",
        ) from None
    except httpx.InvalidURL as error:
        raise Terminal(f"that is no address: {error}", where=where, fix="Correct the source's uri.") from None
    if question.may_be_missing and answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST):
        return None
    _check_status(answer.status_code, where)
    return _json(answer.content, where)


def _check_status(status: int, where: str) -> None:
    if status == httpx.codes.OK:
        return
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Terminal(
            f"the registry refuses the request ({status})",
            where=where,
            fix="Set MLFLOW_TRACKING_TOKEN to a token that may read models, experiments and runs.",
        )
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Transient(f"the registry is busy ({status})", where=where, fix="Run again in a minute.")
    raise Terminal(
        f"the registry answers {status}", where=where, fix="Check that the uri is an MLflow tracking server."
    )


def _json(text: bytes, where: str) -> dict[str, Any]:
    if len(text) > LARGEST_ANSWER:
        raise _foreign(f"{len(text):,} bytes on one page", where)
    try:
        page = json.loads(text)
    except (ValueError, RecursionError):
        raise _foreign("not JSON", where) from None
    if not isinstance(page, dict):
        raise _foreign("no list of model_versions", where)
    return page


@contextmanager
def _understood(where: str) -> Iterator[None]:
    """Say of an answer that lacks something where it came from."""
    try:
        yield
    except EndlessList as error:
        raise Terminal(
            f"the registry does not end: {error}",
            where=where,
            fix="Look at its next_page_token, or save its answers to files and name their directory as uri.",
        ) from None
    except NoSuchList:
        raise _foreign("no list of model_versions", where) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise _foreign(f"something in it is without {error}", where) from None


def _foreign(problem: str, where: str) -> Terminal:
    return Terminal(
        f"this is not an answer of an MLflow registry: {problem}",
        where=where,
        fix="Check that the uri is an MLflow tracking server, or a directory of its saved answers.",
    )
