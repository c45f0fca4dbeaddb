"""The beginning of a file that anybody may have put there."""

from collections.abc import Callable

import pytest

from pipelines.errors import NotFound
from pipelines.stores import PeekingStore, Store


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest) -> PeekingStore:
    """A bucket of each kind."""
    open_store: Callable[[str], Store] = request.getfixturevalue(f"{request.param}_store")
    store = open_store("runs")
    assert isinstance(store, PeekingStore)
    return store


def test_no_more_of_a_file_is_read_than_was_asked_for(bucket: PeekingStore) -> None:
    bucket.write("a", b"hello world")
    assert bucket.peek("a", 5).data == b"hello"
    assert bucket.peek("a", 100).data == b"hello world"


def test_another_content_has_another_name(bucket: PeekingStore) -> None:
    bucket.write("a", b"one")
    before = bucket.peek("a", 10).name
    assert bucket.peek("a", 10).name == before
    bucket.write("a", b"two")
    assert bucket.peek("a", 10).name not in {before, f'"{before}"'}


def test_a_file_may_be_gone_or_empty(bucket: PeekingStore) -> None:
    with pytest.raises(NotFound):
        bucket.peek("no/such", 10)
    bucket.write("a", b"")
    assert bucket.peek("a", 10).data == b""
