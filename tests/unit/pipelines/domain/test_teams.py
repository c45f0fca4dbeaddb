"""Owners in moraine.yaml: what may be said, and one clear message for what contradicts itself."""

from decimal import Decimal

import pytest

from pipelines.domain.configuration import parse_configuration
from pipelines.errors import Terminal

SMALLEST = "lake: var/lake\nsources: [{name: bill, kind: focus, uri: bills}]\n"
FULL = """
teams:
  by_tag: [team, cost-center]
  by_prefix: [{match: "s3://train/nlp/", team: nlp}]
  by_account: [{account: "012345678901", team: ops}, {account: my-project, team: nlp}]
  shared:
    - {match: {service: AWSSupportEnterprise}, split: proportional}
    - {match: {account: "012345678901", tag: scope=shared}, split: even, teams: [nlp, vision]}
    - {match: {category: Tax}, split: fixed, weights: {nlp: 3, vision: 0.5}}
"""


def test_owners_are_named_by_tag_prefix_account_and_share() -> None:
    teams = parse_configuration(SMALLEST + FULL, origin="moraine.yaml").teams
    assert teams.tags == ("team", "cost-center")
    assert [owner.account for owner in teams.by_account] == ["012345678901", "my-project"]
    assert [rule.split for rule in teams.shared] == ["proportional", "even", "fixed"]
    assert teams.shared[2].weights == {"nlp": 3, "vision": Decimal("0.5")}
    assert teams.names == ("nlp", "ops", "vision")
    assert hash(teams) == hash(parse_configuration(SMALLEST + FULL, origin="moraine.yaml").teams)


def test_one_tag_needs_no_list() -> None:
    assert parse_configuration(SMALLEST + "teams: {by_tag: team}", origin="x").teams.tags == ("team",)
    assert parse_configuration(SMALLEST, origin="x").teams.tags == ()


@pytest.mark.parametrize(
    "wrong, said",
    [
        ("by_account: [{account: 012345678901, team: nlp}]", "write the account in quotes"),
        ('by_account: [{account: "1", team: a}, {account: "1", team: b}]', "account '1' has two owners"),
        ('by_account: [{account: "1", team: NLP}, {account: "2", team: nlp}]', "'NLP' and 'nlp'"),
        ('by_account: [{account: "1", team: " "}]', "without blanks"),
        ("by_tag: ''", "without blanks"),
        ("shared: [{match: {}, split: even}]", "an empty match shares everything"),
        ("shared: [{match: {tag: scope}, split: even}]", "tag"),
        ("shared: [{match: {category: Taxes}, split: even}]", "category"),
        ("shared: [{match: {service: x}, split: evenly}]", "split"),
        ("shared: [{match: {service: x}, split: fixed}]", "needs 'weights"),
        ("shared: [{match: {service: x}, split: fixed, teams: [a], weights: {a: 1}}]", "no 'teams'"),
        ("shared: [{match: {service: x}, split: fixed, weights: {a: 0}}]", "greater than 0"),
        ("shared: [{match: {service: x}, split: even, weights: {a: 1}}]", "takes no weights"),
        ("shared: [{match: {service: x}, split: even, teams: [a, A]}]", "named twice"),
        ("shared: [{match: {serviec: x}, split: even}]", "Did you mean 'service'"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_line(wrong: str, said: str) -> None:
    with pytest.raises(Terminal) as refused:
        parse_configuration(f"{SMALLEST}teams:\n  {wrong}\n", origin="moraine.yaml")
    assert said in str(refused.value)
    assert "moraine.yaml, line" in str(refused.value)
