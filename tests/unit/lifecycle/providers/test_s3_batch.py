"""What a batch says to S3 on the wire, and what it makes of the answers."""

from xml.etree import ElementTree as ET

import pytest

from lifecycle.errors import ActionRefused
from lifecycle.providers import Removal, S3Provider, Target
from lifecycle.providers.s3_batch import can_batch
from pipelines.errors import Transient
from tests.unit.lifecycle.providers.hostile_keys import CONTROL_KEYS, HOSTILE_KEYS
from tests.unit.lifecycle.providers.worlds import Canned, CannedServer, answering

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
TARGETS = [Target(key, f"etag-{number}") for number, key in enumerate(("a", "b<&>", "c"))]


@pytest.fixture(autouse=True)
def quick(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, and no pauses between the client's attempts."""
    del environment
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def result(*entries: str, namespace: str = NAMESPACE) -> Canned:
    head = f'<DeleteResult xmlns="{namespace}">' if namespace else "<DeleteResult>"
    return Canned(f'<?xml version="1.0"?>{head}{"".join(entries)}</DeleteResult>'.encode())


def deleted(key: str, more: str = "") -> str:
    return f"<Deleted><Key>{key}</Key>{more}</Deleted>"


def failed(key: str, code: str) -> str:
    return f"<Error><Key>{key}</Key><Code>{code}</Code><Message>m</Message></Error>"


def ask(server: CannedServer, *targets: Target) -> list[Removal]:
    return list(S3Provider(server.endpoints).delete_batch("bucket", targets))


def test_each_object_is_named_with_its_condition_and_nothing_else() -> None:
    with answering(result(deleted("a"), deleted("b&lt;&amp;&gt;"), deleted("c"))) as server:
        answers = ask(server, *TARGETS)
    assert [(answer.key, answer.result) for answer in answers] == [(t.key, "done") for t in TARGETS]
    ((method, path, headers, body),) = server.asked
    assert (method, path) == ("POST", "/bucket?delete")
    root = ET.fromstring(body)  # noqa: S314  (our own request)
    sent = [{part.tag.rpartition("}")[2]: part.text for part in entry} for entry in root]
    assert sent == [{"Key": target.key, "ETag": target.token} for target in TARGETS]
    assert not [name for name in headers if "bypass" in name or "mfa" in name]
    # The client's own checksum is of the body that is really sent.
    assert headers["content-length"] == str(len(body))
    assert "x-amz-checksum-crc32" in headers


def test_every_answer_is_told_apart() -> None:
    codes = {
        "PreconditionFailed": "changed",
        "ConditionalRequestConflict": "changed",
        "NoSuchKey": "gone",
        "SlowDown": "busy",
        "InternalError": "busy",
        "AccessDenied": "refused",
        "SomethingNew": "refused",
    }
    targets = [Target(code, "e") for code in codes]
    with answering(result(*(failed(code, code) for code in codes))) as server:
        answers = ask(server, *targets)
    assert {answer.key: answer.result for answer in answers} == codes
    assert answers[-2].detail == "AccessDenied"


def test_what_no_answer_names_is_not_done() -> None:
    with answering(result(deleted("a"))) as server:
        answers = ask(server, *TARGETS)
    assert [answer.result for answer in answers] == ["done", "busy", "busy"]


def test_a_refusal_without_a_key_is_nobodys() -> None:
    with answering(result("<Error><Code>InternalError</Code></Error>", deleted("a"))) as server:
        assert [answer.result for answer in ask(server, TARGETS[0])] == ["done"]


@pytest.mark.parametrize("namespace", [NAMESPACE, "http://doc.s3.amazonaws.com/2006-03-01", ""])
def test_the_version_of_a_delete_marker_is_kept_if_the_store_says_it(namespace: str) -> None:
    more = "<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>v7</DeleteMarkerVersionId>"
    answer = result(
        deleted("a", more), deleted("c", "<DeleteMarker>true</DeleteMarker>"), namespace=namespace
    )
    with answering(answer) as server:
        marked, bare = ask(server, TARGETS[0], TARGETS[2])
    assert (marked.result, marked.version_id, bare.result, bare.version_id) == ("done", "v7", "done", "")


@pytest.mark.parametrize(
    "answer",
    [
        Canned(b'<?xml version="1.0"?><DeleteResult><Deleted><Key>a</Key></Del'),
        Canned(b"<Error><Code>SlowDown</Code></Error>", 503),
        Canned(b"<Error><Code>InternalError</Code></Error>", 200),
    ],
    ids=["cut", "slow down", "an error that says 200"],
)
def test_an_answer_that_says_nothing_may_be_asked_for_again(answer: Canned) -> None:
    with answering(answer) as server, pytest.raises(Transient):
        ask(server, *TARGETS)


def test_a_request_that_is_refused_is_refused_for_all() -> None:
    refusal = Canned(b"<Error><Code>MalformedXML</Code></Error>", 400)
    with answering(refusal) as server, pytest.raises(ActionRefused, match="MalformedXML"):
        ask(server, *TARGETS)


def test_the_client_tries_again_by_itself_with_the_same_body() -> None:
    slow = Canned(b"<Error><Code>SlowDown</Code></Error>", 503)
    with answering(slow, result(deleted("a"), deleted("c"))) as server:
        answers = ask(server, TARGETS[0], TARGETS[2])
    assert [answer.result for answer in answers] == ["done", "done"]
    assert len({body for _, _, _, body in server.asked}) == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize("key", CONTROL_KEYS.values(), ids=CONTROL_KEYS)
def test_a_key_that_xml_cannot_carry_goes_alone(key: str) -> None:
    with answering(result(deleted("a")), Canned(status=204)) as server:
        answers = ask(server, Target(key, "etag"), TARGETS[0])
    assert [(answer.key, answer.result) for answer in answers] == [(key, "done"), ("a", "done")]
    (batch, alone) = server.asked
    assert (batch[0], alone[0]) == ("POST", "DELETE")
    assert alone[2]["if-match"] == "etag"
    assert "versionId" not in alone[1]


def test_what_xml_can_carry_does_not_go_alone() -> None:
    alone = {name for name, key in (HOSTILE_KEYS | CONTROL_KEYS).items() if not can_batch(key)}
    assert alone == {*CONTROL_KEYS, "line feed", "tabulator", "space at the end"}
