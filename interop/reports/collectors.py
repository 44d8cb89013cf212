"""Gives results in Prometheus' text format to its pushgateway and to the node exporter, and reads them there.

    collectors.py RESULTS RENDERED PUSHGATEWAY NODE_EXPORTER
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

# A guard against hanging, not a statement about speed.
PATIENCE = 60


def check(condition, what):
    if not condition:
        sys.exit(f"interop/reports/collectors.py: {what}")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def asked(url, body=None):
    """The answer to a GET, or to a PUT of a body, once somebody is there."""
    until = time.monotonic() + PATIENCE
    while True:
        request = urllib.request.Request(url, data=body, method="GET" if body is None else "PUT")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            check(False, f"{url}: {error.code} {error.read().decode()}")
        except OSError as error:
            check(time.monotonic() < until, f"{url}: {error}")
            time.sleep(0.05)


def samples(text):
    """Values by name and labels, without those labels that a reader adds, and with ends of buckets as numbers."""

    def told(labels):
        own = {key: value for key, value in labels.items() if key not in {"job", "instance"}}
        if "le" in own:
            own["le"] = float(own["le"])
        return frozenset(own.items())

    return {
        (sample.name, told(sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def check_all_there(who, name, written, read):
    missing = [sample for sample in written if read.get(sample) != written[sample]]
    check(not missing, f"{name}: {who} lacks {missing[:3]}")


def main():
    results, rendered, pushgateway, node_exporter = map(Path, sys.argv[1:])
    written = {
        file.stem: (rendered / f"{file.stem}.prom").read_text()
        for file in sorted(results.glob("*.json"))
    }
    check(written, f"no results in {results}")
    port = free_port()
    listen = f"--web.listen-address=127.0.0.1:{port}"
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([pushgateway, listen], stderr=subprocess.DEVNULL) as gateway:
        try:
            for name, text in written.items():
                asked(f"{url}/metrics/job/loadgen/instance/{name}", text.encode())
                check_all_there("the pushgateway", name, samples(text), samples(asked(f"{url}/metrics")))
        finally:
            gateway.kill()
    for name, text in written.items():
        folder = rendered / f"{name}.textfiles"
        folder.mkdir()
        (folder / "loadgen.prom").write_text(text)
        port = free_port()
        collecting = [
            f"--web.listen-address=127.0.0.1:{port}",
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={folder}",
        ]
        with subprocess.Popen([node_exporter, *collecting], stderr=subprocess.DEVNULL) as exporter:
            try:
                read = samples(asked(f"http://127.0.0.1:{port}/metrics"))
            finally:
                exporter.kill()
        check(read["node_textfile_scrape_error", frozenset()] == 0, f"{name}: the collector had an error")
        check_all_there("the textfile collector", name, samples(text), read)
        verdict = json.loads((results / f"{name}.json").read_text())["verdict"]
        is_told = [value for (sample, labels), value in read.items()
                   if sample == "loadgen_verdict" and ("loadgen_verdict", verdict) in labels]
        check(is_told == [1], f"{name}: the verdict is {is_told}")
    print(f"{len(written)} results taken by the pushgateway and by the textfile collector")


if __name__ == "__main__":
    main()
