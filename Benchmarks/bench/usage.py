"""What processes cost: CPU seconds and memory, read from /proc."""

import os
import threading
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2:].split()
    # After the name: state is field 0, so ppid is 1, utime 11, stime 12, cutime 13, cstime 14.
    return int(fields[1]), [int(n) / TICK for n in fields[11:15]]


def cpu(pid):
    """CPU seconds of a process and of its children, those that have ended included."""
    _, own = _stat(pid)
    total = sum(own)
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            parent, times = _stat(entry)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            total += sum(times[:2])
    return total


def rss(pid):
    """Resident megabytes of a process and its children; pages they share count for each."""
    total = _rss(pid)
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and _stat(entry)[0] == pid:
                total += _rss(entry)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def _rss(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


class Span:
    """Wall time, CPU seconds of each named process, and the peak memory of `watch`."""

    def __init__(self, watch=None, **pids):
        self._pids = pids
        self._watch = watch
        self.cpu = {}
        self.peak_rss = 0.0

    def __enter__(self):
        self._before = {name: cpu(pid) for name, pid in self._pids.items()}
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        if self._watch:
            self._sampler.start()
        self._start = time.perf_counter()
        return self

    def _sample(self):
        while not self._done.is_set():
            self.peak_rss = max(self.peak_rss, rss(self._watch))
            self._done.wait(0.1)

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self._start
        self._done.set()
        if self._watch:
            self._sampler.join()
        self.cpu = {
            name: cpu(pid) - self._before[name] for name, pid in self._pids.items()
        }


def conditions():
    """The machine in one line, for the head of every report."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), "unknown CPU")
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores ({model}), load {load:.1f} at the start"
