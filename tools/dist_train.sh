#!/usr/bin/env bash
# Train on several GPUS:  tools/dist_train.sh CONFIG GPUS [PORT] [options of vovtrack train]
set -euo pipefail
source "$(dirname "$0")/_launch.sh"
[[ $# -ge 2 ]] || { echo "Usage: $0 CONFIG GPUS [PORT] [options]" >&2; exit 2; }
launch train.py "$1" "${@:2}"
