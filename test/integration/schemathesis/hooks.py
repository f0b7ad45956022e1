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
    return UNKNOWN_HEADER not in headers and not both and members_agree(case.body)


def members_agree(body):
    """What two members must be together, no schema can say: a sale ends after it begins; an opener's
    order has a user of its own, and no other sale or group; a group is one of a sale."""
    if not isinstance(body, dict):
        return True
    order = body.get("order") if isinstance(body.get("order"), dict) else {}
    begins, ends = body.get("starts_at"), body.get("ends_at")
    if isinstance(begins, str) and isinstance(ends, str) and ends[:19] <= begins[:19]:
        return False
    if order and (body.get("user_id") or order.get("sale_id") or order.get("group_id")):
        return False
    return not body.get("group_id") or bool(body.get("sale_id"))


@schemathesis.serializer("text/csv", "application/x-ndjson")
def as_it_is(_context, value):
    """A stock file is text, and may be any."""
    return value.encode() if isinstance(value, str) else str(value).encode()
