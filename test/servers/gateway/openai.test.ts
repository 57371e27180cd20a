/** The official client of OpenAI for JavaScript, on the hub and all functions: conversations, vectors and models. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import OpenAI from 'openai'
import { describe } from 'vitest'
import { encodeVector } from '../../../shared/inference/vectors.ts'
import { useUpTokens } from '../functions/world.ts'
import { requestOf, test } from './openai-world.ts'

const MODEL = 'smollm2-135m-instruct'
const HELLO = { model: MODEL, messages: [{ role: 'user' as const, content: 'Say hello' }] }
const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'How it is outside',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const CALL = { id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' }

describe('chat.completions.create()', () => {
  test('answers, with what it took, and the tenant is charged for it', async ({ world, acme, expect }) => {
    world.model = (_message, say) => (say('Hel', 'lo'), {})
    const { data, response } = await acme.client.chat.completions.create(HELLO).withResponse()
    expect(data).toMatchObject({
      object: 'chat.completion',
      model: MODEL,
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 },
    })
    const job = response.headers.get('x-kgents-job') ?? ''
    expect(data.id).toBe(`chatcmpl-${job}`)
    expect((await world.jobWith('completed', job)).charges).toEqual({ tokens: 12 })
  })

  test('streams, and says at the end what it took', async ({ world, acme, expect }) => {
    world.model = (_message, say) => (say('Hel', 'lo', ' you'), { finishReason: 'length' })
    const stream = await acme.client.chat.completions.create({
      ...HELLO,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = await Array.fromAsync(stream)
    expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: 'assistant', content: '' })
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('Hello you')
    expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual(['length'])
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 12 } })
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
  })

  test('passes on what the model is to know, and takes the calls of tools that it makes', async ({
    world,
    acme,
    expect,
  }) => {
    world.model = (_message, say) => {
      say('I look.')
      return { finishReason: 'tool_calls', toolCalls: [CALL] }
    }
    const asked = {
      ...HELLO,
      tools: [WEATHER],
      tool_choice: { type: 'function' as const, function: { name: 'weather' } },
      temperature: 0,
      top_p: 0.5,
      seed: 3,
      stop: 'END',
      max_completion_tokens: 99,
    }
    const { choices } = await acme.client.chat.completions.create(asked)
    const message = choices[0]?.message
    expect(choices[0]?.finish_reason).toBe('tool_calls')
    expect(message?.tool_calls).toEqual([
      { id: 'call_1', type: 'function', function: { name: 'weather', arguments: CALL.arguments } },
    ])
    expect(requestOf(world.last)).toMatchObject({
      model: MODEL,
      tools: [WEATHER.function],
      toolChoice: { name: 'weather' },
      temperature: 0,
      topP: 0.5,
      seed: 3,
      stop: ['END'],
      maxTokens: 99,
    })
    world.model = (_message, say) => (say('Cold.'), {})
    const answer = { role: 'tool' as const, tool_call_id: 'call_1', content: '-3' }
    const system = { role: 'developer' as const, content: [{ type: 'text' as const, text: 'Be short' }] }
    const messages = [system, ...HELLO.messages, ...(message === undefined ? [] : [message]), answer]
    await acme.client.chat.completions.create({ ...HELLO, messages, tools: [WEATHER] })
    expect(requestOf(world.last).messages).toEqual([
      { role: 'system', content: 'Be short' },
      { role: 'user', content: 'Say hello' },
      { role: 'assistant', content: 'I look.', toolCalls: [CALL] },
      { role: 'tool', content: '-3', toolCallId: 'call_1' },
    ])
  })

  test('streams the calls of tools so that the client puts them together', async ({
    world,
    acme,
    expect,
  }) => {
    const two = [CALL, { ...CALL, id: 'call_2', arguments: '{"city":"Rome"}' }]
    world.model = () => ({ finishReason: 'tool_calls', toolCalls: two })
    const stream = acme.client.chat.completions.stream({ ...HELLO, tools: [WEATHER] })
    const { choices } = await stream.finalChatCompletion()
    const calls = choices[0]?.message.tool_calls?.map((call) => 'function' in call && call.function.arguments)
    expect(calls).toEqual([CALL.arguments, '{"city":"Rome"}'])
  })

  test('holds the answer to the JSON schema of the client', async ({ world, acme, expect }) => {
    world.model = (_message, say) => (say('{"a":', '1}'), {})
    const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] }
    const { choices } = await acme.client.chat.completions.parse({
      ...HELLO,
      response_format: { type: 'json_schema', json_schema: { name: 'thing', schema, strict: true } },
    })
    expect(choices[0]?.message.parsed).toEqual({ a: 1 })
    expect(requestOf(world.last).responseSchema).toEqual(schema)
  })

  test('goes on when the client leaves its stream, and ends when the job is cancelled', async ({
    world,
    acme,
    expect,
  }) => {
    const rest = Promise.withResolvers<void>()
    world.model = async (_message, say) => {
      say('One')
      await rest.promise
      return { text: 'One two' }
    }
    const leave = await acme.client.chat.completions.create({ ...HELLO, stream: true }).withResponse()
    for await (const { choices } of leave.data) if (choices[0]?.delta.content === 'One') break
    const stay = await acme.client.chat.completions.create({ ...HELLO, stream: true }).withResponse()
    const job = stay.response.headers.get('x-kgents-job') ?? ''
    const read = Array.fromAsync(stay.data)
    await acme.client.delete(`/jobs/${job}`)
    await expect(read).rejects.toMatchObject({ code: 'cancelled' })
    rest.resolve()
    await world.jobWith('completed', leave.response.headers.get('x-kgents-job') ?? '')
    await world.jobWith('cancelled', job)
  })
})

describe('a request that cannot be served', () => {
  const refusals: [what: string, body: object, status: number, code: string, param: string | null][] = [
    ['a model that is not there', { model: 'gpt-9' }, 404, 'model_not_found', 'model'],
    ['more than one answer', { n: 2 }, 400, 'type_mismatch', 'n'],
    ['probabilities', { logprobs: true }, 400, 'type_mismatch', 'logprobs'],
    ['a member that nobody knows', { wings: 2 }, 400, 'type_mismatch', 'wings'],
    ['no messages', { messages: [] }, 400, 'type_mismatch', 'messages'],
    ['an empty message', { messages: [{ role: 'user', content: ' ' }] }, 400, 'type_mismatch', null],
    [
      'a picture',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.example' } }] },
        ],
      },
      400,
      'type_mismatch',
      'messages.0.content.0.type',
    ],
    ['a tool that is not there', { tool_choice: 'required' }, 400, 'type_mismatch', null],
    [
      'the answer of a tool that nobody called',
      { messages: [...HELLO.messages, { role: 'tool', tool_call_id: 'x', content: '1' }] },
      400,
      'type_mismatch',
      null,
    ],
  ]

  test.for(refusals)(
    '%s is refused as OpenAI does',
    async ([, body, status, code, param], { acme, expect }) => {
      const request: typeof HELLO = { ...HELLO, ...body }
      await expect(acme.client.chat.completions.create(request)).rejects.toMatchObject({
        status,
        code,
        param,
      })
    },
  )

  test('with a key that is none, 401; and with too few tokens left, 429 that is not repeated', async ({
    world,
    expect,
  }) => {
    const stranger = new OpenAI({
      apiKey: `kg_abcde_${'x'.repeat(43)}`,
      baseURL: `${world.url}/v1`,
      maxRetries: 2,
    })
    const asked = stranger.chat.completions.create(HELLO)
    await expect(asked).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' })
    const poor = await world.caller('free')
    await useUpTokens(world.owner, poor.id, { granted: 10_000, spent: 9_999 })
    const error: unknown = await poor.client.chat.completions
      .create(HELLO, { maxRetries: 2 })
      .catch((each) => each)
    expect(error).toMatchObject({ status: 429, code: 'insufficient_quota', type: 'insufficient_quota' })
    const { headers } = error as InstanceType<typeof OpenAI.APIError>
    expect(Number(headers?.get('retry-after'))).toBeGreaterThan(0)
    expect(headers?.get('x-should-retry')).toBe('false')
  })

  test('with a prompt that is too long for the model, 400; and in a stream, as its end', async ({
    world,
    acme,
    expect,
  }) => {
    world.model = () => new Error('Cannot answer a prompt of 5000 tokens: the context holds 4096')
    const refused = { code: 'context_length_exceeded', type: 'invalid_request_error' }
    await expect(acme.client.chat.completions.create(HELLO)).rejects.toMatchObject({
      ...refused,
      status: 400,
      message: expect.stringMatching(/5000 tokens.*4096/),
    })
    const stream = await acme.client.chat.completions.create({ ...HELLO, stream: true })
    await expect(Array.fromAsync(stream)).rejects.toMatchObject(refused)
  })
})

describe('embeddings.create()', () => {
  test.for(['float', 'base64', undefined] as const)(
    'answers vectors, asked for as %s',
    async (form, { world, acme, expect }) => {
      const vector = Float32Array.of(0.6, 0.8)
      world.model = () => ({
        vectors: [encodeVector(vector), encodeVector(vector)],
        tokens: { prompt: 4, completion: 0 },
      })
      const { data, usage } = await acme.client.embeddings.create({
        model: 'all-minilm-l6-v2',
        input: ['a', 'b'],
        ...(form === undefined ? {} : { encoding_format: form }),
      })
      const expected = form === 'base64' ? encodeVector(vector) : Array.from(vector)
      expect(data.map(({ embedding }) => embedding)).toEqual([expected, expected])
      expect(usage).toEqual({ prompt_tokens: 4, total_tokens: 4 })
    },
  )

  test('refuses a text that the model cannot read, a model for words, and lists of tokens', async ({
    world,
    acme,
    expect,
  }) => {
    world.model = () => ({ vectors: [''], unread: [0], tokens: { prompt: 1, completion: 0 } })
    const asked = { model: 'all-minilm-l6-v2', input: ['ᚠ'] }
    await expect(acme.client.embeddings.create(asked)).rejects.toMatchObject({
      status: 400,
      param: 'input.0',
    })
    const words = acme.client.embeddings.create({ ...asked, model: MODEL })
    await expect(words).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    const tokens = acme.client.embeddings.create({ ...asked, input: [1, 2] })
    await expect(tokens).rejects.toMatchObject({ status: 400, param: 'input' })
  })
})

test('models lists what can be asked, and knows each by its name', async ({ world, acme, expect }) => {
  const functions = new OpenAI({ apiKey: acme.key, baseURL: `${world.url}/v1` })
  const ids = (await Array.fromAsync(functions.models.list())).map(({ id }) => id)
  expect(ids).toContain(MODEL)
  expect(await functions.models.retrieve(MODEL)).toMatchObject({ id: MODEL, object: 'model' })
  await expect(functions.models.retrieve('gpt-9')).rejects.toMatchObject({
    status: 404,
    code: 'model_not_found',
  })
})

/** Where the package `openai` of Python is; with what it needs it takes 46 MB, and so it is not fetched by itself. */
const python = process.env['OPENAI_PYTHON']
if (python === undefined)
  process.stdout.write('The client of OpenAI for Python is not run: OPENAI_PYTHON is not set\n')

test.skipIf(python === undefined)('the client for Python reads the same', async ({ world, acme, expect }) => {
  world.model = (_message, say) => (say('Hel', 'lo'), {})
  const program = fileURLToPath(new URL('../../python/openai_client.py', import.meta.url))
  const env = { ...process.env, PYTHONPATH: python, PYTHONDONTWRITEBYTECODE: '1' }
  const args = [program, `${world.url}/v1`, acme.key, MODEL]
  const { stdout } = await promisify(execFile)('python3', args, { env })
  const lines = stdout.trim().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    ['Hello', 'stop', 12],
    'Hello',
    ['Hello', 'completed'],
    'Hello',
    true,
    [404, 'model_not_found'],
  ])
})
