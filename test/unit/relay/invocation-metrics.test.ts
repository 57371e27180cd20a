import { beforeEach, describe, expect, test } from 'vitest'
import { createMetrics, type Metrics } from '../../../knative/relay/metrics.ts'
import { markOf, type CallOutcome } from '../../../shared/calls/record.ts'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import { newId } from '../../../shared/new-id.ts'

const KEY = Buffer.alloc(32, 1).toString('base64url')
const TENANT = newId()

function eventOf(what: Partial<CallOutcome> & { path?: string }): KgentsEvent {
  const { path = 'void.entropy.sip', ...rest } = what
  const { event } = markOf(
    {
      id: newId(),
      aspect: { path, category: 'E', effects: ['charges:entropy'] },
      function: 'void-entropy',
      tenant: TENANT,
      tier: 'pro',
      user: newId(),
      archetype: 'poet',
      outcome: 'success',
      charges: {},
      traceId: '',
      traceparent: '',
      startedAt: 0,
      endedAt: 300,
      ...rest,
    },
    KEY,
  )
  return JSON.parse(event.event) as KgentsEvent
}

let metrics: Metrics
beforeEach(() => {
  metrics = createMetrics()
})
/** Series that have counted something. */
const linesWith = async (name: string) =>
  (await metrics.render()).split('\n').filter((line) => line.startsWith(name) && !line.endsWith(' 0'))

describe('published()', () => {
  test.each([
    [{ outcome: 'success' }, 'success'],
    [{ outcome: 'refusal', code: 'CONSENT_REQUIRED' }, 'refusal'],
    [{ outcome: 'failure', code: 'NOT_FOUND' }, 'rejected'],
    [{ outcome: 'failure', code: 'ENTROPY_EXHAUSTED' }, 'rejected'],
    [{ outcome: 'failure', code: 'DEADLINE_EXCEEDED' }, 'error'],
    [{ outcome: 'failure', code: 'INTERNAL' }, 'error'],
  ] as const)('counts %o as %s', async (outcome, status) => {
    metrics.published(eventOf(outcome))
    expect(await linesWith('agentese_invocations_total{')).toEqual([
      `agentese_invocations_total{path="void.entropy.sip",context="void",aspect="sip",category="E",tier="pro",status="${status}"} 1`,
    ])
  })

  test('has a series of errors from the first call on, so that the first error is seen', async () => {
    metrics.published(eventOf({}))
    expect(await metrics.render()).toMatch(/^agentese_invocations_total\{.*status="error".*\} 0$/m)
  })

  test('measures calls, and apart from them those that waited for a model', async () => {
    metrics.published(eventOf({}))
    metrics.published(eventOf({ path: 'self.soul.dialogue', job: newId(), endedAt: 90_000 }))
    expect(await linesWith('agentese_invocation_duration_seconds_sum')).toEqual([
      'agentese_invocation_duration_seconds_sum{path="void.entropy.sip",context="void"} 0.3',
    ])
    expect(await linesWith('agentese_job_duration_seconds_sum')).toEqual([
      'agentese_job_duration_seconds_sum{path="self.soul.dialogue",context="self"} 90',
    ])
  })

  test('names no tenant, and no holon that a tenant has named', async () => {
    for (const path of ['world.our-secret-project.manifest', 'world.another.manifest', 'world.tool.invoke'])
      metrics.published(eventOf({ path }))
    const text = await metrics.render()
    expect(text).toContain('agentese_invocations_total{path="world.*.manifest"')
    expect(text).toContain('path="world.tool.invoke"')
    for (const secret of ['secret', 'another', TENANT]) expect(text).not.toContain(secret)
  })

  test('counts what was used up, and never down what was given back', async () => {
    metrics.published(eventOf({ charges: { entropy: 0.5 } }))
    metrics.published(eventOf({ charges: { entropy: -0.2 } }))
    expect(await linesWith('agentese_charges_total{')).toEqual([
      'agentese_charges_total{resource="entropy",tier="pro"} 0.5',
    ])
  })

  test('counts tokens of jobs, and passes over events that it does not understand', async () => {
    const event = eventOf({})
    metrics.published({
      ...event,
      type: 'io.kgents.job.completed',
      data: { tokens: { prompt: 3, completion: 4 } },
    })
    metrics.published({ ...event, data: { path: 7 } })
    metrics.published({ ...event, type: 'io.kgents.job.completed', data: 'words' })
    metrics.published({ ...event, type: 'com.example.order', data: { path: 'void.entropy.sip' } })
    expect(await linesWith('agentese_tokens_total{')).toEqual([
      'agentese_tokens_total{direction="in"} 3',
      'agentese_tokens_total{direction="out"} 4',
    ])
    expect(await linesWith('agentese_invocations_total{')).toEqual([])
  })
})
