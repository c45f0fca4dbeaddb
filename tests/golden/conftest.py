"""`pytest tests/golden --update-golden` rewrites what is expected; reviewers read the difference."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Rewrite the expected files.")


@pytest.fixture
def is_updating(request: pytest.FixtureRequest) -> bool:
    # Unknown when another folder is named on the command line: then nothing is rewritten.
    return bool(request.config.getoption("--update-golden", default=False))
