"""One person's month, computed anew: who may enter, what waits, what is sent and what is not."""
import collections
import heapq

import clocks
import conditions
from way import Way


class Person:
    def __init__(self, world, row):
        self.world = world
        self.id = row["id"]
        self.attributes = row["attributes"]
        self.identities = row["identities"] or {}
        self.consents = row["consents"] or {}
        self.devices = row["devices"]
        self.zone = world.zone(world.home(row))
        self.history = collections.defaultdict(list)
        self.ways = []
        self.of_plan = collections.defaultdict(list)
        self.agenda = []
        self.open = []
        self.arrivals = collections.defaultdict(list)
        self.calls = collections.defaultdict(list)
        for tick, event in world.events.get(self.id, []):
            self.arrivals[tick].append(event)
        for tick, told in world.told.get(self.id, []):
            self.calls[tick].append(told)

    def plan_ahead(self, firings):
        """`firings` by tick: crowds this person may belong to."""
        self.firings = firings
        self.agenda = sorted(tick for tick in {*self.arrivals, *self.calls, *firings} if tick >= 0)

    def known(self, name):
        return self.history[name]

    def heard(self, name, values, now):
        """Whether the event of this name that Herald tells of had been told before an instant."""
        at = clocks.instant((values or {}).get("at") or (values or {}).get("happened_at"))
        return any(
            event.at == at and event.name == name
            for tick, events in self.arrivals.items()
            if tick < 0 or self.world.ticks[tick] < now
            for event in events
        )

    def live(self):
        for event in self.arrivals.get(-1, []):
            self.history[event.name].append(event)
        last = -1
        while self.agenda:
            tick = heapq.heappop(self.agenda)
            if tick == last:
                continue
            last = tick
            now = self.world.ticks[tick]
            self.work(now)
            for firing, scene in self.firings.get(tick, []):
                if scene is None:
                    self.meet(firing, None, now)
            self.work(now)
            self.hear(self.arrivals.get(tick, []), now)
            self.work(now)
            for told in self.calls.get(tick, []):
                plan = self.world.plans[told.plan]
                self.ask(plan, now, now, told.entry, told.properties, now)
            for firing, scene in self.firings.get(tick, []):
                if scene is not None:
                    self.meet(firing, scene, now)
            self.work(now)
        return self.ways

    def work(self, now):
        """Carries out what is due until nothing is."""
        for way in list(self.open):
            way.go_on(now)
            if way.state != "active":
                self.open.remove(way)
            elif way.due != way.noted:
                way.noted = way.due
                tick = self.world.tick_from(way.due)
                if tick is not None and self.world.ticks[tick] > now:
                    heapq.heappush(self.agenda, tick)

    def hear(self, events, now):
        for event in events:
            self.history[event.name].append(event)
        for key in sorted(self.world.plans):
            plan = self.world.plans[key]
            trigger = plan.trigger
            if not isinstance(trigger.get("event"), str) or not plan.open_at(now):
                continue
            fitting = [
                event
                for event in events
                if event.name == trigger["event"]
                and (plan.opens is None or event.at >= plan.opens)
                and conditions.fits(event.properties, trigger.get("where"))
            ]
            # In the order of their time; of one instant, as they were told.
            fitting.sort(key=lambda event: event.at)
            if trigger.get("occurrence") == "first":
                batch = {id(event) for event in fitting}
                before = any(
                    id(event) not in batch and conditions.fits(event.properties, trigger.get("where"))
                    for event in self.history[trigger["event"]]
                )
                fitting = [] if before else fitting[:1]
            for event in fitting:
                hold = max(
                    clocks.span(trigger["unless"]["within"]) if "unless" in trigger else 0,
                    clocks.span(trigger["delay"]) if "delay" in trigger else 0,
                )
                self.ask(plan, event.at, event.at + hold, event.id, event.properties, now)
        names = {event.name for event in events}
        for way in self.open:
            if way.awaits & names:
                way.due = min(way.due, now)

    def ask(self, plan, since, due, entry, properties, now):
        """Somebody comes by an event or a call."""
        occurrence = f"day:{clocks.calendar(self.world.project.day(now))}"
        way = Way(self, plan, occurrence, entry, since, now, properties)
        way.enter(due, self.refusal(plan, way, now), now)
        self.add(way)

    def meet(self, firing, scene, now):
        """Somebody belongs to the crowd of a schedule, a date or a scene, or does not."""
        plan = self.world.plans[firing.plan]
        if not self.belongs(plan, firing, scene, now):
            return
        way = Way(self, plan, firing.occurrence, "", now, now, scene.properties if scene else {})
        way.enter(now, None if self.in_audience(plan, now) else "not_in_audience", now)
        self.add(way)

    def add(self, way):
        self.ways.append(way)
        self.of_plan[way.plan.key].append(way)
        if way.state == "active":
            self.open.append(way)

    def belongs(self, plan, firing, scene, now):
        trigger = plan.trigger
        if scene is not None:
            return all(
                conditions.compare(
                    self.attributes.get(match["attribute"]), {"eq": scene.properties[match["property"]]}
                )
                for match in trigger["match"]
            )
        if "date" not in trigger:
            return conditions.holds({"segment": trigger["segment"]}, self, now, self.world.segments)
        zone = firing.zone
        day = zone.day(firing.at) - clocks.span(trigger.get("offset", "0d")) // clocks.DAY
        if isinstance(trigger["date"], str):
            return dated(self.attributes.get(trigger["date"]), day, trigger.get("repeat", "yearly"))
        start, end = zone.midnight(day), zone.midnight(day + 1)
        origin = trigger["date"]
        times = [
            event.at
            for event in self.known(origin["event"])
            if event.at <= now and conditions.fits(event.properties, origin.get("where"))
        ]
        if not any(start <= at < end for at in times):
            return False
        return origin.get("pick", "last") == "each" or not any(at >= end for at in times)

    def in_audience(self, plan, now):
        audience = plan.document.get("audience")
        return audience is None or conditions.holds(audience, self, now, self.world.segments)

    def refusal(self, plan, way, now):
        if not self.in_audience(plan, now):
            return "not_in_audience"
        if way.bucket is not None and way.bucket < plan.held_below:
            return None
        rule = plan.document.get("reentry")
        if rule is None:
            return None
        per, key = rule.get("per"), rule.get("key")
        if per is None:
            since = lambda at: True
        elif isinstance(per, str):
            since = lambda at: at > now - clocks.span(per)
        else:
            name = per.get("zone", "user")
            zone = self.zone if name == "user" else self.world.zone(name)
            begin = zone.midnight(clocks.first_day(zone.day(now), per["calendar"]))
            since = lambda at: at >= begin
        used = sum(
            1
            for other in self.of_plan[plan.key]
            if other.state != "skipped"
            and since(other.entered)
            and (key is None or other.properties.get(key) == way.properties.get(key))
        )
        return "reentry_limit" if used >= rule["limit"] else None


def dated(value, day, repeat):
    if not isinstance(value, str):
        return False
    if repeat == "once":
        return value == clocks.calendar(day).isoformat()
    today = clocks.calendar(day)
    month, date = int(value[5:7]), int(value[8:10])
    leap = today.year % 4 == 0 and (today.year % 100 != 0 or today.year % 400 == 0)
    if (month, date) == (2, 29) and not leap:
        month, date = 3, 1
    return (month, date) == (today.month, today.day)
