"""Commands of the demo: `python -m pipelines.demo …`."""

import signal
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console

from pipelines.demo.company import make_company
from pipelines.demo.deliveries import write_deliveries
from pipelines.demo.endpoint import running_endpoint
from pipelines.demo.workspace import write_workspace
from pipelines.errors import MoraineError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A small company to try Moraine on.")

AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of", formats=["%Y-%m-%d"], help="The company's last full day; yesterday (UTC) by default."
    ),
]


@app.callback()
def _demo() -> None:
    """A small company to try Moraine on: its buckets, bills and training runs."""


@app.command()
def run(
    directory: Annotated[Path, typer.Option("--dir", help="Where the demo keeps its files.")] = Path(
        "var/demo"
    ),
    as_of: AsOf = None,
) -> None:
    """Show everything: the night, the plan, the clean-up, through Airflow's DAGs.

    Example: python -m pipelines.demo run
    """
    # The other commands start a server or write files; they need no report and no engine.
    from pipelines.demo.show import show  # noqa: PLC0415

    try:
        show(directory, _day(as_of), Console())
    except MoraineError as error:
        typer.echo(f"error {error}", err=True)
        raise typer.Exit(error.exit_code) from None


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 5055,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    as_of: AsOf = None,
) -> None:
    """Run the company's S3 endpoint and model registry until interrupted.

    Example: python -m pipelines.demo serve --port 5055
    """
    ended = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with running_endpoint(make_company(_day(as_of)), port, host=host) as endpoint:
        typer.echo(endpoint.url)
        ended.wait()


@app.command()
def write(
    endpoint: Annotated[str, typer.Option(help="Where the company's endpoint answers.")],
    directory: Annotated[Path, typer.Option("--dir", help="Where to write.")] = Path("var/demo"),
    as_of: AsOf = None,
) -> None:
    """Write the company's moraine.yaml and retention policy.

    Example: python -m pipelines.demo write --dir var/demo --endpoint http://127.0.0.1:5055
    """
    typer.echo(write_workspace(directory, endpoint, _day(as_of)))


@app.command()
def deliveries(
    directory: Annotated[Path, typer.Option("--dir", help="Where to write; a folder per bucket.")],
    as_of: AsOf = None,
) -> None:
    """Write the company's inventories and bills as plain files, as they lie in its bucket.

    Example: python -m pipelines.demo deliveries --dir /tmp/acme
    """
    count = write_deliveries(make_company(_day(as_of)), directory)
    typer.echo(f"{count} files below {directory}")


def _day(as_of: datetime | None) -> date:
    return as_of.date() if as_of else (datetime.now(UTC) - timedelta(days=1)).date()
