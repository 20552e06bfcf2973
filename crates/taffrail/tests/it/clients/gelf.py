"""graypy: logging handlers that send GELF over UDP (plain, packed, in chunks), TCP, and HTTP."""

import json
import logging
import sys

from graypy import GELFHTTPHandler, GELFTCPHandler, GELFUDPHandler
from graypy.handler import GELFWarningChunker

told = json.loads(sys.argv[1])
messages = json.load(open(told["messages"]))


def send(handler, some):
    for number, message in enumerate(some):
        record = logging.makeLogRecord({
            "name": "app", "levelno": logging.ERROR, "levelname": "ERROR", "msg": message["text"], "created": message["seconds"],
            "number": number, "empty": "", "nothing": None, "map": {"a": [1, "ß"]},
        })
        if number == 7:
            record.exc_text = "Traceback:\n  File ä\nError: b"
        handler.handle(record)
    handler.close()


ways = {
    "udp": lambda **more: GELFUDPHandler(told["host"], told["udp"], compress=False, gelf_chunker=GELFWarningChunker(1420), **more),
    "udp_packed": lambda **more: GELFUDPHandler(told["host"], told["udp"], compress=True, **more),
    "udp_small": lambda **more: GELFUDPHandler(told["host"], told["udp"], compress=True, gelf_chunker=GELFWarningChunker(90), **more),
    "tcp": lambda **more: GELFTCPHandler(told["host"], told["tcp"], **more),
    "http": lambda **more: GELFHTTPHandler(told["host"], told["http"], compress=False, **more),
    "http_packed": lambda **more: GELFHTTPHandler(told["host"], told["http"], compress=True, **more),
}
# One way after the other, each when it is told: datagrams wait for nobody.
for line in sys.stdin:
    way = line.strip()
    send(ways[way](localname="app-9", facility=way, debugging_fields=False), messages[: told["most"].get(way, len(messages))])
    print(json.dumps({"sent": way}), flush=True)
