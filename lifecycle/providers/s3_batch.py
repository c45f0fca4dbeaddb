"""Many conditional deletes in one request of S3.

The client's own way from a list to XML and back takes most of the time, so the XML is written here, handed
to the client on its way out, and read here: checksums, signing, retries and refusals stay the client's.
"""

import re
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from lifecycle.providers.protocol import Removal, Target
from lifecycle.providers.s3_answers import not_removed, removed
from pipelines.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SAFE_IN_XML = re.compile("[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]*")
_BODY: ContextVar[bytes] = ContextVar("body of the batch that this thread is sending", default=b"")
_ANSWER = "Answer"
_HEAD = b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def can_batch(key: str) -> bool:
    """Tell whether every server reads a key out of XML as it was written in.

    Control characters cannot be in XML, line ends are changed by its readers, and some strip white space.
    """
    return _SAFE_IN_XML.fullmatch(key) is not None and key == key.strip()


def prepare(client: "S3Client") -> None:
    """Let a client take the bodies that `delete_objects` writes, and leave it the answers."""
    client.meta.events.register_last("before-call.s3.DeleteObjects", _replace_body)
    client.meta.events.register_last("before-parse.s3.DeleteObjects", _take_answer)


def delete_objects(client: "S3Client", bucket: str, targets: Sequence[Target]) -> list[Removal]:
    """Delete objects in one request, each only if its ETag is still the one named.

    The answer names every object, not only those that failed: what is not named is not known to be gone,
    and on buckets with versions the way back begins with the names of the delete markers.

    Raises:
        Transient: the answer cannot be read; some may be gone.
        ClientError: the store's own answer to the request as a whole.
    """
    is_sent = _BODY.set(_body(targets))
    try:
        # Were the body ever not replaced, the first object alone would go, under its condition.
        first: Any = [{"Key": targets[0].key, "ETag": targets[0].token}]
        answer: Any = client.delete_objects(Bucket=bucket, Delete={"Objects": first})
    finally:
        _BODY.reset(is_sent)
    try:
        return list(_read(answer.get(_ANSWER, b"<DeleteResult/>")))
    except ET.ParseError as error:
        raise Transient(
            "the answer to a batch cannot be read", where=f"s3://{bucket}", fix="Run again in a minute."
        ) from error


def _body(targets: Sequence[Target]) -> bytes:
    objects = "".join(
        f"<Object><Key>{escape(target.key)}</Key><ETag>{escape(target.token)}</ETag></Object>"
        for target in targets
    )
    return _HEAD + objects.encode() + b"</Delete>"


def _read(body: bytes) -> Iterator[Removal]:
    root = ET.fromstring(body)  # noqa: S314  (expat is as safe here as in the client, which reads it alike)
    space = root.tag.removesuffix("DeleteResult")
    for child in root:
        entry = {part.tag.removeprefix(space): part.text or "" for part in child}
        yield removed(entry) if child.tag.endswith("Deleted") else not_removed(entry)


def _replace_body(params: dict[str, Any], **_: object) -> None:
    body = _BODY.get()
    if body:
        params["body"] = body


def _take_answer(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    # A refusal is the client's to read: it knows what to try again.
    if _BODY.get() and response_dict["status_code"] == HTTPStatus.OK:
        customized_response_dict[_ANSWER] = response_dict["body"]
        response_dict["body"] = b""
