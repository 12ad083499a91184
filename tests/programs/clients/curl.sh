#!/bin/sh
# curl.sh URL REQUESTS: one curl for all requests; curl says how many connections it made.
set -eu
url=$1
count=$2
set --
while [ "$#" -lt $((3 * count)) ]; do
  set -- "$@" "$url/ticker/latest" --output /dev/null
done
curl --silent --show-error --fail --write-out '%{num_connects}\n' "$@" |
  awk '{ requests += 1; connections += $1 }
       END { printf "{\"requests\": %d, \"connections\": %d}\n", requests, connections }'
