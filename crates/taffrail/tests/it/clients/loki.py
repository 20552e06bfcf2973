"""python-logging-loki: a logging handler that pushes to Loki, in the form of today and in the one of before version 0.4."""

import json
import logging
import sys

from logging_loki import LokiHandler

told = json.loads(sys.argv[1])
messages = json.load(open(told["messages"]))


class Handler(LokiHandler):
    """Notes what goes wrong."""

    def handleError(self, record):
        self.failures.append(str(sys.exc_info()[1]))


def push(path, version, token, some):
    handler = Handler(told["url"] + path, tags={"host": "app-3", "job": f"version-{version}", "zone": 'a "quoted" ä'},
                      auth=("somebody", token), version=version)
    handler.failures = []
    for number, message in enumerate(some):
        handler.handle(logging.makeLogRecord({
            "name": "app", "levelname": "WARNING", "msg": message["text"], "created": message["seconds"],
            "tags": {"number": str(number), "empty": "", "a-b c": "cleaned"},
        }))
    return handler.failures


print(json.dumps({
    "today": push("/loki/api/v1/push", "1", "right", messages),
    "before": push("/api/prom/push", "0", "right", messages),
    "refused": push("/loki/api/v1/push", "1", "wrong", messages[:2]),
}))
