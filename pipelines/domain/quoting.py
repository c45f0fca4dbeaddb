"""Names and texts as SQL spells them. Values are bound wherever DuckDB takes a parameter."""


def quote_name(name: str) -> str:
    """Return an identifier that is exactly `name`."""
    return '"' + name.replace('"', '""') + '"'


def quote_table(table: str) -> str:
    """Return `schema.table` with both parts quoted."""
    return ".".join(quote_name(part) for part in table.split("."))


def quote(text: str) -> str:
    """Return a string literal that is exactly `text`, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"
