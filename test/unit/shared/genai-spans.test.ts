import { expect, test } from 'vitest'
import { createMetrics } from '../../../gpu-workers/metrics.ts'
import { nameEngineError, observeModelCall } from '../../../gpu-workers/model-call.ts'
import type { Engine } from '../../../gpu-workers/engines/engine.ts'
import { withAgentSpan, withToolSpan } from '../../../shared/telemetry/genai-spans.ts'
import { startTracing } from '../../../shared/telemetry/spans.ts'
import { formatTraceparent, startTrace } from '../../../shared/telemetry/trace.ts'
import { openSpanCollector } from '../../span-collector.ts'

const ID = '019a0000-0000-7000-8000-000000000000'

interface Sent {
  name: string
  kind: number
  traceId: string
  spanId: string
  parentSpanId: string
  attributes: { key: string; value: object }[]
}

/** Spans in what a collector has received, however many requests that were. */
function spansIn(received: string): Sent[] {
  const bodies = received.split('/v1/traces ').filter((body) => body !== '')
  return bodies.flatMap((body) =>
    JSON.parse(body).resourceSpans.flatMap((each: { scopeSpans: { spans: Sent[] }[] }) =>
      each.scopeSpans.flatMap(({ spans }) => spans),
    ),
  )
}

test('an agent, the tool that it runs and the model that it asks are one tree, without a word of what was said', async () => {
  const collector = await openSpanCollector()
  const stop = await startTracing('world-agent', collector.url)
  const engine = { name: 'llama.cpp', model: 'small' } as Engine
  const { countModelCall } = createMetrics()
  await withAgentSpan({ name: 'helper', conversation: ID }, startTrace(), async (trace) => {
    await withToolSpan(
      { name: 'search', id: 'call_1', conversation: ID },
      trace,
      async () => 'a secret result',
    )
    const messages = [{ role: 'user' as const, content: 'a secret question' }]
    const request = { messages, maxTokens: 10, temperature: 0.5, topP: 0.9, session: ID }
    const job = { job: ID, tenant: ID, function: 'f', path: 'p', request, resultKey: '' }
    await observeModelCall(
      { ...job, traceparent: formatTraceparent(trace) },
      { engine, countModelCall, tokensBefore: 0, nameError: nameEngineError },
      async () => ({ tokens: { prompt: 3, completion: 4 }, model: 'small-1', firstAt: performance.now() }),
    )
  })
  await stop()
  const received = collector.received()
  collector.close()
  const [agent, tool, chat] = ['invoke_agent helper', 'execute_tool search', 'chat small'].map((name) => {
    const span = spansIn(received).find((each) => each.name === name)
    return {
      ...span,
      attributes: Object.fromEntries(
        span?.attributes.map(({ key, value }) => [key, Object.values(value)[0]]) ?? [],
      ),
    }
  })
  expect(agent).toMatchObject({
    kind: 1,
    attributes: {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'helper',
      'gen_ai.conversation.id': ID,
    },
  })
  expect(tool).toMatchObject({
    kind: 1,
    parentSpanId: agent?.spanId,
    attributes: {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'search',
      'gen_ai.tool.call.id': 'call_1',
      'gen_ai.tool.type': 'function',
    },
  })
  expect(chat).toMatchObject({
    kind: 3,
    parentSpanId: agent?.spanId,
    traceId: agent?.traceId,
    attributes: {
      'gen_ai.conversation.id': ID,
      'gen_ai.request.max_tokens': 10,
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.top_p': 0.9,
      'gen_ai.usage.input_tokens': 3,
      'gen_ai.usage.output_tokens': 4,
    },
  })
  expect(received).not.toContain('secret')
})
