#!/bin/sh
# Install Moraine and what it was tested with into a virtual environment.
#
#   docker/install.sh VENV EXTRAS [--no-editable]        e.g. docker/install.sh .venv demo,dev
#
# The Makefile, .ci/run and docker/Dockerfile all call this file, so that a laptop, a check and an image hold the
# same versions: constraints.txt, by name and version only.
set -eu

venv=$1
extras=$2
editable=-e
[ "${3:-}" = "--no-editable" ] && editable=

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "moraine needs Python 3.11 or newer; $python is $("$python" --version). Set PYTHON=/path/to/python3.11." >&2
    exit 1
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
uv=$(grep '^uv==' constraints.txt)
"$venv/bin/python" -m pip install -qq --disable-pip-version-check "$uv"
# shellcheck disable=SC2086
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --constraint constraints.txt $editable ".[$extras]"
