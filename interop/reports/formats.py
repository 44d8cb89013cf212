"""Reads a result's formats with other people's programs, and compares what they read with the result.

    formats.py <folder of results> <folder of the same results in all formats>

- the histogram log with the Python port of HdrHistogram: the same samples, the same percentiles;
- JUnit XML against the schema of Ant's JUnit task;
- OpenMetrics with Prometheus' own parser: the same counts, and 5 ms a bucket of its own.
"""

import csv
import json
import math
import re
import sys
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import xmlschema
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from prometheus_client.openmetrics.parser import text_string_to_metric_families

HERE = Path(__file__).parent
PROMISE = 5_000_000
MOST = 3_600_000_000_000


def check(condition, what):
    """Stops with a word on what is wrong."""
    if not condition:
        sys.exit(f"PROBLEM: {what}")


def histograms(log):
    """The histograms of a log, summed by tag."""
    sums = {}
    reader = HistogramLogReader(str(log), HdrHistogram(1, MOST, 3))
    while (histogram := reader.get_next_interval_histogram()) is not None:
        total = sums.setdefault(histogram.get_tag(), HdrHistogram(1, MOST, 3))
        total.add(histogram)
    return sums


def value_at(histogram, percentile):
    """The value of the sample that a percentile stands for.

    This port takes the nearest rank, where HdrHistogram itself has rounded up since 2.1.10 (at least 99.9 % of the samples
    are at or under p99.9): so it is asked for the rank itself.
    """
    n = histogram.get_total_count()
    rank = math.ceil(Fraction(str(percentile)) * n / 100)
    return histogram.get_value_at_percentile(100 * rank / n)


def check_log(name, result, log):
    """Every metric of the result is in the log, with the result's own percentiles."""
    sums = histograms(log)
    compared = 0
    for place, run in enumerate(result["runs"]):
        baseline = place + 1 < len(result["runs"])
        for metric in run["metrics"]:
            if metric["n"] == 0:
                continue
            tag = f"{run['delivery']}.{metric['metric']}" if baseline else metric["metric"]
            total = sums.pop(tag, None)
            check(total is not None, f"{name}: the log lacks {tag}")
            check(total.get_total_count() == metric["n"], f"{name}: {tag}: other samples")
            for percentile in metric["percentiles"]:
                if percentile["value"] is None:
                    continue
                read = value_at(total, percentile["percentile"])
                check(
                    read == percentile["value"],
                    f"{name}: {tag} p{percentile['percentile']}: {read} instead of {percentile['value']}",
                )
                compared += 1
    check(not sums, f"{name}: the log has what the result has not: {sorted(sums)}")
    check(compared > 0, f"{name}: no percentile was compared")
    return compared


def check_openmetrics(name, result, text):
    """The exposition parses, and its counts are the result's."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    subject = result["runs"][-1]
    # When a server that was running already delivers is its own affair.
    mode = subject["delivery"] if subject["delivery_known"] else "unknown"
    delivery = next(metric for metric in subject["metrics"] if metric["metric"] == "delivery")
    samples = [
        sample
        for sample in families["loadgen_delivery_seconds"].samples
        if sample.labels.get("delivery") == mode
    ]
    value = {
        (sample.name.rsplit("_", 1)[1], sample.labels.get("le")): sample.value for sample in samples
    }
    within = next(within for within in delivery["within"] if within["limit"] == PROMISE)
    check(value["bucket", "0.005"] == within["count"], f"{name}: the bucket of 5 ms")
    # What was lost took longer than any limit.
    due = delivery["n"] + delivery["lost"]
    check(value["count", None] == due, f"{name}: the count of deliveries")
    check(value["bucket", "+Inf"] == due, f"{name}: the bucket of all deliveries")
    verdicts = {
        sample.labels["loadgen_verdict"]: sample.value
        for sample in families["loadgen_verdict"].samples
    }
    check(verdicts[result["verdict"]] == 1 and sum(verdicts.values()) == 1, f"{name}: the verdict")
    return len(families)


def check_junit(name, result, path):
    """Each miss is one, and the times of the cases are the suite's. The tree without `file`, which Ant's schema lacks."""
    tree = ElementTree.parse(path)
    suite = tree.getroot().find("testsuite")
    cases = suite.findall("testcase")
    for element in ["failure", "error", "skipped"]:
        found = sum(case.find(element) is not None for case in cases)
        counted = suite.get({"skipped": "skipped"}.get(element, f"{element}s"))
        check(found == int(counted), f"{name}: {counted} of {element}, and there are {found}")
    whole = [case for case in cases if case.get("classname").endswith(".verdict")]
    element = {"FAIL": "failure", "INVALID": "error", "INCONCLUSIVE": "skipped"}.get(result["verdict"])
    telling = [case for case in cases if element is None or case.find(element) is not None]
    check(telling and (not whole or telling == whole), f"{name}: the verdict is counted twice")
    times = sum(float(case.get("time")) for case in cases)
    check(abs(times - float(suite.get("time"))) < 0.001 * len(cases), f"{name}: the cases took {times} s")
    for case in cases:
        check(case.attrib.pop("file") == result["scenario"]["file"], f"{name}: the file of a case")
    return tree


def check_csv(name, result, path):
    """A line for each second of each run, each with all columns."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    seconds = sum(len(run["windows"]) for run in result["runs"])
    check(len(rows) == seconds, f"{name}: {len(rows)} lines for {seconds} seconds")
    check(all(None not in row and None not in row.values() for row in rows), f"{name}: columns")


def check_hgrm(name, result, path):
    """Four columns, and the totals of the result."""
    text = path.read_text()
    total = re.search(r"Total count\s*=\s*(\d+)\]", text)
    delivery = next(m for m in result["runs"][-1]["metrics"] if m["metric"] == "delivery")
    check(total and int(total[1]) == delivery["n"], f"{name}: the total of the distribution")
    lines = [line.split() for line in text.splitlines()[2:] if not line.startswith("#")]
    check(all(len(line) == 4 for line in lines[:-1]), f"{name}: the columns of the distribution")


def main():
    results, rendered = Path(sys.argv[1]), Path(sys.argv[2])
    schema = xmlschema.XMLSchema(HERE / "junit.xsd")
    files = sorted(results.glob("*.json"))
    check(files, f"no results in {results}")
    for file in files:
        name = file.stem
        result = json.loads(file.read_text())
        percentiles = check_log(name, result, rendered / f"{name}.hlog")
        schema.validate(check_junit(name, result, rendered / f"{name}.junit.xml"))
        families = check_openmetrics(name, result, (rendered / f"{name}.om.txt").read_text())
        check_csv(name, result, rendered / f"{name}.csv")
        check_hgrm(name, result, rendered / f"{name}.hgrm")
        entries = json.loads((rendered / f"{name}.benchmark.json").read_text())
        check(entries and all({"name", "unit", "value"} <= entry.keys() for entry in entries), name)
        print(f"{name}: {percentiles} percentiles, {families} metric families, JUnit valid")


if __name__ == "__main__":
    main()
