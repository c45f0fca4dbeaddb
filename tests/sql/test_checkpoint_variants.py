"""The labelled listings as the wild has them: moved, mixed, copied, skewed, cut, with spoilt small files."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import pytest

from tests.sql.test_checkpoint_corpus import LISTINGS, Judged, Row, judge

Change = Callable[[str, Row], Row]
JUST_NOW, DAYS_AGO = -0.01, -10.0
ODD = "we ird[1]*?%_'\"#/a+b/ä/"


def moved(prefix: str) -> Change:
    return lambda _, line: {**line, "key": prefix + line["key"]}


def at(moment: Callable[[Row], float]) -> Change:
    return lambda _, line: {**line, "last_modified": moment(line)}


def drifted(line: Row) -> float:
    """Up to two hours off, as hosts with their own clocks are."""
    return float(line["last_modified"]) + (crc32(line["key"].encode()) % 200 - 100) / 1200


CHANGES: Mapping[str, Change] = {
    "deeper": moved("teams/nlp/2026/10/"),
    "odd-prefix": moved(ODD),
    "mixed": lambda name, line: {**line, "key": f"{name}/{line['key']}"},
    "copied": at(lambda _: DAYS_AGO),
    "from-the-future": at(lambda line: float(line["last_modified"]) + 3),
    "drifting-clocks": at(drifted),
}
"""By variant: what becomes of each line. `mixed` lies in one bucket, the others in one per listing."""

SPOILT: Mapping[str, object] = {
    "refused": None,
    "not-json": "{'best",
    "no-text": "\x00\x01",
    "nothing": "",
    "a-list": "[]",
    "gone": '{"best_model_checkpoint": "gone", "latest_checkpoint_result": {"checkpoint_dir_name": "gone"}}',
    "above": "../../..",
    "elsewhere": "s3://elsewhere/run/checkpoint-500",
    "best-elsewhere": '{"best_model_checkpoint": "s3://elsewhere/run/checkpoint-500"}',
    "best-above": '{"best_model_checkpoint": "checkpoint-500/../.."}',
    "no-numbers": '{"eval_loss": NaN, "val_loss": "inf", "loss": true}',
    "too-many-metrics": json.dumps({f"loss_{number}": number for number in range(60)}),
    "beyond": str(2**70),
    "pickled": "\x80\x04K\x05.",
    "nested": "[" * 5000,
}
"""By variant: what every small file says."""


def bucket_of(variant: str, name: str) -> str:
    return "mixed" if variant == "mixed" else f"{variant}--{name}"


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    buckets = defaultdict[str, list[Row]](list)
    for variant, change in CHANGES.items():
        for name, lines in LISTINGS.items():
            buckets[bucket_of(variant, name)] += [change(name, line) for line in lines]
    return judge(tmp_path_factory.mktemp("varied"), buckets)


def lines_of(variant: str) -> Iterator[tuple[str, Row, tuple[str, str]]]:
    """Yield each listing's name, line and new place: bucket and key."""
    for name, lines in LISTINGS.items():
        for line in lines:
            yield name, line, (bucket_of(variant, name), CHANGES[variant](name, line)["key"])


def checkpoint(judged: Judged, place: tuple[str, str]) -> Row | None:
    member = judged.objects.get(place)
    return member and judged.checkpoints[member["checkpoint_id"].partition("://")[2]]


@pytest.mark.parametrize("variant", CHANGES)
def test_what_a_label_protects_is_never_free(varied: Judged, variant: str) -> None:
    free = set()
    for name, line, place in lines_of(variant):
        found = checkpoint(varied, place)
        if line["label"]["protected"] and found and not found["is_protected"]:
            free.add(f"{name}/{line['label']['group']}")
    assert free == set()


@pytest.mark.parametrize("variant", CHANGES)
def test_what_belongs_together_stays_together_and_nothing_joins_it(varied: Judged, variant: str) -> None:
    labelled, made = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for name, line, place in lines_of(variant):
        if line["label"]["group"]:
            labelled[f"{name}/{line['label']['group']}"].add(line["key"])
        found = checkpoint(varied, place)
        if found:
            made[found["checkpoint_id"]].add(line["key"])
    assert sorted(map(sorted, made.values())) == sorted(map(sorted, labelled.values()))


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    buckets = {
        f"{variant}--{name}": [{**line, "content": content} if "content" in line else line for line in lines]
        for variant, content in SPOILT.items()
        for name, lines in LISTINGS.items()
        if any(line.get("content") is not None for line in lines)
    }
    return judge(tmp_path_factory.mktemp("spoilt"), buckets)


@pytest.mark.parametrize("variant", sorted(set(SPOILT) - {"refused"}))
def test_a_spoilt_small_file_frees_nothing_that_is_kept_without_it(spoilt: Judged, variant: str) -> None:
    without = {
        name.removeprefix("refused--"): row
        for name, row in spoilt.checkpoints.items()
        if name.startswith("refused--")
    }
    assert len(without) > 50
    for name, kept in without.items():
        row = spoilt.checkpoints[f"{variant}--{name}"]
        told = ("state", "kind", "is_latest", "is_best", "best_from", "is_protected")
        assert {column: row[column] for column in told} == {column: kept[column] for column in told}


@dataclass(frozen=True)
class Cut:
    """A bucket in which the newest save of a folder is not whole."""

    bucket: str
    lines: list[Row]
    left: frozenset[str]
    """Keys that are there of it."""
    before: frozenset[str]
    """Those of the save before."""


def cuts() -> Iterator[Cut]:
    for name, lines in LISTINGS.items():
        folders = defaultdict[tuple[str, str], dict[str, list[Row]]](lambda: defaultdict(list))
        for line in lines:
            label = line["label"]
            if label["group"] and label["kind"] == "intermediate" and label["state"] == "complete":
                folder = label["group"].rpartition("/")[0], label["framework"]
                folders[folder][label["group"]].append(line)
        for number, saves in enumerate(folders.values()):
            yield from _cuts_of(f"{name}-{number}", [line for save in saves.values() for line in save], saves)


def _cuts_of(name: str, lines: list[Row], saves: Mapping[str, list[Row]]) -> Iterator[Cut]:
    numbered = [save for save in saves.values() if save[0]["label"]["step"] is not None]
    ordered = sorted(numbered, key=lambda save: int(save[0]["label"]["step"]))
    for before, newest in [pair for pair in pairwise(ordered) if len(pair[1]) > 1][-1:]:
        others = [line for line in lines if line not in newest]
        for count in sorted({1, len(newest) // 2, len(newest) - 1} - {0}):
            for side, left in (("head", newest[:count]), ("tail", newest[-count:])):
                young = [{**line, "last_modified": JUST_NOW, "content": None} for line in left]
                keys = frozenset(line["key"] for line in left), frozenset(line["key"] for line in before)
                yield Cut(f"{name}-{side}-{count}", [*others, *young], *keys)


def test_a_list_that_ends_in_the_middle_of_a_save_keeps_what_is_there_and_the_save_before(
    tmp_path: Path,
) -> None:
    buckets = list(cuts())
    assert len(buckets) > 80
    judged = judge(tmp_path, {cut.bucket: cut.lines for cut in buckets})
    freed = set()
    for cut in buckets:
        for key in cut.left | cut.before:
            found = checkpoint(judged, (cut.bucket, key))
            if found and not found["is_protected"]:
                freed.add((cut.bucket, found["checkpoint_id"], found["state"]))
    assert freed == set()
