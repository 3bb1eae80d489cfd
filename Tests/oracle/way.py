"""One enrolment: a person's way through one run of a plan."""
import clocks
import conditions

ALLOWED_UNASKED = {"push", "coupon", "in_app", "webhook", "service_message"}


class Way:
    def __init__(self, person, plan, occurrence, entry, since, now, properties):
        self.person, self.plan, self.occurrence, self.entry = person, plan, occurrence, entry
        self.since, self.entered, self.properties = since, now, properties
        self.bucket = (
            conditions.bucket(f"holdout:{plan.key}", person.id) if plan.held_below > 0 else None
        )
        self.state, self.reason, self.finished = None, None, None
        self.deliveries, self.visits = {}, {}
        self.step, self.due, self.awaits = None, None, set()
        self.link = 0
        # When the first step was to begin, by the clock of what the person did.
        self.begins = None
        # The due time that the person's agenda knows of.
        self.noted = None

    @property
    def key(self):
        return (self.plan.key, self.occurrence, self.person.id, self.entry)

    def enter(self, due, refusal, now):
        if refusal is not None:
            self.state, self.reason, self.finished = "skipped", refusal, now
        elif self.bucket is not None and self.bucket < self.plan.held_below:
            self.state, self.finished = "held_out", now
        else:
            self.state, self.due, self.begins = "active", max(due, now), due
            unless = self.plan.trigger.get("unless")
            if self.due > now or "send" not in self.plan.steps[0]:
                self.awaits = {unless["event"]} if unless else set()
            else:
                self.begin(0, now)

    def go_on(self, now):
        while self.state == "active" and self.due is not None and self.due <= now:
            if self.step is None:
                self.timer(now)
            elif "send" in self.plan.steps[self.step]:
                self.send(now)
            else:
                self.act(now)

    def begin(self, step, now):
        """Comes to a step; None: to the end."""
        self.awaits, self.link, self.tries, self.failed = set(), 0, 0, None
        if step is None:
            return self.end("finished", None, now)
        is_first, self.step, self.arrived, self.due = self.step is None, step, now, now
        record = self.plan.steps[step]
        if "send" in record:
            if is_first:
                self.arrived = self.begins
            self.delivery = {"status": "pending", "created": now}
            self.deliveries[record["id"]] = self.delivery
        else:
            kind = next(key for key in KINDS if key in record)
            self.visit = {"state": "waiting", "kind": kind, "arrived": now}
            self.visits[record["id"]] = self.visit

    def end(self, state, reason, now):
        self.state, self.reason, self.finished, self.due = state, reason, now, None

    # Before the first step

    def timer(self, now):
        at = self.ended()
        if at is not None:
            return self.end("exited", "unless_happened", now)
        trigger = self.plan.trigger
        if "unless" in trigger:
            hold = max(
                clocks.span(trigger["unless"]["within"]), clocks.span(trigger.get("delay", "0s"))
            )
            if self.since + hold > now:
                self.due = self.since + hold
                return
        self.begin(0, now)

    def ended(self):
        """When what must not follow the event followed it."""
        unless = self.plan.trigger.get("unless")
        if unless is None:
            return None
        found = []
        after = False
        for event in self.person.known(unless["event"]):
            inside = self.since <= event.at <= self.since + clocks.span(unless["within"])
            later = event.at > self.since or event.id > self.entry
            if inside and later and conditions.fits(event.properties, unless.get("where")):
                if "same" not in unless or self.same(unless["same"], event):
                    found.append(event.at)
        return min(found, default=None)

    def same(self, name, event):
        value = event.properties.get(name)
        return value is not None and conditions.alike(value, self.properties.get(name))

    # Leaving

    def leaves(self, now):
        name = self.plan.steps[self.step]["id"]
        for goal in self.plan.goals:
            if self.plan.waits_for(self.step, goal["event"]):
                continue
            answered = any(
                self.plan.waits_for(self.plan.index[step], goal["event"])
                and visit.get("outcome") == "event"
                for step, visit in self.visits.items()
            )
            end = self.since + clocks.span(goal["within"])
            if not answered and any(
                self.since < event.at <= end for event in self.person.known(goal["event"])
            ):
                return "goal_reached"
        belonging = self.plan.belonging()
        if self.plan.exit.get("on_leaving_audience") and belonging is not None:
            world = self.person.world
            if not conditions.holds(belonging, self.person, now, world.segments):
                return "left_audience"
        return None

    # Steps that send nothing

    def act(self, now):
        reason = self.leaves(now)
        if reason is not None:
            self.depart("exited", reason, now)
            return self.end("exited", reason, now)
        step = self.plan.steps[self.step]
        goals = {
            goal["event"]
            for goal in self.plan.goals
            if not self.plan.waits_for(self.step, goal["event"])
        }
        if "wait" in step:
            self.wait(self.arrived + clocks.span(step["wait"]), step.get("next"), goals, now)
        elif "wait_until" in step and "at" in step["wait_until"]:
            until = clocks.next_time(
                clocks.minutes(step["wait_until"]["at"]), self.arrived, self.person.zone
            )
            self.wait(until, step.get("then", step.get("next")), goals, now)
        elif "wait_until" in step:
            self.wait_for(step, goals, now)
        elif "branch" in step:
            self.branch(step, now)
        elif "split" in step:
            self.split(step, now)
        elif "tag" in step:
            self.pass_on("done", step.get("next"), now)
        elif "exit" in step:
            self.depart("exited", step["exit"]["reason"], now)
            self.end("exited", step["exit"]["reason"], now)
        else:
            raise AssertionError(f"no such step: {step}")

    def depart(self, state, outcome, now):
        self.visit.update(state=state, outcome=outcome, left=now)

    def pass_on(self, outcome, name, now):
        self.depart("passed", outcome, now)
        self.begin(self.plan.after(self.step, name), now)

    def wait(self, until, name, goals, now):
        if now >= until:
            return self.pass_on("time", name, now)
        self.due, self.awaits = until, goals

    def wait_for(self, step, goals, now):
        wait = step["wait_until"]
        since = self.arrived if wait.get("since") == "step" else self.since
        until = self.arrived + clocks.span(wait["timeout"])
        for event in self.person.known(wait["event"]):
            if (
                since < event.at <= until
                and conditions.fits(event.properties, wait.get("where"))
                and ("same" not in wait or self.same(wait["same"], event))
            ):
                return self.pass_on("event", step.get("then", step.get("next")), now)
        if now >= until:
            return self.pass_on("timeout", step.get("else", step.get("next")), now)
        self.due, self.awaits = until, goals | {wait["event"]}

    def branch(self, step, now):
        for way in step["branch"]:
            test = way["if"]
            if "condition" in test and not conditions.holds(
                test["condition"], self.person, now, self.person.world.segments
            ):
                continue
            if not conditions.fits(self.properties, test.get("where")):
                continue
            if "step" in test and self.deliveries.get(test["step"], {}).get("status") != test["is"]:
                continue
            return self.pass_on(way["then"], way["then"], now)
        self.pass_on("else", step.get("else", step.get("next")), now)

    def split(self, step, now):
        drawn = conditions.bucket(f"split:{self.plan.key}:{step['id']}", self.person.id)
        total = 0
        for share in step["split"]:
            total += share["share"]
            if drawn < round(total * 10_000):
                return self.pass_on(share["then"], share["then"], now)
        self.pass_on("else", step.get("else", step.get("next")), now)

    # Steps that send

    def settle(self, status, reason, gate, channel, now):
        self.delivery.update(status=status, reason=reason, gate=gate, channel=channel, settled=now)

    def in_doubt(self):
        """Whether a worker vanished with the message in its hands: it may have gone out."""
        row = self.row()
        return row is not None and self.person.world.unheard(row["id"], self.link)

    def give_up(self, reason, gate, channel, now):
        if self.in_doubt():
            chain = self.plan.steps[self.step]["send"]["chain"]
            return self.settle("unknown", "interrupted", None, chain[self.link]["channel"], now)
        if self.failed is None:
            return self.settle("skipped", reason, gate, channel, now)
        # A channel was called and refused for good: that is how it ended.
        self.settle("failed", self.failed[1], None, self.failed[0], now)

    def skip(self, reason, gate, channel, now):
        self.give_up(reason, gate, channel, now)
        self.begin(self.plan.after(self.step, self.plan.steps[self.step].get("next")), now)

    def send(self, now):
        step = self.plan.steps[self.step]
        chain = step["send"]["chain"]
        if self.step == 0 and self.link == 0 and self.ended() is not None:
            self.give_up("unless_happened", "trigger", None, now)
            return self.end("exited", "unless_happened", now)
        reason = self.leaves(now)
        if reason is not None:
            self.give_up(reason, "exit", chain[self.link]["channel"], now)
            return self.end("exited", reason, now)
        verdicts = self.verdicts(now)
        # Where the order of one instant decides, Herald's is taken, if there is one that explains it.
        fitting = [one for one in verdicts if self.fits(one, now)] if len(verdicts) > 1 else verdicts
        row = self.row()
        dues = all(one[0] == "due" for one in fitting)
        if row and (row["settled_at"] is None or dues and self.failed is not None):
            # It waits still: most likely for the longest. Of what had failed before nothing tells
            # whether a shorter wait was ended by an exit.
            fitting.sort(key=lambda one: one[1] if one[0] == "due" else now, reverse=True)
        kind, *what = (fitting or verdicts)[0]
        if kind == "call" and what[0] != self.link and self.in_doubt():
            # The next link would be a second message.
            return self.skip(None, None, None, now)
        if kind == "call":
            return self.hand_over(*what, step, now)
        if kind == "skip":
            return self.skip(*what, now)
        self.due = what[0]

    def row(self):
        """Herald's record of the delivery."""
        return self.person.world.deliveries.get((*self.key, self.plan.steps[self.step]["id"]))

    def verdicts(self, now):
        """What may become of the delivery at an instant: ("call", link), ("due", instant) or ("skip",
        reason, gate, channel)."""
        step = self.plan.steps[self.step]
        if self.plan.opens is not None and now < self.plan.opens:
            return [("due", self.plan.opens)]
        if not self.plan.open_at(now):
            return [("skip", "outside_window", "window", None)]
        if "not_after" in step and now > self.arrived + clocks.span(step["not_after"]):
            return [("skip", "expired", "expiry", None)]
        verdicts = [
            self.verdict(step["send"]["chain"], uses, now)
            for uses in self.person.world.pressure.counted(self, now)
        ]
        return list(dict.fromkeys(verdicts))

    def verdict(self, chain, uses, now):
        """With these uses of the caps."""
        pressure = self.person.world.pressure
        refused, later = None, None
        for number in range(self.link, len(chain)):
            link = chain[number]
            refused = self.unfit(link["channel"])
            if refused is None and self.plan.marketing:
                full = pressure.refusal(self, number, link["channel"], uses, now)
                if full is not None:
                    refused = (full[0], "caps")
                    if pressure.waits(self, *full):
                        later = full[1] if later is None else min(later, full[1])
            if refused is None:
                if self.quiet(now) is not None:
                    morning = self.morning(now)
                    return ("due", morning) if morning else ("skip", "quiet_hours", "quiet_hours", None)
                refused = self.unrendered(link)
            if refused is None:
                return ("call", number)
            refused = (*refused, link["channel"])
        return ("due", later) if later is not None else ("skip", *refused)

    def fits(self, verdict, now):
        """Whether a verdict may lead to what Herald did to the delivery later on."""
        row, world = self.row(), self.person.world
        if row is None:
            return True
        kind, *what = verdict
        called = world.called.get(row["id"], [])
        settled = clocks.instant(row["settled_at"])
        if kind == "call":
            return (what[0], now) in called
        if kind == "skip":
            told = self.failed is not None or self.in_doubt() or row["reason"] == what[0]
            return settled == now and told
        tick = world.tick_from(what[0])
        acts = [at for link, at in called if at > now] + ([settled] if settled else [])
        if tick is None:
            return not acts
        at = world.ticks[tick]
        # Something else may have taken it out: of what had failed before, nothing tells of that.
        left = row["gate"] in ("exit", "trigger")
        if at == settled and (left or self.failed is not None):
            return True
        values = row["values"] or {}
        name = values.get("goal") or self.plan.trigger.get("unless", {}).get("event")
        if left and self.person.heard(name, values, at):
            return False
        return at <= min(acts, default=at) and any(self.fits(one, at) for one in self.verdicts(at))

    def hand_over(self, number, step, now):
        world, channel = self.person.world, step["send"]["chain"][number]["channel"]
        tries = self.tries if number == self.link else 0
        answer, words = world.answer(self, step["id"], number, tries)
        if answer == "retry":
            # A few seconds later, which is the next tick.
            self.tries, self.link, self.due = tries + 1, number, now + 1
            return
        if answer == "failed":
            self.link, self.tries, self.failed = number + 1, 0, (channel, words)
            if self.link < len(step["send"]["chain"]):
                return
            self.settle("failed", words, None, channel, now)
        else:
            self.settle("sent", None, None, channel, now)
        self.begin(self.plan.after(self.step, step.get("next")), now)

    def unfit(self, channel):
        """Why nobody may or can be told anything there, and which gate says so."""
        consents = self.person.consents
        answers = [consents.get(channel, "unknown")]
        category = self.plan.document.get("category")
        if category is not None:
            answers.append(consents.get(f"{channel}:{category}", "unknown"))
        if "denied" in answers:
            return ("denied", "consent")
        if self.plan.marketing and "granted" not in answers and channel not in ALLOWED_UNASKED:
            return ("no_consent", "consent")
        address = {
            "push": self.person.devices > 0,
            "sms": "phone" in self.person.identities,
            "email": "email" in self.person.identities,
        }[channel]
        return None if address else ("no_address", "reachable")

    def quiet(self, now):
        """The hours that forbid it now and the zone they hold in; None outside of them."""
        person = self.person
        hours = self.plan.document.get("quiet_hours") or person.world.settings["quiet_hours"]
        if not self.plan.marketing or not hours:
            return None
        name = hours.get("zone", "user")
        zone = person.zone if name == "user" else person.world.zone(name)
        return (hours, zone) if clocks.quiet(hours, now, zone) else None

    def morning(self, now):
        """Until when the night puts it off; None when it does not."""
        hold = self.quiet(now)
        if hold is None or hold[0].get("on_hit", "defer") == "drop":
            return None
        return clocks.after_quiet(hold[0], now, hold[1])

    def unrendered(self, link):
        template = self.person.world.templates[link["template"]]
        missing = [name for name in template["wants"] if name not in self.person.attributes]
        return ("missing_value", "render") if missing and template["on_missing"] != "default" else None


KINDS = ("wait", "wait_until", "branch", "split", "tag", "exit")
