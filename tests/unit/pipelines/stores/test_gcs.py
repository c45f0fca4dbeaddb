"""What is special about Cloud Storage, and what is said when it cannot be read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.domain.configuration import Endpoint
from pipelines.domain.uris import BucketUri
from pipelines.errors import MoraineError, NotFound, Terminal, Transient
from pipelines.stores import GcsStore, Store, gcs_client, open_store
from pipelines.stores import gcs as module
from tests.fakes.gcs import GcsServer

Ask = Callable[[Store, Path], object]


@pytest.fixture
def lake(gcs: GcsServer) -> Store:
    gcs.add_bucket("lake")
    return open_store(BucketUri("gs", "lake", "x"), (Endpoint(match="gs://*", endpoint_url=gcs.url),))


def listed(store: Store, _: Path) -> object:
    return list(store.list())


def read(store: Store, _: Path) -> object:
    return store.read("key")


def fetched(store: Store, scratch: Path) -> object:
    return store.fetch("key", scratch)


def written(store: Store, _: Path) -> object:
    store.write("key", b"")
    return None


def uploaded(store: Store, scratch: Path) -> object:
    (scratch / "file").write_bytes(b"x")
    store.upload(scratch / "file", "key")
    return None


EVERY_CALL = pytest.mark.parametrize("ask", [listed, read, fetched, written, uploaded])


@EVERY_CALL
def test_denied_access_says_what_to_allow(gcs: GcsServer, lake: Store, tmp_path: Path, ask: Ask) -> None:
    gcs.fail_next("*", lambda _: True, 403)
    with pytest.raises(Terminal, match=r"refused(.|\n)*storage\.objects\.get"):
        ask(lake, tmp_path)


@EVERY_CALL
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_service_is_worth_a_retry(
    gcs: GcsServer, lake: Store, tmp_path: Path, impatient: None, ask: Ask, status: int
) -> None:
    del impatient
    gcs.fail_next("*", lambda _: True, status, times=None)
    with pytest.raises(Transient, match="busy"):
        ask(lake, tmp_path)


@EVERY_CALL
def test_a_service_that_does_not_answer_is_worth_a_retry(
    gcs: GcsServer, lake: Store, tmp_path: Path, impatient: None, ask: Ask
) -> None:
    del impatient
    gcs.fail_next("*", lambda _: True, "reset", times=None)
    with pytest.raises(Transient, match="does not answer"):
        ask(lake, tmp_path)


@EVERY_CALL
@pytest.mark.parametrize("failure", [503, "reset", "lose_response"])
def test_a_call_is_tried_again_before_anybody_hears_of_it(
    gcs: GcsServer, lake: Store, tmp_path: Path, no_pauses: None, ask: Ask, failure: int
) -> None:
    del no_pauses
    lake.write("key", b"x")
    gcs.fail_next("*", lambda _: True, failure, times=3)
    ask(lake, tmp_path)


@pytest.mark.parametrize(
    "status, kind, said",
    [
        (404, NotFound, "the object is not there"),
        (400, Terminal, r"refused the request \(400"),
    ],
)
def test_a_refusal_is_told_by_its_cause(
    gcs: GcsServer, lake: Store, status: int, kind: type[MoraineError], said: str
) -> None:
    gcs.fail_next("*", lambda _: True, status)
    with pytest.raises(kind, match=said):
        lake.read("key")


def test_a_server_that_wants_credentials_is_not_given_google_s(gcs: GcsServer, lake: Store) -> None:
    gcs.fail_next("*", lambda _: True, 401)
    with pytest.raises(Terminal, match="asks for credentials"):
        list(lake.list())


@EVERY_CALL
def test_a_bucket_that_does_not_exist_is_named(gcs: GcsServer, tmp_path: Path, ask: Ask) -> None:
    endpoints = (Endpoint(match="gs://*", endpoint_url=gcs.url),)
    store = open_store(BucketUri("gs", "no-such-bucket", ""), endpoints)
    with pytest.raises(Terminal, match=r"the bucket does not exist(.|\n)*gs://no-such-bucket"):
        ask(store, tmp_path)


def test_an_impossible_bucket_name_is_one_clear_message(gcs: GcsServer) -> None:
    with pytest.raises(Terminal, match="Bucket names must"):
        open_store(BucketUri("gs", "-bucket-", ""), (Endpoint(match="gs://*", endpoint_url=gcs.url),))


def test_a_held_object_cannot_be_written_and_the_reason_is_named(gcs: GcsServer, lake: Store) -> None:
    gcs.put("lake", "x/key", b"1", temporaryHold=True)
    with pytest.raises(Terminal, match="objectUnderActiveHold"):
        lake.write("key", b"2")
    assert lake.read("key") == b"1"


def test_missing_credentials_say_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(Terminal, match=r"no credentials(.|\n)*GOOGLE_APPLICATION_CREDENTIALS"):
        gcs_client("lake")


def test_a_server_of_ones_own_is_asked_without_credentials(gcs: GcsServer, lake: Store) -> None:
    list(lake.list())
    assert "authorization" not in gcs.requests[-1].headers


def test_more_objects_than_one_page_are_listed(gcs: GcsServer, lake: Store) -> None:
    gcs.routes.listing.most_per_page = 2
    keys = [f"k{number}" for number in range(5)]
    for key in keys:
        gcs.put("lake", f"x/{key}")
    assert [blob.key for blob in lake.list()] == keys
    assert len(gcs.requests) == 3


def test_the_name_of_the_content_outlives_a_change_of_class(gcs: GcsServer, lake: Store) -> None:
    gcs.put("lake", "x/key", b"same")
    [before] = lake.list()
    gcs.put("lake", "x/key", b"same", storageClass="NEARLINE")
    [after] = lake.list()
    assert before.etag == after.etag


def test_a_packed_file_comes_as_it_is_stored(gcs: GcsServer, lake: Store, tmp_path: Path) -> None:
    gcs.put("lake", "x/key", b"\x1f\x8b packed", contentEncoding="gzip")
    assert lake.read("key") == b"\x1f\x8b packed"
    assert lake.fetch("key", tmp_path).read_bytes() == b"\x1f\x8b packed"


def test_a_large_upload_goes_in_chunks_and_shows_after_the_last(
    gcs: GcsServer,
    lake: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    impatient: None,
) -> None:
    del impatient
    monkeypatch.setattr(module, "_CHUNK_BYTES", 256 * 1024)
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 36_000)
    gcs.fail_next("PUT", lambda target: gcs.live("lake", "x/key") is None and "upload_id" in target, 400)
    with pytest.raises(Terminal):
        lake.upload(file, "key")
    assert list(lake.list()) == []
    lake.upload(file, "key")
    assert lake.read("key") == file.read_bytes()
    assert sum(request.method == "PUT" for request in gcs.requests) > 30


def test_a_download_that_breaks_off_is_taken_up_again(
    gcs: GcsServer, lake: Store, tmp_path: Path, no_pauses: None
) -> None:
    del no_pauses
    lake.write("key", bytes(range(256)) * 4000)
    gcs.fail_next("GET", lambda target: "alt=media" in target, "cut_body")
    assert lake.fetch("key", tmp_path).read_bytes() == bytes(range(256)) * 4000


def test_a_download_that_fails_leaves_nothing_behind(
    gcs: GcsServer, lake: Store, tmp_path: Path, impatient: None
) -> None:
    del impatient
    lake.write("key", b"x" * 100_000)
    gcs.fail_next("GET", lambda target: "alt=media" in target, "cut_body", times=None)
    with pytest.raises(Transient):
        lake.fetch("key", tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_content_that_was_damaged_on_the_way_is_not_taken(
    gcs: GcsServer, gcs_store: Callable[[str], GcsStore], tmp_path: Path
) -> None:
    store = gcs_store("")
    store.write("key", b"what was sent")
    known = gcs.live(store._name, "key")
    assert known is not None
    known.content.__dict__["md5"] = known.content.__dict__["crc32c"] = "AAAAAA=="
    with pytest.raises(Transient, match="broke off"):
        store.fetch("key", tmp_path)
