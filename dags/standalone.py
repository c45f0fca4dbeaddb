"""Airflow itself over the embedded company, on this machine only: for people who want to click.

    python dags/standalone.py [--port 8080]

Ctrl-C (or TERM) ends all of it. Everybody who reaches the port is an administrator, so the web server listens
on the loopback address only; an approval given here is signed "Anonymous". Not a DAG file.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

import httpx
from rehearse import environment

from pipelines.demo.endpoint import DEMO_ENVIRONMENT

HOST = "127.0.0.1"
# A worker in the middle of a task gets this long to put it down.
GRACE_SECONDS = 10
BIN = Path(sys.executable).parent


def main() -> None:
    """Start the company and Airflow, say where, and end both when told to."""
    arguments = _parse_arguments()
    for port, option in ((arguments.port, "--port"), (arguments.endpoint_port, "--endpoint-port")):
        _expect_free(port, option)
    told_to_end = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_end.set())
    with ExitStack() as stack:
        _run_everything(arguments, stack, told_to_end)
    _say("all of it has ended")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8080, help="where Airflow answers")
    parser.add_argument("--endpoint-port", type=int, default=5055, help="where the company's cloud answers")
    parser.add_argument("--dir", type=Path, default=Path("var/airflow"), help="where all of it is kept")
    return parser.parse_args()


def _expect_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            sys.exit(f"error port {port} is taken\n  where: {HOST}\n  fix:   Choose another with {option}.")


def _run_everything(arguments: argparse.Namespace, stack: ExitStack, told_to_end: Event) -> None:
    directory = arguments.dir.absolute()
    home = directory / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    variables = os.environ | DEMO_ENVIRONMENT | _airflow_variables(home, arguments.port)
    variables |= {"MORAINE_CONFIG": str(directory / "moraine.yaml")}
    url = f"http://{HOST}:{arguments.endpoint_port}"
    demo = [sys.executable, "-m", "pipelines.demo"]
    serve = [*demo, "serve", "--port", str(arguments.endpoint_port)]
    endpoint = stack.enter_context(_group(serve, variables, directory / "company.log"))
    write = [*demo, "write", "--dir", str(directory), "--endpoint", url]
    subprocess.run(write, check=True, env=variables, stdout=subprocess.DEVNULL)  # noqa: S603  (our own words)
    airflow = stack.enter_context(_group([BIN / "airflow", "standalone"], variables, home / "standalone.log"))
    _say(f"starting, logs in {directory} ... (Ctrl-C ends all of it)")
    health = f"http://{HOST}:{arguments.port}/api/v2/monitor/health"
    ready = False
    while not told_to_end.wait(1) and endpoint.poll() is None and airflow.poll() is None:
        if not ready and (ready := _is_healthy(health)):
            _say(f"Airflow is up: http://{HOST}:{arguments.port}")
            _say("Switch on nightly_costs; what it asks is under 'Required actions'.")
    if not told_to_end.is_set():
        sys.exit(f"error a part of it ended by itself\n  where: the logs in {directory}\n  fix:   Read them.")


def _airflow_variables(home: Path, port: int) -> dict[str, str]:
    base = f"http://{HOST}:{port}"
    return environment(home) | {
        # Airflow starts its own parts by name.
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _is_healthy(url: str) -> bool:
    try:
        answer = httpx.get(url, timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return False
    return all(answer[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


@contextmanager
def _group(
    words: Sequence[str | Path], variables: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own, and end the whole group.

    `airflow standalone` ends its children only when it is interrupted; after a TERM they live on.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  (our own words)
            words,
            env=variables,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    while _signal_group(process, signal.SIGTERM) and time.monotonic() < deadline:
        time.sleep(0.5)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
