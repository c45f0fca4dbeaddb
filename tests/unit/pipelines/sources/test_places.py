"""Opening places: what can be read, and what is said of the rest."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.domain.configuration import Endpoint, Source
from pipelines.errors import NotFound, Terminal, Transient
from pipelines.sources import find, open_place
from pipelines.sources.places import Place

Opened = Callable[..., Place]

NOW = datetime.fromisoformat("2026-11-20T06:30:00")


def test_a_relative_path_starts_at_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "bills").mkdir()
    source = Source(name="b", kind="focus", uri="file:bills")
    assert open_place(source, tmp_path, (), tmp_path).files.uri == str(tmp_path / "bills")


def test_a_directory_that_is_not_there_is_named(place: Opened, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such directory") as caught:
        place("focus", tmp_path / "bils")
    assert str(tmp_path / "bils") in caught.value.where


def test_a_place_in_a_bucket_is_opened_at_the_bucket_s_root(s3_place: Opened) -> None:
    opened = s3_place("aws-cur2", "s3://billing/exports/cur2")
    assert (opened.files.uri, opened.prefix) == ("s3://billing", "exports/cur2/")


def test_a_place_in_cloud_storage_is_opened_at_the_bucket_s_root(tmp_path: Path) -> None:
    endpoints = (Endpoint(match="gs://*", endpoint_url="http://127.0.0.1:9"),)
    source = Source(name="b", kind="focus", uri="gs://bills/focus")
    opened = open_place(source, tmp_path, endpoints, tmp_path)
    assert (opened.files.uri, opened.prefix) == ("gs://bills", "focus/")


def test_an_endpoint_that_does_not_answer_is_worth_a_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    # Port 9 (discard) has no listener here; the connection is refused at once.
    endpoints = (Endpoint(match="s3://*", endpoint_url="http://127.0.0.1:9"),)
    source = Source(name="b", kind="focus", uri="s3://bills")
    with pytest.raises(Transient, match="does not answer"):
        find(open_place(source, tmp_path, endpoints, tmp_path), NOW)


def test_a_bucket_that_does_not_exist_is_named(s3_place: Opened) -> None:
    with pytest.raises(Terminal, match="the bucket does not exist"):
        find(s3_place("focus", "s3://no-such-bucket/x"), NOW)
