#!/usr/bin/env bash
# Check training and tracking on a GPU machine, in under ten minutes, without a network:
#   bash tools/gpu_check.sh [--wheels DIR] [options of tools/gpu_check]
#
# DIR holds wheels of what the machine lacks ('python tools/gpu_check/wheels.py collect DIR' on a
# machine with a network); they go to work_dirs/gpu_check/site, and the installed torch stays.
# PYTHON names the interpreter (default: python3), WHEELS may name DIR. The table is docs/gpu.md.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3} wheels=${WHEELS:-} site=work_dirs/gpu_check/site
if [[ ${1:-} == --wheels ]]; then
  [[ $# -ge 2 ]] || { echo "Usage: $0 [--wheels DIR] [options]" >&2; exit 2; }
  wheels=$2
  shift 2
fi
if [[ -n $wheels ]]; then
  "$python" tools/gpu_check/wheels.py install "$wheels" "$site"
  export PYTHONPATH="$PWD/$site${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" tools/gpu_check "$@"
