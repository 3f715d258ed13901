#!/bin/sh
# What a running server goes by, and how to change it.
set -eu
. "$(dirname "$0")/call.sh"

call GET /config
echo
call PUT /config '{ "strategy": "random", "timeout": 10 }'
