"""Writes on a condition, as locks need them: one writer wins, and knows it."""

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.errors import NotFound
from pipelines.stores import ConditionalStore, GcsStore, S3Store
from tests.fakes.gcs import GcsServer


def test_only_the_first_creates_a_file(bucket: ConditionalStore) -> None:
    version = bucket.create("locks/a", b"mine")
    assert version is not None
    assert bucket.create("locks/a", b"theirs") is None
    assert bucket.read_version("locks/a").data == b"mine"
    assert bucket.read_version("locks/a").name == version


def test_only_the_version_that_was_read_is_replaced(bucket: ConditionalStore) -> None:
    first = bucket.create("a", b"1")
    assert first is not None
    second = bucket.replace("a", b"2", first)
    assert second not in (None, first)
    assert bucket.replace("a", b"3", first) is None
    assert bucket.read("a") == b"2"


def test_what_is_not_there_is_not_replaced(bucket: ConditionalStore) -> None:
    version = bucket.create("a", b"1")
    assert version is not None
    assert bucket.replace("b", b"2", version) is None
    with pytest.raises(NotFound):
        bucket.read_version("b")


def test_a_write_whose_answer_was_lost_is_known_as_our_own(
    gcs: GcsServer, gcs_store: Callable[[str], GcsStore], no_pauses: None
) -> None:
    del no_pauses
    store = gcs_store("lake")
    gcs.fail_next("POST", lambda target: "/upload/" in target, "lose_response")
    first = store.create("a", b"mine 1")
    assert first is not None
    gcs.fail_next("POST", lambda target: "/upload/" in target, "lose_response")
    assert store.replace("a", b"mine 2", first) is not None
    assert store.read("a") == b"mine 2"


def test_a_server_that_refuses_the_right_etag_is_written_all_the_same(
    s3_store: Callable[[str], S3Store],
) -> None:
    store = s3_store("lake")
    version = store.create("a", b"1")
    assert version is not None

    def refuse_every_condition(params: dict[str, Any], **_: object) -> None:
        if "If-Match" in params["headers"]:
            params["headers"]["If-Match"] = '"another"'

    store._client.meta.events.register("before-call.s3.PutObject", refuse_every_condition)
    assert store.replace("a", b"2", version) is not None
    assert store.replace("a", b"3", version) is None
    assert store.read("a") == b"2"
