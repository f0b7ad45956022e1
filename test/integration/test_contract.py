#!/usr/bin/python3
"""The two halves of the contract, api/tally.proto and api/openapi.yaml, say the same: every field
of every message is in its schema with its type, and the other way round; every route of the
server's table is a path with its parameters; docs/api.md leaves none out."""
import os
import re
import subprocess
import sys
import unittest

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import ROOT, clean_environment, tally_binary  # noqa: E402

# Messages that JSON shows under one name.
SCHEMA_OF = {
    "CreateLotResponse": "Lot", "GetLotResponse": "Lot", "AdjustStockResponse": "AdjustedLot",
    "ReserveResponse": "Reservation", "ConfirmResponse": "Reservation",
    "RefundResponse": "Reservation", "ExtendResponse": "Reservation",
    "ShipResponse": "Reservation", "ChangeReservationResponse": "Reservation",
    "UpdateLotResponse": "Lot", "CreateSaleResponse": "Sale", "GetSaleResponse": "Sale",
    "UpdateSaleResponse": "Sale", "WatchSaleResponse": "Sale",
    "GetTicketResponse": "JoinQueueResponse",
}
# Requests that are a path and a query: the operations that have their fields as parameters.
PARAMETERS_OF = {
    "GetLotRequest": ["GetLot"], "ListLotsRequest": ["ListLots"], "WatchRequest": ["Watch"],
    "EventsRequest": ["Events"], "ListWebhookFailuresRequest": ["ListWebhookFailures"],
    "GetReservationRequest": ["GetReservation", "GetReservationByOrder"],
    "ListReservationsRequest": ["ListReservations"], "GetSaleRequest": ["GetSale"],
    "ListSalesRequest": ["ListSales"], "WatchSaleRequest": ["WatchSale"],
    "GetGroupRequest": ["GetGroup"], "GetTicketRequest": ["GetTicket"],
}
# Schemas of a message where it stands in another one, and its rules are other ones.
INSIDE = {"BatchOrder": "ReserveRequest", "BatchLine": "WantedLine", "ConfirmedLine": "Line",
          "MovedLine": "Line", "GroupChange": "GroupTerms", "QueueChange": "QueueTerms"}
# What may be "" or null counts as not given; a schema of its own says so.
NOT_GIVEN = {"", None}
TYPE_OF = {"string": "string", "int64": "integer", "int32": "integer", "bool": "boolean"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def messages_of_proto():
    """{message: {field: (repeated, type)}}"""
    text = re.sub(r"//.*", "", read("api", "tally.proto"))
    return {name: {field: (bool(repeated), kind) for repeated, kind, field in
                   re.findall(r"(repeated )?([\w.]+) (\w+) = \d+;", body)}
            for name, body in re.findall(r"message (\w+) \{(.*?)\}", text, re.S)}


def routes_of_server():
    """[(gRPC method or "", HTTP method or "", pattern, path parameter, {query parameters})]"""
    table = re.search(r"routes\[\] = \{\n(.*?)\n\};", read("src", "service", "route.c"), re.S)[1]
    routes = []
    for entry in re.split(r"\n    \{", table):
        def one(pattern, entry=entry):
            found = re.search(pattern, entry)
            return found[1] if found else ""
        routes.append((one(r'(?:INVENTORY|SALES) "(\w+)"'), one(r"\.method = HTTP_(\w+)"),
                       one(r'\.pattern = STR\("([^"]*)"\)'), one(r'\.parameter = "(\w+)"'),
                       set(filter(None, one(r'\.query = "([^"]*)"').split(",")))))
    return routes


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = yaml.safe_load(read("api", "openapi.yaml"))
        cls.schemas = cls.api["components"]["schemas"]
        cls.messages = messages_of_proto()
        cls.routes = routes_of_server()
        cls.operations = {}
        for path, item in cls.api["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    parameters = item.get("parameters", []) + operation.get("parameters", [])
                    cls.operations[operation["operationId"]] = (
                        path, method.upper(), [cls.resolve(p) for p in parameters])

    @classmethod
    def resolve(cls, node):
        while "$ref" in node:
            target = cls.api
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def schema_is(self, schema, kind, where):
        """The schema is of the proto's type, or of that and what counts as not given."""
        if kind in TYPE_OF:
            own = self.resolve(schema)
            parts = [own] if "type" in own else own["anyOf"]
            types = set()
            for part in map(self.resolve, parts):
                if set(part.get("enum", ["x"])) <= NOT_GIVEN:
                    continue
                named = part["type"]
                types |= {named} if isinstance(named, str) else set(named)
            self.assertEqual(types - {"null"}, {TYPE_OF[kind]}, where)
        else:
            parts = [part for part in schema.get("anyOf", [schema]) if part != {"type": "null"}]
            names = [part["$ref"].removeprefix("#/components/schemas/") for part in parts]
            self.assertEqual([INSIDE.get(name, name) for name in names],
                             [SCHEMA_OF.get(kind, kind)], where)

    def fields_are(self, name, fields):
        properties = self.schemas[name]["properties"]
        self.assertEqual(set(properties), set(fields), name)
        for field, (repeated, kind) in fields.items():
            where = f"{name}.{field}"
            member = properties[field]
            if repeated:
                self.assertIn(member["type"], ("array", ["array", "null"]), where)
                member = member["items"]
            self.schema_is(member, kind, where)

    def test_every_field_of_every_message_is_in_its_schema_and_the_other_way_round(self):
        self.assertGreater(len(self.messages), 25)
        in_path = {}
        for message, parameter in self.bodies():
            in_path.setdefault(message, set()).add(parameter)
        for message, fields in self.messages.items():
            if message not in PARAMETERS_OF:
                own = {field: fields[field] for field in fields 
                       if field not in in_path.get(message, ())}
                self.fields_are(SCHEMA_OF.get(message, message), own)
        for name, message in INSIDE.items():
            self.fields_are(name, self.messages[message])

    def bodies(self):
        """Messages of requests with a body, and their fields that a path has."""
        table = re.search(r"routes\[\] = \{\n(.*?)\n\};", read("src", "service", "route.c"), re.S)[1]
        for entry in re.split(r"\n    \{", table):
            name = re.search(r"REQUEST\((\w+)\)", entry)
            parameter = re.search(r'\.parameter = "(\w+)"', entry)
            if name and parameter and re.search(r"\.method = HTTP_(POST|PATCH)", entry):
                yield name[1].title().replace("_", "") + "Request", parameter[1]

    def test_a_request_without_a_body_has_its_fields_as_parameters(self):
        for message, operations in PARAMETERS_OF.items():
            fields = {}
            for operation in operations:
                fields |= {p["name"]: p["schema"] for p in self.operations[operation][2]
                           if p["in"] in ("path", "query")}
            self.assertEqual(set(fields), set(self.messages[message]), message)
            for field, (_, kind) in self.messages[message].items():
                self.schema_is(fields[field], kind, f"{message}.{field}")

    def test_every_schema_stands_for_a_message_or_is_a_part_of_one(self):
        named = {SCHEMA_OF.get(m, m) for m in self.messages} | set(INSIDE)
        for name, schema in self.schemas.items():
            if schema.get("type") == "object" and name not in ("Problem", "Imported"):
                self.assertIn(name, named)

    def test_required_members_are_members(self):
        for name, schema in self.schemas.items():
            self.assertLessEqual(set(schema.get("required", [])),
                                 set(schema.get("properties", {})), name)

    def test_every_route_of_the_server_is_a_path_and_the_other_way_round(self):
        served = {(method, pattern) for _, method, pattern, _, _ in self.routes if method}
        self.assertGreater(len(served), 15)
        described = {(method, re.sub(r"\{\w+\}", "{}", path))
                     for path, method, _ in self.operations.values()}
        self.assertEqual(described, served)

    def test_routes_and_paths_have_the_same_parameters(self):
        by_path = {(method, re.sub(r"\{\w+\}", "{}", path)): parameters
                   for path, method, parameters in self.operations.values()}
        for _, method, pattern, parameter, query in self.routes:
            if method:
                parameters = by_path[method, pattern]
                self.assertEqual({p["name"] for p in parameters if p["in"] == "query"}, query,
                                 pattern)
                self.assertEqual({p["name"] for p in parameters if p["in"] == "path"},
                                 {parameter} - {""}, pattern)

    def test_every_call_of_the_proto_is_served_and_described_under_its_name(self):
        calls = set(re.findall(r"rpc (\w+)\(", read("api", "tally.proto")))
        self.assertEqual({grpc for grpc, *_ in self.routes if grpc}, calls)
        for grpc, method, pattern, *_ in self.routes:
            if grpc:
                path, described, _ = self.operations[grpc]
                self.assertEqual((described, re.sub(r"\{\w+\}", "{}", path)), (method, pattern))

    def test_every_error_is_a_code_of_a_problem(self):
        page = subprocess.run([tally_binary(), "docs", "errors"], capture_output=True, text=True,
                              env=clean_environment(), check=True).stdout
        self.assertEqual(set(self.schemas["Problem"]["properties"]["code"]["enum"]),
                         set(re.findall(r"^\| `(\w+)` \|", page, re.M)))

    def test_the_page_about_the_api_names_every_call_and_every_field(self):
        words = set(re.findall(r"\w+", read("docs", "api.md")))
        for message, fields in self.messages.items():
            self.assertLessEqual(set(fields), words, message)
        self.assertLessEqual(set(re.findall(r"rpc (\w+)\(", read("api", "tally.proto"))), words)

    def test_every_reference_leads_somewhere(self):
        count = 0
        todo = [self.api]
        while todo:
            node = todo.pop()
            if isinstance(node, dict):
                if "$ref" in node:
                    self.resolve(node)
                    count += 1
                todo += node.values()
            elif isinstance(node, list):
                todo += node
        self.assertGreater(count, 100)


if __name__ == "__main__":
    unittest.main(verbosity=2)
