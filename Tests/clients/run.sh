#!/usr/bin/env bash
# Lets the real clients of Segment and RudderStack talk to a Herald of its own. See README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

herald=${HERALD_BIN:-$root/.build/debug/herald}
port=${PORT:-18778}
log=$root/.build/clients.log

venv=$root/.build/clients-venv
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r "$here/requirements.txt"
fi

work=$(mktemp -d)
# As root PostgreSQL runs as another user, who must be able to enter.
chmod 711 "$work"
export HERALD_URL=http://127.0.0.1:$port
export HERALD_LISTEN=127.0.0.1:$port
export HERALD_ADMIN_KEY=hk_clients_admin_key_of_tests
# Without HERALD_DATABASE_URL a private PostgreSQL cluster is made there; a database that is given
# must be empty.
export HERALD_DATA_DIR=$work/data
# Small enough that RudderStack's client, which cuts its batches at 4 MiB, can go beyond it.
export HERALD_TRACKING_BATCH_KB=512

: >"$log"
[ -z "${HERALD_DATABASE_URL:-}" ] || "$herald" migrate >>"$log" 2>&1
HERALD_LOG_FORMAT=json "$herald" serve >>"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
  curl -sf "$HERALD_URL/readyz" >/dev/null && break
  kill -0 "$server" || { cat "$log"; exit 1; }
  sleep 0.2
done

"$venv/bin/python" -m unittest --verbose "$here/test_clients.py"
