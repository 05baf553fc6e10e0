#!/usr/bin/env bash
# Train on a Slurm cluster:
#   [GPUS=8] [GPUS_PER_NODE=8] tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options]
set -euo pipefail
[[ $# -ge 4 ]] || { echo "Usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [options]" >&2; exit 2; }
source "$(dirname "$0")/_launch.sh"
launch_slurm train.py "$1" "$2" "$3" --work-dir "$4" "${@:5}"
