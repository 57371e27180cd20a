"""The official SDK of CloudEvents: `send URL KEY` sends events in each of its modes, `read BODY...` reads what a sink got."""

import json
import sys
from datetime import datetime, timedelta, timezone

import httpx
from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_http_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.conversion import to_binary
from cloudevents.v1.http import CloudEvent as EarlierCloudEvent

TIME = datetime(2026, 1, 1, 12, 0, 0, 123456, timezone(timedelta(hours=5, minutes=30)))
ORDER = {"total": 9007199254740993, "name": "straße"}


def attributes(id, **more):
    return {
        "specversion": "1.0",
        "id": id,
        "source": "/shop",
        "type": "com.example.order",
        "time": TIME,
        "subject": "50 % of ü",
        "comexampletier": "gold €",
        **more,
    }


def messages():
    """The binary modes send no Content-Type with JSON; the earlier one sends headers as they are."""
    yield to_binary_event(CloudEvent(attributes("binary"), ORDER))
    yield to_structured_event(CloudEvent(attributes("structured"), ORDER))
    yield to_binary_event(CloudEvent(attributes("text", datacontenttype="text/plain"), "héllo"))
    yield to_structured_event(
        CloudEvent(attributes("bytes", datacontenttype="image/png"), bytes([0, 255]))
    )
    plain = {"time": TIME.isoformat(), "subject": "a b", "comexampletier": "gold"}
    earlier = EarlierCloudEvent(attributes("earlier", **plain), ORDER)
    yield HTTPMessage(*to_binary(earlier))


def send(url, key):
    for headers, body in ((message.headers, message.body) for message in messages()):
        answer = httpx.post(url, content=body, headers={**headers, "x-api-key": key})
        print(json.dumps([answer.status_code, answer.json(), "content-type" in headers]))


def read(*bodies):
    headers = {"content-type": "application/cloudevents+json"}
    for body in bodies:
        event = from_http_event(HTTPMessage(headers, body.encode()))
        data = event.get_data()
        facts = {
            "id": event.get_id(),
            "time": event.get_time().isoformat(),
            "subject": event.get_subject(),
            "tier": event.get_extension("comexampletier"),
            "data": list(data) if isinstance(data, bytes) else data,
            "exact": data == ORDER,
        }
        print(json.dumps(facts))


if __name__ == "__main__":
    {"send": send, "read": read}[sys.argv[1]](*sys.argv[2:])
