"""Which buckets hold what a policy about checkpoints or uploads is about."""

import duckdb

from lifecycle.facts.snapshot import scope
from lifecycle.policy import Match
from pipelines.errors import Terminal

_PLACES = """
    select distinct
        if(starts_with(checkpoint_uri, 'gs://'), 'gs://', 's3://') || bucket as place
    from marts.checkpoints
    where
        ($anywhere or list_contains($places, place))
        and (starts_with(checkpoint_uri, 's3://') or starts_with(checkpoint_uri, 'gs://'))
        and (
            len($prefixes) = 0
            or list_bool_or(list_transform(
                $prefixes, lambda prefix: starts_with(substr(checkpoint_uri, length(place) + 2), prefix)
            ))
        )
    order by all
"""
_UPLOAD_PLACES = """
    select distinct 's3://' || bucket as place
    from marts.uploads
    where $anywhere or list_contains($places, 's3://' || bucket)
    order by all
"""


def read_places(connection: duckdb.DuckDBPyConnection, match: Match) -> list[str]:
    """Return the URIs of the buckets that hold what a policy is about.

    Raises:
        Terminal: the snapshot is older than a table that it takes.
    """
    try:
        return _places(connection, match)
    except duckdb.CatalogException as error:
        raise Terminal(
            f"the snapshot is older than a table that this policy needs: {str(error).splitlines()[0]}",
            where="the published snapshot",
            fix="Publish a day with this version: moraine run.",
        ) from error


def _places(connection: duckdb.DuckDBPyConnection, match: Match) -> list[str]:
    if match.kind == "upload":
        found = connection.execute(_UPLOAD_PLACES, scope(match))
    else:
        found = connection.execute(_PLACES, {**scope(match), "prefixes": list(match.prefixes)})
    return [place for (place,) in found.fetchall()]
