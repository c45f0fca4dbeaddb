"""The same day delivers the same bytes, to a bucket or to a directory."""

from pathlib import Path

from pipelines.demo import Company, make_company
from pipelines.demo.deliveries import make_deliveries, write_deliveries
from pipelines.demo.objects import StoredObject


def test_the_same_day_delivers_the_same_bytes(company: Company, delivered: dict[str, StoredObject]) -> None:
    again = list(make_deliveries(make_company(company.as_of)))

    assert again == list(delivered.values())


def test_every_delivered_file_has_a_key_of_its_own(
    company: Company, delivered: dict[str, StoredObject]
) -> None:
    assert len(list(make_deliveries(company))) == len(delivered)


def test_deliveries_are_stored_as_they_are(delivered: dict[str, StoredObject]) -> None:
    assert all(file.size_bytes == len(file.body) for file in delivered.values())
    assert {file.bucket for file in delivered.values()} == {"acme-logs"}


def test_a_directory_holds_a_tree_of_the_bucket(
    company: Company, delivered: dict[str, StoredObject], tmp_path: Path
) -> None:
    assert write_deliveries(company, tmp_path) == len(delivered)

    files = {
        path.relative_to(tmp_path / "acme-logs").as_posix(): path
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert files.keys() == delivered.keys()
    assert all(files[key].read_bytes() == delivered[key].body for key in files)
