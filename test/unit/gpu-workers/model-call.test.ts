import { describe, expect, test } from 'vitest'
import { EngineFailure, type Engine } from '../../../gpu-workers/engines/engine.ts'
import { createMetrics } from '../../../gpu-workers/metrics.ts'
import { nameEngineError, observeModelCall } from '../../../gpu-workers/model-call.ts'
import type { ChatRequest, EmbedRequest, JobMessage } from '../../../shared/inference/messages.ts'

const ID = '019a0000-0000-7000-8000-000000000000'
const CHAT: ChatRequest = { messages: [{ role: 'user', content: 'hello' }], maxTokens: 10, temperature: 0 }
const EMBED: EmbedRequest = { texts: ['hello'] }
const OF_CHAT = '{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="small"'

const jobOf = (request: ChatRequest | EmbedRequest): JobMessage => ({
  job: ID,
  tenant: ID,
  function: 'self-soul',
  path: 'self.soul.dialogue',
  request,
  resultKey: '',
})

function observe(request: ChatRequest | EmbedRequest, tokensBefore = 0) {
  const metrics = createMetrics()
  const { countModelCall, render } = metrics
  const engine = { name: 'openai', model: 'small' } as Engine
  const options = { engine, countModelCall, tokensBefore, nameError: nameEngineError }
  return {
    render,
    run: <A extends Answer>(call: () => Promise<A>) => observeModelCall(jobOf(request), options, call),
  }
}

interface Answer {
  tokens: { prompt: number; completion: number }
  model: string
  firstAt: number
}

describe('observeModelCall()', () => {
  test('counts tokens and seconds of an answer, and of an attempt that went on only what it wrote itself', async () => {
    const { run, render } = observe(CHAT, 20)
    await run(async () => ({
      tokens: { prompt: 30, completion: 100 },
      model: 'small-1',
      firstAt: performance.now(),
    }))
    const lines = (await render()).split('\n')
    expect(lines).toContain(`gen_ai_client_inference_usage_input_tokens_total${OF_CHAT}} 30`)
    expect(lines).toContain(`gen_ai_client_inference_usage_output_tokens_total${OF_CHAT}} 80`)
    expect(lines).toContain(`gen_ai_client_inference_duration_seconds_count${OF_CHAT}} 1`)
    expect(lines).toContain(`gen_ai_client_inference_time_to_first_chunk_seconds_count${OF_CHAT}} 1`)
  })

  test('counts vectors apart from text, under the model that made them', async () => {
    const { run, render } = observe(EMBED)
    await run(async () => ({ tokens: { prompt: 5, completion: 0 }, model: 'mini', firstAt: 0 }))
    const text = await render()
    expect(text).toMatch(/gen_ai_client_embeddings_duration_seconds_count\{.*gen_ai_request_model="mini"\} 1/)
    expect(text).not.toMatch(/gen_ai_client_inference_duration_seconds_count\{/)
  })

  test.each([
    [new EngineFailure('busy', { retry: true }), 'unavailable'],
    [new EngineFailure('no such model', { retry: false }), 'failed'],
    [new EngineFailure('too long', { retry: false, refused: true }), 'refused'],
    [new Error(`something about tenant ${ID}`), '_OTHER'],
  ])('counts %s as %s, and no tokens', async (error, name) => {
    const { run, render } = observe(CHAT)
    const failed = run(async () => {
      throw error
    })
    await expect(failed).rejects.toBe(error)
    const text = await render()
    expect(text).toContain(`gen_ai_client_inference_duration_seconds_count${OF_CHAT},error_type="${name}"} 1`)
    expect(text).not.toContain('tokens_total{')
    expect(text).not.toContain(ID)
  })
})
