"""Prints what httpx-sse reads of a stream, one JSON array of [event, id, data, retry] a line. Arguments: URL, API key."""

import json
import sys

import httpx
from httpx_sse import connect_sse

url, key = sys.argv[1:]
with httpx.Client(timeout=30, trust_env=False) as client:
    with connect_sse(client, "GET", url, headers={"X-API-Key": key}) as source:
        for event in source.iter_sse():
            print(json.dumps([event.event, event.id, event.data, event.retry]), flush=True)
