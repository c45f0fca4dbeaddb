"""The files that somebody at Acme would have written: settings, and a retention policy."""

from datetime import date
from pathlib import Path

from pipelines.demo import datasets, training
from pipelines.demo.cur2 import PREFIX as CUR2_PREFIX
from pipelines.demo.cur2 import TEAM_TAG
from pipelines.demo.focus import PREFIX as FOCUS_PREFIX
from pipelines.demo.inventory import CONFIGURATIONS
from pipelines.demo.logs import BUCKET as LOGS

POLICY = "policies/stale-checkpoints.yaml"

_SETTINGS = """\
# Acme, a company made up for the demo; its last full day is {as_of}. The cloud is a process on this machine.
lake: lake
engine: {{memory_limit: 2GB, threads: 2, temp_directory: tmp}}
sources:
  - {{name: aws-bill, kind: aws-cur2,     uri: "s3://{logs}/{cur2}"}}
  - {{name: gpu-bill, kind: focus,        uri: "s3://{logs}/{focus}"}}  # research pays for itself
  - {{name: train,    kind: s3-inventory, uri: "s3://{logs}/inventory/{train}/{train_id}", bucket: {train}}}
  - {{name: datasets, kind: s3-inventory, uri: "s3://{logs}/inventory/{data}/{data_id}", bucket: {data}}}
  - {{name: registry, kind: mlflow,       uri: "{url}"}}  # what production serves is never touched
endpoints:
  - {{match: "s3://acme-*", endpoint_url: "{url}", region: us-east-1}}
teams:
  by_prefix:
{prefixes}
  by_tag: {tag}    # the tag `team`, as CUR 2.0 spells it
policies: policies
"""

_POLICY = """\
# Checkpoints of past training: keep what somebody may need, put the rest away, delete what is long stale.
name: stale-checkpoints
match: {kind: checkpoint, buckets: ["s3://acme-training"], prefixes: ["runs/"]}
keep:
  latest: 2                  # the newest complete ones of every run
  best: 1                    # by the metric in its name
  best_unknown: accept       # where no name carries a metric, the rules below decide alone
  registered: true           # whatever the model registry serves
  min_complete_per_run: 2    # never fewer, whatever the other rules say
quiet_for: 3d                # a run that saved lately is left alone
archive: {after: 14d, to: GLACIER_IR}
delete: {after: 30d, irreversible: true}    # this bucket keeps no versions: deleted is gone
limits: {objects: 5000, bytes: 200TiB, usd_month: 5000, share_of_bucket: 0.9, runs: 20}
expires: 24h
"""


def write_workspace(directory: Path, url: str, as_of: date) -> Path:
    """Write `moraine.yaml` and the policy below `directory`; return the path of `moraine.yaml`."""
    settings = directory / "moraine.yaml"
    policy = directory / POLICY
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(_POLICY, encoding="utf-8")
    settings.write_text(_settings(url, as_of), encoding="utf-8")
    return settings


def _settings(url: str, as_of: date) -> str:
    return _SETTINGS.format(
        as_of=as_of,
        url=url.rstrip("/"),
        logs=LOGS,
        cur2=CUR2_PREFIX,
        focus=FOCUS_PREFIX,
        train=training.BUCKET,
        train_id=CONFIGURATIONS[training.BUCKET],
        data=datasets.BUCKET,
        data_id=CONFIGURATIONS[datasets.BUCKET],
        prefixes="\n".join(_owners()),
        tag=TEAM_TAG,
    )


def _owners() -> list[str]:
    teams = sorted({run.team for run in training.RUNS})
    places = [(f"s3://{training.BUCKET}/runs/{team}/", team) for team in teams]
    places += [(f"s3://{datasets.BUCKET}/{team}/", team) for team in ("nlp", "speech", "vision")]
    return [f'    - {{match: "{place}", team: {team}}}' for place, team in places]
