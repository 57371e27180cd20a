import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isAspect } from '../../../shared/contract/facts.ts'
import { catalog } from '../../../functions/catalog.ts'
import { createAsyncApi } from '../../../functions/control/reference/async-api.ts'
import { Transcript } from '../../../gateway/stream-hub/transcript.ts'
import { secretsFor } from '../../../shared/contract/needs.ts'
import { defineOperation, trigger } from '../../../shared/contract/define-operation.ts'
import { EventAttributes } from '../../../shared/events/attributes.ts'
import { createEvent } from '../../../shared/events/event.ts'
import { PATH_EVENTS, STATE_EVENTS, SYSTEM_EVENTS } from '../../../shared/events/event-types.ts'
import { JOB_STREAM_EVENTS } from '../../../shared/inference/job-stream.ts'
import { markOf } from '../../../shared/calls/record.ts'
import { AsyncApiDocument } from './async-api-schema.ts'
import { danglingReferences } from './references.ts'

const document = createAsyncApi(catalog)
const { channels, operations, components } = AsyncApiDocument.parse(document)

const KEY = Buffer.alloc(32, 1).toString('base64url')
const ID = '0190b0f2-7f2b-7000-8000-000000000001'

describe('createAsyncApi()', () => {
  test('refers only to what is there', () => {
    expect(danglingReferences(document)).toEqual([])
  })

  test('tells no name of a secret', () => {
    const text = JSON.stringify(document)
    for (const name of secretsFor(catalog.flatMap(({ needs }) => needs))) expect(text).not.toContain(name)
  })

  test('describes each type of event that the platform makes, as a CloudEvent', () => {
    const types = Object.values(components.messages)
      .filter(({ traits }) => traits !== undefined)
      .map(({ name }) => name)
    expect(types).toEqual(
      expect.arrayContaining(Object.keys({ ...PATH_EVENTS, ...STATE_EVENTS, ...SYSTEM_EVENTS })),
    )
    const headers = components.messageTraits['cloudEvent']?.headers['properties']
    expect(headers).toHaveProperty('ce-tenantid')
    expect(headers).toHaveProperty('ce-signature')
    expect(headers).toHaveProperty('ce-traceparent')
  })

  test('says what a function asks of events that others make', () => {
    const paid = (name: string, data: z.ZodType) =>
      trigger({ name, attributes: { type: 'io.kgents.bill.paid' }, data, handle: async () => {} })
    const bills = defineOperation({
      name: 'bills',
      summary: 'Bills',
      routes: {},
      triggers: [paid('one', z.object({ bill: z.uuid() })), paid('other', z.object({ amount: z.number() }))],
    })
    const other = createAsyncApi([bills])
    const { components, operations } = AsyncApiDocument.parse(other)
    expect(danglingReferences(other)).toEqual([])
    expect(components.schemas['bill.paid']).toMatchObject({ required: ['bill', 'amount'] })
    expect(Object.keys(operations)).toEqual(expect.arrayContaining(['take.bills.one', 'take.bills.other']))
  })
})

const aspects = catalog.flatMap(({ endpoints }) => endpoints.filter(isAspect))

test.each(aspects.map((endpoint) => [endpoint.name, endpoint] as const))(
  '%s has a channel',
  (name, endpoint) => {
    const channel = Object.values(channels).find(({ title }) => title === name)
    const path = endpoint.path
      .replace('/v1/agentese/', '')
      .replaceAll('/', '.')
      .replaceAll(/:(\w+)/g, '{$1}')
    expect(channel?.address).toBe(`agentese.{tenant}.${path}`)
    expect(Object.keys(channel?.messages ?? {})).toEqual([
      'agentese.invoked',
      'agentese.failed',
      'agentese.refused',
    ])
  },
)

const taken = catalog.flatMap(({ name, triggers }) =>
  triggers
    .filter(({ attributes: { type = '' } }) => !type.startsWith('io.kgents.agentese.'))
    .map((each) => [`${name}.${each.name}`, each.attributes['type'] ?? ''] as const),
)

test.each(taken)('%s takes an event that is described', (name, type) => {
  const operation = operations[`take.${name}`]
  const key = operation?.channel.$ref.replace('#/channels/', '') ?? ''
  expect(operation?.action).toBe('receive')
  expect(channels[key]?.address).toBe(`events.{tenant}.${type}`)
})

describe('what is described is what is sent', () => {
  test('events have the attributes', () => {
    const given = {
      source: '/x',
      type: 'io.kgents.x',
      tenant: ID,
      subject: ID,
      function: 'x',
      traceparent: 't',
    }
    const { data: _, ...attributes } = createEvent({ ...given, data: {} }, KEY)
    expect(z.strictObject(EventAttributes.shape).parse(attributes)).toEqual(attributes)
    expect(Object.keys(attributes).sort()).toEqual(Object.keys(EventAttributes.shape).sort())
  })

  test.each(['success', 'failure', 'refusal'] as const)('a mark of %s tells the data', (outcome) => {
    const { event } = markOf(
      {
        id: ID,
        aspect: { path: 'void.entropy.sip', category: 'E', effects: ['charges:entropy'] },
        function: 'void-entropy',
        tenant: ID,
        tier: 'pro',
        user: ID,
        archetype: 'poet',
        outcome,
        code: 'NOT_FOUND',
        charges: { entropy: 0.1 },
        job: ID,
        traceId: '',
        traceparent: '',
        startedAt: 0,
        endedAt: 0,
      },
      KEY,
    )
    const { type, data } = JSON.parse(event.event) as { type: keyof typeof PATH_EVENTS; data: object }
    expect(PATH_EVENTS[type].data.parse(data)).toEqual(data)
  })

  test('the stream of a job tells its events', () => {
    const transcript = new Transcript(ID)
    const sent = [
      transcript.eventFor({ kind: 'started', index: 0, attempt: 1 }),
      transcript.eventFor({ kind: 'chunk', index: 1, attempt: 1, text: 'a', tokens: 1 }),
      transcript.eventFor({ kind: 'restart', index: 2, attempt: 2 }),
      ...transcript.end({
        status: 'completed',
        path: 'p',
        text: '',
        tokens: { prompt: 1, completion: 1 },
        result: {},
        charges: {},
      }),
      ...transcript.end({ status: 'failed', path: 'p', error: { code: 'INFERENCE_FAILED', message: 'm' } }),
    ]
    expect(sent.map((each) => each?.event)).toEqual(['started', 'chunk', 'restart', 'complete', 'error'])
    for (const each of sent) {
      if (each !== undefined)
        expect(JOB_STREAM_EVENTS[each.event].data.safeParse(each.data).error).toBeUndefined()
    }
  })
})
