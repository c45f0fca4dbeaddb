"""moraine.yaml: what it may say, and one clear message for everything else."""

from datetime import timedelta
from decimal import Decimal

import pytest

from pipelines.domain.configuration import Endpoint, endpoint_for, parse_bytes, parse_configuration
from pipelines.errors import Terminal

SMALLEST = """
lake: var/lake
sources:
  - {name: bill, kind: focus, uri: bills}
"""
FULL = """
lake: s3://lake/moraine
engine: {memory_limit: 4GB, threads: 2, temp_directory: var/tmp}
sources:
  - {name: aws-bill, kind: aws-cur2, uri: s3://billing/exports/cur2}
  - {name: train, kind: s3-inventory, uri: s3://inventories/train/daily, bucket: train}
  - {name: registry, kind: mlflow, uri: "http://127.0.0.1:5000"}
endpoints:
  - {match: "s3://train*", endpoint_url: "http://127.0.0.1:9000", region: us-east-1}
teams: {by_prefix: [{match: "s3://train/nlp/", team: nlp}], by_tag: team}
gates: {max_inventory_age: 48h, max_residual_share: 0.02}
notify:
  - {kind: log}
  - {kind: webhook, url_from: MORAINE_WEBHOOK_URL}
  - {kind: smtp, host: mail.example.org, from: moraine@example.org, to: [data@example.org],
     user_from: MORAINE_SMTP_USER, password_from: MORAINE_SMTP_PASSWORD}
policies: lifecycle/policies
"""

CLEAR = (
    "notify: [{kind: smtp, host: h, from: a@b, to: [a@b], starttls: false, user_from: U, password_from: P}]"
)


def test_a_lake_and_one_source_are_a_working_set_up() -> None:
    configuration = parse_configuration(SMALLEST, origin="moraine.yaml")
    assert configuration.engine.threads == 2
    assert configuration.gates.max_inventory_age == timedelta(hours=48)
    assert configuration.policies == "lifecycle/policies"


def test_everything_that_is_promised_can_be_said() -> None:
    configuration = parse_configuration(FULL, origin="moraine.yaml")
    assert [source.kind for source in configuration.sources] == ["aws-cur2", "s3-inventory", "mlflow"]
    assert configuration.gates.max_residual_share == Decimal("0.02")
    assert configuration.teams.by_prefix[0].team == "nlp"
    assert [one.name for one in configuration.notify] == [
        *("log", "webhook MORAINE_WEBHOOK_URL", "smtp mail.example.org to data@example.org")
    ]
    assert [name for one in configuration.notify for name in one.variables] == [
        *("MORAINE_WEBHOOK_URL", "MORAINE_SMTP_USER", "MORAINE_SMTP_PASSWORD")
    ]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ("lak: x", "Did you mean 'lake'"),
        ("lake: y", "lake"),
        ("engine: {memory_limit: much}", "engine.memory_limit"),
        ("engine: {threads: 0}", "engine.threads"),
        ("engine: {memmory_limit: 1GB}", "Did you mean 'memory_limit'"),
        ("gates: {max_inventory_age: soon}", "write a whole number and m, h, d or w"),
        ("gates: {max_inventory_age: 99999999999999w}", "longer than time is counted"),
        ("gates: {max_residual_share: 2}", "less than 1"),
        ('endpoints: [{match: "s3://x", endpoint_url: ftp://x}]', "endpoint_url"),
        ("teams: {by_prefix: [{match: train/, team: nlp}]}", "match"),
        ("engine: ]", "not valid YAML"),
        ("  - {name: b, kind: s3-inventory, uri: x}", "say which bucket it lists"),
        ("  - {name: b, kind: cloudtrail-s3, uri: x}", "is not read by this version"),
        ("  - {name: b, kind: nonsense, uri: x}", "sources.1.kind"),
        ("  - {name: b, kind: focus}", "'uri' is missing"),
        ("  - {name: ../b, kind: focus, uri: x}", "name"),
        ("  - {name: b, kind: focus, uri: x, secret: y}", "unknown key 'secret'"),
        ("notify: [{kind: webhook, url: 'https://hooks.example/T0'}]", "unknown key 'url'"),
        ("notify: [{kind: webhook, url_from: 'https://hooks.example/T0'}]", "notify.0.url_from"),
        ("notify: [{kind: webhook, url_from: hunter2}]", "notify.0.url_from"),
        ("notify: [{kind: webhook}]", "Add 'url_from: …'"),
        ("notify: [{kind: pager}]", "'log', 'webhook', 'smtp'"),
        ("notify: [{url_from: X}]", "'kind' is missing"),
        ("notify: [log]", "'name: value' pairs"),
        ("notify: [{kind: smtp, host: h, to: [a@b.c]}]", "Add 'from: …'"),
        ("notify: [{kind: smtp, host: h, from: a@b.c, to: []}]", "notify.0.to"),
        ('notify: [{kind: smtp, host: h, from: a@b.c, to: ["a@b.c\\nBcc: d@e.f"]}]', "notify.0.to.0"),
        (
            "notify: [{kind: smtp, host: h, from: a@b.c, to: [a@b.c], password: hunter2}]",
            "unknown key 'password'",
        ),
        ("notify: [{kind: smtp, host: h, from: a@b.c, to: [a@b.c], user_from: U}]", "name both variables"),
        (CLEAR, "would be sent in clear"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_fix(wrong: str, said: str) -> None:
    with pytest.raises(Terminal) as caught:
        parse_configuration(f"{SMALLEST}{wrong}\n", origin="moraine.yaml")
    assert said in str(caught.value)
    assert "moraine.yaml, line 5" in caught.value.where
    assert "hunter2" not in str(caught.value)
    assert "T0" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing", "- a list", "just text", "lake: x\n"])
def test_a_file_that_is_no_settings_is_refused(text: str) -> None:
    with pytest.raises(Terminal):
        parse_configuration(text, origin="moraine.yaml")


def test_two_sources_of_one_name_are_refused() -> None:
    twice = SMALLEST + "  - {name: bill, kind: focus, uri: more}\n"
    with pytest.raises(Terminal, match="two sources are called 'bill'"):
        parse_configuration(twice, origin="moraine.yaml")


def test_the_first_endpoint_that_matches_is_taken() -> None:
    exact = Endpoint(match="s3://train-logs", endpoint_url="http://127.0.0.1:1")
    wide = Endpoint(match="s3://train*", endpoint_url="http://127.0.0.1:2")
    assert endpoint_for("s3://train-logs", (exact, wide)) is exact
    assert endpoint_for("s3://train", (exact, wide)) is wide
    assert endpoint_for("s3://other", (exact, wide)) is None


@pytest.mark.parametrize("text, size", [("500TiB", 500 * 2**40), ("4GB", 4 * 10**9), ("7", 7)])
def test_sizes_are_read_in_bytes(text: str, size: int) -> None:
    assert parse_bytes(text) == size
