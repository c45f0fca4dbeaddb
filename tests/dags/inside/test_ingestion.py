import ingestion
import pytest

from pipelines.steps import Chunk

FIRST = Chunk("train", "s3_inventory", "2026-11-20T01-00Z", 0, 4)
NEXT = Chunk("train", "s3_inventory", "2026-11-20T01-00Z", 4, 5)


@pytest.mark.parametrize(
    "chunks, name",
    [
        ([FIRST], "train 2026-11-20T01-00Z parts 1-4"),
        ([NEXT], "train 2026-11-20T01-00Z part 5"),
        ([FIRST, NEXT], "train 2026-11-20T01-00Z parts 1-4 and 1 more"),
    ],
)
def test_a_share_is_known_by_source_delivery_and_parts(chunks: list[Chunk], name: str) -> None:
    assert ingestion.name_of(chunks) == name
