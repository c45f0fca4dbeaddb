"""The workspace is a working set-up over the company."""

from pathlib import Path

from pipelines.demo import Company, write_workspace
from pipelines.demo.objects import StoredObject
from pipelines.demo.workspace import POLICY
from pipelines.domain.configuration import endpoint_for, parse_configuration
from pipelines.domain.uris import BucketUri, parse_uri

URL = "http://127.0.0.1:5055"


def test_the_settings_are_valid_and_every_source_has_deliveries(
    company: Company, delivered: dict[str, StoredObject], tmp_path: Path
) -> None:
    path = write_workspace(tmp_path / "demo", URL, company.as_of)
    configuration = parse_configuration(path.read_text(encoding="utf-8"), origin=str(path))

    sources = {source.name: source for source in configuration.sources}
    assert list(sources) == ["aws-bill", "gpu-bill", "train", "datasets", "registry"]
    assert sources["registry"].uri == URL
    for source in configuration.sources:
        uri = parse_uri(source.uri)
        if isinstance(uri, BucketUri):
            assert any(file.uri.startswith(f"{uri}/") for file in delivered.values())


def test_the_settings_find_the_endpoint_and_the_teams(company: Company, tmp_path: Path) -> None:
    path = write_workspace(tmp_path, URL + "/", company.as_of)
    configuration = parse_configuration(path.read_text(encoding="utf-8"), origin=str(path))

    found = endpoint_for("s3://acme-training", configuration.endpoints)
    assert found is not None
    assert found.endpoint_url == URL
    assert configuration.teams.by_tag == "user_team"
    owners = {owner.match: owner.team for owner in configuration.teams.by_prefix}
    assert owners["s3://acme-training/runs/vision/"] == "vision"


def test_a_policy_lies_where_the_settings_say(company: Company, tmp_path: Path) -> None:
    path = write_workspace(tmp_path, URL, company.as_of)

    configuration = parse_configuration(path.read_text(encoding="utf-8"), origin=str(path))
    assert (tmp_path / configuration.policies / Path(POLICY).name).read_text(encoding="utf-8").count(
        "name: "
    ) == 1


def test_writing_again_changes_nothing(company: Company, tmp_path: Path) -> None:
    first = write_workspace(tmp_path, URL, company.as_of).read_bytes()

    assert write_workspace(tmp_path, URL, company.as_of).read_bytes() == first
