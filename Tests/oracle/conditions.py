"""The language of segments and audiences, as far as the plans of the month speak it."""
import hashlib

import clocks


def bucket(salt, unit):
    head = hashlib.sha256(salt.encode() + b"\x1f" + unit.encode()).digest()[:8]
    return int.from_bytes(head, "big") * 10_000 >> 64


def alike(value, operand):
    if isinstance(value, bool) or isinstance(operand, bool):
        return value is operand
    if isinstance(value, (int, float)) and isinstance(operand, (int, float)):
        return value == operand
    return isinstance(value, str) and isinstance(operand, str) and value == operand


def ordered(value, operand, test):
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (value, operand))
    texts = isinstance(value, str) and isinstance(operand, str)
    return (numbers or texts) and test(value, operand)


OPERATORS = {
    "eq": alike,
    "ne": lambda value, operand: not alike(value, operand),
    "in": lambda value, operand: any(alike(value, one) for one in operand),
    "not_in": lambda value, operand: not any(alike(value, one) for one in operand),
    "gt": lambda value, operand: ordered(value, operand, lambda a, b: a > b),
    "gte": lambda value, operand: ordered(value, operand, lambda a, b: a >= b),
    "lt": lambda value, operand: ordered(value, operand, lambda a, b: a < b),
    "lte": lambda value, operand: ordered(value, operand, lambda a, b: a <= b),
    "between": lambda value, operand: ordered(value, operand[0], lambda a, b: a >= b)
    and ordered(value, operand[1], lambda a, b: a <= b),
    "exists": lambda value, operand: (value is not None) == operand,
}
OF_NOTHING = {"ne", "not_in", "exists"}


def compare(value, tests):
    """Whether every operator among `tests` holds of the value, which may be absent."""
    for name, operand in tests.items():
        if name in OPERATORS and not (
            (value is not None or name in OF_NOTHING) and OPERATORS[name](value, operand)
        ):
            return False
    return True


def fits(properties, filters):
    return all(compare(properties.get(test["property"]), test) for test in filters or [])


def holds(condition, person, now, segments):
    """True or False; None where it hangs on events and `now` is None: then nobody looks at them."""
    if "all" in condition:
        parts = [holds(part, person, now, segments) for part in condition["all"]]
        return False if False in parts else None if None in parts else True
    if "any" in condition:
        parts = [holds(part, person, now, segments) for part in condition["any"]]
        return True if True in parts else None if None in parts else False
    if "not" in condition:
        inner = holds(condition["not"], person, now, segments)
        return None if inner is None else not inner
    if "segment" in condition:
        return holds(segments[condition["segment"]], person, now, segments)
    if "attribute" in condition:
        return compare(person.attributes.get(condition["attribute"]), condition)
    if "event" in condition:
        if now is None:
            return None
        since = begin(condition.get("within"), person, now)
        found = [
            event
            for event in person.known(condition["event"])
            if since(event.at) and event.at <= now and fits(event.properties, condition.get("where"))
        ]
        if "sum" in condition:
            values = [event.properties.get(condition["sum"]) for event in found]
            return compare(sum(value for value in values if isinstance(value, (int, float))), condition)
        return compare(len(found), condition.get("count", {"gte": 1}))
    raise AssertionError(f"no such condition: {condition}")


def begin(within, person, now):
    """Whether an instant is late enough for a window that ends now."""
    if within is None:
        return lambda at: True
    if isinstance(within, str):
        start = now - clocks.span(within)
        return lambda at: at > start
    last = within["last"]
    zone = person.zone if last["zone"] == "user" else person.world.zone(last["zone"])
    start = zone.midnight(zone.day(now) - last["days"] + 1)
    return lambda at: at >= start
