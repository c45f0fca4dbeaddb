"""Where things are; keys are exact."""

from pathlib import Path

import pytest

from pipelines.domain.uris import BucketUri, HttpUri, LocalUri, Uri, parse_uri
from pipelines.errors import Terminal


@pytest.mark.parametrize(
    "text, uri",
    [
        ("s3://bucket/a/b", BucketUri("s3", "bucket", "a/b")),
        ("s3://bucket", BucketUri("s3", "bucket", "")),
        ("gs://bucket/a b%20//c/", BucketUri("gs", "bucket", "a b%20//c/")),
        ("s3://bucket//leading", BucketUri("s3", "bucket", "/leading")),
        ("s3://bucket/line\nbreak?#", BucketUri("s3", "bucket", "line\nbreak?#")),
        ("http://127.0.0.1:5000/", HttpUri("http://127.0.0.1:5000")),
        ("https://host/path", HttpUri("https://host/path")),
        ("/absolute/path", LocalUri(Path("/absolute/path"))),
        ("file:///absolute/path", LocalUri(Path("/absolute/path"))),
        ("file:bills/focus", LocalUri(Path("/base/bills/focus"))),
        ("bills/focus", LocalUri(Path("/base/bills/focus"))),
    ],
)
def test_a_uri_is_read_as_it_is_written(text: str, uri: Uri) -> None:
    assert parse_uri(text, base=Path("/base")) == uri


@pytest.mark.parametrize("text", ["s3://", "s3:///key", "s3:bucket/key", "ftp://host/x", "azure://x/y"])
def test_a_place_that_cannot_be_read_is_refused_with_the_forms_that_can(text: str) -> None:
    with pytest.raises(Terminal, match="s3://bucket/prefix"):
        parse_uri(text)


def test_a_uri_is_written_as_it_was_read() -> None:
    for text in ("s3://bucket/a//b/", "gs://bucket/", "http://host:1"):
        assert str(parse_uri(text)) == text
    assert str(parse_uri("s3://bucket/a/b").root) == "s3://bucket/"  # type: ignore[union-attr]
