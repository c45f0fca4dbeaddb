"""The page that explains every published table to its readers, from the yml beside each model.

python -m pipelines.warehouse.tables_page docs
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipelines.warehouse.models import Model, shipped_models

PAGE = "tables.md"
QUERIES = "queries"

_OPENING = """# The published tables

Every night's snapshot is one DuckDB file; these are the tables of its schema `marts`. The same words are in
the file itself: `describe marts.costs_daily`, or any client that shows comments. `make docs` writes this page
from the models.

* Query it: `moraine sql "select …"`, or `duckdb "$(moraine where)"`.
* Money is decimal, in the currency of its row: never add up rows of two currencies. Columns called `_usd`
  are US dollars.
* `billed_cost` reconciles with the invoice. `effective_cost` spreads purchases over the usage that they
  cover: take it for trends, teams and waste, and never add the two up.
* Days are UTC. A GB is 2^30 bytes, as the providers bill it. Empty text means that the bill does not say.
"""


def tables_page(models: Sequence[Model], queries: Mapping[str, str]) -> str:
    """Return the page in Markdown: the published tables with their columns, then ready queries by name."""
    published = sorted((model for model in models if model.layer == "marts"), key=lambda model: model.name)
    listed = [f"* [`{model.name}`](#{model.name}): {model.description.description}" for model in published]
    sections = [_OPENING, "\n".join(listed) + "\n", *map(_table, published), *_ready(queries)]
    return "\n".join(sections)


def read_queries(folder: Path) -> Mapping[str, str]:
    """Return the ready queries by file name, in their order."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}


def _table(model: Model) -> str:
    description = model.description
    key = ", ".join(f"`{column}`" for column in description.key)
    rows = [
        f"| `{name}` | {column.type} | {_cell(column.meaning)} | {_cell(column.unit or '')} |"
        for name, column in description.columns.items()
    ]
    head = f"## {model.name}\n\n{description.description}\n\nKey: {key}.\n\n"
    return head + "\n".join(["| column | type | meaning | unit |", "|---|---|---|---|", *rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _ready(queries: Mapping[str, str]) -> Iterator[str]:
    yield '## Ready queries\n\nEach is a file in `docs/queries`; `moraine sql "$(cat FILE)"` runs it.\n'
    for name, text in queries.items():
        question, _, query = text.partition("\n")
        yield f"### {question.removeprefix('-- ')}\n\n`{name}`\n\n```sql\n{query.strip()}\n```\n"


if __name__ == "__main__":
    docs = Path(sys.argv[1])
    page = tables_page(shipped_models(), read_queries(docs / QUERIES))
    (docs / PAGE).write_text(page, encoding="utf-8")
