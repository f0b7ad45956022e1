"""What schemathesis is told besides the document."""
import schemathesis

UNKNOWN_HEADER = "x-schemathesis-unknown-property"


def whole(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return value


@schemathesis.hook
def map_body(_context, body):
    """To a schema 2.0 is an integer; here it is a number with a fraction, and refused."""
    return whole(body)


@schemathesis.hook
def filter_case(_context, case):
    """A header that nobody knows is nobody's business, and need not be refused. No schema can say
    that Idempotency-Key and order_id are equal if both are given."""
    headers = case.headers or {}
    both = ("Idempotency-Key" in headers and isinstance(case.body, dict)
            and case.body.get("order_id") is not None)
    return UNKNOWN_HEADER not in headers and not both


@schemathesis.serializer("text/csv", "application/x-ndjson")
def as_it_is(_context, value):
    """A stock file is text, and may be any."""
    return value.encode() if isinstance(value, str) else str(value).encode()
