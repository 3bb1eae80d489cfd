"""How often people may be written to: what the caps say, and that none was ever exceeded."""
import collections

import clocks

CODES = ("capped", "minimum_gap")
Use = collections.namedtuple("Use", "at delivery link channel category kept")


class Pressure:
    def __init__(self, world):
        self.world = world
        self.caps = [
            {"key": row["key"], **row["cap"]} for row in world.lines("caps")
        ] if world.has("caps") else []
        self.uses = collections.defaultdict(list)
        plans = {row["id"]: world.plans[row["plan"]] for row in world.deliveries.values()}
        for row in world.tried.values() if self.caps else []:
            plan = plans[row["delivery_id"]]
            if plan.marketing and row["try"] > 0 and row["channel"] != "coupon":
                # What failed held its place for as long as it was under way.
                kept = row["status"] in ("sent", "unknown")
                self.uses[row["user_id"]].append(
                    Use(
                        clocks.instant(row["started_at"]), row["delivery_id"], row["link"],
                        row["channel"], plan.document.get("category"), kept,
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

    def refusal(self, way, step, link, channel, now, morning):
        """The cap that holds longest, with the instant until which; None when all have room.

        Of deliveries that are decided at one instant any may come first: where that is what decides,
        Herald's order is taken, if the caps allow it."""
        person, category = way.person, way.plan.document.get("category")
        row = self.world.deliveries.get((*way.key, step)) if self.caps else None
        mine = row and row["id"]
        worst, is_certain = None, False
        for cap in self.caps:
            if not self.covers(cap, channel, category):
                continue
            limit, (counts, end) = cap.get("limit", 1), self.span(cap, person)
            counted = [
                use
                for use in self.uses[person.id]
                if (use.delivery, use.link) != (mine, link)
                and use.at <= now
                and counts(use.at, now)
                and self.covers(cap, use.channel, use.category)
            ]
            older = [use for use in counted if use.at < now and use.kept]
            beside = [use for use in counted if use.at == now]
            if len(older) >= limit:
                is_certain, until = True, end(older[len(older) - limit].at)
            elif len(older) + len(beside) >= limit:
                until = end((older + beside)[0].at)
            else:
                continue
            until = max(until, now + 1)
            if worst is None or worst[1] < until:
                worst = ("minimum_gap" if "gap" in cap else "capped", until)
        if worst is None or is_certain or self.was_refused(row, link, now, worst[1], morning):
            return worst
        return None

    def was_refused(self, row, link, now, until, morning):
        """Which of two orders Herald took, by what it wrote of the delivery. `morning`: until when
        the night would put it off."""
        if row is None:
            return False
        rows = [self.world.tried.get((row["id"], link, number)) for number in range(9)]
        of_now = [one for one in rows if one and clocks.instant(one["started_at"]) == now]
        if of_now:
            return of_now[0]["try"] == 0 and of_now[0]["reason"] in CODES
        if clocks.instant(row["settled_at"]) == now:
            return row["reason"] in CODES
        # It was put off, by the caps or by the night.
        if morning is None:
            return True
        settled = clocks.instant(row["settled_at"])
        if settled is None:
            return row["gate"] == "caps"
        return settled < morning if until <= morning else settled >= until

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
