"""What schemathesis can't read in the description.

Each entry of EXPECTED is a finding that is none, with the reason. A finding that
no entry explains fails the run.
"""

import json
import os

import schemathesis

NDJSON = "application/x-ndjson"


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """OpenAPI 3.1 can call NDJSON a string only. Here it is an array of lines,
    so that batches are of orders and each line of a reply is checked."""

    def lines(name):
        return {"schema": {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}}

    submit = raw_schema["paths"]["/submit"]["post"]
    submit["requestBody"]["content"][NDJSON] = lines("Order")
    submit["responses"]["200"]["content"][NDJSON] = lines("BatchResult")
    feed = raw_schema["paths"]["/orders"]["get"]
    feed["responses"]["200"]["content"][NDJSON] = lines("Record")
    if "TOKENS" in os.environ:
        # Without a token file none is needed. Here there is one.
        for path in raw_schema["paths"].values():
            for operation in path.values():
                operation["security"] = [way for way in operation.get("security", ()) if way]


@schemathesis.serializer(NDJSON)
def ndjson(context, value):
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@schemathesis.deserializer(NDJSON)
def ndjson_lines(context, response):
    return [json.loads(line) for line in response.content.splitlines()]


def is_batch(case, problem):
    # One bad line fails none of the others: it has a result of its own.
    return case.media_type == NDJSON


def no_coding(case, problem):
    # An empty list of codings is a list (RFC 9110 section 5.6.1).
    return not case.headers.get("Content-Encoding", "none").strip()


def two_beginnings(case, problem):
    # OpenAPI can't say that parameters exclude each other.
    return {"after", "since"} <= case.query.keys() and problem.get("parameter") == "since"


def two_ids(case, problem):
    # Nor that a header and a member must be the same, or that a header is for
    # one media type only.
    return problem.get("parameter") == "Idempotency-Key"


def no_id(case, problem):
    # Nor that one of the two must be there.
    return problem.get("detail") == 'the member "id" is missing'


def too_exact(case, problem):
    # Nor how many digits a number has.
    return problem.get("detail") == 'the member "value" needs more than 28 digits'


def past_the_end(case, problem):
    # Nor how far the feed reaches at this moment.
    return problem.get("type") == "/problems/feed-ahead"


def compressed_order(case, problem):
    # Nor that a header is for one media type only.
    return problem.get("type") == "/problems/unsupported-encoding" and case.media_type != NDJSON


def not_compressed(case, problem):
    # Its batches say that they are compressed, and are not.
    return case.media_type == NDJSON and case.headers.get("Content-Encoding") in ("gzip", "zstd")


EXPECTED = {
    "AcceptedNegativeData": (is_batch, no_coding),
    "RejectedPositiveData": (
        two_beginnings,
        two_ids,
        no_id,
        too_exact,
        past_the_end,
        compressed_order,
        not_compressed,
    ),
}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    try:
        problem = json.loads(response.content)
    except ValueError:
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    expected = EXPECTED.get(type(failure).__name__, ())
    return not any(is_expected(case, problem) for is_expected in expected)
