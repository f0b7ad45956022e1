#!/bin/sh
# Starts a server with the drinks shop in it and stays in front of it until Ctrl-C.
#   examples/run.sh TALLY DATA HOST:PORT
set -eu
tally=$1 data=$2 listen=$3
here=$(dirname "$0")

# Whoever answers there already would be taken for the server that is started here.
if curl -s -m 2 -o /dev/null "http://$listen/livez"; then
    echo "$listen is in use. Give another address: ./dev run $data 127.0.0.1:7071" >&2
    exit 1
fi
"$tally" serve --data "$data" --listen "$listen" &
server=$!
trap 'kill -TERM "$server" 2>/dev/null || true' TERM
trap : INT # Ctrl-C reaches the server too; a second signal would hurry it
tries=0
until curl -fs -o /dev/null "http://$listen/readyz"; do
    kill -0 "$server" 2>/dev/null || { wait "$server"; exit $?; }
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "the server is not ready after a minute" >&2; kill "$server"; exit 1; }
    sleep 0.1
done
"$tally" lot import "$here/drinks.csv" --server "$listen"

grpcurl_note=""
command -v grpcurl >/dev/null || grpcurl_note="
  (grpcurl is at github.com/fullstorydev/grpcurl; ./dev setup builds it into build/peers, given Go)
"
cat <<TEXT

Tallystick listens on $listen, its data is in $data. Try, in another terminal:

  curl -s http://$listen/v1/reservations -H 'content-type: application/json' \\
       -d '{"user_id": "ann", "lines": [{"sku": "LEMONADE-CLASSIC", "quantity": 2}]}'

  grpcurl -plaintext -d '{"user_id": "bob", "lines": [{"sku": "LEMONADE-CLASSIC", "quantity": 1}]}' \\
       $listen tally.v1.Inventory/Reserve
$grpcurl_note
  $tally lot list --server $listen

Ctrl-C stops it. Then: $tally verify $data

TEXT
status=0
wait "$server" || status=$?
# The first wait ends when the signal arrives; the second one ends with the server.
while kill -0 "$server" 2>/dev/null; do
    status=0
    wait "$server" || status=$?
done
exit "$status"
