import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { Failure } from '../../../shared/failures.ts'
import { startTracing, withSpan } from '../../../shared/telemetry/spans.ts'
import { startTrace } from '../../../shared/telemetry/trace.ts'

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

  const received = Promise.withResolvers<string>()
  const collector = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      response.end('{}')
      received.resolve(`${request.url} ${body}`)
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const address = collector.address()
  const port = typeof address === 'object' ? address?.port : 0
  const stop = await startTracing('void-entropy', `http://127.0.0.1:${port}`)
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
  const sent = await received.promise
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
