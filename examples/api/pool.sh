#!/bin/sh
# The proxies of a running server: add, look, test, change, remove.
set -eu
. "$(dirname "$0")/call.sh"
proxy='{ "url": "'"${NEW_PROXY:-http://203.0.113.9:8000}"'", "tags": ["new"] }'

added=$(call POST '/proxies?check=false' "$proxy")
id=$(printf '%s' "$added" | grep -o 'px_[0-9a-f]*' | head -n 1)
echo "added $id"
call GET '/proxies?tag=new&page_size=10'
echo
call POST /proxies/test '{ "proxy_ids": ["'"$id"'"] }'
echo
call PATCH "/proxies/$id" '{ "disabled": true, "tags": ["spare"] }'
echo
call GET "/proxies/$id"
echo
call DELETE "/proxies/$id"
echo "removed $id"
