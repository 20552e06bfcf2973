"""splunk-handler and splunk-hec-handler: logging handlers that send to an HTTP event collector."""

import json
import logging
import sys

from splunk_handler import SplunkHandler
from splunk_hec_handler import SplunkHecHandler

told = json.loads(sys.argv[1])
messages = json.load(open(told["messages"]))


class Handler(SplunkHandler):
    """Notes what the handler would print."""

    trouble = []

    def write_log(self, log_message):
        self.trouble.append(log_message)


def record(message, text=None):
    return logging.makeLogRecord({"name": "app", "levelname": "INFO", "msg": text or message["text"], "_time": message["seconds"]})


def in_batches(token, some, every=0.2):
    """In requests of many events, one every so many seconds; every event is text."""
    Handler.trouble = []
    handler = Handler(told["host"], told["port"], token, "main", allow_overrides=True, flush_interval=every, force_keep_ahead=True,
                      hostname="app-1", source="batches", sourcetype="app:log", verify=told["ca"], retry_count=0)
    for message in some:
        handler.emit(record(message))
    handler.force_flush()
    handler.close()
    return Handler.trouble


def one_by_one(token, some):
    """A request an event; every event is an object with fields of its own."""
    handler = SplunkHecHandler(told["host"], token, port=told["port"], proto="https", ssl_verify=told["ca"], source="single",
                               sourcetype="_json", hostname="app-2")
    failures = []
    for number, message in enumerate(some):
        fields = {"team": "äöü", "empty": "", "list": ["a", "b"], "number": number}
        try:
            handler.emit(record(message, {"message": message["text"], "time": message["seconds"], "fields": fields}))
        except Exception as error:
            failures.append(str(error))
    return failures


print(json.dumps({
    "batches": in_batches("right", messages),
    "single": one_by_one("right", messages),
    "batches_refused": in_batches("wrong", messages[:3], every=60),
    "single_refused": one_by_one("wrong", messages[:3]),
}))
