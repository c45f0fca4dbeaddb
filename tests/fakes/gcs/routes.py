"""From method and path to what answers."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from tests.fakes.gcs.batch import answer_batch
from tests.fakes.gcs.buckets import Buckets
from tests.fakes.gcs.copies import Copies
from tests.fakes.gcs.listing import Listing
from tests.fakes.gcs.messages import Answer, ApiError, Request, not_found
from tests.fakes.gcs.objects import Objects
from tests.fakes.gcs.partial import select
from tests.fakes.gcs.state import State
from tests.fakes.gcs.uploads import Uploads

Handler = Callable[..., Answer]
"""Takes the request and the names in its path."""

_BUCKET = r"/storage/v1/b/([^/]+)"
_OBJECT = rf"{_BUCKET}/o/([^/]+)"


class Routes:
    """The service, without sockets."""

    def __init__(self, state: State) -> None:
        self.listing, self.copies = Listing(state), Copies(state)
        buckets, objects, uploads = Buckets(state), Objects(state), Uploads(state)
        self._table: list[tuple[str, re.Pattern[str], Handler]] = [
            (method, re.compile(pattern), handler)
            for method, pattern, handler in (
                ("POST", r"/storage/v1/b", buckets.insert),
                ("GET", r"/storage/v1/b", buckets.list),
                ("GET", _BUCKET, buckets.get),
                ("PATCH", _BUCKET, buckets.patch),
                ("PUT", _BUCKET, buckets.update),
                ("DELETE", _BUCKET, buckets.delete),
                ("POST", rf"{_BUCKET}/lockRetentionPolicy", buckets.lock),
                ("GET", rf"{_BUCKET}/o", self.listing.page),
                ("GET", _OBJECT, objects.get),
                ("GET", rf"/download{_OBJECT}", objects.media),
                ("PATCH", _OBJECT, objects.patch),
                ("PUT", _OBJECT, objects.update),
                ("DELETE", _OBJECT, objects.delete),
                ("POST", rf"{_OBJECT}/restore", objects.restore),
                ("POST", rf"{_OBJECT}/compose", self.copies.compose),
                ("POST", rf"{_OBJECT}/rewriteTo/b/([^/]+)/o/([^/]+)", self.copies.rewrite),
                ("POST", rf"{_OBJECT}/copyTo/b/([^/]+)/o/([^/]+)", self.copies.copy),
                ("POST", rf"/upload{_BUCKET}/o", uploads.post),
                ("PUT", rf"/upload{_BUCKET}/o", uploads.put),
                ("DELETE", rf"/upload{_BUCKET}/o", uploads.cancel),
            )
        ]

    def answer(self, request: Request, answer_call: Callable[[Request], Answer]) -> Answer:
        """Answer a request; `answer_call` answers each call of a batch."""
        try:
            if (request.method, request.path) == ("POST", "/batch/storage/v1"):
                return answer_batch(request, answer_call)
            return self._select(request, self._dispatch(request))
        except ApiError as error:
            return error.answer()

    def _dispatch(self, request: Request) -> Answer:
        for method, pattern, handler in self._table:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                return handler(request, *(unquote(name) for name in found.groups()))
        raise not_found(f"This fake does not know {request.method} {request.path}.")

    def _select(self, request: Request, answer: Answer) -> Answer:
        fields = request.query.get("fields")
        if not fields or not answer.headers.get("content-type", "").startswith("application/json"):
            return answer
        return replace(answer, body=json.dumps(select(json.loads(answer.body), fields)).encode())
