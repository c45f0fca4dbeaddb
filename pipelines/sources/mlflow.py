"""What an MLflow registry still serves: asked over HTTP, or read from saved answers.

Each reading is a whole delivery and replaces the one before. An unchanged registry read on another day is a
new delivery all the same: how fresh the protection of models is has to be known.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

import httpx

from pipelines.domain.deliveries import Delivery, Part
from pipelines.domain.registry import SEARCH_PATH, ModelVersion, model_versions
from pipelines.domain.uris import HttpUri
from pipelines.errors import NotFound, Terminal, Transient
from pipelines.sources import observed
from pipelines.sources.places import Place

PAGE_SIZE = 1000
TIMEOUT = httpx.Timeout(30.0, connect=5.0)

_MOST_PAGES = 10_000


def find(place: Place, now: datetime) -> Delivery:
    """Return the registry's state as one delivery; a service is asked at `now`.

    Raises:
        Transient: the registry does not answer.
        NotFound: there are no saved answers.
        Terminal: the registry refuses, or answers something else.
    """
    if isinstance(place.uri, HttpUri):
        return _delivery(place, _versions(_asked(place), str(place.uri)), now)
    blobs = [blob for blob in place.blobs() if blob.key.endswith(".json")]
    if not blobs:
        raise NotFound(
            "no saved answer of a registry was found: there is no *.json",
            where=f"source {place.source.name}, {place.where(place.prefix)}",
            fix=f"Save what GET {SEARCH_PATH} answers there, or write the registry's http:// address as uri.",
        )
    versions: list[ModelVersion] = []
    for blob in blobs:
        where = place.where(blob.key)
        versions += _versions(iter([_json(place.files.read(blob.key), where)]), where)
    parts = tuple(Part(blob.key, blob.size_bytes) for blob in blobs)
    return _delivery(place, versions, max(blob.modified_at for blob in blobs), parts)


def _delivery(
    place: Place, versions: list[ModelVersion], read_at: datetime, parts: tuple[Part, ...] = ()
) -> Delivery:
    rows: list[dict[str, object]] = [
        {**asdict(version), "aliases": json.dumps(version.aliases)} for version in versions
    ]
    checksum = observed.fingerprint(rows)
    delivery = Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table="mlflow_versions",
        delivery_id=f"{read_at:%Y-%m-%d}-{checksum[:12]}",
        delivered_at=read_at,
        checksum=checksum,
        scope="registry",
        parts=parts,
        snapshot_at=read_at,
    )
    return observed.keep(place, delivery, [{**row, "read_at": read_at} for row in rows])


def _asked(place: Place) -> Iterator[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {place.token}"} if place.token else {}
    with httpx.Client(base_url=str(place.uri), headers=headers, timeout=TIMEOUT) as client:
        token, seen = "", set[str]()
        while len(seen) < _MOST_PAGES:
            page = _page(client, token, f"{place.uri}{SEARCH_PATH}")
            yield page
            token = str(page.get("next_page_token") or "")
            if not token:
                return
            if token in seen:
                break
            seen.add(token)
    raise Terminal(
        "the registry's list of model versions does not end",
        where=f"{place.uri}{SEARCH_PATH}",
        fix="Look at its next_page_token, or save its answers to files and name their directory as uri.",
    )


def _page(client: httpx.Client, token: str, where: str) -> dict[str, Any]:
    parameters = {"max_results": str(PAGE_SIZE)} | ({"page_token": token} if token else {})
    try:
        answer = client.get(SEARCH_PATH, params=parameters)
    except httpx.TransportError as error:
        raise Transient(
            f"the registry does not answer ({type(error).__name__})",
            where=where,
            fix="Check that it runs and that its address is right, then run again.",
        ) from None
    except httpx.InvalidURL as error:
        raise Terminal(f"that is no address: {error}", where=where, fix="Correct the source's uri.") from None
    _check_status(answer.status_code, where)
    return _json(answer.content, where)


def _check_status(status: int, where: str) -> None:
    if status == httpx.codes.OK:
        return
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Terminal(
            f"the registry refuses the request ({status})",
            where=where,
            fix="Set MLFLOW_TRACKING_TOKEN to a token that may read model versions.",
        )
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Transient(f"the registry is busy ({status})", where=where, fix="Run again in a minute.")
    raise Terminal(
        f"the registry answers {status}", where=where, fix="Check that the uri is an MLflow tracking server."
    )


def _json(text: bytes, where: str) -> dict[str, Any]:
    try:
        page = json.loads(text)
    except ValueError:
        raise _foreign("not JSON", where) from None
    if not isinstance(page, dict) or ("model_versions" not in page and set(page) - {"next_page_token"}):
        raise _foreign("no list of model_versions", where)
    return page


def _versions(pages: Iterator[dict[str, Any]], where: str) -> list[ModelVersion]:
    try:
        return [version for page in pages for version in model_versions(page)]
    except (KeyError, TypeError, AttributeError) as error:
        raise _foreign(f"a model version without {error}", where) from None


def _foreign(problem: str, where: str) -> Terminal:
    return Terminal(
        f"this is not an answer of an MLflow registry: {problem}",
        where=where,
        fix="Check that the uri is an MLflow tracking server, or a directory of its saved answers.",
    )
