"""A WSGI layer that enforces what moto 5.2 accepts and ignores: S3's preconditions and limits.

moto answers 200 to a copy whose `x-amz-copy-source-if-match` is wrong, deletes keys whose ETag in a batch is
wrong, and more. Here every such request is judged first; what passes goes to moto. The endpoint holds a lock
around judging and doing, so that nothing changes in between.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree as ET

from pipelines.demo.answers import Answer, error_answer, run_app
from pipelines.demo.backend import CompanyBackend, DeclaredKey
from pipelines.demo.conditions import Conditions, State, is_match, on_destination, on_source

COPY_LIMIT_BYTES = 5 * 1024**3
"""One request copies at most this much; more goes part by part."""
_KEYS_PER_REQUEST = 1000
_TOO_LARGE = "The specified copy source is larger than the maximum allowable size for a copy source"
_NOT_HELD = "At least one of the pre-conditions you specified did not hold"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Rules:
    """Judges requests against what a backend holds; knows nothing of sockets."""

    def __init__(self, backend: CompanyBackend) -> None:
        self._backend = backend

    def handle(self, environ: dict[str, Any], app: WsgiApp) -> Answer:
        """Return the refusal of a request, or what moto answers to it."""
        bucket, key = target(environ)
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if environ["REQUEST_METHOD"] == "POST" and "delete" in query and not key:
            return self._delete_many(environ, app, bucket)
        refusal = self._judge(environ, query, bucket, key) if key else None
        return refusal or run_app(app, environ)

    def _judge(
        self, environ: dict[str, Any], query: dict[str, list[str]], bucket: str, key: str
    ) -> Answer | None:
        match environ["REQUEST_METHOD"]:
            case "PUT" if "HTTP_X_AMZ_COPY_SOURCE" in environ:
                is_part = "uploadId" in query
                return self._judge_copy(environ, bucket, key, is_part=is_part)
            case "POST" if "uploadId" in query:
                return self._judge_change(environ, bucket, key)
            case "DELETE" if not query.keys() & {"uploadId", "tagging"}:
                return self._judge_delete(environ, bucket, key)
            case _:
                return None

    def _judge_copy(self, environ: dict[str, Any], bucket: str, key: str, *, is_part: bool) -> Answer | None:
        source = self._source(environ)
        if source is None:
            return None
        failed = on_source(environ).failed(State(source.etag, source.last_modified))
        if failed:
            return _precondition_failed(f"x-amz-copy-source-{failed}")
        refusal = _judge_range(environ, source)
        if refusal or is_part:
            return refusal
        # Who names no class gets STANDARD, also in place; moto would keep the class.
        environ.setdefault("HTTP_X_AMZ_STORAGE_CLASS", "STANDARD")
        if _changes_nothing(environ, source, bucket, key):
            return error_answer(400, "InvalidRequest", "This copy request is illegal: it changes nothing.")
        return self._judge_change(environ, bucket, key)

    def _judge_change(self, environ: dict[str, Any], bucket: str, key: str) -> Answer | None:
        conditions = on_destination(environ)
        state = self._state(bucket, key)
        if conditions.match and state is None:
            return error_answer(404, "NoSuchKey", "The specified key does not exist.")
        failed = conditions.failed(state)
        return _precondition_failed(failed) if failed else None

    def _judge_delete(self, environ: dict[str, Any], bucket: str, key: str) -> Answer | None:
        conditions = Conditions(match=environ.get("HTTP_IF_MATCH", ""))
        state = self._state(bucket, key)
        if conditions.match and conditions.match != "*" and state is None:
            return error_answer(404, "NoSuchKey", "The specified key does not exist.")
        failed = conditions.failed(state)
        # moto compares `*` with the ETag as a text; it has been answered here.
        environ.pop("HTTP_IF_MATCH", None)
        return _precondition_failed(failed) if failed else None

    def _delete_many(self, environ: dict[str, Any], app: WsgiApp, bucket: str) -> Answer:
        request = ET.fromstring(environ["wsgi.input"].read())  # noqa: S314  (our own clients, on loopback)
        environ["wsgi.input"].seek(0)
        wanted = [entry for entry in request if _tag(entry) == "Object"]
        if len(wanted) > _KEYS_PER_REQUEST:
            return error_answer(400, "MalformedXML", "The XML you provided was not well-formed.")
        refused = {entry: code for entry in wanted if (code := self._refusal(bucket, entry))}
        if not refused:
            return run_app(app, environ)
        for entry in refused:
            request.remove(entry)
        answer = _nothing_deleted()
        if len(refused) < len(wanted):
            _replace_body(environ, _xml(request))
            answer = run_app(app, environ)
        return _with_errors(answer, [(_text(entry, "Key"), code) for entry, code in refused.items()])

    def _refusal(self, bucket: str, entry: ET.Element) -> str:
        etag = _text(entry, "ETag")
        state = self._state(bucket, _text(entry, "Key"))
        if not etag or is_match(etag, state):
            return ""
        return "PreconditionFailed" if state or etag == "*" else "NoSuchKey"

    def _source(self, environ: dict[str, Any]) -> DeclaredKey | None:
        path, _, query = environ["HTTP_X_AMZ_COPY_SOURCE"].partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        version = parse_qs(query).get("versionId", [None])[0]
        return self._object(bucket, key, version)

    def _state(self, bucket: str, key: str) -> State | None:
        found = self._object(bucket, key, None)
        return None if found is None else State(found.etag, found.last_modified)

    def _object(self, bucket: str, key: str, version: str | None) -> DeclaredKey | None:
        if bucket not in self._backend.buckets:
            return None
        found: DeclaredKey | None = self._backend.get_object(bucket, key, version_id=version)
        return found


def target(environ: dict[str, Any]) -> tuple[str, str]:
    """Return the bucket and the key that a request is about."""
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key


def _judge_range(environ: dict[str, Any], source: DeclaredKey) -> Answer | None:
    first, _, last = environ.get("HTTP_X_AMZ_COPY_SOURCE_RANGE", "").removeprefix("bytes=").partition("-")
    begin, end = (int(first), int(last)) if last else (0, source.contentsize - 1)
    if last and end >= source.contentsize:
        return error_answer(400, "InvalidArgument", "The range is not valid for the source object.")
    if end - begin >= COPY_LIMIT_BYTES:
        return error_answer(400, "InvalidRequest", f"{_TOO_LARGE}: {COPY_LIMIT_BYTES}")
    return None


def _changes_nothing(environ: dict[str, Any], source: DeclaredKey, bucket: str, key: str) -> bool:
    names_version = "versionId=" in environ["HTTP_X_AMZ_COPY_SOURCE"]
    if names_version or (source.bucket_name, source.name) != (bucket, key):
        return False
    replaces = environ.get("HTTP_X_AMZ_METADATA_DIRECTIVE", "").upper() == "REPLACE"
    other_changes = environ.keys() & {
        "HTTP_X_AMZ_WEBSITE_REDIRECT_LOCATION",
        "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION",
    }
    is_same_class: bool = environ["HTTP_X_AMZ_STORAGE_CLASS"] == source.storage_class
    return is_same_class and not replaces and not other_changes


def _precondition_failed(condition: str) -> Answer:
    return error_answer(412, "PreconditionFailed", _NOT_HELD, condition)


def _nothing_deleted() -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult xmlns="{_NAMESPACE}"></DeleteResult>'
    return Answer("200 OK", [("Content-Type", "application/xml")], body.encode())


def _with_errors(answer: Answer, errors: list[tuple[str, str]]) -> Answer:
    result = ET.fromstring(answer.body)  # noqa: S314  (moto's own answer)
    space = result.tag.rpartition("}")[0] + "}" if result.tag.startswith("{") else ""
    for key, code in errors:
        error = ET.SubElement(result, f"{space}Error")
        for name, text in (("Key", key), ("Code", code), ("Message", _NOT_HELD)):
            ET.SubElement(error, space + name).text = text
    return Answer(answer.status, answer.headers, _xml(result))


def _xml(element: ET.Element) -> bytes:
    space = element.tag[1:].rpartition("}")[0] or None
    # Without a default namespace every tag gets a prefix, and moto reads tags by their plain names.
    text: bytes = ET.tostring(element, encoding="utf-8", default_namespace=space)
    return text


def _replace_body(environ: dict[str, Any], body: bytes) -> None:
    environ["wsgi.input"].seek(0)
    environ["wsgi.input"].truncate()
    environ["wsgi.input"].write(body)
    environ["wsgi.input"].seek(0)
    environ["CONTENT_LENGTH"] = str(len(body))


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ET.Element, name: str) -> str:
    return next((child.text or "" for child in element if _tag(child) == name), "")
