"""Bad input ends with one clear message and a documented exit code; nothing is published or changed."""

import gzip
import hashlib
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    written_at(folder / "november.csv.gz", datetime(2026, 11, 20, 4, tzinfo=UTC))
    return folder


def written_at(path: Path, moment: datetime) -> None:
    os.utime(path, (moment.timestamp(), moment.timestamp()))


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


@pytest.mark.parametrize(
    "faults, words",
    [
        ({"checksum": "0" * 32}, ["manifest", "checksum beside it says '00000000000000000000000000000000'"]),
        ({"with_data": False}, ["a data file that the manifest lists is missing", "one.csv.gz"]),
    ],
    ids=["checksum", "missing-file"],
)
def test_a_source_of_which_only_damage_came_keeps_the_night_from_being_published(
    moraine: Callable[..., Outcome], tmp_path: Path, faults: dict[str, Any], words: list[str]
) -> None:
    home = inventory(tmp_path, **faults)
    config = settings_file(
        tmp_path,
        f"lake: lake\nsources: [{{name: train, kind: s3-inventory, uri: 'file:{home}', bucket: train}}, "
        f"{{name: any-bill, kind: focus, uri: 'file:{bill(tmp_path)}'}}]\n",
    )
    code, _, err = moraine("run", "--config", str(config), "--as-of", "2026-11-19")
    assert code == 4
    assert "quarantined" in err
    for word in words:
        assert word in err
    assert "any-bill: 1 new delivery, 1 row" in err
    assert "sources_have_landed (train): 0 (1 damaged" in err
    assert "moraine ingest train" in err
    assert not list((tmp_path / "lake" / "raw" / "s3_inventory").rglob("*.parquet"))
    assert not (tmp_path / "lake" / "published").exists()


def test_a_damaged_delivery_leaves_the_last_good_one_in_force_and_the_exit_code_says_so(
    moraine: Callable[..., Outcome], tmp_path: Path
) -> None:
    config = settings_file(
        tmp_path, f"lake: lake\nsources: [{{name: any-bill, kind: focus, uri: 'file:{bill(tmp_path)}'}}]\n"
    )
    night = ["--config", str(config), "--as-of", "2026-11-19"]
    assert moraine("run", *night)[0] == 0
    file = tmp_path / "bills" / "november.csv.gz"
    file.write_bytes(file.read_bytes()[:-12])
    written_at(file, datetime(2026, 11, 20, 5, tzinfo=UTC))

    code, out, err = moraine("run", *night, "--json")

    assert code == 3, err
    assert "quarantined" in err
    assert "1 delivery is damaged and in quarantine; what landed before stays in force" in err
    assert json.loads(out)["sources"][0]["quarantined"][0]["scope"] == "november.csv.gz"
    query = "select status, reason, how_to_fix from marts.ingested_deliveries order by status"
    in_force, quarantined = json.loads(moraine("sql", query, "--json", *night[:2])[1])
    assert in_force["status"] == "in_force"
    assert quarantined["status"] == "quarantined"
    assert quarantined["reason"].startswith("a data file cannot be read: ")
    assert quarantined["how_to_fix"].startswith("Copy it again")
    billed = "select sum(billed_cost) as billed from marts.costs_daily"
    assert json.loads(moraine("sql", billed, "--json", *night[:2])[1]) == [{"billed": 1.5}]
    _, report, _ = moraine("report", *night[:2])
    assert "In quarantine: 1 damaged delivery" in report
    assert "any-bill (november.csv.gz, " in report
    assert "warned: deliveries_are_sound: 1 (damaged-" in report


def test_a_delivery_that_was_mended_is_forgotten(moraine: Callable[..., Outcome], tmp_path: Path) -> None:
    config = settings_file(
        tmp_path, f"lake: lake\nsources: [{{name: any-bill, kind: focus, uri: 'file:{bill(tmp_path)}'}}]\n"
    )
    night = ["--config", str(config), "--as-of", "2026-11-19"]
    file = tmp_path / "bills" / "november.csv.gz"
    good = file.read_bytes()
    file.write_bytes(good[:-12])
    assert moraine("ingest", *night[:2])[0] == 3
    file.write_bytes(good)

    code, _, err = moraine("run", *night)

    assert code == 0, err
    assert "quarantine" not in err
    assert "quarantine" not in moraine("report", *night[:2])[1]


def test_a_source_that_cannot_be_read_stops_the_night_after_the_others_have_landed(
    moraine: Callable[..., Outcome], tmp_path: Path
) -> None:
    config = settings_file(
        tmp_path,
        "lake: lake\nsources: [{name: gone, kind: focus, uri: nowhere}, "
        f"{{name: any-bill, kind: focus, uri: 'file:{bill(tmp_path)}'}}]\n",
    )
    code, out, err = moraine("run", "--config", str(config), "--as-of", "2026-11-19", "--json")
    assert code == 1
    assert not out
    assert "error in gone there is no such directory" in err
    assert "1 source could not be read" in err
    assert "any-bill: 1 new delivery, 1 row" in err
    assert list((tmp_path / "lake").rglob("_delivery.json"))
    assert not (tmp_path / "lake" / "build").exists()

    code, out, _ = moraine("ingest", "--config", str(config), "--json")
    assert code == 1
    assert [source["known"] for source in json.loads(out)] == [1]


def test_names_in_messages_cannot_move_the_cursor(moraine: Callable[..., Outcome], tmp_path: Path) -> None:
    folder = bill(tmp_path)
    (folder / "a\x1b[2J\nb.csv").write_text("no,columns\n1,2\n")
    config = settings_file(
        tmp_path, f"lake: lake\nsources: [{{name: any-bill, kind: focus, uri: 'file:{folder}'}}]\n"
    )
    code, _, err = moraine("ingest", "--config", str(config))
    assert code == 3
    assert "required columns are missing: BilledCost" in err
    assert "\x1b" not in err
    assert r"a\x1b[2J\nb.csv" in err


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
