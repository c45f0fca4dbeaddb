"""The owners that `moraine.yaml` names, as tables of the schema `reference`."""

from collections.abc import Iterator, Mapping, Sequence

from pipelines.domain.raw_tables import Columns
from pipelines.domain.tag_keys import in_snake_case
from pipelines.domain.teams import SharedCost, Teams
from pipelines.domain.uris import BucketUri, parse_uri

OWNER_TABLES: Mapping[str, Columns] = {
    "team_prefixes": (("bucket", "varchar"), ("prefix", "varchar"), ("team", "varchar")),
    "team_tags": (("position", "bigint"), ("json_path", "varchar")),
    "team_accounts": (("account_id", "varchar"), ("team", "varchar")),
    "team_names": (("spelled", "varchar"), ("team", "varchar")),
    "shared_costs": (
        ("position", "bigint"),
        ("service", "varchar"),
        ("account_id", "varchar"),
        ("json_path", "varchar"),
        ("tag_value", "varchar"),
        ("charge_category", "varchar"),
        ("split", "varchar"),
    ),
    "shared_weights": (("position", "bigint"), ("team", "varchar"), ("weight", "decimal(18,6)")),
}
"""Columns by name."""


def owner_rows(teams: Teams) -> Mapping[str, Sequence[Sequence[object]]]:
    """Return the rows of each table of `OWNER_TABLES`."""
    return {
        "team_prefixes": _prefix_rows(teams),
        "team_tags": list(enumerate(dict.fromkeys(_paths(teams.tags)), start=1)),
        "team_accounts": [(owner.account, owner.team) for owner in teams.by_account],
        "team_names": [(name.lower(), name) for name in teams.names],
        "shared_costs": [
            row for position, rule in enumerate(teams.shared, start=1) for row in _matches(position, rule)
        ],
        "shared_weights": [
            row for position, rule in enumerate(teams.shared, start=1) for row in _weights(position, rule)
        ],
    }


def _prefix_rows(teams: Teams) -> list[tuple[str, str, str]]:
    owned = [(parse_uri(owner.match), owner.team) for owner in teams.by_prefix]
    return [(uri.bucket, uri.key, team) for uri, team in owned if isinstance(uri, BucketUri)]


def _paths(tags: Sequence[str]) -> Iterator[str]:
    for tag in tags:
        # Bills write a user's own tag `Team` as `Team`, `user_Team` or `user:Team`, and AWS as `user_team`.
        spelled = [*(f"{before}{tag}" for before in ("", "user_", "user:")), f"user_{in_snake_case(tag)}"]
        # The models look into tags in lower case: bills mix capitals.
        yield from (f'$."{key.lower()}"' for key in spelled)


def _matches(position: int, rule: SharedCost) -> Iterator[tuple[object, ...]]:
    key, _, value = rule.match.tag.partition("=")
    paths = dict.fromkeys(_paths((key,))) if key else ("",)
    for path in paths:
        yield (
            position,
            rule.match.service,
            rule.match.account,
            path,
            value.strip().lower(),
            rule.match.category,
            rule.split,
        )


def _weights(position: int, rule: SharedCost) -> Iterator[tuple[object, ...]]:
    yield from ((position, team, weight) for team, weight in rule.weights.items())
    yield from ((position, team, 1) for team in rule.teams)
