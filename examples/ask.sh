#!/bin/sh
# Ask a question and print the status with the answer, waiting on long polls.
#
#     examples/ask.sh "How many films are there?" [http://localhost:7071]
#
# Where the app wants to know who asks, put a token into LAKEHOUSE_TOKEN.
set -eu

question=${1:-How many films are there?}
base=${2:-http://localhost:7071}

request() {
    if [ -n "${LAKEHOUSE_TOKEN:-}" ]; then set -- -H "Authorization: Bearer $LAKEHOUSE_TOKEN" "$@"; fi
    curl -sS --fail-with-body "$@"
}

# Quotes and backslashes in the question must be escaped in JSON.
escaped=$(printf '%s' "$question" | sed 's/[\\"]/\\&/g')
started=$(request "$base/api/chat/start" -H "Content-Type: application/json" -d "{\"question\": \"$escaped\"}")
poll_url=$(printf '%s' "$started" | sed 's/.*"poll_url": *"\([^"]*\)".*/\1/')

attempts=0
while [ "$attempts" -lt 12 ]; do
    status=$(request "$base$poll_url?wait=10&since=999999")
    case $status in
    *'"status": "processing"'*) attempts=$((attempts + 1)) ;;
    *) break ;;
    esac
done
printf '%s\n' "$status"
case $status in
*'"status": "completed"'*) ;;
*) exit 1 ;;
esac
