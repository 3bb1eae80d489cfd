"""Compares what `explain` says with what was computed."""
import collections

import clocks

ENTRY_GATES = {
    "not_in_audience": "audience",
    "outside_window": "window",
    "reentry_limit": "reentry",
    "unless_happened": "trigger",
    "goal_reached": "exit",
    "left_audience": "exit",
}

# How many entries of one person into one plan `explain` tells at most.
MOST = 100


class Explanations:
    def __init__(self, world):
        self.world = world
        self.faults = []
        self.decisions = 0
        self.asked = collections.defaultdict(list)
        for answer in world.lines("explain"):
            self.asked[answer["user"]].append(answer)
        self.answers = sum(map(len, self.asked.values()))

    def check(self, person, ways):
        for answer in self.asked.pop(person.id, []):
            expected = collections.Counter()
            for way in self.shown(answer, ways):
                expected.update(self.words(way))
            told = collections.Counter()
            # Of those who came, why the latest event of theirs did not let them in again.
            later = [d for d in answer["decisions"] if not (expected and d["outcome"] == "not_targeted")]
            for decision in later:
                run = decision["run"] and self.world.runs[decision["run"]]["occurrence"]
                at = clocks.instant(decision["at"]) if run else None
                words = [run, at] + [decision[name] for name in ("step", "outcome", "gate", "code")]
                channel = decision["channel"]
                if decision["outcome"] == "pending":
                    words[-1], words[-2], channel = None, None, None
                told[(*words, channel)] += 1
            if not expected:
                expected = told if [key[3] for key in told] == ["not_targeted"] else expected
            self.decisions += sum(told.values())
            for word in (expected - told) + (told - expected):
                side = "the oracle alone has" if word in expected - told else "only Herald has"
                shown = [clocks.show(part) if isinstance(part, float) else part for part in word]
                self.faults.append(("explain", f"{answer['user']} {answer['plan']}: {side} {shown}"))

    def shown(self, answer, ways):
        """Those `explain` has room for: the newest; of equally old ones at the edge those it chose."""
        ways = [way for way in ways if way.plan.key == answer["plan"]]
        if len(ways) <= MOST:
            return ways
        edge = sorted((way.entered for way in ways), reverse=True)[MOST - 1]
        chosen = {self.world.runs[decision["run"]]["occurrence"]
                  for decision in answer["decisions"] if decision["run"]}
        newer = [way for way in ways if way.entered > edge]
        at_edge = [way for way in ways if way.entered == edge and way.occurrence in chosen]
        return newer + at_edge[:MOST - len(newer)]

    def check_rest(self):
        for user in self.asked:
            self.faults.append(("explain", f"an answer about nobody: {user}"))

    @staticmethod
    def words(way):
        """Each decision as `explain` is to put it."""
        run = way.occurrence
        if way.state == "skipped":
            yield (run, way.entered, None, "skipped", ENTRY_GATES[way.reason], way.reason, None)
            return
        if way.state == "held_out":
            yield (run, way.entered, None, "held_out", "holdout", "held_out", None)
            return
        yield (run, way.entered, None, "entered", None, None, None)
        for step, ours in way.deliveries.items():
            at = ours.get("settled", ours["created"])
            reasons = [ours.get(name) for name in ("gate", "reason", "channel")]
            if ours["status"] == "pending":
                reasons = [None, None, None]
            yield (run, at, step, ours["status"], *reasons)
        for step, ours in way.visits.items():
            at = ours.get("left", ours["arrived"])
            yield (run, at, step, ours["state"], ours["kind"], ours.get("outcome"), None)
        if way.state == "finished":
            yield (run, way.finished, None, "finished", None, None, None)
        if way.state == "exited":
            yield (run, way.finished, None, "exited", ENTRY_GATES.get(way.reason), way.reason, None)
