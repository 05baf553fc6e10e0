#!/usr/bin/env bash
# The same as tools/dist_test.sh, see there.
exec "$(dirname "$0")/../../tools/_from_root.sh" dist_test.sh "$@"
