"""A fake of Cloud Storage's JSON API on loopback, for the real google-cloud-storage client.

    server.py         sockets, faults, the log of requests, what tests set up directly
    routes.py         from method and path to what answers
    batch.py          many calls in one request
    buckets.py        settings of buckets
    objects.py        metadata, media, deletes, restores
    uploads.py        media, multipart and resumable uploads
    copies.py         rewrite in one or many calls, copy, compose
    listing.py        pages of objects
    partial.py        the `fields` parameter
    state.py          buckets and generations, and how one becomes another
    rules.py          preconditions, holds and retention
    messages.py       requests, answers, errors
    clock.py          time, as the test sets it

Where the service's behaviour is not documented, the fake takes the stricter or less forgiving reading.
ACLs and the names of keys are kept as they are given. It knows nothing of credentials, of what an ACL or a
key allows, of soft-deleted buckets or of lifecycle rules that run.
"""

from tests.fakes.gcs.clock import Clock
from tests.fakes.gcs.server import GcsServer

__all__ = ["Clock", "GcsServer"]
