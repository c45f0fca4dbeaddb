"""Bad input ends with one clear message and a documented exit code; nothing is published or changed."""

import gzip
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

import lifecycle.cli
import pipelines.cli

Outcome = tuple[int, str, str]


@pytest.fixture
def moraine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a command line in this process: exit code, standard output, standard error."""

    def call(*words: str, program: Callable[[], None] = pipelines.cli.main) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["moraine", *words])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as exit_:
            program()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return call


def settings_file(directory: Path, text: str) -> Path:
    path = directory / "moraine.yaml"
    path.write_text(text)
    return path


def bill(directory: Path) -> Path:
    """A FOCUS bill of one row."""
    folder = directory / "bills"
    folder.mkdir()
    row = {
        "BilledCost": "1.5",
        "EffectiveCost": "1.5",
        "ListCost": "1.5",
        "BillingAccountId": "a",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-11-01T00:00:00Z",
        "BillingPeriodEnd": "2026-12-01T00:00:00Z",
        "ChargePeriodStart": "2026-11-19T00:00:00Z",
        "ChargePeriodEnd": "2026-11-20T00:00:00Z",
        "ChargeCategory": "Usage",
        "ProviderName": "Northwind",
        "ServiceName": "GPU",
        "ServiceCategory": "Compute",
    }
    with gzip.open(folder / "november.csv.gz", "wt") as file:
        file.write(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    return folder


@pytest.mark.parametrize(
    "text, words",
    [
        ("", ["holds no settings"]),
        ("lake: [", ["not valid YAML", "line 1"]),
        ("lake: lake\nsorces: []\n", ["unknown key 'sorces'", "line 2", "'sources'"]),
        ("lake: a\nlake: b\n", ["duplicate key", "line 2"]),
        ("lake: a\nsources: [{name: x, kind: teapot, uri: y}]\n", ["kind", "line 2", "aws-cur2"]),
        ("lake: a\nsources: [{name: x, kind: s3-inventory, uri: y}]\n", ["bucket", "line 2"]),
        (
            "lake: a\nsources: [{name: x, kind: focus, uri: y}]\ngates: {max_inventory_age: 4}\n",
            ["48h", "line 3"],
        ),
    ],
    ids=[
        "empty",
        "not-yaml",
        "unknown-key",
        "duplicate-key",
        "unknown-kind",
        "inventory-without-bucket",
        "duration",
    ],
)
def test_wrong_settings_name_the_line_and_the_fix(
    moraine: Callable[..., Outcome], tmp_path: Path, text: str, words: list[str]
) -> None:
    code, out, err = moraine("run", "--config", str(settings_file(tmp_path, text)))
    assert code == 1
    assert not out
    assert "Traceback" not in err
    assert "fix:" in err
    for word in words:
        assert word in err


def test_a_missing_settings_file_says_where_to_begin(moraine: Callable[..., Outcome], tmp_path: Path) -> None:
    code, _, err = moraine("run", "--config", str(tmp_path / "none.yaml"))
    assert code == 1
    assert "no settings file" in err
    assert "make demo" in err


def test_an_unreadable_settings_file_is_one_message(moraine: Callable[..., Outcome], tmp_path: Path) -> None:
    path = tmp_path / "moraine.yaml"
    path.write_bytes(b"\xff\xfe\x00lake")
    code, _, err = moraine("run", "--config", str(path))
    assert code == 1
    assert "not UTF-8" in err


def test_an_unreachable_endpoint_is_one_message(
    moraine: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-word")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    config = settings_file(
        tmp_path,
        "lake: lake\nsources: [{name: train, kind: s3-inventory, uri: 's3://inv/train', bucket: train}]\n"
        "endpoints: [{match: 's3://*', endpoint_url: 'http://127.0.0.1:9'}]\n",
    )
    code, _, err = moraine("run", "--config", str(config))
    assert code == 1
    assert "does not answer" in err
    assert "s3://inv" in err
    assert "Traceback" not in err
    assert "hidden-word" not in err
    assert not (tmp_path / "lake" / "published").exists()


def test_missing_credentials_are_one_message(
    moraine: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the credentials of other tests
    config = settings_file(
        tmp_path,
        "lake: lake\nsources: [{name: train, kind: s3-inventory, uri: 's3://inv/train', bucket: train}]\n"
        "endpoints: [{match: 's3://*', endpoint_url: 'http://127.0.0.1:9'}]\n",
    )
    code, _, err = moraine("run", "--config", str(config))
    assert code == 1
    assert "no credentials" in err
    assert "AWS_PROFILE" in err


def inventory(directory: Path, *, checksum: str | None = None, with_data: bool = True) -> Path:
    """A one-object CSV inventory delivery as S3 writes it, on disk."""
    home = directory / "deliveries" / "inv" / "train" / "daily"
    stamp = home / "2026-11-20T01-00Z"
    (home / "data").mkdir(parents=True)
    stamp.mkdir()
    data = gzip.compress(b'"train","runs/a/b","5","2026-11-01T00:00:00.000Z","e","STANDARD"\n', mtime=0)
    if with_data:
        (home / "data" / "one.csv.gz").write_bytes(data)
    manifest = {
        "sourceBucket": "train",
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": "1795136400000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass",
        "files": [
            {
                "key": "inv/train/daily/data/one.csv.gz",
                "size": len(data),
                "MD5checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
            }
        ],
    }
    text = json.dumps(manifest).encode()
    (stamp / "manifest.json").write_bytes(text)
    digest = checksum or hashlib.md5(text, usedforsecurity=False).hexdigest()
    (stamp / "manifest.checksum").write_text(digest + "\n")
    return home


def test_a_manifest_whose_checksum_does_not_match_is_refused(
    moraine: Callable[..., Outcome], tmp_path: Path
) -> None:
    home = inventory(tmp_path, checksum="0" * 32)
    config = settings_file(
        tmp_path,
        f"lake: lake\nsources: [{{name: train, kind: s3-inventory, uri: 'file:{home}', bucket: train}}]\n",
    )
    code, _, err = moraine("run", "--config", str(config), "--as-of", "2026-11-19")
    assert code == 1
    assert "checksum" in err
    assert "manifest" in err
    assert not list((tmp_path / "lake").rglob("*.parquet"))
    assert not (tmp_path / "lake" / "published").exists()


def test_a_listed_data_file_that_is_missing_is_refused(
    moraine: Callable[..., Outcome], tmp_path: Path
) -> None:
    home = inventory(tmp_path, with_data=False)
    config = settings_file(
        tmp_path,
        f"lake: lake\nsources: [{{name: train, kind: s3-inventory, uri: 'file:{home}', bucket: train}}]\n",
    )
    code, _, err = moraine("run", "--config", str(config), "--as-of", "2026-11-19")
    assert code == 1
    assert "one.csv.gz" in err
    assert not (tmp_path / "lake" / "published").exists()


def test_one_source_and_a_lake_are_a_working_set_up(moraine: Callable[..., Outcome], tmp_path: Path) -> None:
    config = settings_file(
        tmp_path, f"lake: lake\nsources: [{{name: any-bill, kind: focus, uri: 'file:{bill(tmp_path)}'}}]\n"
    )
    code, _, err = moraine("run", "--config", str(config), "--as-of", "2026-11-19")
    assert code == 0, err
    code, out, err = moraine(
        "sql", "select sum(billed_cost) as billed from marts.costs_daily", "--json", "--config", str(config)
    )
    assert code == 0, err
    assert json.loads(out) == [{"billed": 1.5}]


@pytest.mark.parametrize(
    "words", [["report"], ["sql", "select 1"], ["why", "s3://a/b"], ["where"]], ids=lambda w: w[0]
)
def test_reading_before_the_first_night_says_what_to_run(
    moraine: Callable[..., Outcome], tmp_path: Path, words: list[str]
) -> None:
    config = settings_file(
        tmp_path, f"lake: lake\nsources: [{{name: any-bill, kind: focus, uri: 'file:{bill(tmp_path)}'}}]\n"
    )
    code, _, err = moraine(*words, "--config", str(config))
    assert code == 1
    assert "moraine run" in err


def test_an_empty_policy_is_refused(moraine: Callable[..., Outcome], tmp_path: Path) -> None:
    config = settings_file(
        tmp_path, f"lake: lake\nsources: [{{name: any-bill, kind: focus, uri: 'file:{bill(tmp_path)}'}}]\n"
    )
    policy = tmp_path / "policy.yaml"
    policy.write_text("")
    code, _, err = moraine(
        "plan", "--policy", str(policy), "--config", str(config), program=lifecycle.cli.main
    )
    assert code in (1, 4)
    assert "policy.yaml" in err
    assert "Traceback" not in err
