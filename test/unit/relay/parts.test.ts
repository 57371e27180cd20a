import { describe, expect, test } from 'vitest'
import { fromNats } from '../../../shared/nats/event-message.ts'
import { writeInferenceFailed } from '../../../knative/relay/inference-failed.ts'
import { createMetrics } from '../../../knative/relay/metrics.ts'
import { backoff, pause, within } from '../../../shared/pause.ts'
import { createStateLog } from '../../../shared/telemetry/state-log.ts'
import { deriveResultKey, verifyEvent } from '../../../shared/events/event.ts'
import { createLog } from '../../../shared/telemetry/log.ts'

const KEY = Buffer.alloc(32, 7).toString('base64url')
const TENANT = '0195f000-0000-7000-8000-000000000001'
const JOB = '0195f000-0000-7000-8000-0000000000aa'

test('writeInferenceFailed() speaks for the job, with a signature that the platform believes', () => {
  const job = {
    job: JOB,
    tenant: TENANT,
    function: 'self-soul',
    path: 'self.soul.dialogue',
    request: { messages: [{ role: 'user' as const, content: 'hi' }], maxTokens: 8, temperature: 0 },
    resultKey: deriveResultKey(KEY, TENANT, JOB),
  }
  const { subject, headers, payload } = writeInferenceFailed(job, 'nobody finished it', 4)
  const event = fromNats({ headers, data: payload })
  expect(subject).toBe(`events.${TENANT}.io.kgents.inference.failed`)
  expect(event).toMatchObject({ source: '/relay', subject: JOB, function: 'self-soul', tenantid: TENANT })
  expect(event.data).toEqual({ job: JOB, reason: 'nobody finished it', attempt: 4 })
  expect(() => verifyEvent(event, KEY)).not.toThrow()
})

test('createMetrics() counts what was added and gauges what was set, by database', async () => {
  const metrics = createMetrics()
  metrics.add('relay_published_total', 2)
  metrics.add('relay_published_total')
  metrics.set('relay_lag_seconds', 1.5, { database: 'db:5432/"a"' })
  const lines = (await metrics.render()).split('\n')
  for (const line of [
    '# HELP relay_published_total Events acknowledged by JetStream',
    '# TYPE relay_published_total counter',
    'relay_published_total 3',
    '# HELP relay_lag_seconds Age of the oldest event that is not published',
    '# TYPE relay_lag_seconds gauge',
    String.raw`relay_lag_seconds{database="db:5432/\"a\""} 1.5`,
  ]) {
    expect(lines).toContain(line)
  }
})

test('createStateLog() writes one line for each change', () => {
  const lines: string[] = []
  const log = createLog('test', 'silent')
  Object.assign(log, {
    info: (line: string) => lines.push(line),
    warn: (_: unknown, line: string) => lines.push(line),
  })
  const report = createStateLog(log, 'NATS')
  for (const state of ['connected', 'connected', 'away', 'away', 'connected']) {
    report(state, state === 'away' ? new Error('gone') : undefined)
  }
  expect(lines).toEqual(['NATS: connected', 'NATS: away', 'NATS: connected'])
})

describe('waiting', () => {
  test('backoff() doubles from first to most, a fifth less at most', () => {
    for (const [failures, full] of [
      [0, 100],
      [1, 200],
      [3, 800],
      [50, 1000],
    ] as const) {
      const wait = backoff(failures, 100, 1000)
      expect(wait).toBeLessThanOrEqual(full)
      expect(wait).toBeGreaterThanOrEqual(full * 0.8)
    }
  })

  test('within() gives up on work that takes too long', async () => {
    await expect(within(1, Promise.resolve('done'))).resolves.toBe('done')
    await expect(within(0.001, new Promise(() => {}))).rejects.toThrow('no answer within')
  })

  test('pause() ends when it is stopped, and does not begin after', async () => {
    const stop = new AbortController()
    const pausing = pause(60_000, stop.signal)
    stop.abort()
    await pausing
    await pause(60_000, stop.signal)
  })
})
