"""elasticsearch-py: the helpers for `_bulk`, packed and not, and what they say when they are refused."""

import json
import sys

from elasticsearch import ApiError, Elasticsearch, helpers

told = json.loads(sys.argv[1])
messages = json.load(open(told["messages"]))


def client(**more):
    return Elasticsearch(told["url"], ca_certs=told["ca"], request_timeout=120, retry_on_timeout=False, max_retries=0, **more)


def document(number, message, **more):
    nanos = round(message["seconds"] * 1e9)
    time = f"{1_700_000_000 + nanos // 10**9 - 1_700_000_000}.{nanos % 10**9:09d}"
    return {"@timestamp": float(time), "message": message["text"], "number": number, "empty": "", "nothing": None,
            "nested": {"name": "wert é", "list": [1, "zwei", {"three": 3.5}]}, **more}


def actions(way, kind, index):
    for number, message in enumerate(messages):
        yield {"_op_type": kind, "_index": index, "_id": f"{way}-{number}", "_source": document(number, message, way=way)}


def refused(**more):
    """What comes of a wrong token."""
    try:
        helpers.bulk(client(**more), actions("refused", "create", "logs-refused"))
    except ApiError as error:
        return [type(error).__name__, error.status_code, error.body["error"]["type"]]


right = client(api_key="right")
packed = client(basic_auth=("somebody", "right"), http_compress=True)
bulk = helpers.bulk(right, actions("bulk", "create", "logs-app-default"), chunk_size=50)
streamed = [item for well, item in helpers.streaming_bulk(packed, actions("streaming", "index", "logs-app-ü"), chunk_size=37) if well]
parallel = [well for well, _ in helpers.parallel_bulk(packed, actions("parallel", "create", "logs-app-default"), thread_count=4, chunk_size=23)]
mixed = [
    {"_op_type": "create", "_index": "logs-mixed", "_source": {"message": "before"}},
    {"_op_type": "update", "_index": "logs-mixed", "_id": "1", "doc": {"message": "changed"}},
    {"_op_type": "delete", "_index": "logs-mixed", "_id": "1"},
    {"_op_type": "index", "_index": "logs-mixed", "_source": {"message": "behind"}},
]
taken, errors = helpers.bulk(packed, mixed, raise_on_error=False)
print(json.dumps({
    "version": right.info()["version"]["number"],
    "ping": right.ping(),
    "bulk": bulk,
    "streaming": sorted({(item["index"]["status"], item["index"]["_index"]) for item in streamed}) + [len(streamed)],
    "parallel": [len(parallel), all(parallel)],
    "mixed": [taken, [[kind, detail["status"]] for error in errors for kind, detail in error.items()]],
    "wrong": refused(api_key="wrong"),
    "none": refused(),
}))
