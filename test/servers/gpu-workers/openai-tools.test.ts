/** Tools, schemas, routing and breakers at servers of the OpenAI protocol, as each sends them. */
import { afterEach, describe, expect, test } from 'vitest'
import type { EngineOutput } from '../../../gpu-workers/engines/engine.ts'
import {
  createOpenAiCompatible,
  type OpenAiCompatibleSettings,
  type Server,
} from '../../../gpu-workers/engines/openai-compatible.ts'
import type { ChatRequest } from '../../../shared/inference/messages.ts'
import { setCatalogue } from '../../../shared/models/catalogue.ts'
import { Models } from '../../../shared/models/model.ts'
import {
  delta,
  DONE,
  events,
  finish,
  openServer,
  refuse,
  send,
  usage,
  type Script,
} from './scripted-server.ts'

afterEach(() => setCatalogue())

const REQUEST: ChatRequest = {
  messages: [{ role: 'user', content: 'Weather?' }],
  maxTokens: 64,
  temperature: 0,
}
const tools = [{ name: 'weather', description: 'Of a city', parameters: { type: 'object' } }]
const HELLO = send(events(delta('Hello'), finish('stop', { usage: usage(9, 2) }), DONE))

function engineOf(servers: readonly Partial<Server>[], settings: Partial<OpenAiCompatibleSettings> = {}) {
  const [first, ...others] = servers.map((server, at) => ({
    name: `server-${at + 1}`,
    baseUrl: '',
    model: 'm',
    ...server,
  }))
  if (first === undefined) throw new Error('There is no server')
  return createOpenAiCompatible({ ...settings, servers: [first, ...others] })
}

async function run(
  engine: ReturnType<typeof engineOf>,
  request: Partial<ChatRequest> = {},
  signal = new AbortController().signal,
) {
  const outputs: EngineOutput[] = await Array.fromAsync(
    engine.generate({ ...REQUEST, ...request }, { signal }),
  )
  const text = outputs.map((output) => (output.kind === 'chunk' ? output.text : '')).join('')
  const end = outputs.at(-1)
  if (end?.kind !== 'end') throw new Error('There is no end')
  return { ...end, text }
}

const called = (tool_calls: unknown, more: object = {}) => ({
  choices: [{ index: 0, delta: { tool_calls }, ...more }],
})
const piece = (written: string, index = 0) => ({ index, function: { arguments: written } })
const start = (id: string, name = 'weather', index = 0) => ({
  index,
  id,
  type: 'function',
  function: { name, arguments: '' },
})

describe('tool calls', () => {
  const LINZ = '{"city":"Linz"}'
  const WHOLE: Record<string, { script: Script; calls: object[] }> = {
    'in pieces, as OpenAI streams them': {
      script: send(
        events(
          called([start('c1')]),
          called([piece('{"city":')]),
          called([piece('"Linz"}')]),
          finish('tool_calls'),
          DONE,
        ),
        { size: 5 },
      ),
      calls: [{ id: 'c1', name: 'weather', arguments: LINZ }],
    },
    'two at once, mixed': {
      script: send(
        events(
          called([start('c1'), start('c2', 'look', 1)]),
          called([piece('{}', 1), piece(LINZ)]),
          finish('tool_calls'),
          DONE,
        ),
      ),
      calls: [
        { id: 'c1', name: 'weather', arguments: LINZ },
        { id: 'c2', name: 'look', arguments: '{}' },
      ],
    },
    'whole, all with the index 0, as Ollama sends them': {
      script: send(
        events(
          called([{ index: 0, id: 'c1', function: { name: 'weather', arguments: LINZ } }]),
          called([{ index: 0, id: 'c2', function: { name: 'look', arguments: '{}' } }]),
          finish('stop'),
          DONE,
        ),
      ),
      calls: [
        { id: 'c1', name: 'weather', arguments: LINZ },
        { id: 'c2', name: 'look', arguments: '{}' },
      ],
    },
    'without index and id, with arguments that are an object': {
      script: send(
        events(
          called([{ function: { name: 'weather', arguments: { city: 'Linz' } } }], {
            finish_reason: 'tool_calls',
          }),
          DONE,
        ),
      ),
      calls: [{ id: expect.stringMatching(/^call_/), name: 'weather', arguments: LINZ }],
    },
    'of the old form': {
      script: send(
        events(
          { choices: [{ delta: { function_call: { name: 'weather', arguments: LINZ } } }] },
          finish('function_call'),
          DONE,
        ),
      ),
      calls: [{ name: 'weather', arguments: LINZ }],
    },
    'from a server that does not stream': {
      script: send(
        JSON.stringify({
          choices: [
            {
              message: {
                content: null,
                tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: LINZ } }],
              },
              finish_reason: 'tool_calls',
            },
          ],
        }),
        { type: 'application/json' },
      ),
      calls: [{ id: 'c1', name: 'weather', arguments: LINZ }],
    },
  }
  test.for(Object.entries(WHOLE))('are read %s', async ([, { script, calls }]) => {
    const { baseUrl } = await openServer(script)
    const { reason, toolCalls, text } = await run(engineOf([{ baseUrl }]), { tools })
    expect({ reason, text }).toEqual({ reason: 'tool_calls', text: '' })
    expect(toolCalls).toMatchObject(calls)
    expect(toolCalls).toHaveLength(calls.length)
  })

  test('that were cut off are none, and those of a server that broke off are those of the next', async () => {
    const cut = await openServer(
      send(events(called([start('c1')]), called([piece('{"ci')]), finish('length'), DONE)),
    )
    const ended = await run(engineOf([{ baseUrl: cut.baseUrl }]), { tools })
    expect(ended.reason).toBe('length')
    expect(ended.toolCalls).toBeUndefined()
    const broken = await openServer(send(events(called([start('c1')]), called([piece('{"ci')]))))
    const next = await openServer(send(events(called([start('c9')]), finish('tool_calls'), DONE)))
    const { toolCalls } = await run(engineOf([{ baseUrl: broken.baseUrl }, { baseUrl: next.baseUrl }]), {
      tools,
    })
    expect(toolCalls).toEqual([{ id: 'c9', name: 'weather', arguments: '{}' }])
  })

  test.for([
    ['has no name', [{ index: 0, id: 'c1', function: { arguments: '{}' } }]],
    ['is no list', { index: 0 }],
    ['has a name without an end', [{ index: 0, id: 'c1', function: { name: 'x'.repeat(200) } }]],
    ['has no end', Array.from({ length: 200 }, (_, at) => start(`c${at}`, 'weather', at))],
    [
      'has arguments without an end',
      [{ index: 0, function: { name: 'x', arguments: 'x'.repeat(1_000_001) } }],
    ],
  ] as const)('that cannot be read fail the server: one that %s', async ([, calls]) => {
    const { baseUrl } = await openServer(send(events(called(calls), finish('tool_calls'), DONE)))
    await expect(run(engineOf([{ baseUrl }]), { tools })).rejects.toThrow(/cannot be read/)
  })
})

test('a request has its tools, schema, stops and top-p at the server, and messages of tools', async () => {
  const { baseUrl, asked } = await openServer(HELLO)
  const responseSchema = { type: 'object' }
  await run(engineOf([{ baseUrl }]), {
    tools,
    toolChoice: { name: 'weather' },
    responseSchema,
    stop: ['END'],
    topP: 0.5,
    session: '0197a000-0000-7000-8000-000000000001',
    messages: [
      { role: 'assistant', content: '', toolCalls: [{ id: 'c1', name: 'weather', arguments: '{}' }] },
      { role: 'tool', toolCallId: 'c1', content: 'rain' },
    ],
  })
  expect(asked[0]?.body).toEqual({
    model: 'm',
    messages: [
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'rain' },
    ],
    max_tokens: 64,
    temperature: 0,
    top_p: 0.5,
    stop: ['END'],
    tools: [{ type: 'function', function: tools[0] }],
    tool_choice: { type: 'function', function: { name: 'weather' } },
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'answer', schema: responseSchema, strict: true },
    },
    stream: true,
    stream_options: { include_usage: true },
  })
})

test('an answer to a schema begins anew at the next server, which could not hold the rest of it to it', async () => {
  const { baseUrl, asked } = await openServer(HELLO)
  const engine = engineOf([{ baseUrl, canContinue: true }])
  const request = { ...REQUEST, responseSchema: { type: 'string' } }
  const prefix = { text: '"Hel', tokens: 2 }
  const outputs = await Array.fromAsync(
    engine.generate(request, { signal: new AbortController().signal, prefix }),
  )
  expect(outputs[0]).toEqual({ kind: 'restart' })
  expect(asked[0]?.body.messages).toHaveLength(1)
})

describe('a model of the catalogue', () => {
  const model = (id: string, servers?: object[]) => ({
    id,
    kind: 'chat',
    ownedBy: 'us',
    contextTokens: 100,
    pricePerMillion: { prompt: 0, completion: 0 },
    ...(servers === undefined ? {} : { servers }),
  })

  test('is asked where it is, by its name there', async () => {
    setCatalogue(
      Models.parse([
        model('own'),
        model('large', [{ name: 'server-2', model: 'org/large-70b' }]),
        model('gone', []),
      ]),
    )
    const [one, two] = [await openServer(HELLO), await openServer(HELLO)]
    const engine = engineOf([
      { baseUrl: one.baseUrl },
      { baseUrl: two.baseUrl, models: new Map([['large', 'org/large-70b']]) },
    ])
    expect(await run(engine, { model: 'large' })).toMatchObject({
      model: 'org/large-70b',
      server: 'server-2',
    })
    expect(await run(engine, { model: 'own' })).toMatchObject({ model: 'm', server: 'server-1' })
    expect(
      [one.asked, two.asked].map((asked) => asked.map(({ body }) => Reflect.get(body, 'model'))),
    ).toEqual([['m'], ['org/large-70b']])
    for (const id of ['gone', 'unknown'])
      await expect(run(engine, { model: id })).rejects.toMatchObject({
        refused: true,
        message: expect.stringContaining(`"${id}"`),
      })
  })
})

describe('a server that fails all the time', () => {
  test('is not asked for 30 s after five failures, then by one request, and again after three answers', async () => {
    let now = 0
    let script: Script = refuse(500, '')
    const { baseUrl, asked } = await openServer((...args) => script(...args))
    const engine = engineOf([{ baseUrl }], { now: () => now })
    const fails = () => run(engine).catch((error: { retryAfterSeconds: number }) => error.retryAfterSeconds)
    for (let at = 0; at < 5; at++) expect(await fails()).toBe(0)
    expect(await fails()).toBe(30)
    now = 29_000
    expect(await fails()).toBe(1)
    expect(asked).toHaveLength(5)
    now = 30_000
    expect(await fails()).toBe(0)
    expect(await fails()).toBe(30)
    now = 60_000
    script = HELLO
    for (let at = 0; at < 3; at++) expect((await run(engine)).text).toBe('Hello')
    script = refuse(500, '')
    await fails()
    expect(await fails()).toBe(0)
    expect(asked).toHaveLength(11)
  })

  test('is asked again where the one that tried it has left', async () => {
    let now = 0
    let script: Script = refuse(500, '')
    const { baseUrl } = await openServer((...args) => script(...args))
    const engine = engineOf([{ baseUrl }], { now: () => now })
    for (let at = 0; at < 5; at++) await run(engine).catch(() => undefined)
    now = 30_000
    const stop = new AbortController()
    script = () => stop.abort(new Error('cancelled'))
    await expect(run(engine, {}, stop.signal)).rejects.toThrow('cancelled')
    script = HELLO
    expect((await run(engine)).text).toBe('Hello')
  })

  test('is not one that refuses requests, or has too much to do', async () => {
    let now = 0
    const { baseUrl, asked } = await openServer(refuse(400, ''))
    const engine = engineOf([{ baseUrl }], { now: () => now })
    for (let at = 0; at < 7; at++) await run(engine).catch(() => undefined)
    expect(asked).toHaveLength(7)
    const busy = await openServer(refuse(503, ''))
    const other = engineOf([{ baseUrl: busy.baseUrl }], { now: () => now })
    for (let at = 0; at < 7; at++, now += 10_000) await run(other).catch(() => undefined)
    expect(busy.asked).toHaveLength(7)
  })
})
