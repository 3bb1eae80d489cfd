"""Compares the rows that Herald wrote with what was computed, and the books with the rows."""
import collections

import clocks


class Ledger:
    def __init__(self, world):
        self.world = world
        self.faults = []
        self.ways = self.sends = self.stops = self.calls = 0
        self.runs = collections.Counter()
        self.enrolments = {}
        for row in world.lines("enrolments"):
            row["occurrence"] = world.runs[row["run_id"]]["occurrence"]
            self.enrolments[row["plan"], row["occurrence"], row["user_id"], row["entry_key"]] = row
        self.visits = {}
        for row in world.lines("visits"):
            occurrence = world.runs[row["run_id"]]["occurrence"]
            key = (row["plan"], occurrence, row["user_id"], row["entry_key"], row["step_id"])
            self.visits[key] = row
        self.deliveries = dict(world.deliveries)
        self.outcomes = collections.Counter()

    def fault(self, kind, text):
        self.faults.append((kind, text))

    def same(self, kind, key, pairs):
        """`pairs`: name, Herald's, the oracle's; instants as numbers."""
        for name, theirs, ours in pairs:
            if theirs != ours:
                if isinstance(ours, float) or isinstance(theirs, float):
                    theirs, ours = clocks.show(theirs), clocks.show(ours)
                self.fault(
                    f"{key[0].rsplit('-', 1)[0]} {kind}: {name}",
                    f"{' '.join(map(str, key))}: Herald {theirs!r}, oracle {ours!r}",
                )

    def check_runs(self, fired, missed, rain):
        """Each schedule fired once for every occurrence and zone, and at no other time."""
        expected = collections.Counter()
        for firings in fired.values():
            expected.update((firing.plan, firing.occurrence) for _, firing in firings)
        expected.update((firing.plan, firing.occurrence) for _, firing, _ in rain)
        expected.update(missed)
        for row in self.world.runs.values():
            self.runs[row["plan"], row["occurrence"]] += 1
        streams = {key for key in self.runs if key[1].startswith("day:")}
        for key in {*expected, *self.runs} - streams:
            if (expected[key], self.runs[key]) != (1, 1):
                self.fault("run", f"{key}: Herald has {self.runs[key]}, oracle {expected[key]}")
        for row in self.world.runs.values():
            is_missed = row["state_reason"] == "missed"
            if is_missed != ((row["plan"], row["occurrence"]) in set(missed)):
                self.fault("run missed", f"{row['plan']} {row['occurrence']}: {row['state_reason']}")

    def check(self, person, ways):
        for text in self.world.pressure.exceeded(person):
            self.fault("cap exceeded", f"{person.id} {text}")
        for way in ways:
            self.ways += 1
            self.outcomes[way.state + (f" ({way.reason})" if way.reason else "")] += 1
            row = self.enrolments.pop(way.key, None)
            if row is None:
                self.fault(
                    f"{way.plan.key.rsplit('-', 1)[0]} enrolment missing",
                    f"{way.key}: {way.state} {way.reason} at {clocks.show(way.entered)}",
                )
                continue
            self.same(
                "enrolment",
                way.key,
                [
                    ("state", row["state"], way.state),
                    ("reason", row["reason"], way.reason),
                    ("bucket", row["holdout_bucket"], way.bucket),
                    ("entered", clocks.instant(row["entered_at"]), way.entered),
                    ("finished", clocks.instant(row["finished_at"]), way.finished),
                ],
            )
            for step, ours in way.deliveries.items():
                self.check_delivery((*way.key, step), ours)
            for step, ours in way.visits.items():
                self.check_visit((*way.key, step), ours)

    def check_delivery(self, key, ours):
        self.sends += 1
        row = self.deliveries.pop(key, None)
        if row is None:
            return self.fault(f"{key[0].rsplit('-', 1)[0]} delivery missing", f"{key}: {ours}")
        pairs = [
            ("status", row["status"], ours["status"]),
            ("created", clocks.instant(row["created_at"]), ours["created"]),
            ("settled", clocks.instant(row["settled_at"]), ours.get("settled")),
        ]
        if ours["status"] != "pending":
            pairs += [(name, row[name], ours.get(name)) for name in ("reason", "gate", "channel")]
            # The senders are called as their channels are.
            called = ours["status"] in ("sent", "failed", "unknown")
            pairs.append(("sender", row["sender"], ours["channel"] if called else None))
        self.same("delivery", key, pairs)

    def check_visit(self, key, ours):
        self.stops += 1
        row = self.visits.pop(key, None)
        if row is None:
            return self.fault(f"{key[0].rsplit('-', 1)[0]} visit missing", f"{key}: {ours}")
        self.same(
            "visit",
            key,
            [
                ("state", row["state"], ours["state"]),
                ("kind", row["kind"], ours["kind"]),
                ("outcome", row["outcome"], ours.get("outcome")),
                ("arrived", clocks.instant(row["arrived_at"]), ours["arrived"]),
                ("left", clocks.instant(row["left_at"]), ours.get("left")),
            ],
        )

    def check_rest(self):
        for name, rows in (
            ("enrolment", self.enrolments), ("delivery", self.deliveries), ("visit", self.visits)
        ):
            for key, row in rows.items():
                state = row.get("state") or row.get("status")
                self.fault(f"{key[0].rsplit('-', 1)[0]} {name} unforeseen", f"{key}: {state}")
        self.check_calls()
        self.check_books()

    def check_calls(self):
        """What was handed over, by the other end's log: nothing twice but under one key, nothing in
        quiet hours, and neither more nor less than the ledger says."""
        world = self.world
        people = {row["id"]: world.home(row) for row in world.users}
        steps = {row["id"]: row for row in world.deliveries.values()}
        tried = collections.defaultdict(list)
        for row in world.lines("attempts"):
            if row["try"] > 0:
                tried[f"{row['delivery_id']}-{row['link']}"].append(row)
        for key, statuses in world.answers.items():
            self.calls += len(statuses)
            ends = {row["status"] for row in tried.get(key, [])}
            # Of what was in doubt in the end an answer may have been lost.
            last = max(tried.get(key, []), key=lambda row: row["try"], default={"status": None})
            lost = last["status"] == "unknown"
            if any(
                (code in statuses) != (end in ends) and not (lost and end not in ends)
                for code, end in ((200, "sent"), (422, "failed"))
            ):
                self.fault("call", f"{key}: answered {statuses}, Herald has {sorted(ends)}")
            if "retry" in ends and 503 not in statuses:
                self.fault("call", f"{key}: answered {statuses}, Herald tries again")
        for key, rows in tried.items():
            if key not in world.answers:
                self.fault("call", f"{key}: Herald has {rows[0]['status']}, nobody was called")
            for row in rows:
                plan = world.plans[steps[row["delivery_id"]]["plan"]]
                hours = plan.document.get("quiet_hours") or world.settings["quiet_hours"]
                if not plan.marketing or not hours:
                    continue
                name = hours.get("zone", "user")
                zone = world.zone(people[row["user_id"]] if name == "user" else name)
                if clocks.quiet(hours, clocks.instant(row["started_at"]), zone):
                    self.fault("quiet hours", f"{plan.key} {key} at {row['started_at']}")

    def check_books(self):
        """The accounting of every plan is what its rows add up to."""
        people = collections.defaultdict(collections.Counter)
        for row in self.world.lines("enrolments"):
            people[row["plan"]][row["state"], row["reason"]] += 1
        for line in self.world.lines("accounting"):
            plan, books = line["plan"], line["books"]
            if books["balanced"] is not True:
                self.fault("accounting", f"{plan} is not balanced: {books}")
            counts, told = people[plan], books["people"]
            skipped = {
                reason: count for (state, reason), count in counts.items() if state == "skipped"
            }
            exited = {reason: count for (state, reason), count in counts.items() if state == "exited"}
            pairs = [
                ("targeted", told["targeted"], sum(counts.values())),
                ("held_out", told["held_out"], counts["held_out", None]),
                ("active", told["active"], counts["active", None]),
                ("finished", told["finished"], counts["finished", None]),
                ("skipped", told["skipped_at_entry"], skipped),
                ("exited", told["exited"], exited),
            ]
            self.same("accounting", (plan,), pairs)

    def summary(self):
        return ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
