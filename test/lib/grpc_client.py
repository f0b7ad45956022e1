"""A gRPC client for tests: Google's own Python library, messages made by protoc from api/*.proto.

    client = GrpcClient(server.address)
    reply = client.call("Reserve", {"user_id": "ann", "lines": [...]})
    client.error("Reserve", {...}) -> (status name, ErrorInfo reason, metadata)
"""
import os
import shutil
import subprocess
import sys
import tempfile

import grpc
from google.protobuf import json_format

from tally_server import PATIENCE_S

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def load_messages():
    """Compiles the protos into a temporary folder and imports the modules."""
    folder = tempfile.mkdtemp(prefix="tally-proto-")
    try:
        api = os.path.join(ROOT, "api")
        protos = [name for name in os.listdir(api) if name.endswith(".proto")]
        subprocess.run(["protoc", "-I", api, "--python_out", folder, *protos], check=True)
        sys.path.insert(0, folder)
        import tally_pb2
        return tally_pb2
    finally:
        shutil.rmtree(folder)


tally_pb2 = load_messages()


class GrpcClient:
    """One channel; calls by name with dicts in and out."""

    def __init__(self, address, options=()):
        self.channel = grpc.insecure_channel(address, options)

    def close(self):
        self.channel.close()

    def method(self, name, streaming=False):
        request = getattr(tally_pb2, name + "Request")
        response = getattr(tally_pb2, name + "Response")
        make = self.channel.unary_stream if streaming else self.channel.unary_unary
        service = "Sales" if "Sale" in name or "Group" in name else "Inventory"
        return request, make(f"/tally.v1.{service}/{name}",
                             request_serializer=request.SerializeToString,
                             response_deserializer=response.FromString)

    def call(self, name, fields, timeout=PATIENCE_S, metadata=None):
        request, method = self.method(name)
        reply = method(json_format.ParseDict(fields, request()), timeout=timeout,
                       metadata=metadata)
        return json_format.MessageToDict(reply, preserving_proto_field_name=True,
                                         including_default_value_fields=True)

    def stream(self, name, fields, timeout=PATIENCE_S):
        request, method = self.method(name, streaming=True)
        return method(json_format.ParseDict(fields, request()), timeout=timeout)

    def error(self, name, fields, timeout=PATIENCE_S):
        try:
            reply = self.call(name, fields, timeout)
        except grpc.RpcError as failure:
            details = dict(failure.trailing_metadata()).get("grpc-status-details-bin", b"")
            return failure.code().name, failure.details(), details
        raise AssertionError(f"{name} succeeded: {reply}")
