"""How the screen is laid out: quiet tables, titles, and tables side by side."""

from rich.table import Table
from rich.text import Text

from pipelines.domain.text import visible

WIDE = 100
"""From this width on, short tables stand side by side."""


class Title(Text):
    """A heading."""


def title(text: str) -> Title:
    """Return a heading with a line of air above it."""
    return Title(f"\n{text}", style="bold")


def quiet_table(*columns: str) -> Table:
    """Return a table without lines; a column that starts with `>` holds numbers, which are never cut."""
    table = Table(
        box=None,
        pad_edge=False,
        header_style="dim",
        show_header=any(column.strip(">") for column in columns),
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        is_number = column.startswith(">")
        table.add_column(
            column.lstrip(">"),
            justify="right" if is_number else "left",
            # Rich narrows the columns that may wrap first; see `add_row` for why none does.
            no_wrap=is_number,
        )
    return table


def add_row(table: Table, *cells: str, style: str = "") -> None:
    """Add a row; names come from buckets and bills, so they are text and never markup."""
    texts = [Text(visible(cell), no_wrap=True, overflow="ellipsis") for cell in cells]
    table.add_row(*texts, style=style)


def side_by_side(left: Table, right: Table) -> Table:
    """Return both tables as one."""
    grid = Table.grid(padding=(0, 4, 0, 0))
    grid.add_column()
    grid.add_column()
    grid.add_row(left, right)
    return grid
