"""What was exported of a month, read into memory."""
import bisect
import collections
import json
import os
import re

import clocks
from pressure import Pressure

Event = collections.namedtuple("Event", "id name at properties")
Told = collections.namedtuple("Told", "plan user entry properties")
Scene = collections.namedtuple("Scene", "id name at properties")
# Of the countries whose telephone numbers are in use, those whose people have one clock.
CLOCKS = {
    "+44": "Europe/London", "+49": "Europe/Berlin", "+81": "Asia/Tokyo", "+852": "Asia/Hong_Kong",
    "+86": "Asia/Shanghai", "+91": "Asia/Kolkata", "+1": None, "+61": None,
}

Firing = collections.namedtuple("Firing", "plan occurrence zone at")


class World:
    def __init__(self, directory):
        self.directory = directory
        clock = next(self.lines("clock"))
        self.seed = clock["seed"]
        self.ticks = [clocks.instant(tick) for tick in clock["ticks"]]
        self.start, self.end = self.ticks[0], self.ticks[-1]
        self.approved = clocks.instant(clock["approved"])
        self.zones = {}
        self.settings = next(self.lines("settings"))
        self.project = self.zone(self.settings["time_zone"])
        self.segments = {row["key"]: row["condition"] for row in self.lines("segments")}
        self.templates = {row["key"]: row for row in self.lines("templates")}
        for template in self.templates.values():
            template["wants"] = re.findall(r"{{ user\.(\w+) }}", json.dumps(template["content"]))
        self.plans = {row["plan"]: Plan(row["plan"], row["document"]) for row in self.lines("plans")}
        self.users = list(self.lines("users"))
        self.events = collections.defaultdict(list)
        for row in self.lines("events"):
            event = Event(row["id"], row["name"], clocks.instant(row["ts"]), row["properties"])
            self.events[row["user_id"]].append((self.told_at(row["received_at"]), event))
        self.told = collections.defaultdict(list)
        for row in self.lines("told"):
            told = Told(row["plan"], row["user"], row["entry"], row["properties"])
            self.told[row["user"]].append((self.told_at(row["at"]), told))
        self.scenes = [
            (
                self.told_at(row["received_at"]),
                Scene(row["id"], row["name"], clocks.instant(row["ts"]), row["properties"]),
            )
            for row in self.lines("scenes")
        ]
        self.runs = {row["id"]: row for row in self.lines("runs")}
        self.answers = {}
        for row in self.lines("calls"):
            self.answers.setdefault(row["idempotency_key"], []).append(row["status"])
        self.tried = {
            (row["delivery_id"], row["link"], row["try"]): row for row in self.lines("attempts")
        }
        self.called = collections.defaultdict(list)
        for row in self.tried.values():
            if row["try"] > 0:
                self.called[row["delivery_id"]].append((row["link"], clocks.instant(row["started_at"])))
        self.deliveries = {}
        for row in self.lines("deliveries"):
            row["occurrence"] = self.runs[row["run_id"]]["occurrence"]
            key = (row["plan"], row["occurrence"], row["user_id"], row["entry_key"], row["step_id"])
            assert key not in self.deliveries, f"two deliveries of one step: {key}"
            self.deliveries[key] = row
        self.pressure = Pressure(self)

    def lines(self, name):
        with open(os.path.join(self.directory, name + ".jsonl"), encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    def has(self, name):
        return os.path.exists(os.path.join(self.directory, name + ".jsonl"))

    def zone(self, name):
        if name not in self.zones:
            self.zones[name] = clocks.Zone(name, (self.start, self.end))
        return self.zones[name]

    def home(self, row):
        """The name of a person's zone: their own, else that of their telephone, else the project's."""
        return row["time_zone"] or self.called_from(row) or self.project.name

    def called_from(self, row):
        phone = (row["identities"] or {}).get("phone")
        if phone is None:
            return None
        return next(CLOCKS[phone[:length]] for length in (4, 3, 2) if phone[:length] in CLOCKS)

    def told_at(self, text):
        """The tick at which something became known; -1 before any plan was approved."""
        at = clocks.instant(text)
        if at < self.start:
            return -1
        index = bisect.bisect_left(self.ticks, at)
        assert self.ticks[index] == at, f"{text} is no tick"
        return index

    def tick_from(self, at):
        """The first tick not before an instant; None after the last."""
        index = bisect.bisect_left(self.ticks, at)
        return index if index < len(self.ticks) else None

    def answer(self, way, step, link, tries):
        """What the channel said to a message, and in which words: the one thing that cannot be
        computed."""
        row = self.deliveries.get((*way.key, step))
        said = self.tried.get((row["id"], link, tries + 1)) if row else None
        return (said["status"], said["reason"]) if said else (None, None)

    def unheard(self, delivery, link):
        """Whether the channel answered more often than Herald heard it."""
        answers = self.answers.get(f"{delivery}-{link}", [])
        tries = [self.tried.get((delivery, link, number + 1)) for number in range(len(answers))]
        heard = [row for row in tries if row and row["status"] in ("sent", "failed", "retry")]
        return len(answers) > len(heard)


class Plan:
    def __init__(self, key, document):
        self.key = key
        self.document = document
        self.trigger = document["trigger"]
        self.steps = document["steps"]
        self.index = {step["id"]: number for number, step in enumerate(self.steps)}
        self.marketing = document.get("class", "marketing") == "marketing"
        self.held_below = round(document.get("holdout", 0) * 10_000) if self.marketing else 0
        self.exit = document.get("exit", {})
        self.goals = document.get("goals", []) if self.exit.get("on_goal") else []
        window = document.get("window", {})
        self.opens = clocks.instant(window.get("from"))
        self.closes = clocks.instant(window.get("until"))

    def open_at(self, now):
        return (self.opens is None or self.opens <= now) and (self.closes is None or now < self.closes)

    def after(self, number, name=None):
        """The step that follows: by name, else the next one; None at the end."""
        if name is None:
            number += 1
            return number if number < len(self.steps) else None
        return None if name == "end" else self.index[name]

    def belonging(self):
        parts = [{"segment": self.trigger["segment"]}] if "segment" in self.trigger else []
        parts += [self.document["audience"]] if "audience" in self.document else []
        return {"all": parts} if parts else None

    def waits_for(self, step, event):
        wait = self.steps[step].get("wait_until", {})
        return wait.get("event") == event
