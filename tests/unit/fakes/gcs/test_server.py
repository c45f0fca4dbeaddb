"""Batches, planted faults, the log of requests."""

import pytest
from google.api_core import exceptions
from google.cloud import storage
from requests.exceptions import ConnectionError as RequestsConnectionError

from tests.fakes.gcs import GcsServer
from tests.fakes.gcs.server import Failure


def test_each_call_of_a_batch_has_its_own_answer(
    gcs: GcsServer, client: storage.Client, bucket: storage.Bucket
) -> None:
    kept = gcs.put("b", "kept", b"1")
    for name in ("a b", "held", "patched"):
        gcs.put("b", name, b"1", temporaryHold=name == "held")
    patched = bucket.blob("patched")
    with client.batch(raise_exception=False) as batch:
        bucket.blob("a b").delete()
        bucket.blob("no such").delete()
        bucket.blob("kept").delete(if_generation_match=kept.generation - 1)
        bucket.blob("held").delete()
        patched.metadata = {"owner": "nlp"}
        patched.patch()
    assert [answer.status_code for answer in batch._responses] == [204, 404, 412, 403, 200]
    assert gcs.live("b", "a b") is None
    assert gcs.live("b", "kept") is kept
    assert patched.metadata == {"owner": "nlp"}
    assert [request.method for request in gcs.requests] == ["POST", *["DELETE"] * 4, "PATCH"]


def test_a_batch_of_more_than_100_calls_is_refused(client: storage.Client, bucket: storage.Bucket) -> None:
    def delete_many() -> None:
        with client.batch(raise_exception=False):
            for number in range(101):
                bucket.blob(str(number)).delete()

    with pytest.raises(exceptions.BadRequest, match="at most 100"):
        delete_many()


def test_one_call_of_a_batch_can_fail(gcs: GcsServer, client: storage.Client, bucket: storage.Bucket) -> None:
    for name in ("a", "b"):
        gcs.put("b", name)
    gcs.fail_next("DELETE", lambda target: "/o/a?" in target, 503)
    with client.batch(raise_exception=False) as batch:
        bucket.blob("a").delete()
        bucket.blob("b").delete()
    assert [answer.status_code for answer in batch._responses] == [503, 204]


@pytest.mark.parametrize("failure", [429, 503, "reset", "lose_response"])
def test_a_client_asks_again(gcs: GcsServer, bucket: storage.Bucket, failure: Failure) -> None:
    gcs.put("b", "a", b"body")
    gcs.fail_next("GET", lambda _: True, failure, times=3)
    assert bucket.get_blob("a").size == 4
    assert len(gcs.requests) == 4


def test_a_download_that_is_cut_goes_on_where_it_was(gcs: GcsServer, bucket: storage.Bucket) -> None:
    gcs.put("b", "a", bytes(range(256)) * 4000)
    gcs.fail_next("GET", lambda _: True, "cut_body")
    assert bucket.blob("a").download_as_bytes() == bytes(range(256)) * 4000
    assert gcs.requests[-1].headers["range"] != "bytes=0-"


def test_a_lost_response_is_of_something_that_happened(gcs: GcsServer, bucket: storage.Bucket) -> None:
    known = gcs.put("b", "a", b"1")
    gcs.fail_next("DELETE", lambda _: True, "lose_response")
    with pytest.raises(exceptions.NotFound):
        bucket.blob("a").delete(if_generation_match=known.generation)
    assert len(gcs.requests) == 2


def test_a_reset_is_of_something_that_did_not_happen(gcs: GcsServer, bucket: storage.Bucket) -> None:
    gcs.put("b", "a", b"1")
    gcs.fail_next("DELETE", lambda _: True, "reset")
    with pytest.raises(RequestsConnectionError):
        bucket.blob("a").delete(retry=None)
    assert gcs.live("b", "a") is not None


def test_a_fault_is_for_those_it_is_meant_for_until_it_is_healed(
    gcs: GcsServer, bucket: storage.Bucket
) -> None:
    for name in ("a b", "c"):
        gcs.put("b", name, b"1")
    gcs.fail_next("*", lambda target: "/o/a b" in target, 403, times=None)
    for _ in range(2):
        with pytest.raises(exceptions.Forbidden):
            bucket.blob("a b").reload()
    bucket.blob("c").reload()
    gcs.heal()
    bucket.blob("a b").reload()


def test_what_the_fake_cannot_do_is_told_apart_from_what_the_client_may_not() -> None:
    def ask_for_nonsense() -> None:
        with GcsServer() as gcs, gcs.client() as client:
            gcs.add_bucket("b")
            gcs.put("b", "a", retention="nonsense")
            with pytest.raises(exceptions.BadRequest):
                client.bucket("b").blob("a").delete()

    with pytest.raises(AssertionError, match="the fake itself failed"):
        ask_for_nonsense()
