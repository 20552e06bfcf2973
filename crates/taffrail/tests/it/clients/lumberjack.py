"""pylogbeat: a client of the protocol that Beats and Logstash speak, with packed windows."""

import json
import sys

from pylogbeat import ConnectionException, PyLogBeatClient

told = json.loads(sys.argv[1])
messages = json.load(open(told["messages"]))


def event(number, message, way):
    return {"@timestamp": message["seconds"], "message": message["text"], "number": number, "way": way, "empty": "", "nothing": None,
            "host": {"name": "beat-1"}, "log": {"file": {"path": f"/var/log/{way}.log"}}, "tags": ["a", "ß"]}


def windows(client, way, sizes):
    """Sends all, in windows of these sizes in turn; gives the number that was acknowledged last."""
    at, turn = 0, 0
    while at < len(messages):
        size = sizes[turn % len(sizes)]
        client.send([event(number, messages[number], way) for number in range(at, min(at + size, len(messages)))])
        at, turn = at + size, turn + 1
    return client._last_ack


with PyLogBeatClient("127.0.0.1", told["plain"], timeout=240) as client:
    plain = windows(client, "plain", [1, 64, 7])
    # As many as Beats send at most, and as text that was made elsewhere.
    client.send([json.dumps({"message": f"text {number} ä", "way": "text"}, ensure_ascii=False) for number in range(2048)])
with PyLogBeatClient("localhost", told["tls"], timeout=240, ssl_enable=True, ca_certs=told["ca"], certfile=told["certificate"],
                     keyfile=told["key"]) as client:
    tls = windows(client, "tls", [50])
try:
    with PyLogBeatClient("localhost", told["tls"], timeout=240, ssl_enable=True, ca_certs=told["ca"]) as client:
        client.send([{"message": "without a certificate"}])
    refused = None
except (ConnectionException, OSError) as error:
    refused = type(error).__name__
print(json.dumps({"plain": plain, "tls": tls, "refused": refused}))
