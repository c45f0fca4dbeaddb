"""`python -m pipelines.demo`."""

from pipelines.demo.cli import app

if __name__ == "__main__":
    app(prog_name="python -m pipelines.demo")
