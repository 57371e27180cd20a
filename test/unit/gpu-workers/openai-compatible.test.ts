import { expect, test } from 'vitest'
import { EngineFailure, type EngineOutput } from '../../../gpu-workers/engines/engine.ts'
import {
  createOpenAiCompatible,
  type OpenAiCompatibleSettings,
  type Server,
} from '../../../gpu-workers/engines/openai-compatible.ts'
import type { ChatRequest } from '../../../shared/inference/messages.ts'

const first: Server = { name: 'one', baseUrl: 'http://first/v1', model: 'small', apiKey: 'key' }
const second: Server = { name: 'two', baseUrl: 'http://second/v1/', model: 'large' }
const request: ChatRequest = {
  messages: [{ role: 'user', content: 'Say hello' }],
  maxTokens: 16,
  temperature: 0.5,
  seed: 7,
}

const never = new AbortController().signal

const delta = (content: string) => ({ choices: [{ delta: { content }, finish_reason: null }] })
const finish = (reason: string) => ({ choices: [{ delta: {}, finish_reason: reason }] })
const usage = (prompt: number, completion: number) => {
  return { choices: [], usage: { prompt_tokens: prompt, completion_tokens: completion } }
}
const HELLO = [delta('Hel'), delta('lo'), finish('stop'), usage(9, 2), '[DONE]']

function sse(...events: unknown[]): Response {
  const lines = events.map(
    (event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`,
  )
  return new Response(lines.join(''), { headers: { 'content-type': 'text/event-stream' } })
}

/** An engine whose servers answer by the given functions, and the requests that they got. */
function engineWith(
  answers: Record<string, () => Response>,
  settings: Partial<OpenAiCompatibleSettings> = {},
) {
  const requests: { url: string; headers: Headers; body: unknown }[] = []
  const engine = createOpenAiCompatible({
    servers: [first, second],
    ...settings,
    async fetch(input, init) {
      const url = String(input instanceof Request ? input.url : input)
      requests.push({ url, headers: new Headers(init?.headers), body: await new Request(url, init).json() })
      const answer = answers[new URL(url).hostname]
      if (answer === undefined) throw new TypeError('fetch failed')
      return answer()
    },
  })
  return { engine, requests }
}

async function ask(
  { engine }: ReturnType<typeof engineWith>,
  options: { signal?: AbortSignal; prefix?: { text: string; tokens: number } } = {},
): Promise<EngineOutput[]> {
  return Array.fromAsync(engine.generate(request, { signal: never, ...options }))
}

test('generate() asks as the protocol has it, and yields text, then the usage', async () => {
  const setup = engineWith({ first: () => sse(...HELLO) })
  expect(await ask(setup)).toEqual([
    { kind: 'chunk', text: 'Hel', tokens: 1 },
    { kind: 'chunk', text: 'lo', tokens: 2 },
    {
      kind: 'end',
      reason: 'stop',
      usage: { prompt: 9, completion: 2 },
      model: 'small',
      server: 'one',
    },
  ])
  expect(setup.requests).toHaveLength(1)
  const { url, headers, body } = setup.requests[0] ?? {}
  expect(url).toBe('http://first/v1/chat/completions')
  expect(headers?.get('authorization')).toBe('Bearer key')
  expect(body).toEqual({
    model: 'small',
    messages: request.messages,
    max_tokens: 16,
    temperature: 0.5,
    seed: 7,
    stream: true,
    stream_options: { include_usage: true },
  })
})

test.for([
  ['is away', undefined],
  ['is overloaded', () => new Response('', { status: 429 })],
  ['is broken', () => new Response('', { status: 503 })],
  ['does not know the model', () => new Response('', { status: 404 })],
  ['breaks off before the first token', () => sse()],
  ['reports an error in the stream', () => sse({ error: { message: 'out of memory' } })],
  ['sends nonsense', () => sse('<html>')],
] as const)('generate() goes to the next server when the first %s', async ([, answer]) => {
  const setup = engineWith({ ...(answer && { first: answer }), second: () => sse(...HELLO) })
  expect((await ask(setup)).at(-1)).toMatchObject({ kind: 'end', model: 'large', server: 'two' })
  expect(setup.requests.map(({ url }) => url)).toEqual([
    'http://first/v1/chat/completions',
    'http://second/v1/chat/completions',
  ])
  expect(setup.requests[1]?.headers.has('authorization')).toBe(false)
})

test('generate() begins anew at the next server when the first breaks off, and says that the text so far is void', async () => {
  const setup = engineWith({ first: () => sse(delta('Hel')), second: () => sse(...HELLO) })
  expect(await ask(setup)).toEqual([
    { kind: 'chunk', text: 'Hel', tokens: 1 },
    { kind: 'restart' },
    { kind: 'chunk', text: 'Hel', tokens: 1 },
    { kind: 'chunk', text: 'lo', tokens: 2 },
    { kind: 'end', reason: 'stop', usage: { prompt: 9, completion: 2 }, model: 'large', server: 'two' },
  ])
})

test('generate() goes on at the next server with the text so far, where that server can', async () => {
  const setup = engineWith(
    { first: () => sse(delta('Hel')), second: () => sse(delta('lo'), finish('stop'), usage(10, 1)) },
    { servers: [first, { ...second, canContinue: true }] },
  )
  expect(await ask(setup)).toEqual([
    { kind: 'chunk', text: 'Hel', tokens: 1 },
    { kind: 'chunk', text: 'lo', tokens: 2 },
    { kind: 'end', reason: 'stop', usage: { prompt: 9, completion: 2 }, model: 'large', server: 'two' },
  ])
  expect(setup.requests[1]?.body).toMatchObject({
    messages: [...request.messages, { role: 'assistant', content: 'Hel' }],
    max_tokens: 15,
  })
})

test('generate() leaves the text so far alone until a server has more', async () => {
  const setup = engineWith({ first: () => sse(delta('Hel')), second: () => sse() })
  const outputs: EngineOutput[] = []
  const answer = (async () => {
    for await (const output of setup.engine.generate(request, { signal: never })) outputs.push(output)
  })()
  await expect(answer).rejects.toMatchObject({ name: 'EngineFailure', retry: true })
  expect(outputs).toEqual([{ kind: 'chunk', text: 'Hel', tokens: 1 }])
})

const refuse = (body = '{"error":{"message":"too long: Say hello"}}', status = 400) => {
  return () => new Response(body, { status })
}

test.for([400, 413, 422])(
  'generate() asks the next server when the first refuses the request with %i',
  async (status) => {
    const setup = engineWith({ first: refuse('', status), second: () => sse(...HELLO) })
    expect((await ask(setup)).at(-1)).toMatchObject({ kind: 'end', server: 'two' })
  },
)

test('generate() fails for good when every server refuses the request, with the reason but not with its words', async () => {
  const limit = '{"error":{"message":"Say hello","type":"BadRequestError","code":400}}'
  const setup = engineWith({ first: refuse(), second: refuse(limit) })
  const failure = await ask(setup).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(EngineFailure)
  expect(failure).toMatchObject({
    retry: false,
    refused: true,
    message:
      'Cannot get an answer: one refused the request (400): it is too long for its model; ' +
      'two refused the request (400 BadRequestError)',
  })
  expect(String(failure)).not.toContain('Say hello')
})

test('generate() fails, to be tried again, when one of the servers may still answer', async () => {
  const setup = engineWith({ first: refuse() })
  await expect(ask(setup)).rejects.toMatchObject({ retry: true, refused: false })
})

test('generate() fails, to be tried again, when no server can be reached', async () => {
  await expect(ask(engineWith({}))).rejects.toMatchObject({ name: 'EngineFailure', retry: true })
})

test('generate() throws the reason of an abort, and asks no further server', async () => {
  const stop = new AbortController()
  const setup = engineWith({
    first: () => {
      stop.abort(new Error('cancelled'))
      throw new TypeError('fetch failed')
    },
    second: () => sse(...HELLO),
  })
  await expect(ask(setup, { signal: stop.signal })).rejects.toThrow('cancelled')
  expect(setup.requests).toHaveLength(1)
})

test('generate() reports length where the limit ended the answer', async () => {
  const setup = engineWith({ first: () => sse(delta('Hel'), finish('length'), usage(9, 16), '[DONE]') })
  expect((await ask(setup)).at(-1)).toMatchObject({ kind: 'end', reason: 'length' })
})

test('generate() estimates the tokens where a server reports no usage, and says so', async () => {
  const setup = engineWith({ first: () => sse(delta('Hel'), delta('lo'), finish('stop'), '[DONE]') })
  expect((await ask(setup)).at(-1)).toMatchObject({ usage: { prompt: 3, completion: 2, estimated: true } })
})

test('generate() takes a long event for several tokens where a server reports no usage', async () => {
  const setup = engineWith({ first: () => sse(delta('x'.repeat(100)), finish('stop')) })
  expect((await ask(setup)).at(-1)).toMatchObject({ usage: { completion: 25, estimated: true } })
})

test('generate() continues a prefix in the way of vLLM, and counts it', async () => {
  const setup = engineWith(
    { first: () => sse(delta('lo'), finish('stop'), usage(10, 1), '[DONE]') },
    { servers: [{ ...first, canContinue: true }] },
  )
  expect(await ask(setup, { prefix: { text: 'Hel', tokens: 1 } })).toEqual([
    { kind: 'chunk', text: 'lo', tokens: 2 },
    { kind: 'end', reason: 'stop', usage: { prompt: 9, completion: 2 }, model: 'small', server: 'one' },
  ])
  expect(setup.requests[0]?.body).toMatchObject({
    messages: [...request.messages, { role: 'assistant', content: 'Hel' }],
    max_tokens: 15,
    add_generation_prompt: false,
    continue_final_message: true,
  })
})

test('generate() asks nobody about a prefix that has used up all tokens', async () => {
  const setup = engineWith({})
  expect(await ask(setup, { prefix: { text: 'all of it', tokens: 16 } })).toEqual([
    { kind: 'end', reason: 'length', usage: { prompt: 3, completion: 16, estimated: true }, model: 'small' },
  ])
  expect(setup.requests).toEqual([])
})

const TEXTS = ['a fox', 'a lake'] as const
const embedding = (index: number, ...vector: number[]) => ({ object: 'embedding', index, embedding: vector })
const embeddings = (...data: unknown[]) =>
  Response.json({ object: 'list', data, usage: { prompt_tokens: 6 } })
const FOX_AND_LAKE = () => embeddings(embedding(1, 0, 2), embedding(0, 1, 0))

async function embed({ engine }: ReturnType<typeof engineWith>, signal = new AbortController().signal) {
  return engine.embed(TEXTS, { signal })
}

const withModel = { embeddingModel: 'small-embed' }

test('embed() asks once for all texts, and puts the vectors into their order', async () => {
  const setup = engineWith({ first: FOX_AND_LAKE }, withModel)
  expect(await embed(setup)).toEqual({
    vectors: [Float32Array.of(1, 0), Float32Array.of(0, 2)],
    tokens: 6,
    model: 'small-embed',
    server: 'one',
  })
  expect(setup.requests).toHaveLength(1)
  const { url, headers, body } = setup.requests[0] ?? {}
  expect(url).toBe('http://first/v1/embeddings')
  expect(headers?.get('authorization')).toBe('Bearer key')
  expect(body).toEqual({ model: 'small-embed', input: TEXTS, encoding_format: 'float' })
})

test.for([
  ['is away', undefined],
  ['does not know the model', () => new Response('', { status: 404 })],
  ['leaves a text out', () => embeddings(embedding(0, 1, 0))],
  ['answers one text twice', () => embeddings(embedding(0, 1, 0), embedding(0, 0, 2))],
  ['gives an empty vector', () => embeddings(embedding(0, 1, 0), embedding(1))],
  ['sends nonsense', () => new Response('<html>')],
] as const)('embed() goes to the next server when the first %s', async ([, answer]) => {
  const setup = engineWith({ ...(answer && { first: answer }), second: FOX_AND_LAKE }, withModel)
  expect((await embed(setup)).vectors).toHaveLength(2)
  expect(setup.requests.at(-1)?.url).toBe('http://second/v1/embeddings')
})

test('embed() estimates the tokens where a server reports no usage', async () => {
  const first = () => Response.json({ data: [embedding(0, 1), embedding(1, 1)] })
  expect(await embed(engineWith({ first }, withModel))).toMatchObject({ tokens: 3, estimated: true })
})

test('embed() fails for good, naming the variable, where no embedding model is set', async () => {
  const setup = engineWith({ first: FOX_AND_LAKE })
  await expect(embed(setup)).rejects.toMatchObject({
    name: 'EngineFailure',
    retry: false,
    message: expect.stringContaining('INFERENCE_EMBEDDING_MODEL') as string,
  })
  expect(setup.requests).toEqual([])
})

test('embed() fails for good when every server refuses the request, and repeats no text', async () => {
  const tooLong = refuse('{"error":{"message":"too long: a fox"}}')
  const setup = engineWith({ first: tooLong, second: tooLong }, withModel)
  const failure = await embed(setup).catch((error: unknown) => error)
  expect(failure).toMatchObject({ name: 'EngineFailure', retry: false, refused: true })
  expect(String(failure)).not.toContain('fox')
  expect(setup.requests).toHaveLength(2)
})

test('embed() throws the reason of an abort, and asks no further server', async () => {
  const stop = new AbortController()
  const first = () => {
    stop.abort(new Error('cancelled'))
    throw new TypeError('fetch failed')
  }
  const setup = engineWith({ first, second: FOX_AND_LAKE }, withModel)
  await expect(embed(setup, stop.signal)).rejects.toThrow('cancelled')
  expect(setup.requests).toHaveLength(1)
})
