"""A folder of models that a test fills as it likes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.domain.configuration import Engine

AddModel = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sql"
    folder.mkdir()
    return folder


@pytest.fixture
def add_model(root: Path) -> AddModel:
    def add(table: str, sql: str, columns: str, **settings: str) -> Path:
        """Write `layer/name.sql` and its yml; the first column is the key unless `key` says otherwise."""
        path = root / f"{table}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql, encoding="utf-8")
        names = [column.split()[0] for column in columns.split(";")]
        lines = [
            f"description: {settings.pop('description', 'One row per test.')}",
            f"key: [{settings.pop('key', names[0])}]",
            *(f"{name}: {value}" for name, value in settings.items()),
            "columns:",
            *(
                f"  {name}: {{type: '{kind}', meaning: 'What it is.'}}"
                for name, kind in (column.split() for column in columns.split(";"))
            ),
            "tests: {nothing_in_nothing_out: {expect: []}}",
        ]
        path.with_suffix(".yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return add


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(memory_limit="1GB", threads=1, temp_directory=str(tmp_path / "spill"))
