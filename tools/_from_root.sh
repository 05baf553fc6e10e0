#!/usr/bin/env bash
# What the scripts of detpro/tools and ovtrack/tools call: the published commands are typed in
# those folders, runs start in the repository root.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "Running in $PWD: relative paths, --work-dir included, start there." >&2
exec bash "tools/$1" "${@:2}"
