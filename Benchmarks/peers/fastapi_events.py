"""What one would write in an afternoon to take the same events: FastAPI, asyncpg, orjson.

It takes the body of Herald's `POST /v1/events` and does the same to the same tables: de-duplicates by
message id, finds or makes users by external_id, inserts, answers after COMMIT. It does not keep
first_seen and last_seen, checks little of what Herald checks, and has no keys.

PEER_MODE: unnest (a handful of statements for a request) or executemany (two statements for each
event, pipelined by asyncpg). PEER_DATABASE: the address of the database."""

import os
import uuid
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from hashlib import sha256

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response

MODE = os.environ["PEER_MODE"]
POOL = int(os.environ.get("PEER_POOL", "8"))

KEYS = """
    INSERT INTO event_keys (key, seen_on) SELECT key, current_date FROM unnest($1::uuid[]) AS key
    ON CONFLICT (key) DO NOTHING RETURNING key"""
OWNERS = """
    SELECT i.value, i.user_id FROM unnest($1::text[]) AS n (value)
    JOIN identities i ON i.kind = 'external_id' AND i.value = n.value"""
PEOPLE = """
    INSERT INTO users (id, created_at, updated_at) SELECT id, now(), now() FROM unnest($1::uuid[]) AS id"""
IDENTITIES = """
    INSERT INTO identities (kind, value, user_id, created_at)
    SELECT 'external_id', value, id, now() FROM unnest($1::text[], $2::uuid[]) AS n (value, id)
    ON CONFLICT (kind, value) DO NOTHING"""
EVENTS = """
    INSERT INTO events (user_id, name, ts, id, properties, source, message_id, received_at)
    SELECT user_id, name, ts, gen_random_uuid(), properties::jsonb, 'api', message_id, now()
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
      AS n (user_id, name, ts, properties, message_id)"""
PERSON = """
    WITH made AS (
      INSERT INTO identities (kind, value, user_id, created_at)
      VALUES ('external_id', $1, gen_random_uuid(), now())
      ON CONFLICT (kind, value) DO NOTHING RETURNING user_id)
    INSERT INTO users (id, created_at, updated_at) SELECT user_id, now(), now() FROM made"""
EVENT = """
    WITH fresh AS (
      INSERT INTO event_keys (key, seen_on) VALUES ($1, current_date)
      ON CONFLICT (key) DO NOTHING RETURNING key)
    INSERT INTO events (user_id, name, ts, id, properties, source, message_id, received_at)
    SELECT i.user_id, $3, $4, gen_random_uuid(), $5::jsonb, 'api', $6, now()
    FROM fresh JOIN identities i ON i.kind = 'external_id' AND i.value = $2"""


@asynccontextmanager
async def lifespan(app):
    async def text(connection):
        await connection.set_type_codec(
            "jsonb", encoder=str, decoder=str, schema="pg_catalog")
    app.state.pool = await asyncpg.create_pool(
        os.environ["PEER_DATABASE"], min_size=POOL, max_size=POOL, init=text)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


def rows(events):
    """By the key, so that two requests with the same messages do not wait for each other."""
    now = datetime.now(timezone.utc)
    found = {}
    for event in events:
        message = event["message_id"]
        key = uuid.UUID(bytes=sha256(b"api\0" + message.encode()).digest()[:16])
        at = event.get("timestamp")
        found[key] = (
            event["user"]["external_id"], event["name"],
            datetime.fromisoformat(at) if at else now,
            orjson.dumps(event.get("properties", {})).decode(), message)
    return sorted(found.items())


async def by_unnest(connection, items):
    fresh = {row[0] for row in await connection.fetch(KEYS, [key for key, _ in items])}
    new = [row for key, row in items if key in fresh]
    if not new:
        return 0
    names = sorted({row[0] for row in new})
    owners = dict(await connection.fetch(OWNERS, names))
    missing = [name for name in names if name not in owners]
    if missing:
        ids = [uuid.uuid4() for _ in missing]
        await connection.execute(PEOPLE, ids)
        await connection.execute(IDENTITIES, missing, ids)
        owners |= dict(await connection.fetch(OWNERS, missing))
    new = sorted((owners[row[0]], *row[1:]) for row in new)
    await connection.execute(EVENTS, *(list(column) for column in zip(*new)))
    return len(new)


async def by_executemany(connection, items):
    await connection.executemany(PERSON, [(row[0],) for _, row in items])
    await connection.executemany(EVENT, [(key, *row) for key, row in items])
    return len(items)


@app.post("/v1/events")
async def events(request: Request):
    items = rows(orjson.loads(await request.body())["events"])
    store = by_unnest if MODE == "unnest" else by_executemany
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        accepted = await store(connection, items)
    return Response(
        orjson.dumps({"accepted": accepted, "duplicates": len(items) - accepted, "rejected": []}),
        media_type="application/json")


@app.get("/readyz")
async def ready():
    return {}
