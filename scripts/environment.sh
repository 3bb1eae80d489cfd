# Sourced by the other scripts: goes to the repository's root, finds Swift, sets HERALD_SHARED.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8

if ! command -v swift >/dev/null 2>&1; then
  for directory in /opt/swift/usr/bin /usr/local/swift/usr/bin /usr/libexec/swift/bin \
    "${HOME:-/root}/.local/share/swiftly/bin"; do
    if [[ -x "$directory/swift" ]]; then
      export PATH="$PATH:$directory"
      break
    fi
  done
fi

# Data sets that some tests read where they lie; those tests say that they were skipped elsewhere.
if [[ -z "${HERALD_SHARED:-}" && -d ../shared ]]; then
  HERALD_SHARED="$(cd ../shared && pwd)"
  export HERALD_SHARED
fi

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

need_swift() {
  command -v swift >/dev/null 2>&1 ||
    fail "Swift 6.2 or newer is needed and was not found in PATH. Install it from https://www.swift.org/install/linux/ and run this again."
}

# Prints the directory of the newest PostgreSQL server programs, or nothing.
# The order is that of EmbeddedCluster, so that tests and `herald serve` run the same server.
postgres_bin() {
  local directory
  for directory in "${HERALD_POSTGRES_BIN:-}" "$(pg_config --bindir 2>/dev/null || true)" \
    $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -rV) \
    "$(dirname "$(command -v initdb 2>/dev/null || echo /nowhere/initdb)")"; do
    if [[ -n "$directory" && -x "$directory/initdb" && -x "$directory/postgres" ]]; then
      printf '%s\n' "$directory"
      return
    fi
  done
}
