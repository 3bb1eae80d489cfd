"""Computes a month anew from what was exported of it and says where Herald decided otherwise.

    python3 Tests/oracle DIRECTORY

Standard library only, and no line shared with Herald: what is here follows the words of the
product, so that two readings of them are compared. Exit status 1 when they differ.
"""
import collections
import sys
import time

import clocks
import conditions
from explanations import Explanations
from ledger import Ledger
from person import Person
from world import Firing, World

GRACE = 3600


def schedule(world):
    """Every firing that is carried out, by plan and zone name, and the names of those missed."""
    fired, missed = collections.defaultdict(list), []
    # By the telephone too of those who have a zone of their own: such a run may be empty.
    used = {name for row in world.users for name in (row["time_zone"], world.called_from(row)) if name}
    used.add(world.project.name)
    for plan in world.plans.values():
        trigger = plan.trigger
        if "at" in trigger and "segment" in trigger:
            at = clocks.instant(trigger["at"])
            tick = world.tick_from(at)
            if tick is not None:
                fired[plan.key, None].append((tick, Firing(plan.key, "once", None, at)))
            continue
        if "cron" in trigger:
            cron, named = clocks.Cron(trigger["cron"]), trigger["zone"]
        elif "date" in trigger:
            minute = clocks.minutes(trigger["at"])
            cron, named = clocks.Cron(f"{minute % 60} {minute // 60} * * *"), trigger.get("zone", "user")
        else:
            continue
        until = clocks.instant(trigger.get("until")) or world.end
        for name in used if named == "user" else [named]:
            zone = world.zone(name)
            by_tick = collections.defaultdict(list)
            for at in cron.firings(zone, world.approved - 1, min(until, world.end)):
                by_tick[world.tick_from(at)].append(at)
            for tick, instants in by_tick.items():
                last = instants[-1]
                if world.ticks[tick] - last <= GRACE:
                    instants.pop()
                    fired[plan.key, named == "user" and name].append(
                        (tick, Firing(plan.key, zone.name_of(last), zone, last))
                    )
                missed += [(plan.key, zone.name_of(at)) for at in instants]
    return fired, missed


def scenes(world):
    for tick, scene in world.scenes:
        for plan in world.plans.values():
            trigger = plan.trigger
            if trigger.get("scene") == scene.name and conditions.fits(
                scene.properties, trigger.get("where")
            ):
                yield tick, Firing(plan.key, f"scene:{scene.id}", None, scene.at), scene


def concerning(world, person, fired, rain):
    """By tick: the crowds to which a person may belong, as far as what never changes tells."""
    found = collections.defaultdict(list)
    zone = person.zone.name
    for plan in world.plans.values():
        if "segment" in plan.trigger:
            segment = {"segment": plan.trigger["segment"]}
            if conditions.holds(segment, person, None, world.segments) is False:
                continue
        for own in (None, False, zone):
            for tick, firing in fired.get((plan.key, own), []):
                found[tick].append((firing, None))
    for tick, firing, scene in rain:
        found[tick].append((firing, scene))
    return found


def main(directory):
    began = time.monotonic()
    world = World(directory)
    fired, missed = schedule(world)
    rain = list(scenes(world))
    ledger, explanations = Ledger(world), Explanations(world)
    ledger.check_runs(fired, missed, rain)
    for row in world.users:
        person = Person(world, row)
        person.plan_ahead(concerning(world, person, fired, rain))
        ways = person.live()
        ledger.check(person, ways)
        explanations.check(person, ways)
    ledger.check_rest()
    explanations.check_rest()
    faults = ledger.faults + explanations.faults
    print(
        f"  oracle: {len(world.users)} people, {ledger.ways} enrolments, {ledger.sends} deliveries, "
        f"{ledger.stops} visits of steps, {len(ledger.runs)} runs, {ledger.calls} calls and "
        f"{explanations.decisions} explained decisions of {explanations.answers} answers compared "
        f"in {time.monotonic() - began:.0f} s"
    )
    print("  " + ledger.summary())
    kinds = collections.Counter(kind for kind, _ in faults)
    for kind, count in kinds.most_common():
        print(f"  FAULT {kind}: {count}")
        for text in [text for other, text in faults if other == kind][:3]:
            print(f"    {text}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
