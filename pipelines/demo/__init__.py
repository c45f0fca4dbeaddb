"""A small company to try Moraine on: its buckets, its bills, and a cloud on this machine to hold them.

The only generator of made-up data in the project.
"""

from pipelines.demo.company import Company, Expectations, make_company
from pipelines.demo.endpoint import DEMO_ENVIRONMENT, Endpoint, running_endpoint
from pipelines.demo.workspace import write_workspace

__all__ = [
    "DEMO_ENVIRONMENT",
    "Company",
    "Endpoint",
    "Expectations",
    "make_company",
    "running_endpoint",
    "write_workspace",
]
