"""What Google's client raises, told to a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from pipelines.errors import NotFound, Terminal, Transient

_BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the client library raises into what a person can act on.

    Raises:
        NotFound: no such object.
        Transient: the endpoint does not answer, or is busy.
        Terminal: no credentials, access denied, no such bucket.
    """
    # Late for the same reason as the client itself: see gcs.gcs_client.
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except DataCorruption as error:
        raise Transient(
            "a transfer broke off", where=where, fix="Check the network, then run again."
        ) from error
    except (GoogleAPIError, InvalidResponse) as error:
        raise _explain(error, where) from error
    except (RequestException, HTTPError, ConnectionError) as error:
        raise _no_answer(where) from error
    except GoogleAuthError as error:
        raise _explain_credentials(error, where) from error


def _explain(error: Exception, where: str) -> NotFound | Transient | Terminal:
    # What was tried again until patience ran out carries its last failure.
    answer = getattr(getattr(error, "cause", None) or error, "response", None)
    status = getattr(answer, "status_code", None)
    if status is None:
        return _no_answer(where)
    if status == HTTPStatus.NOT_FOUND:
        return _absent(str(error), where)
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Transient(f"the store is busy ({status})", where=where, fix="Run again in a minute.")
    if status == HTTPStatus.UNAUTHORIZED:
        return _unknown_caller(where)
    return Terminal(
        f"the store refused the request ({status}{_reason(answer)})",
        where=where,
        fix="Give these credentials storage.objects.list and storage.objects.get there "
        "(for the lake also storage.objects.create and storage.objects.delete: replacing needs both).",
    )


def _absent(message: str, where: str) -> NotFound | Terminal:
    if "bucket does not exist" in message:
        return Terminal(
            "the bucket does not exist", where=where, fix="Check its name and 'endpoints:' in moraine.yaml."
        )
    return NotFound("the object is not there", where=where, fix="Check the path, or wait for its delivery.")


def _reason(answer: Any) -> str:  # noqa: ANN401  (the client has no types)
    try:
        return f", {answer.json()['error']['errors'][0]['reason']}"
    except (ValueError, LookupError, TypeError):
        return ""


def _explain_credentials(error: Exception, where: str) -> Transient | Terminal:
    from google.auth import exceptions  # noqa: PLC0415  (see gcs.gcs_client)

    if isinstance(error, exceptions.InvalidOperation):
        return Terminal(
            "this server asks for credentials, and none of Google's are sent to others",
            where=where,
            fix="Let the server answer this machine without, or take it out of 'endpoints:' in moraine.yaml.",
        )
    if isinstance(error, exceptions.DefaultCredentialsError):
        return no_credentials(where)
    if isinstance(error, exceptions.TransportError):
        return _no_answer(where)
    return _unknown_caller(where)


def no_credentials(where: str) -> Terminal:
    """Return what to say when this machine has none."""
    return Terminal(
        "no credentials for this store",
        where=where,
        fix="Run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS "
        "to a key file, or attach a service account.",
    )


def _unknown_caller(where: str) -> Terminal:
    return Terminal(
        "the store does not accept these credentials",
        where=where,
        fix="Sign in again with 'gcloud auth application-default login', or renew the key file.",
    )


def _no_answer(where: str) -> Transient:
    return Transient(
        "the store does not answer",
        where=where,
        fix="Check the network and 'endpoints:' in moraine.yaml, then run again.",
    )
