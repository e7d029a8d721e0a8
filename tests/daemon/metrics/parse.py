"""Reads a page of metrics by Prometheus's own client for Python, and prints what it says as JSON.

parse.py openmetrics|text < PAGE
"""

import json
import sys

form = sys.argv[1]
page = sys.stdin.read()
if form == "openmetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
else:
    from prometheus_client.parser import text_string_to_metric_families

families = [
    {
        "name": family.name,
        "type": family.type,
        "help": family.documentation,
        "samples": [[s.name, s.labels, s.value] for s in family.samples],
    }
    for family in text_string_to_metric_families(page)
]
# What is told twice is refused by Prometheus as a whole.
told = [(s[0], tuple(sorted(s[1].items()))) for f in families for s in f["samples"]]
assert len(told) == len(set(told)), "a series is told twice"
json.dump(families, sys.stdout)
