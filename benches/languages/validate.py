"""A load of validates on one thread, in Python: reads a token from stdin, validates it for --seconds (2 unless told
otherwise), and prints what that came to as one line of JSON. With --begin it prints `begun` after the first answer."""

import argparse
import json
import sys
from time import perf_counter

from jwtkeeper import Client, JwtKeeperError
from jwtkeeper._client import library

arguments = argparse.ArgumentParser()
arguments.add_argument("--seconds", type=float, default=2)
arguments.add_argument("--begin", action="store_true")
options = arguments.parse_args()
token = sys.stdin.readline().strip()
client = Client()

version = library().version
start = perf_counter()
for _ in range(100_000):
    version()
ffi = (perf_counter() - start) / 100_000 * 1e9

times = []
errors = 0
start = before = perf_counter()
while before - start < options.seconds:
    try:
        errors += not client.validate(token)
    except JwtKeeperError:
        errors += 1
    times.append((perf_counter() - before) * 1e6)
    if options.begin and len(times) == 1:
        print("begun", flush=True)
    before = perf_counter()
taken = perf_counter() - start
times.sort()


def at(share):
    return round(times[int((len(times) - 1) * share)], 1)


print(
    json.dumps(
        {
            "calls": len(times),
            "errors": errors,
            "seconds": round(taken, 3),
            "p50_us": at(0.5),
            "p99_us": at(0.99),
            "max_us": at(1),
            "ffi_ns": round(ffi, 1),
        }
    )
)
