"""Pages, prefixes, versions, parts of answers."""

import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.fakes.gcs import GcsServer

NAMES = ("a", "a/1", "a/2", "a/b/1", "a0", "é", "😀", "B")


@pytest.fixture
def filled(gcs: GcsServer, bucket: storage.Bucket) -> storage.Bucket:
    for name in NAMES:
        gcs.put("b", name, name.encode())
    return bucket


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
def test_pages_hold_every_name_once_in_byte_order(gcs: GcsServer, filled: storage.Bucket, most: int) -> None:
    gcs.routes.listing.most_per_page = most
    names = [blob.name for blob in filled.list_blobs()]
    assert names == sorted(NAMES, key=str.encode)
    assert len(gcs.requests) == -(-len(NAMES) // most)


def test_pages_are_those_that_are_asked_for(gcs: GcsServer, filled: storage.Bucket) -> None:
    pages = [[blob.name for blob in page] for page in filled.list_blobs(page_size=3).pages]
    assert [len(page) for page in pages] == [3, 3, 2]
    gcs.requests.clear()
    assert len(list(filled.list_blobs(max_results=4))) == 4


def test_what_comes_and_goes_between_pages_moves_no_other(gcs: GcsServer, filled: storage.Bucket) -> None:
    pages = filled.list_blobs(page_size=3).pages
    seen = [blob.name for blob in next(pages)]
    filled.blob(seen[0]).delete()
    gcs.put("b", "!", b"")
    seen += [blob.name for page in pages for blob in page]
    assert seen == sorted(NAMES, key=str.encode)


@pytest.mark.parametrize("most", [1, 2, 1000])
def test_a_delimiter_folds_names(gcs: GcsServer, filled: storage.Bucket, most: int) -> None:
    gcs.routes.listing.most_per_page = most
    found = filled.list_blobs(delimiter="/")
    assert [blob.name for blob in found] == ["B", "a", "a0", "é", "😀"]
    assert found.prefixes == {"a/"}
    found = filled.list_blobs(prefix="a/", delimiter="/")
    assert [blob.name for blob in found] == ["a/1", "a/2"]
    assert found.prefixes == {"a/b/"}


def test_a_range_holds_its_start_and_not_its_end(filled: storage.Bucket) -> None:
    assert [blob.name for blob in filled.list_blobs(start_offset="a/1", end_offset="a0")] == [
        "a/1",
        "a/2",
        "a/b/1",
    ]


def test_soft_deleted_and_noncurrent_are_asked_for_apart(gcs: GcsServer, client: storage.Client) -> None:
    gcs.add_bucket("all", versioning={"enabled": True})
    first, second = gcs.put("all", "a", b"1"), gcs.put("all", "a", b"2")
    both = client.bucket("all")
    assert [blob.generation for blob in both.list_blobs()] == [second.generation]
    assert [blob.generation for blob in both.list_blobs(versions=True)] == [
        first.generation,
        second.generation,
    ]
    both.blob("a", generation=first.generation).delete()
    assert [blob.generation for blob in both.list_blobs(versions=True)] == [second.generation]
    assert [blob.generation for blob in both.list_blobs(soft_deleted=True)] == [first.generation]
    with pytest.raises(exceptions.BadRequest):
        list(both.list_blobs(soft_deleted=True, versions=True))


def test_only_the_fields_that_are_asked_for_come(gcs: GcsServer, filled: storage.Bucket) -> None:
    gcs.put("b", "m", b"", metadata={"owner": "nlp", "other": "x"})
    found = list(filled.list_blobs(fields="items(name,metadata/owner),nextPageToken", prefix="m"))
    assert found[0]._properties == {"name": "m", "metadata": {"owner": "nlp"}}
    found = list(filled.list_blobs(fields="nextPageToken,items/name", page_size=3))
    assert [blob.name for blob in found][-1] == "😀"
    assert all(blob.size is None for blob in found)


def test_a_broken_token_is_refused(filled: storage.Bucket) -> None:
    with pytest.raises(exceptions.BadRequest, match="token"):
        list(filled.list_blobs(page_token="!"))
