#!/usr/bin/env bash
# The name under which the published commands call dist_test.sh; the arguments are the same.
exec bash "$(dirname "$0")/dist_test.sh" "$@"
