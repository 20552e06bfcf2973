"""OpenTelemetry's SDK and its exporters over HTTP and gRPC, packed."""

import json
import logging
import sys

import grpc
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as OverGrpc
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as OverHttp
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import TraceFlags

logging.disable(logging.CRITICAL)
told = json.loads(sys.argv[1])
messages = json.load(open(told["messages"]))


def noting(exporter):
    """The exporter, which notes what comes of each batch."""
    results, export = [], exporter.export

    def noted(batch):
        result = export(batch)
        results.append([result.name, len(batch)])
        return result

    exporter.export = noted
    return exporter, results


def emit(exporter, way, some):
    """Sends them, with all that a record may have; gives what came of the batches."""
    exporter, results = noting(exporter)
    provider = LoggerProvider(Resource({"service.name": way, "host.name": "pod-7", "deployment": "prüfung"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_queue_size=2048, max_export_batch_size=64,
                                                              export_timeout_millis=120_000))
    logger = provider.get_logger("library", "1.0")
    for number, message in enumerate(some):
        attributes = {"number": number, "empty": "", "float": 0.1, "yes": True, "bytes": b"\x00\xff", "list": ["a", "ß"], "none": None,
                      "map": {"inner": {"deep": number}}}
        body = {"text": message["text"], "of": [1, None]} if number % 2 else message["text"]
        logger.emit(LogRecord(timestamp=round(message["seconds"] * 1e9), trace_id=0xABCDEF0123456789 + number, span_id=0x1234 + number,
                              trace_flags=TraceFlags(1), severity_number=SeverityNumber.WARN, severity_text="WARN", body=body,
                              attributes=attributes))
    provider.force_flush(240_000)
    provider.shutdown()
    return results


def http(token, **more):
    return OverHttp(f"{told['http']}/v1/logs", headers={"authorization": f"Bearer {token}"}, certificate_file=told["ca"], timeout=120, **more)


def over_grpc(token, **more):
    credentials = grpc.ssl_channel_credentials(open(told["ca"], "rb").read())
    return OverGrpc(told["grpc"], credentials=credentials, headers={"authorization": f"Bearer {token}"}, timeout=120, **more)


print(json.dumps({
    "http": emit(http("right"), "http", messages),
    "http_gzip": emit(http("right", compression=Compression.Gzip), "http_gzip", messages),
    "http_deflate": emit(http("right", compression=Compression.Deflate), "http_deflate", messages),
    "grpc": emit(over_grpc("right"), "grpc", messages),
    "grpc_gzip": emit(over_grpc("right", compression=grpc.Compression.Gzip), "grpc_gzip", messages),
    "http_refused": emit(http("wrong"), "refused", messages[:3]),
    "grpc_refused": emit(over_grpc("wrong"), "refused", messages[:3]),
}))
