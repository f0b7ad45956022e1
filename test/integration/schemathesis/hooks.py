"""What schemathesis is told besides the document."""
import re

import schemathesis

UNKNOWN_HEADER = "x-schemathesis-unknown-property"

# What a request that is well formed may hear, by what is stored, and by its own time limit.
ACCEPTED = {200, 201, 404, 409, 422, 429, 503, 504}
TOO_LATE = {503, 504}


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
    """A header that nobody knows is nobody's business, and need not be refused."""
    return UNKNOWN_HEADER not in (case.headers or {})


@schemathesis.serializer("text/csv", "application/x-ndjson")
def as_it_is(_context, value):
    """A stock file is text, and may be any."""
    return value.encode() if isinstance(value, str) else str(value).encode()


# ---- what no schema can say ----

def instant(text):
    """A time, to the millisecond, as texts are compared."""
    seconds, _, rest = text.partition(".")
    fraction = re.match(r"\d*", rest).group() if rest else ""
    return seconds[:19], (fraction + "000")[:3]


def same_key(header, order_id):
    """The header may stand in quotes, as a string of RFC 8941."""
    return header == order_id or header == '"%s"' % order_id


def members_at_odds(operation, case):
    """Of a request that is well formed by the document: the fields that break a rule between members,
    which are to be told with 400."""
    body = case.body if isinstance(case.body, dict) else {}
    order = body.get("order") if isinstance(body.get("order"), dict) else {}
    header = (case.headers or {}).get("Idempotency-Key")
    begins, ends = body.get("starts_at"), body.get("ends_at")
    fields = set()
    if header is not None and body.get("order_id") is not None:
        fields |= set() if same_key(header, body["order_id"]) else {"order_id"}
    if isinstance(begins, str) and isinstance(ends, str) and instant(ends) <= instant(begins):
        fields.add("ends_at")  # a sale ends after it begins
    if order and body.get("user_id"):
        fields.add("user_id")  # the opener's order has its own
    if order.get("group_id"):
        fields.add("order.group_id")  # the group is made here
    if order.get("sale_id") not in (None, "", (case.path_parameters or {}).get("sale_id")):
        fields.add("order.sale_id")
    for name in ("group_id", "ticket"):
        if body.get(name) and not body.get("sale_id"):
            fields.add(name)  # of a sale
    if body.get("fence") and (operation == "Refund" or body.get("lines") is not None):
        fields |= {"fence", "lines"}  # of a whole order that is not there
    items = [body[name] for name in ("lots", "skus") if body.get(name) is not None]
    if operation == "UpdateSale" and items and not any(items):
        fields.add("lots")  # a sale sells something
    return fields


def rests_on_what_is_stored(operation, case, problem):
    """The fields with which a request may be refused by what is there: 400, for no other state would
    make it right, or not soon."""
    body = case.body if isinstance(case.body, dict) else {}
    field = problem.get("field", "")
    if operation in ("CreateSale", "UpdateSale"):  # now, or what stands, is its other end
        return field == "ends_at" and not (body.get("starts_at") and body.get("ends_at"))
    if operation == "JoinQueue":
        return field == "sale_id" and "waiting room" in problem["detail"]
    if operation == "ImportLots":  # what is in the file, or that nothing is
        return bool(problem.get("problems")) or "stock file" in problem["detail"]
    if operation.startswith(("Confirm", "Refund", "Ship")):  # what lots the reservation has
        return bool(body.get("lines")) and field.startswith("lines")
    return False


@schemathesis.check
def what_is_well_formed_is_accepted(_context, response, case):
    """As positive_data_acceptance, but for rules between members and for what is stored: there 400 is
    demanded, or allowed with the field that the rule names, and nowhere else."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    operation = case.operation.definition.raw["operationId"]
    status, at_odds = response.status_code, members_at_odds(operation, case)
    if status in TOO_LATE:
        return
    if status == 400:
        problem = response.json()
        assert (problem.get("field") in at_odds or
                rests_on_what_is_stored(operation, case, problem)), \
            f"{operation}: refused without a reason that is known: {problem}"
    else:
        assert not at_odds, f"{sorted(at_odds)} contradict each other, and the answer is {status}"
        assert status in ACCEPTED, f"well formed, and the answer is {status}"
