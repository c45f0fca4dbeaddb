"""The night, in SQL, and the clean-up, in Python, see the same claims on the same checkpoints."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.domain.claims import Claims
from pipelines.domain.registry import ModelVersion
from pipelines.warehouse.models import sql_root

FOLDERS = ("runs", "chat", "chat-2", "checkpoint-5", "checkpoint-50", "abc123", "m-1", "it's 100%", "a")
TABLES = """
create schema staging;
create schema intermediate;
create table staging.stg_mlflow__model_versions (
    model_name varchar, model_version varchar, registry_stage varchar, aliases varchar, run_id varchar,
    model_id varchar, place varchar);
create table staging.stg_mlflow__active_runs (
    run_id varchar, run_name varchar, run_status varchar, named_by varchar, place varchar, folder varchar,
    started_at timestamp);
create table intermediate.int_pins_placed (pin_label varchar, place varchar);
create table intermediate.int_checkpoints_found (checkpoint_id varchar, checkpoint_uri varchar, grain varchar)
"""
MODELS = ("int_registry_claims_read", "int_claims_unioned", "int_checkpoints_claimed")

paths = st.lists(st.sampled_from(FOLDERS), min_size=1, max_size=4).map("/".join)
uris = st.tuples(st.sampled_from(["s3://train/", "s3://tr/", "gs://train/"]), paths).map("".join)
ids = st.sampled_from(["", "", "abc123", "chat", "m-1"])


def near(place: str) -> st.SearchStrategy[str]:
    """Return places at, above, below and beside one, also as another machine knows them."""
    above = [place.rsplit("/", up)[0] for up in range(1, place.count("/") - 1)]
    exact = [place, *above, f"{place}/x", f"{place}/x/y", f"{place}0", place[:-1]]
    elsewhere = [f"mnt/{one.partition('://')[2]}" for one in exact]
    return st.sampled_from([*exact, *elsewhere])


def versions(locations: st.SearchStrategy[str]) -> st.SearchStrategy[ModelVersion]:
    return st.builds(
        ModelVersion,
        name=st.just("chat"),
        version=st.just("1"),
        stage=st.sampled_from(["", "None", "Production"]),
        aliases=st.sampled_from([(), ("champion",), ("a", "b")]),
        source=st.just(""),
        run_id=ids,
        status=st.just("READY"),
        model_id=ids,
        location=locations,
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[ModelVersion], set[str]]:
    places = draw(st.sets(uris, min_size=1, max_size=4))
    close = st.sampled_from(sorted(places)).flatmap(near)
    registered = draw(st.lists(versions(st.one_of(close, close, uris, paths)), min_size=1, max_size=2))
    # Most worlds have no version that could be anywhere: it would hide all others.
    return registered + draw(st.lists(versions(st.just("")), max_size=1)), places


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(config={"threads": 1})) as opened:
        opened.execute(TABLES)
        for name in MODELS:
            (path,) = sql_root().rglob(f"{name}.sql")
            opened.execute(f"create view intermediate.{name} as {path.read_text()}")
        yield opened


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(worlds())
def test_sql_and_python_agree_on_who_needs_what(
    connection: duckdb.DuckDBPyConnection, world: tuple[list[ModelVersion], set[str]]
) -> None:
    registered, places = world
    numbered = [replace(version, version=str(n)) for n, version in enumerate(registered)]
    for table in ("staging.stg_mlflow__model_versions", "intermediate.int_checkpoints_found"):
        connection.execute(f"truncate {table}")
    for one in numbered:
        row = (one.name, one.version, one.stage, json.dumps(one.aliases), one.run_id, one.model_id)
        connection.execute(
            "insert into staging.stg_mlflow__model_versions values (?, ?, ?, ?, ?, ?, ?)",
            [*row, one.location],
        )
    for place in places:
        connection.execute(
            "insert into intermediate.int_checkpoints_found values ($1, $1, 'directory')", [place]
        )
    rows = connection.execute(
        "select checkpoint_id, claimed_by from intermediate.int_checkpoints_claimed"
    ).fetchall()

    claims = Claims.of(version.claim for version in numbered)

    assert {uri for uri, _ in rows} == {place for place in places if claims.on(place)}
    labels = [version.label for version in numbered]
    for _, claimed_by in rows:
        assert any(label in claimed_by for label in labels)
