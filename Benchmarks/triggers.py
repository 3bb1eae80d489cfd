#!/usr/bin/env python3
"""From an acknowledged event to its hand-over to the channel, with many event plans at a steady rate.

Every event comes in a request of its own and satisfies one of the plans, by a property; each plan
sends one push. The clock of an event runs from the moment its 200 has been read to the moment the
message it caused has arrived at the provider, which answers at once. Events are sent at their times
however long earlier ones take, so that a delay is not hidden by waiting for it; the first seconds
are not counted. --idle sends at the rate to plans that none of the events satisfies, to tell what
matching itself costs."""

import argparse
import asyncio
import json
import re
import time

from bench import campaign, usage
from bench.cluster import Cluster, Psql
from bench.server import ADMIN, Herald

EVENT = "order_submitted"


class Provider(asyncio.Protocol):
    """Takes messages on kept connections and notes when each person's arrived."""

    arrived = {}
    ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"id":"x"}'

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = int(re.search(rb"(?i)content-length: *(\d+)", self.buffer[:end])[1])
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4:end + 4 + length]
            self.buffer = self.buffer[end + 4 + length:]
            person = int(re.search(rb"token-(\d+)", body)[1])
            self.arrived[person] = time.monotonic()
            self.transport.write(self.ANSWER)


class Client:
    """Sends events at their times over a few connections; notes when each was acknowledged."""

    def __init__(self, port, plans, idle):
        self.port, self.plans, self.idle = port, plans, idle
        self.acknowledged, self.waited = {}, 0.0

    async def run(self, rate, seconds, connections):
        free = asyncio.Queue()
        for _ in range(connections):
            free.put_nowait(await asyncio.open_connection("127.0.0.1", self.port))
        began, tasks = time.monotonic(), []
        for number in range(1, int(rate * seconds) + 1):
            at = began + number / rate
            if (pause := at - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            connection = await free.get()
            self.waited = max(self.waited, time.monotonic() - at)
            tasks.append(asyncio.create_task(self.send(number, connection, free)))
        await asyncio.gather(*tasks)

    async def send(self, number, connection, free):
        reader, writer = connection
        body = json.dumps({"events": [{
            "message_id": f"{id(self)}-{number}", "user": {"external_id": f"u-{number}"},
            "name": EVENT, "properties": {"shelf": -1 if self.idle else number % self.plans}}]})
        writer.write((
            f"POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {ADMIN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
        answer = await reader.readexactly(length)
        self.acknowledged[number] = time.monotonic()
        assert head.startswith(b"HTTP/1.1 200") and b'"accepted":1' in answer, (head, answer)
        free.put_nowait(connection)


def prepare(herald, url, plans):
    people = campaign.prepare(herald, url)
    operator, approver = people
    for number in range(plans):
        key = f"shelf-{number}"
        herald.call("PUT", f"/v1/plans/{key}", {
            "name": key, "trigger": {
                "event": EVENT, "where": [{"property": "shelf", "eq": number}]},
            "audience": {"attribute": "age", "gte": 18},
            "reentry": {"limit": 1, "per": "1d"},
            "steps": [{"id": "tell", "send": {"chain": [
                {"channel": "push", "template": "hello"}]}}]}, operator)
        submitted = herald.call(
            "POST", f"/v1/plans/{key}/submit", {"comment": "benchmark"}, operator)
        herald.call("POST", f"/v1/approvals/{submitted['approval']}/approve",
                    {"hash": submitted["hash"]}, approver)
    while any(herald.call("GET", f"/v1/plans/shelf-{n}")["state"] != "live" for n in range(plans)):
        time.sleep(0.1)


async def measure(options, herald, cluster):
    client = Client(herald.port, options.plans, options.idle)
    with usage.Span(watch=herald.pid, herald=herald.pid, postgres=cluster.postmaster) as span:
        await client.run(options.rate, options.seconds, options.connections)
        deadline = time.monotonic() + 30
        while not options.idle and len(Provider.arrived) < len(client.acknowledged):
            assert time.monotonic() < deadline, (len(Provider.arrived), len(client.acknowledged))
            await asyncio.sleep(0.05)
    return client, span


def share(values, part):
    return values[min(len(values) - 1, int(len(values) * part))]


async def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--plans", type=int, default=50)
    options.add_argument("--rate", type=float, default=500)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--warm-up", type=float, default=5)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--idle", action="store_true")
    options = options.parse_args()
    print(f"triggers: {usage.conditions()}; {options.plans} event plans, {options.rate:.0f} "
          f"events/s in requests of one, PostgreSQL with default durability")
    loop = asyncio.get_running_loop()
    provider = await loop.create_server(Provider, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{provider.sockets[0].getsockname()[1]}/push"
    with Cluster() as cluster:
        database = cluster.create("herald")
        with Herald(database) as herald, Psql(database) as sql:
            campaign.seed(sql, int(options.rate * options.seconds) + 1)
            await asyncio.to_thread(prepare, herald, url, options.plans)
            client, span = await measure(options, herald, cluster)
            events = len(client.acknowledged)
            each = {name: 1e6 * seconds / events for name, seconds in span.cpu.items()}
            cost = (f"CPU per event: herald {each['herald']:.0f} us, PostgreSQL "
                    f"{each['postgres']:.0f} us; herald's memory {span.peak_rss:.0f} MB; the client "
                    f"was {1000 * client.waited:.0f} ms late at most")
            if options.idle:
                return print(f"  no event fits: {cost}")
            skipped = int(options.rate * options.warm_up)
            delays = sorted(
                1000 * (Provider.arrived[number] - at)
                for number, at in client.acknowledged.items() if number > skipped)
            sent = int(sql.value("SELECT count(*) FROM deliveries WHERE status = 'sent'"))
            print(f"  acknowledged to handed over: p50 {share(delays, 0.5):.0f} ms, p99 "
                  f"{share(delays, 0.99):.0f} ms, worst {delays[-1]:.0f} ms of {len(delays):,}; "
                  f"{sent:,} of {events:,} settled; {cost}")


if __name__ == "__main__":
    asyncio.run(main())
