"""How often people may be written to: what the caps say, and that none was ever exceeded."""
import collections

import clocks

Use = collections.namedtuple("Use", "at delivery link channel category kept until")


class Pressure:
    def __init__(self, world):
        self.world = world
        # Of caps that hold equally long the first by its key is named.
        rows = sorted(world.lines("caps"), key=lambda row: row["key"]) if world.has("caps") else []
        self.caps = [{"key": row["key"], **row["cap"]} for row in rows]
        self.uses = collections.defaultdict(list)
        plans = {row["id"]: world.plans[row["plan"]] for row in world.deliveries.values()}
        for row in world.tried.values() if self.caps else []:
            plan = plans[row["delivery_id"]]
            if plan.marketing and row["try"] > 0 and row["channel"] != "coupon":
                # What failed held its place for as long as it was under way.
                kept = row["status"] in ("sent", "unknown")
                at = clocks.instant(row["started_at"])
                # What is to be tried again keeps it until then, when any of those due may come first.
                tick = world.tick_from(at + 1) if row["status"] == "retry" else None
                until = at if tick is None else world.ticks[tick]
                self.uses[row["user_id"]].append(
                    Use(
                        at, row["delivery_id"], row["link"], row["channel"],
                        plan.document.get("category"), kept, until,
                    )
                )
        for uses in self.uses.values():
            uses.sort(key=lambda use: use.at)

    def covers(self, cap, channel, category):
        scope = cap["scope"]
        if scope == "all":
            return True
        return channel == scope["channel"] if "channel" in scope else category == scope["category"]

    def span(self, cap, person):
        """Since when a use counts at an instant, and when a use counts no longer."""
        per = cap.get("per", cap.get("gap"))
        if isinstance(per, str):
            length = clocks.span(per)
            return (lambda at, now: at > now - length), (lambda at: at + length)
        name = per.get("zone", "user")
        zone = person.zone if name == "user" else self.world.zone(name)
        unit = per["calendar"]
        begin = lambda at: clocks.first_day(zone.day(at), unit)
        return (
            lambda at, now: at >= zone.midnight(begin(now)),
            lambda at: zone.midnight(clocks.first_day(begin(at) + clocks.LENGTHS[unit], unit)),
        )

    def counted(self, way, now):
        """The uses that may count at an instant: of what is decided at one instant any may come first."""
        if not self.caps or not way.plan.marketing:
            return [[]]
        known = [use for use in self.uses[way.person.id] if use.at <= now]
        older = [use for use in known if use.at < now and use.kept]
        beside = [use for use in known if use.at == now or not use.kept and use.until == now][:8]
        return [
            older + [use for n, use in enumerate(beside) if taken >> n & 1]
            for taken in range(1 << len(beside))
        ]

    def refusal(self, way, link, channel, uses, now):
        """The cap that holds longest, with the instant until which; None when all have room."""
        row, category = way.row(), way.plan.document.get("category")
        worst = None
        for cap in self.caps:
            if not self.covers(cap, channel, category):
                continue
            limit, (counts, end) = cap.get("limit", 1), self.span(cap, way.person)
            counted = [
                use.at
                for use in uses
                if (use.delivery, use.link) != (row and row["id"], link)
                and counts(use.at, now)
                and self.covers(cap, use.channel, use.category)
            ]
            if len(counted) >= limit:
                until = max(end(counted[len(counted) - limit]), now + 1)
                if worst is None or worst[1] < until:
                    worst = ("minimum_gap" if "gap" in cap else "capped", until)
        return worst

    def waits(self, way, code, until):
        """Whether the plan would rather wait for room, and may still send then."""
        rule = way.plan.document.get("pressure", {})
        if code == "capped":
            answer = rule.get("on_capped", "drop")
        else:
            answer = rule.get("on_gap", "defer")
        step = way.plan.steps[way.step]
        if answer != "defer":
            return False
        if "not_after" in step and until > way.arrived + clocks.span(step["not_after"]):
            return False
        return way.plan.closes is None or until < way.plan.closes

    def exceeded(self, person):
        """Caps that did not hold for a person."""
        for cap in self.caps:
            limit, (counts, _) = cap.get("limit", 1), self.span(cap, person)
            uses = [
                use
                for use in self.uses[person.id]
                if use.kept and self.covers(cap, use.channel, use.category)
            ]
            for number, use in enumerate(uses):
                count = sum(1 for other in uses[: number + 1] if counts(other.at, use.at))
                if count > limit:
                    yield f"{cap['key']}: {count} of {limit} at {clocks.show(use.at)}"
