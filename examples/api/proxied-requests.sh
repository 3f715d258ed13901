#!/bin/sh
# Requests through the pool of a running server.
set -eu
. "$(dirname "$0")/call.sh"
url="${TARGET_URL:-https://example.com/}"

call POST /request '{ "url": "'"$url"'", "headers": { "accept": "text/html" }, "timeout": 20 }'
echo
# All requests of a session use one proxy.
call POST /request '{ "url": "'"$url"'", "method": "POST", "body": "hello", "sessionId": "basket-1" }'
