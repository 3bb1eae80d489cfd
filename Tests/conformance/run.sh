#!/usr/bin/env bash
# Judges a Herald of its own by the document it serves: openapi-spec-validator, then schemathesis
# once with a key of each role, then a probe of every documented status. See README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

herald=${HERALD_BIN:-$root/.build/debug/herald}
examples=${EXAMPLES:-30}
roles=${ROLES:-admin operator approver ingest analyst}
phases=${PHASES:-coverage,fuzzing}
port=${PORT:-18777}

venv=$root/.build/conformance-venv
if [ ! -x "$venv/bin/schemathesis" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r "$here/requirements.txt"
fi

work=$(mktemp -d)
# As root PostgreSQL runs as another user, who must be able to enter.
chmod 711 "$work"
export CONFORMANCE_DIR=${CONFORMANCE_DIR:-$root/.build/conformance}
export HERALD_URL=http://127.0.0.1:$port
export HERALD_LISTEN=127.0.0.1:$port
export HERALD_ADMIN_KEY=hk_conformance_admin_key
# Without HERALD_DATABASE_URL a private PostgreSQL cluster is made there; a database that is given
# must be empty.
export HERALD_DATA_DIR=$work/data
# Messages carry unsubscribe links of it.
export HERALD_PUBLIC_URL=$HERALD_URL
mkdir -p "$CONFORMANCE_DIR"
rm -f "$CONFORMANCE_DIR"/seen-*.tsv

: >"$CONFORMANCE_DIR/herald.log"
server=""
stop() { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
trap 'stop; rm -rf "$work"' EXIT
start() {
  # The private cluster is migrated by `serve`.
  [ -z "${HERALD_DATABASE_URL:-}" ] || "$herald" migrate >>"$CONFORMANCE_DIR/herald.log" 2>&1
  HERALD_ALLOW_PRIVATE_ENDPOINTS=1 HERALD_LOG_FORMAT=json "$herald" serve \
    >>"$CONFORMANCE_DIR/herald.log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    curl -sf "$HERALD_URL/readyz" >/dev/null && return
    kill -0 "$server" || { cat "$CONFORMANCE_DIR/herald.log"; exit 1; }
    sleep 0.2
  done
}
start

failed=0
step() { echo; echo "== $*"; }

step "openapi-spec-validator"
curl -sf "$HERALD_URL/openapi.json" >"$CONFORMANCE_DIR/openapi.json"
"$venv/bin/openapi-spec-validator" "$CONFORMANCE_DIR/openapi.json" || failed=1

step "seed"
"$venv/bin/python" "$here/seed.py"

cd "$here"
for role in $roles; do
  step "schemathesis as $role"
  key=$("$venv/bin/python" -c \
    'import json, sys; print(json.load(open(sys.argv[1]))["keys"][sys.argv[2]])' \
    "$CONFORMANCE_DIR/seed.json" "$role")
  CONFORMANCE_ROLE=$role "$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" \
    run "$HERALD_URL/openapi.json" -H "Authorization: Bearer $key" --no-color \
    -n "$examples" --phases "$phases" --continue-on-failure --generation-database none \
    >"$CONFORMANCE_DIR/$role.txt" 2>&1 || failed=1
  sed -n '/= SUMMARY/,$p' "$CONFORMANCE_DIR/$role.txt"
done

kill -0 "$server" || { echo "herald is gone"; failed=1; }
if [ -z "${HERALD_DATABASE_URL:-}" ]; then
  step "seed of a new Herald, for schemathesis has deleted this and that"
  stop
  rm -rf "$HERALD_DATA_DIR"
  start
  "$venv/bin/python" "$here/seed.py"
fi
step "probe"
"$venv/bin/python" "$here/probe.py" || failed=1
step "coverage"
"$venv/bin/python" "$here/coverage.py" || failed=1

step "server errors in the log"
if grep -E '"status":"5[0-9][0-9]"' "$CONFORMANCE_DIR/herald.log" | grep -v '"status":"501"'; then
  failed=1
fi
kill -0 "$server" || { echo "herald is gone"; failed=1; }
echo
[ "$failed" = 0 ] && echo "conformance: passed" || echo "conformance: FAILED, see $CONFORMANCE_DIR"
exit "$failed"
