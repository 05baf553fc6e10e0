#!/usr/bin/env bash
# Test on a Slurm cluster:
#   [GPUS=8] [GPUS_PER_NODE=8] tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options]
set -euo pipefail
[[ $# -ge 4 ]] || { echo "Usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [options]" >&2; exit 2; }
source "$(dirname "$0")/_launch.sh"
launch_slurm test.py "$1" "$2" "$3" "$4" "${@:5}"
