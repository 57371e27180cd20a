/** The engine in process: tools, schemas, stops, what it keeps of conversations; with a real model. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine, EngineOutput, GenerateOptions } from '../../../gpu-workers/engines/engine.ts'
import { openLlamaCpp } from '../../../gpu-workers/engines/llama-cpp.ts'
import type { ChatRequest, ToolSpec } from '../../../shared/inference/messages.ts'
import { findModel } from './model.ts'

const never = new AbortController().signal
let engine: Engine

beforeAll(async () => {
  engine = await openLlamaCpp({ modelPath: await findModel(), concurrency: 2, contextTokens: 1024 })
}, 240_000)
afterAll(() => engine.close())

function ask(content: string, rest: Partial<ChatRequest> = {}): ChatRequest {
  return { messages: [{ role: 'user', content }], maxTokens: 24, temperature: 0, ...rest }
}

async function run(request: ChatRequest, options: Partial<GenerateOptions> = {}) {
  const kinds: EngineOutput['kind'][] = []
  let text = ''
  for await (const output of engine.generate(request, { signal: never, ...options })) {
    kinds.push(output.kind)
    if (output.kind === 'restart') text = ''
    if (output.kind === 'chunk') text += output.text
    if (output.kind === 'end') return { ...output, text, kinds }
  }
  throw new Error('the engine ended without an end')
}

const weather: ToolSpec = {
  name: 'weather',
  description: 'The weather of a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string', enum: ['Vienna', 'Linz'] } },
    required: ['city'],
  },
}

test('an answer says its model as the request names it', async () => {
  const { model } = await run(ask('Hello', { model: 'smollm2-135m-instruct', maxTokens: 1 }))
  expect(model).toBe('smollm2-135m-instruct')
})

describe('a JSON schema', () => {
  test('holds the answer, whatever the model would say', async () => {
    const responseSchema = {
      type: 'object',
      properties: {
        mood: { enum: ['good', 'bad'] },
        age: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
        tags: { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 },
      },
      required: ['mood'],
    }
    const { text, reason } = await run(ask('How are you?', { responseSchema, maxTokens: 100 }))
    expect(reason).toBe('stop')
    const value = JSON.parse(text)
    expect(Object.keys(value)).toEqual(['mood', 'age', 'tags'])
    expect(['good', 'bad']).toContain(value.mood)
    expect(value.tags.every((tag: unknown) => typeof tag === 'boolean')).toBe(true)
  })

  test('may refer to itself, and the answer has an end', async () => {
    const node = {
      type: 'object',
      properties: { value: { enum: [1] }, next: { $ref: '#/$defs/node' } },
      required: ['value'],
    }
    const responseSchema = { $defs: { node }, $ref: '#/$defs/node' }
    const { text, reason } = await run(
      ask('A list of one.', { responseSchema, maxTokens: 60, seed: 1, temperature: 1 }),
    )
    if (reason === 'stop') expect(JSON.parse(text)).toHaveProperty('value', 1)
    else expect(text).toContain('"next"')
  })

  test('begins anew where another worker had begun', async () => {
    const responseSchema = { type: 'object', properties: { ok: { type: 'boolean' } } }
    const prefix = { text: '{"ok": t', tokens: 5 }
    const { text, kinds } = await run(ask('Fine?', { responseSchema, maxTokens: 40 }), { prefix })
    expect(kinds[0]).toBe('restart')
    expect(typeof JSON.parse(text).ok).toBe('boolean')
  })
})

describe('tools', () => {
  test('a tool that is required is called with arguments of its schema', async () => {
    const request = ask('Hello!', { tools: [weather], toolChoice: 'required', maxTokens: 60 })
    const { text, reason, toolCalls, usage } = await run(request)
    expect({ text, reason }).toEqual({ text: '', reason: 'tool_calls' })
    expect(toolCalls).toEqual([
      { id: expect.stringMatching(/^call_/), name: 'weather', arguments: expect.any(String) },
    ])
    expect(['Vienna', 'Linz']).toContain(JSON.parse(toolCalls?.[0]?.arguments ?? '').city)
    expect(usage.completion).toBeGreaterThan(5)
  })

  test('the tool that is named is called, and no other, whatever its name', async () => {
    const other = {
      name: 'constructor',
      parameters: { type: 'object', properties: { n: { type: 'integer', const: 4 } } },
    }
    const request = ask('Vienna?', {
      tools: [weather, other],
      toolChoice: { name: 'constructor' },
      maxTokens: 60,
    })
    const { toolCalls } = await run(request)
    expect(toolCalls).toMatchObject([{ name: 'constructor', arguments: '{"n":4}' }])
  })

  test('a call that the limit cuts off is none', async () => {
    const request = ask('Hello!', { tools: [weather], toolChoice: 'required', maxTokens: 3 })
    expect(await run(request)).toMatchObject({ reason: 'length', usage: { completion: 3 } })
  })

  test('with a choice the model answers or calls, and ends', async () => {
    const {
      reason,
      text,
      toolCalls = [],
    } = await run(ask('What is the weather in Linz?', { tools: [weather], maxTokens: 16 }))
    expect(reason === 'tool_calls' ? toolCalls.length : text.length).toBeGreaterThan(0)
    expect(reason === 'tool_calls').toBe(toolCalls.length > 0)
  })
})

test('an answer ends before a stop', async () => {
  const free = await run(ask('Write about the sea.', { maxTokens: 16 }))
  const word = free.text.split(' ')[3] ?? ''
  const { text, reason } = await run(
    ask('Write about the sea.', { maxTokens: 16, stop: [word, '<|im_end|>'] }),
  )
  expect(reason).toBe('stop')
  expect(text).toBe(free.text.slice(0, free.text.indexOf(word)))
})

test('a narrow top-p leaves the likeliest words alone', async () => {
  const greedy = await run(ask('Write about the sea.', { maxTokens: 6 }))
  const narrow = await run(
    ask('Write about the sea.', { maxTokens: 6, temperature: 1.5, topP: 0.0001, seed: 3 }),
  )
  expect(narrow.text).toBe(greedy.text)
})

describe('what has been read', () => {
  const [acme, globex] = ['0197-acme', '0197-globex']
  const session = '0197a000-0000-7000-8000-000000000001'
  const story = `Listen: ${'the boat sails over the sea, and '.repeat(6)}`
  const turn = (...more: ChatRequest['messages']) =>
    ask('', { messages: [{ role: 'user', content: story }, ...more], session, maxTokens: 4 })

  test('is not read again in the next turn of the session, and never for another tenant', async () => {
    const first = await run(turn(), { tenant: acme })
    expect(first.reusedTokens).toBe(0)
    const next = turn({ role: 'assistant', content: first.text }, { role: 'user', content: 'And then?' })
    const foreign = await run(next, { tenant: globex })
    expect(foreign.reusedTokens).toBe(0)
    const own = await run(next, { tenant: acme })
    expect(own.reusedTokens).toBeGreaterThan(50)
    expect(own.text).toBe(foreign.text)
  })
})

test('computeSeconds of answers that run together add up to the time that they took', async () => {
  const begunAt = performance.now()
  const both = await Promise.all([run(ask('Sea?', { maxTokens: 6 })), run(ask('Bread?', { maxTokens: 6 }))])
  const seconds = (performance.now() - begunAt) / 1000
  const sum = both.reduce((total, { computeSeconds = 0 }) => total + computeSeconds, 0)
  expect(sum).toBeGreaterThan(0)
  expect(sum).toBeLessThanOrEqual(seconds + 0.001)
})

test('a model that this worker does not have is refused by name', async () => {
  await expect(run(ask('Hi', { model: 'gpt-9' }))).rejects.toMatchObject({
    refused: true,
    message: expect.stringContaining('"gpt-9"'),
  })
  expect((await run(ask('Hi', { model: 'smollm2-135m-instruct', maxTokens: 1 }))).usage.completion).toBe(1)
})
