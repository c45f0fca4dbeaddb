"""Reads what clean-ups have told the lake."""

from pipelines.domain.clean_ups import FOLDER, CleanUp, clean_up_from_json
from pipelines.stores import Store


def read_clean_ups(lake: Store) -> tuple[CleanUp, ...]:
    """Return what became of every plan that was carried out, by its id.

    Raises:
        Terminal: a record cannot be read.
    """
    keys = [blob.key for blob in lake.list(FOLDER) if blob.key.endswith(".json")]
    return tuple(clean_up_from_json(lake.read(key), origin=f"{lake.uri}/{key}") for key in keys)
