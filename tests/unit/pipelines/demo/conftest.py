"""One company for all tests of the demo."""

from datetime import date

import pytest

from pipelines.demo import Company, make_company
from pipelines.demo.deliveries import make_deliveries
from pipelines.demo.objects import StoredObject


@pytest.fixture(scope="session")
def company() -> Company:
    return make_company(date(2026, 11, 19))


@pytest.fixture(scope="session")
def delivered(company: Company) -> dict[str, StoredObject]:
    """Every delivered file by its key, in the order of delivery."""
    return {file.key: file for file in make_deliveries(company)}
