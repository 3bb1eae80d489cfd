#!/usr/bin/env bash
# Creates Herald's two roles and its database in a PostgreSQL server of one's own. Run once, as the
# server's administrator, with psql's usual environment (PGHOST, PGUSER, …) and
#   HERALD_OWNER_PASSWORD   for herald_owner, who owns the tables: HERALD_MIGRATE_DATABASE_URL
#   HERALD_APP_PASSWORD     for herald_app, who may not change the schema: HERALD_DATABASE_URL
# The PostgreSQL image runs it when it initialises an empty volume (see docker-compose.yml). The
# private PostgreSQL of `herald serve` needs nothing of it.
set -euo pipefail
: "${HERALD_OWNER_PASSWORD:?is needed}" "${HERALD_APP_PASSWORD:?is needed}"

# Through psql's environment, not its arguments, which everybody on the machine can read.
export HERALD_OWNER_PASSWORD HERALD_APP_PASSWORD
psql -X -q -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-${PGUSER:-postgres}}" -d postgres <<'SQL'
\set owner_password `printf %s "$HERALD_OWNER_PASSWORD"`
\set app_password `printf %s "$HERALD_APP_PASSWORD"`
CREATE ROLE herald_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE herald_app LOGIN PASSWORD :'app_password';
CREATE DATABASE herald OWNER herald_owner TEMPLATE template0
  ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
REVOKE ALL ON DATABASE herald FROM PUBLIC;
GRANT CONNECT ON DATABASE herald TO herald_app;
SQL
