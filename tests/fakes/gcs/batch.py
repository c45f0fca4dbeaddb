"""Many calls in one request, each with an answer of its own."""

from collections.abc import Callable
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus

from tests.fakes.gcs.messages import Answer, ApiError, Request, invalid

MOST_CALLS = 100
_BOUNDARY = "batch_of_answers"


def answer_batch(request: Request, answer: Callable[[Request], Answer]) -> Answer:
    """Answer every call of a batch.

    Raises:
        ApiError: 400, no batch, or more calls than the service takes.
    """
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + request.body).get_payload()
    if not isinstance(parts, list):
        raise invalid("Failed to parse batch request.")
    if len(parts) > MOST_CALLS:
        raise invalid(f"The batch request can contain at most {MOST_CALLS} calls.")
    lines = b"".join(
        _wrapped(number, _answered(_call(part, request), answer))
        for number, part in enumerate(parts, 1)
        if isinstance(part, Message)
    )
    body = lines + f"--{_BOUNDARY}--\r\n".encode()
    return Answer(200, body, {"content-type": f"multipart/mixed; boundary={_BOUNDARY}"})


def _call(part: Message, outer: Request) -> Request:
    text = part.get_payload(decode=True)
    if not isinstance(text, bytes):
        raise invalid("Failed to parse batch request.")
    # The client's generator writes line feeds alone.
    line, _, rest = text.replace(b"\r\n", b"\n").partition(b"\n")
    head, _, body = rest.partition(b"\n\n")
    method, target, _ = line.decode().split(" ", 2)
    pairs = [entry.partition(":") for entry in head.decode().split("\n") if entry]
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Request.parse(method, target, headers, body, outer.base_url)


def _answered(call: Request, answer: Callable[[Request], Answer]) -> Answer:
    if call.path.startswith(("/upload", "/download", "/batch")) or call.query.get("alt") == "media":
        return ApiError(400, "invalid", "Uploads and downloads cannot be part of a batch.").answer()
    return answer(call)


def _wrapped(number: int, answer: Answer) -> bytes:
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    lines = [
        f"--{_BOUNDARY}",
        "Content-Type: application/http",
        f"Content-ID: <response-{number}>",
        "",
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + answer.body + b"\r\n"
