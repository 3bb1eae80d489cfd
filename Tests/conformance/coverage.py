"""Prints per operation the documented statuses that were seen and those that were not; fails on a
status nobody documented and on a documented 2xx or 4xx that never came."""

import glob
import json
import os
import sys

DIRECTORY = os.environ["CONFORMANCE_DIR"]
# Statuses that no request from outside brings about, and why.
UNREACHABLE = {
    ("GET /v1/segments/{key}/users", "422"): "a stored segment that has become too expensive",
    ("GET /v1/segments/{key}/insight", "422"): "a stored segment that has become too expensive",
    ("PUT /v1/senders/{key}", "409"): "the secrets were encrypted under another key",
    ("PUT /v1/sources/{key}", "409"): "the secrets were encrypted under another key",
}


def main():
    with open(os.path.join(DIRECTORY, "openapi.json")) as file:
        document = json.load(file)
    seen = {}
    for path in glob.glob(os.path.join(DIRECTORY, "seen-*.tsv")):
        with open(path) as file:
            for line in file:
                label, status = line.rstrip("\n").split("\t")
                counts = seen.setdefault(label, {})
                counts[status] = counts.get(status, 0) + 1
    failed = False
    for path, item in document["paths"].items():
        for method, operation in item.items():
            label = f"{method.upper()} {path}"
            documented = operation["responses"]
            counts = seen.pop(label, {})
            unseen = [status for status in documented
                      if status not in counts and status[0] in "24"
                      and (label, status) not in UNREACHABLE]
            strange = [status for status in counts if status not in documented]
            failed = failed or bool(unseen or strange)
            line = " ".join(f"{status}×{counts[status]}" for status in sorted(counts))
            print(f"{label}: {line}"
                  + (f"  NEVER SEEN: {' '.join(unseen)}" if unseen else "")
                  + (f"  NOT DOCUMENTED: {' '.join(strange)}" if strange else ""))
    for label in seen:
        print(f"{label}: seen, but no operation of the document")
        failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
