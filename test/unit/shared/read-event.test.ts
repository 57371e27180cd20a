import { HTTP, type CloudEvent } from 'cloudevents'
import { describe, expect, test } from 'vitest'
import { readEvent } from '../../../shared/http/read-event.ts'

const attributes = {
  specversion: '1.0',
  id: '0199c0de-0000-7000-8000-000000000001',
  source: '/functions/void-entropy',
  type: 'io.kgents.agentese.invoked',
  time: '2026-11-22T02:00:00.120Z',
  tenantid: '00000000-0000-4000-8000-00000000000a',
}
const data = { path: 'void.entropy.sip', amount: 0.1, nested: { list: [1, null] } }

type Attributes = Record<string, string>

/** The ways in which an event may come; each takes the same attributes and the same body. */
const FORMS = {
  binary: (given: Attributes, body: string) => ({ headers: binaryHeaders(given), body }),
  structured: (given: Attributes, body: string) => ({
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(given).replace(/\}$/, `,"data":${body}}`),
  }),
}

function binaryHeaders(given: Attributes): Record<string, string> {
  const headers = Object.entries(given).map(([name, value]) => [`ce-${name}`, value])
  return { 'content-type': 'application/json', host: 'localhost', ...Object.fromEntries(headers) }
}

function read({ headers, body }: { headers: Record<string, string>; body: string }) {
  const length = { 'content-length': String(Buffer.byteLength(body)) }
  const request = new Request('http://localhost/', { method: 'POST', headers: length, body })
  return readEvent(request, headers)
}

describe.each(Object.entries(FORMS))('readEvent() in %s form', (_name, form) => {
  const readForm = (given: Attributes, body = JSON.stringify(data)) => read(form(given, body))

  test('gives attributes, extensions and data as they were sent', async () => {
    const sent = { ...attributes, subject: 'void.entropy.sip', signature: 'abc', traceparent: '00-1-2-01' }
    expect(await readForm(sent)).toMatchObject({ ...sent, data })
  })

  test('leaves the time as it was sent', async () => {
    for (const time of ['2026-11-22T02:00:00.12Z', '2026-11-22T03:00:00.120456789+01:00'])
      expect(await readForm({ ...attributes, time })).toMatchObject({ time })
  })

  test.each(Object.keys(attributes).filter((name) => name !== 'time'))(
    'refuses an event without %s',
    async (name) => {
      const { [name as keyof typeof attributes]: _left, ...rest } = attributes
      await expect(readForm(rest)).rejects.toMatchObject({ code: 'EVENT_SYNTAX' })
      await expect(readForm({ ...rest, [name]: '' })).rejects.toMatchObject({ code: 'EVENT_SYNTAX' })
    },
  )

  test.each([
    ['another version', { specversion: '0.3' }],
    ['a version that there is not', { specversion: '2.0' }],
    ['a name that is not lower-case letters and digits', { bad_name: 'x' }],
    ['a source that is no URI reference', { source: 'a b' }],
    ['a time that is none', { time: 'yesterday' }],
  ])('refuses an event with %s', async (_what, change) => {
    await expect(readForm({ ...attributes, ...change })).rejects.toMatchObject({ code: 'EVENT_SYNTAX' })
  })

  test('refuses data that is not JSON', async () => {
    await expect(readForm(attributes, '{"a":')).rejects.toMatchObject({ code: 'EVENT_SYNTAX' })
  })
})

test('readEvent() reads the common form as the library does', async () => {
  const extensions = { subject: 'a.b.c', traceparent: '00-1-2-01', constructor: 'x', knativearrivaltime: '1' }
  for (const type of ['application/json', 'application/json; charset=utf-8']) {
    const headers = { ...binaryHeaders({ ...attributes, ...extensions }), 'content-type': type }
    const body = JSON.stringify(data)
    const byLibrary = HTTP.toEvent({ headers, body }) as CloudEvent<unknown>
    expect(await read({ headers, body })).toEqual(JSON.parse(JSON.stringify(byLibrary)))
  }
})

test('readEvent() takes no batch', async () => {
  const headers = { 'content-type': 'application/cloudevents-batch+json' }
  const body = JSON.stringify([{ ...attributes, data }])
  await expect(read({ headers, body })).rejects.toMatchObject({ code: 'EVENT_SYNTAX' })
})
