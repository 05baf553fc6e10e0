#!/usr/bin/env bash
# Test on several GPUS:  tools/dist_test.sh CONFIG CHECKPOINT GPUS [PORT] [options of vovtrack test]
set -euo pipefail
source "$(dirname "$0")/_launch.sh"
[[ $# -ge 3 ]] || { echo "Usage: $0 CONFIG CHECKPOINT GPUS [PORT] [options]" >&2; exit 2; }
launch test.py "$1"$'\n'"$2" "${@:3}"
