"""The questions that a registry is asked, one after the other; whoever sends them is given as `Ask`.

Both programs ask the same: the night to know what is needed, the clean-up right before a change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.domain.claims import is_in_bucket, place_named
from pipelines.domain.registry import (
    ACTIVE,
    API,
    SEARCH_PATH,
    ActiveRun,
    ModelVersion,
    Registry,
    active_runs,
    aliases,
    model_versions,
)

PAGE_SIZE = 1000
"""The most that every version of MLflow hands out on one page."""
MOST_PAGES = 10_000
EXPERIMENTS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Question:
    """One request: a GET with parameters, or a POST with a body."""

    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    may_be_missing: bool = False
    """It asks for one thing, and an answer may be that there is none."""


Answer = Mapping[str, Any]
Ask = Callable[[Question], Answer | None]
"""Sends a question; None where there is no such thing. It raises what its program calls a failure."""


class EndlessList(ValueError):
    """A list names a page twice, or has more pages than any registry."""


class NoSuchList(ValueError):
    """The answer is not the list that was asked for."""


def read_registry(ask: Ask, artifacts: str = "") -> Registry:
    """Return what a registry says: every version that is not deleted, and every run that has not ended.

    `artifacts` is where a server that hands out artifacts itself keeps them.

    Raises:
        EndlessList, NoSuchList: it answers like no registry.
        KeyError, TypeError, AttributeError: something in its answer lacks what it must have.
        whatever `ask` raises.
    """
    versions = [one for page in _pages(ask, Question(SEARCH_PATH)) for one in model_versions(page)]
    named = [
        one for page in _pages(ask, Question(f"{API}/registered-models/search")) for one in aliases(page)
    ]
    located = [_located(ask, version, artifacts) for version in with_aliases(versions, named)]
    return Registry(tuple(located), tuple(_runs(ask, artifacts)))


def read_saved(pages: Sequence[Answer], artifacts: str = "") -> Registry:
    """Return what saved answers say, in any order; nothing can be asked about them.

    Raises:
        NoSuchList: one of them is no list of a registry.
        KeyError, TypeError, AttributeError: as `read_registry`.
    """
    for page in pages:
        _check_list(page)
    versions = [one for page in pages for one in model_versions(page)]
    named = [one for page in pages for one in aliases(page)]
    located = (_saved_place(version, artifacts) for version in with_aliases(versions, named))
    return Registry(tuple(located), tuple(run for page in pages for run in active_runs(page, artifacts)))


def with_aliases(
    versions: Sequence[ModelVersion], named: Sequence[tuple[str, str, str]]
) -> list[ModelVersion]:
    """Return versions with the aliases that the registered models tell of."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, version, alias in named:
        found.setdefault((name, version), []).append(alias)
    return [
        replace(one, aliases=tuple(dict.fromkeys((*one.aliases, *found.get((one.name, one.version), ())))))
        for one in versions
    ]


def _located(ask: Ask, version: ModelVersion, artifacts: str) -> ModelVersion:
    scheme, _, rest = version.source.partition(":")
    if scheme == "models":
        question = Question(
            f"{API}/model-versions/get-download-uri",
            {"name": version.name, "version": version.version},
            may_be_missing=True,
        )
        source = str((ask(question) or {}).get("artifact_uri") or "")
    elif scheme == "runs":
        source = _in_run(ask, rest)
    else:
        source = version.source
    return _saved_place(version, artifacts, source)


def _in_run(ask: Ask, rest: str) -> str:
    run_id, _, path = rest.lstrip("/").partition("/")
    answer = ask(Question(f"{API}/runs/get", {"run_id": run_id}, may_be_missing=True)) or {}
    uri = str(((answer.get("run") or {}).get("info") or {}).get("artifact_uri") or "")
    return f"{uri.rstrip('/')}/{path}" if uri else ""


def _saved_place(version: ModelVersion, artifacts: str, source: str | None = None) -> ModelVersion:
    kind, _, rest = version.source.partition(":")
    first = rest.lstrip("/").partition("/")[0]
    run_id = version.run_id or (first if kind == "runs" else "")
    model_id = version.model_id or (first if kind == "models" and first.startswith("m-") else "")
    place = place_named(version.source if source is None else source, artifacts)
    # Folders called like its run or model say it better than the end of a path that many runs share.
    if not is_in_bucket(place) and ({run_id, model_id} - {""}) & {*place.split("/")}:
        place = ""
    return replace(version, location=place, run_id=run_id, model_id=model_id)


def _runs(ask: Ask, artifacts: str) -> Iterator[ActiveRun]:
    pages = _pages(ask, Question(f"{API}/experiments/search"))
    ids = [str(one["experiment_id"]) for page in pages for one in page.get("experiments", [])]
    for start in range(0, len(ids), EXPERIMENTS_AT_ONCE):
        some = ids[start : start + EXPERIMENTS_AT_ONCE]
        for status in sorted(ACTIVE):
            body = {"experiment_ids": some, "filter": f"attributes.status = '{status}'"}
            for page in _pages(ask, Question(f"{API}/runs/search", body=body)):
                yield from active_runs(page, artifacts)


def _pages(ask: Ask, question: Question) -> Iterator[Answer]:
    token, seen = "", set[str]()
    while len(seen) < MOST_PAGES:
        page = _check_list(ask(_turned(question, token)))
        yield page
        token = str(page.get("next_page_token") or "")
        if not token:
            return
        if token in seen:
            break
        seen.add(token)
    raise EndlessList(f"the list {question.path} does not end")


def _turned(question: Question, token: str) -> Question:
    if question.body is None:
        page = {"max_results": str(PAGE_SIZE)} | ({"page_token": token} if token else {})
        return replace(question, parameters={**question.parameters, **page})
    more: dict[str, Any] = {"max_results": PAGE_SIZE} | ({"page_token": token} if token else {})
    return replace(question, body={**question.body, **more})


_LISTS = ("model_versions", "registered_models", "experiments", "runs")


def _check_list(answer: object) -> Answer:
    if not isinstance(answer, dict) or (set(answer) - {"next_page_token"} and not set(answer) & {*_LISTS}):
        raise NoSuchList("no list of a registry")
    return answer
