#!/usr/bin/env bash
# Install, lint, check types, build docs/ and test:  bash tools/test.sh [options of pytest]
#
# Makes the environment .venv when there is none; PYTHON names the interpreter that makes it
# (default: python3), VENV another place for it. Without options every test runs.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}

[[ -x $venv/bin/pip ]] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet -e '.[test]'
"$venv/bin/ruff" check .
"$venv/bin/ruff" format --check .
"$venv/bin/mypy"
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
NO_MKDOCS_2_WARNING=1 "$venv/bin/python" -m mkdocs build --quiet --strict --site-dir "$site"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
"$venv/bin/python" -m pytest -n 2 --dist worksteal "$@"
