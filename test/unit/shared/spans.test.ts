import { expect, test } from 'vitest'
import { Failure } from '../../../shared/failures.ts'
import { startTracing, withSpan } from '../../../shared/telemetry/spans.ts'
import { startTrace } from '../../../shared/telemetry/trace.ts'
import { openSpanCollector } from '../../span-collector.ts'

test('withSpan() passes the trace on as it is until a collector is set, and then sends spans below it', async () => {
  const parent = startTrace()
  expect(
    await withSpan(
      'quiet',
      parent,
      () => ({}),
      async (trace) => trace,
    ),
  ).toEqual(parent)

  const collector = await openSpanCollector()
  const stop = await startTracing('void-entropy', collector.url)
  const child = await withSpan(
    'void.entropy.sip',
    parent,
    () => ({ 'agentese.path': 'void.entropy.sip' }),
    async (trace, add) => {
      add(() => ({ 'agentese.tenant_id': 'acme' }))
      return trace
    },
    'client',
  )
  expect(child.traceId).toBe(parent.traceId)
  expect(child.spanId).not.toBe(parent.spanId)
  const failing = withSpan(
    'self.soul.dialogue',
    parent,
    () => ({}),
    async () => {
      throw new Failure('NOT_FOUND', 'no')
    },
  )
  await expect(failing).rejects.toThrow('no')
  await stop()
  const sent = collector.received()
  collector.close()
  for (const part of [
    '/v1/traces',
    'void.entropy.sip',
    parent.traceId,
    'NOT_FOUND',
    'void-entropy',
    'acme',
  ]) {
    expect(sent).toContain(part)
  }
  expect(sent).toContain('"kind":3') // a request that was made, and not one that was answered
})
