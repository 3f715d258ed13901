# One call of the API: `call METHOD PATH [BODY]`. Sourced by the other examples.
API="${PROXYWHIRL_URL:-http://127.0.0.1:8000}/api/v1"

# The key comes by a file descriptor: the arguments of a process can be read by all users of a machine.
call() {
  printf 'header = "X-API-Key: %s"\n' "${PROXYWHIRL_API_KEY:-none}" |
    curl --silent --show-error --fail-with-body --config - --request "$1" "$API$2" \
      --header 'Content-Type: application/json' ${3:+--data "$3"} ${CURL_OPTIONS:-}
}
