"""Wall clocks, schedules and quiet hours, from the IANA database alone. Instants are seconds since 1970."""
import bisect
import datetime
import functools
import zoneinfo

DAY = 86_400
EPOCH = datetime.date(1970, 1, 1).toordinal()
UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}


def instant(text):
    """Of an RFC 3339 text; None of None."""
    if text is None:
        return None
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def show(at):
    return None if at is None else datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat()


def span(text):
    """Seconds of "90m"; negative ones of dates too."""
    return int(text[:-1]) * UNITS[text[-1]]


def date_of(text):
    """Days since 1970 of "2026-03-01"."""
    return datetime.date.fromisoformat(text).toordinal() - EPOCH


def calendar(day):
    return datetime.date.fromordinal(day + EPOCH)


LENGTHS = {"day": 1, "week": 7, "month": 31}


def first_day(day, unit):
    """Of the day, week or month of the calendar in which a day lies."""
    date = calendar(day)
    if unit == "week":
        return day - date.weekday()
    return day - date.day + 1 if unit == "month" else day


def minutes(text):
    hours, rest = text.split(":")
    return int(hours) * 60 + int(rest)


class Zone:
    """One zone's offsets as a list of changes around the month, found by looking, hour by hour."""

    def __init__(self, name, around):
        self.name = name
        zone = zoneinfo.ZoneInfo(name)

        def offset(at):
            moment = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
            return int(moment.astimezone(zone).utcoffset().total_seconds())

        start = int(around[0]) - 60 * DAY
        self.starts, self.offsets = [start], [offset(start)]
        for at in range(start, int(around[1]) + 60 * DAY, 3600):
            if offset(at) != self.offsets[-1]:
                low, high = at - 3600, at
                while high - low > 1:
                    middle = (low + high) // 2
                    if offset(middle) == self.offsets[-1]:
                        low = middle
                    else:
                        high = middle
                self.starts.append(high)
                self.offsets.append(offset(high))

    def offset(self, at):
        return self.offsets[max(0, bisect.bisect_right(self.starts, at) - 1)]

    def wall(self, at):
        """What the clock shows, in seconds as if it were in UTC."""
        return int(at // 1) + self.offset(at)

    def day(self, at):
        return self.wall(at) // DAY

    @functools.lru_cache(maxsize=200_000)
    def shows(self, wall):
        """When the clock shows this: the first time of two; at the change when it is left out."""
        for index, offset in enumerate(self.offsets):
            at = wall - offset
            last = self.starts[index + 1] if index + 1 < len(self.starts) else None
            if at < self.starts[index]:
                # The clock jumped over it.
                return self.starts[index]
            if last is None or at < last:
                return at
        raise AssertionError("beyond the end of time")

    def midnight(self, day):
        return self.shows(day * DAY)

    def name_of(self, at):
        """As runs of schedules are called."""
        wall = self.wall(at)
        minute = wall % DAY // 60
        return f"{calendar(wall // DAY)}T{minute // 60:02}:{minute % 60:02}@{self.name}"


class Cron:
    NAMES = {
        name: number
        for names in (
            "sun mon tue wed thu fri sat".split(),
            [None] + "jan feb mar apr may jun jul aug sep oct nov dec".split(),
        )
        for number, name in enumerate(names)
        if name
    }

    def __init__(self, text):
        fields = text.lower().split()
        ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
        sets = [self.values(field, *ends) for field, ends in zip(fields, ranges)]
        self.minutes, self.hours, self.days, self.months, weekdays = sets
        self.weekdays = {day % 7 for day in weekdays}
        self.either = fields[2][0] != "*" and fields[4][0] != "*"

    def values(self, field, low, high):
        found = set()
        for part in field.split(","):
            part, _, step = part.partition("/")
            if part == "*":
                first, last = low, high
            else:
                ends = [self.NAMES[end] if end in self.NAMES else int(end) for end in part.split("-")]
                first, last = ends[0], ends[-1]
                if step and len(ends) == 1:
                    last = high
            found.update(range(first, last + 1, int(step or 1)))
        return found

    def fits(self, day):
        date = calendar(day)
        if date.month not in self.months:
            return False
        by_date, by_week = date.day in self.days, date.isoweekday() % 7 in self.weekdays
        return by_date or by_week if self.either else by_date and by_week

    def firings(self, zone, after, through):
        """Instants in (after, through], in order."""
        found = set()
        for day in range(zone.day(after) - 1, zone.day(through) + 2):
            if self.fits(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        found.add(zone.shows(day * DAY + hour * 3600 + minute * 60))
        return sorted(at for at in found if after < at <= through)


def quiet(hours, at, zone):
    minute = zone.wall(at) % DAY // 60
    start, end = minutes(hours["from"]), minutes(hours["until"])
    return start <= minute < end if start < end else minute >= start or minute < end


def after_quiet(hours, at, zone):
    """The first minute on the clock that is not quiet, from `at` on."""
    wall = zone.wall(at)
    at = int(at // 1) - wall % 60
    while quiet(hours, at, zone):
        at += 60
    return at


def next_time(minute, at, zone):
    """The first instant from `at` on at which the clock shows the minute."""
    for day in range(zone.day(at) - 1, zone.day(at) + 3):
        found = zone.shows(day * DAY + minute * 60)
        if found >= at:
            return found
    raise AssertionError("no such time within two days")
