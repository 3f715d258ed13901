#!/bin/sh
# How a running server and its pool do.
set -eu
. "$(dirname "$0")/call.sh"

for path in /health /ready /status /stats /metrics /openapi.json; do
  call GET "$path"
  echo
done

# Server-sent events; curl says 28 when its time is over.
CURL_OPTIONS='--no-buffer --max-time 2' call GET '/events?type=selected,settled' 2>/dev/null || [ $? = 28 ]
