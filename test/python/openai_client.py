"""The official client of OpenAI: what each of its calls comes to, one JSON value a line. Arguments: base URL, API key, model."""

import json
import sys

import openai

url, key, model = sys.argv[1:]
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
messages = [{"role": "user", "content": "Say hello"}]


def show(value):
    print(json.dumps(value), flush=True)


chat = client.chat.completions.create(model=model, messages=messages)
show([chat.choices[0].message.content, chat.choices[0].finish_reason, chat.usage.total_tokens])

stream = client.chat.completions.create(model=model, messages=messages, stream=True)
show("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))

response = client.responses.create(model=model, input="Say hello")
show([response.output_text, response.status])
with client.responses.stream(model=model, input="Say hello") as events:
    show("".join(event.delta for event in events if event.type == "response.output_text.delta"))

show(model in [each.id for each in client.models.list()])
try:
    client.chat.completions.create(model="gpt-9", messages=messages)
except openai.NotFoundError as error:
    show([error.status_code, error.code])
