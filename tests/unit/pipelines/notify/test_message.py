"""What people are told: what failed, what stays, what to do; short and harmless."""

from dataclasses import replace
from datetime import datetime

import pytest

from pipelines.domain.deliveries import Rejected
from pipelines.domain.snapshots import BuildMeta, CheckResult, Snapshot
from pipelines.notify import Message, quarantine, refusal
from pipelines.notify.message import MOST_CHARACTERS
from tests.fakes.warehouses import DAY, PUBLISHED_AT

AT = datetime(2026, 11, 21, 6, 30)
BUILD = BuildMeta("abcdef0123456789", DAY, "0.1.0")
SNAPSHOT = Snapshot("2026-11-18-aaaaaaaaaaaa", DAY, PUBLISHED_AT, "published/x/warehouse.duckdb", "0.1.0")
FAILED = CheckResult(
    *(
        "costs_equal_the_bill",
        "marts.costs_daily",
        "block",
        False,
        "3 USD",
        "0 USD",
        "A lost row is a lost dollar.",
    ),
    scope="train",
)
DAMAGED = Rejected(
    source="bill",
    kind="focus",
    table="focus",
    delivery_id="2026-11",
    scope="2026-11",
    delivered_at=AT,
    checksum="c",
    reason="a file is cut short",
    where="s3://bills/a.csv",
    fix="Have it delivered again.",
)


def refused(*failed: CheckResult, secrets: tuple[str, ...] = ()) -> Message:
    return refusal(BUILD, failed or (FAILED,), SNAPSHOT, (), AT, secrets)


def test_a_refused_night_is_told_with_what_failed_what_stays_and_what_to_do() -> None:
    message = refusal(BUILD, [FAILED], SNAPSHOT, [DAMAGED], AT)

    assert message.title == "Moraine: 2026-11-19 is not published, 1 check failed"
    next_ = "\n".join(message.text.splitlines()[4:])
    assert message.text.splitlines()[:4] == [
        "- costs_equal_the_bill (train): 3 USD, expected 0 USD. A lost row is a lost dollar.",
        "- in quarantine: bill 2026-11: a file is cut short (s3://bills/a.csv). Have it delivered again.",
        "",
        "In force stays: 2026-11-18-aaaaaaaaaaaa of 2026-11-19, published 2026-11-20 06:30 UTC.",
    ]
    assert next_ == (
        "Next: see the rows that are wrong with 'moraine check --as-of 2026-11-19'; mend the delivery or the "
        "limit that the check names; then run 'moraine run --as-of 2026-11-19' again."
    )


def test_before_the_first_snapshot_nothing_is_in_force() -> None:
    assert "In force stays: nothing: no night was" in refusal(BUILD, [FAILED], None, (), AT).text


def test_a_night_with_damaged_deliveries_is_told_with_their_reasons() -> None:
    message = quarantine(SNAPSHOT, [DAMAGED, replace(DAMAGED, delivery_id="2026-10")], AT)

    assert message.title == "Moraine: 2026-11-19 is published, but 2 deliveries are damaged and in quarantine"
    assert "- in quarantine: bill 2026-10: a file is cut short" in message.text
    assert "In force: 2026-11-18-aaaaaaaaaaaa." in message.text


def test_the_same_quarantine_is_the_same_news_in_any_order() -> None:
    other = replace(DAMAGED, delivery_id="2026-10")
    one, two = (quarantine(SNAPSHOT, damaged, AT) for damaged in ([DAMAGED, other], [other, DAMAGED]))
    assert one.message_id == two.message_id != quarantine(SNAPSHOT, [DAMAGED], AT).message_id


def test_hundreds_of_failures_fit_and_the_end_is_never_cut() -> None:
    long = replace(FAILED, observed="x" * 5000)
    message = refused(*[replace(long, scope=f"bucket-{number}") for number in range(400)])

    assert len(message.title) + len(message.text) <= MOST_CHARACTERS
    assert "400 checks failed" in message.title
    assert "… and 39" in message.text
    assert message.text.endswith("again.")


@pytest.mark.parametrize(
    "secret",
    [
        "s3cr3t-value",
        "https://ada:hunter2@registry.example/",
        "https://b.example/x?X-Amz-Signature=hunter2&y=1",
        "https://b.example/x?X-Amz-Security-Token=hunter2",
        "https://acc.blob.example/x?sv=1&sig=hunter2",
        "Authorization: Bearer hunter2hunter2hunter2",
        "https://hooks.slack.com/services/T0/B0/hunter2",
        "AKIAIOSFODNN7EXAMPLE",
        "password=hunter2",
    ],
)
def test_no_secret_is_told(secret: str) -> None:
    message = refused(replace(FAILED, observed=f"no answer from {secret}"), secrets=("s3cr3t-value", ""))

    assert "***" in message.text
    assert not any(word in message.text for word in ("hunter2", "s3cr3t-value", "IOSFODNN7"))


def test_a_secret_is_hidden_before_the_text_is_cut() -> None:
    for length in range(480, 600):
        message = refused(replace(FAILED, observed="x" * length + "s3cr3t-value"), secrets=("s3cr3t-value",))
        assert "s3c" not in message.text


def test_names_from_buckets_end_no_line_and_break_no_encoding() -> None:
    message = refused(replace(FAILED, scope="a\r\nBcc: all@example.org\x1b[2J\u202e", observed="\ud800"))

    assert len(message.text.splitlines()) == 4
    assert r"(a\r\nBcc: all@example.org\x1b[2J\u202e): \ud800" in message.text
    message.text.encode()
