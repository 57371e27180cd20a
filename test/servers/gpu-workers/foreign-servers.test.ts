/** Model servers as they are: what each sends over a real connection is scripted here, piece by piece. */
import { describe, expect, test } from 'vitest'
import type { EngineOutput } from '../../../gpu-workers/engines/engine.ts'
import {
  createOpenAiCompatible,
  type OpenAiCompatibleSettings,
  type Server,
} from '../../../gpu-workers/engines/openai-compatible.ts'
import { eventually } from '../../eventually.ts'
import {
  delta,
  DONE,
  event,
  events,
  finish,
  openServer as open,
  refuse,
  send,
  usage,
  type Script,
} from './scripted-server.ts'

const never = new AbortController().signal
const REQUEST = { messages: [{ role: 'user' as const, content: 'Say hello' }], maxTokens: 16, temperature: 0 }

type Settings = Omit<Partial<OpenAiCompatibleSettings>, 'servers'>

function engineOf(servers: readonly Partial<Server>[], settings: Settings = {}) {
  const named = servers.map((server, at) => ({
    name: `server-${at + 1}`,
    baseUrl: '',
    model: 'm',
    ...server,
  }))
  const [first, ...others] = named
  if (first === undefined) throw new Error('There is no server')
  return createOpenAiCompatible({ servers: [first, ...others], embeddingModel: 'e', ...settings })
}

/** The text that a reader of the stream has at its end, and how it ended. */
async function run(engine: ReturnType<typeof engineOf>) {
  const outputs: EngineOutput[] = await Array.fromAsync(engine.generate(REQUEST, { signal: never }))
  let text = ''
  for (const output of outputs) {
    if (output.kind === 'restart') text = ''
    if (output.kind === 'chunk') text += output.text
  }
  const end = outputs.at(-1)
  if (end?.kind !== 'end') throw new Error('There is no end')
  return { text, ...end, kinds: outputs.map(({ kind }) => kind) }
}

async function answerTo(script: Script) {
  const { baseUrl } = await open(script)
  return run(engineOf([{ baseUrl }]))
}

const HELLO = events(delta('Hel'), delta('lo'), finish('stop'), { choices: [], usage: usage(9, 2) }, DONE)

describe('an answer is whole, whatever its dialect', () => {
  const WHOLE: Record<string, string> = {
    'as OpenAI has it': HELLO,
    'with CRLF': HELLO.replaceAll('\n', '\r\n'),
    'with CR': HELLO.replaceAll('\n', '\r'),
    'with a byte-order mark': `\uFEFF${HELLO}`,
    'without blanks after the colon': HELLO.replaceAll('data: ', 'data:'),
    'with comments that keep the line open': `: OPENROUTER PROCESSING\n\n${HELLO.replaceAll('\n\n', '\n\n: OPENROUTER PROCESSING\n\n')}`,
    'with an event of no data': `data:\n\ndata: \n\n${HELLO}data:\n\n`,
    'with words that keep the line open': `${event('ping')}${event('')}${HELLO}`,
    'with named events and ids': HELLO.replaceAll('data: ', 'event: message\nid: 7\nretry: 10\ndata: '),
    'with a ping of another shape': `event: ping\n${event({ type: 'ping' })}${HELLO}`,
    'without [DONE]': HELLO.replace(event(DONE), ''),
    'without the last blank line': HELLO.trimEnd(),
    'with the usage in the last chunk': events(
      delta('Hel'),
      delta('lo'),
      finish('stop', { usage: usage(9, 2) }),
      DONE,
    ),
    'with the reason in the last chunk of text': events(
      delta('Hel'),
      delta('lo', { finish_reason: 'stop' }),
      { choices: [], usage: usage(9, 2) },
      DONE,
    ),
    'with a usage in each chunk': events(
      { ...delta('Hel'), usage: usage(9, 1) },
      { ...delta('lo'), usage: usage(9, 2) },
      finish('stop', { usage: usage(9, 2) }),
      DONE,
    ),
    'with null wherever it can stand': events(
      { id: null, object: null, ...delta('Hel'), usage: null, error: null, system_fingerprint: null },
      { ...delta('lo', { finish_reason: null, logprobs: null }), usage: null, error: null },
      { choices: [{ index: null, delta: null, finish_reason: 'stop' }], error: null },
      { choices: null, error: false },
      { choices: [], usage: usage(9, 2), error: {} },
      DONE,
    ),
    'with a role alone, and null for content': events(
      { choices: [{ index: 0, delta: { role: 'assistant' } }] },
      delta(null),
      delta(''),
      delta('Hel'),
      delta('lo'),
      finish('stop', { usage: usage(9, 2) }),
    ),
    'without an index': events(
      { choices: [{ delta: { content: 'Hel' } }] },
      { choices: [{ delta: { content: 'lo' }, finish_reason: 'stop' }], usage: usage(9, 2) },
    ),
    'with filter results before it (Azure)': `${event({ choices: [], prompt_filter_results: [{}] })}${HELLO}`,
    'with content as a list of parts': events(
      delta([{ type: 'text', text: 'Hel' }]),
      delta([{ type: 'text', text: 'l' }, { type: 'reference', reference_ids: [1] }, 'o']),
      finish('stop', { usage: usage(9, 2) }),
    ),
    'with thoughts as parts (Mistral)': events(
      delta([{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] }]),
      delta('Hello'),
      finish('stop', { usage: usage(9, 2) }),
    ),
    'with thoughts beside it (DeepSeek, OpenRouter)': events(
      { choices: [{ index: 0, delta: { content: null, reasoning_content: 'Hm.' } }] },
      { choices: [{ index: 0, delta: { content: '', reasoning: 'Hm.', reasoning_details: [] } }] },
      delta('Hello'),
      finish('stop', { usage: usage(9, 2) }),
    ),
    'with the whole message in each chunk (Perplexity)': events(
      { choices: [{ index: 0, delta: { content: 'Hel' }, message: { content: 'Hel' } }] },
      {
        choices: [
          { index: 0, delta: { content: 'lo' }, message: { content: 'Hello' }, finish_reason: 'stop' },
        ],
      },
      { choices: [], usage: usage(9, 2) },
    ),
    'with numbers as text': events(delta('Hello'), finish('stop', { usage: usage('9', '2') }), DONE),
    'with the sum alone besides the prompt': events(
      delta('Hello'),
      finish('stop', { usage: { prompt_tokens: 9, total_tokens: 11 } }),
    ),
    'with the usage where Groq has it': events(
      delta('Hello'),
      finish('stop', { x_groq: { id: 'r', usage: usage(9, 2) } }),
    ),
    'with the usage in the choice (Moonshot)': events(delta('Hello'), {
      choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: usage(9, 2) }],
    }),
    'with other choices beside it': events(
      {
        choices: [
          { index: 1, delta: { content: 'Bye' } },
          { index: 0, delta: { content: 'Hello' } },
        ],
      },
      finish('stop', { usage: usage(9, 2) }),
    ),
  }

  test.for(Object.entries(WHOLE))('%s', async ([, body]) => {
    for (const size of [1, 7, Infinity]) {
      expect(await answerTo(send(body, { size }))).toMatchObject({
        text: 'Hello',
        reason: 'stop',
        usage: { prompt: 9, completion: 2 },
      })
    }
  })

  test('in characters of several bytes that are cut anywhere', async () => {
    const text = 'Grüße, 世界 👩‍👩‍👧‍👦'
    for (const size of [1, 2, 3, 5]) {
      expect((await answerTo(send(events(delta(text), finish('stop')), { size }))).text).toBe(text)
    }
  })

  test.for([
    ['application/json', ''],
    ['application/json; charset=utf-8', '\uFEFF \n'],
    ['text/event-stream', ''],
  ] as const)('as one JSON text of %s, where a server does not stream', async ([type, before]) => {
    const message = { role: 'assistant', content: 'Hello', reasoning_content: null }
    const body = { choices: [{ index: 0, message, finish_reason: 'stop' }], usage: usage(9, 2), error: null }
    const pretty = before + JSON.stringify(body, null, 2)
    expect(await answerTo(send(pretty, { type, size: 3 }))).toMatchObject({
      text: 'Hello',
      reason: 'stop',
      usage: { prompt: 9, completion: 2 },
      kinds: ['chunk', 'end'],
    })
  })

  test('where the connection breaks after the reason for the end', async () => {
    const answer = await answerTo((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(events(delta('Hello'), finish('length')), () => response.destroy())
    })
    expect(answer).toMatchObject({ text: 'Hello', reason: 'length', usage: { estimated: true } })
  })
})

describe('what a server did not count is estimated, and said to be', () => {
  test.for([
    ['no usage', undefined],
    ['an empty usage', {}],
    ['null', null],
    ['zeros', usage(0, 0)],
    ['nulls', usage(null, null)],
    ['words', usage('many', 'few')],
    ['fractions and negative numbers', usage(-9, 0.5)],
    ['a list', [9, 2]],
  ] as const)('where it sends %s', async ([, given]) => {
    const answer = await answerTo(
      send(events(delta('Hel'), delta('lo'), finish('stop', { usage: given }), DONE)),
    )
    expect(answer).toMatchObject({ text: 'Hello', reason: 'stop' })
    expect(answer.usage).toEqual({ prompt: 3, completion: 2, estimated: true })
  })

  test('where it counts the prompt alone', async () => {
    const half = { prompt_tokens: 11, total_tokens: 11 }
    const answer = await answerTo(
      send(events({ ...delta(''), usage: half }, delta('Hel'), delta('lo'), finish('stop', { usage: half }))),
    )
    expect(answer).toMatchObject({ text: 'Hello', usage: { prompt: 11, completion: 2, estimated: true } })
  })
})

describe('why an answer ended is passed on', () => {
  test.for([
    ['stop', 'stop'],
    ['eos', 'stop'],
    ['STOP', 'stop'],
    ['length', 'length'],
    ['MAX_TOKENS', 'length'],
    ['model_length', 'length'],
    ['content_filter', 'content_filter'],
    ['SAFETY', 'content_filter'],
    ['tool_calls', 'tool_calls'],
    ['function_call', 'tool_calls'],
    ['tired', 'unknown'],
  ] as const)('%s as %s', async ([given, reason]) => {
    expect((await answerTo(send(events(delta('Hel'), finish(given), DONE)))).reason).toBe(reason)
  })

  test.for([
    ['[DONE] alone', events(delta('Hello'), DONE)],
    ['the usage alone', events(delta('Hello'), { choices: [], usage: usage(9, 2) })],
  ] as const)('as unknown where %s says that it has ended', async ([, body]) => {
    expect(await answerTo(send(body))).toMatchObject({ text: 'Hello', reason: 'unknown' })
  })
})

/** Patience enough for a busy machine; less where the test waits for its end. */
function silenceIn(name: string): Settings {
  return { silentSeconds: /silent|nothing/.test(name) ? 1.5 : 60 }
}

test.for([
  ['writes', delta('abc ')],
  ['thinks', { choices: [{ delta: { reasoning: 'Hm. ' } }] }],
] as const)('a server that %s for ever is stopped, as at its limit', async ([, piece]) => {
  let gone = false
  const answer = await answerTo((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const timer = setInterval(() => response.write(event(piece).repeat(50)), 1)
    response.on('close', () => {
      gone = true
      clearInterval(timer)
    })
  })
  expect(answer).toMatchObject({
    reason: 'length',
    usage: { completion: REQUEST.maxTokens, estimated: true },
  })
  expect(answer.text.length).toBeLessThan(REQUEST.maxTokens * 100)
  await eventually(() => expect(gone).toBe(true))
})

describe('the next server takes over', () => {
  const begun = events(delta('Hel'))
  const BROKEN: Record<string, Script> = {
    'breaks off': send(begun),
    'breaks off within an event': send(`${begun}data: {"choices":[{"ind`),
    'loses the connection': (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(begun, () => response.destroy())
    },
    'sends an error': send(begun + events({ error: { message: 'out of memory', code: 502 } }, DONE)),
    'sends an error without a wrapper': send(begun + events({ object: 'error', message: 'no', code: 500 })),
    'sends an error as text': send(begun + events({ error: 'no' })),
    'ends by an error': send(begun + events(finish('error'), DONE)),
    'ends for want of resources': send(begun + events(finish('insufficient_system_resource'), DONE)),
    'falls silent': (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(begun)
    },
  }

  test.for(Object.entries(BROKEN))('anew where the first %s in the middle', async ([name, script]) => {
    const first = await open(script)
    const second = await open(send(HELLO))
    const answer = await run(engineOf([first, second], silenceIn(name)))
    expect(answer).toMatchObject({ text: 'Hello', server: 'server-2' })
    expect(answer.kinds).toEqual(['chunk', 'restart', 'chunk', 'chunk', 'end'])
  })

  test.for(Object.entries(BROKEN))(
    'from the text so far, where it can, when the first %s',
    async ([name, script]) => {
      const first = await open(script)
      const second = await open(send(events(delta('lo'), finish('stop', { usage: usage(10, 1) }))))
      const servers = [first, { ...second, canContinue: true }]
      const answer = await run(engineOf(servers, silenceIn(name)))
      expect(answer).toMatchObject({ text: 'Hello', server: 'server-2', usage: { prompt: 9, completion: 2 } })
      expect(answer.kinds).toEqual(['chunk', 'chunk', 'end'])
      expect(second.asked[0]?.body).toMatchObject({
        messages: [...REQUEST.messages, { role: 'assistant', content: 'Hel' }],
        max_tokens: 15,
        continue_final_message: true,
      })
    },
  )

  const REFUSING: Record<string, Script> = {
    ...Object.fromEntries(
      [400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 451, 500, 502, 503, 504, 529].map(
        (status) => [`answers ${status}`, refuse(status, '{"error":{"message":"Say hello"}}')],
      ),
    ),
    'answers an error with 200': send('{"error":{"message":"no","code":400}}', { type: 'application/json' }),
    'answers with a page': send('<!doctype html><p>Welcome', { type: 'text/html' }),
    'answers nothing': send(''),
    'answers an empty object': send('{}', { type: 'application/json' }),
    'hangs up': (response) => void response.destroy(),
    'says nothing': () => {},
  }

  test.for(Object.entries(REFUSING))('where the first %s', async ([name, script]) => {
    const first = await open(script)
    const second = await open(send(HELLO))
    const answer = await run(engineOf([first, second], silenceIn(name)))
    expect(answer).toMatchObject({ text: 'Hello', server: 'server-2', kinds: ['chunk', 'chunk', 'end'] })
    expect(first.asked).toHaveLength(1)
  })

  test('while a server thinks, nobody takes over', async () => {
    const thinking = await open((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      let left = 5
      const timer = setInterval(() => {
        left -= 1
        if (left > 0) response.write(event({ choices: [{ delta: { reasoning: 'Hm.' } }] }))
        else {
          clearInterval(timer)
          response.end(HELLO)
        }
      }, 500)
    })
    const second = await open(send(HELLO))
    const answer = await run(engineOf([thinking, second], { silentSeconds: 2 }))
    expect(answer.server).toBe('server-1')
  })

  test('at once, and first, while the one before it rests', async () => {
    const first = await open(refuse(500, ''))
    const second = await open(send(HELLO))
    const engine = engineOf([first, second])
    await run(engine)
    expect(await run(engine)).toMatchObject({ server: 'server-2' })
    expect(first.asked).toHaveLength(1)
  })

  test('and a server that asked for time is left in peace for it', async () => {
    const first = await open(refuse(429, '', { 'retry-after': '120' }))
    const second = await open(refuse(503, ''))
    const engine = engineOf([first, second])
    await expect(run(engine)).rejects.toMatchObject({ retry: true, retryAfterSeconds: 0 })
    await expect(run(engine)).rejects.toMatchObject({ retry: true })
    expect([first.asked.length, second.asked.length]).toEqual([1, 2])
    const alone = engineOf([first])
    for (let times = 0; times < 2; times++) {
      const failure = await run(alone).catch((error: unknown) => error)
      expect(failure).toMatchObject({ retry: true, message: expect.stringContaining('is overloaded') })
      expect((failure as { retryAfterSeconds: number }).retryAfterSeconds).toBeGreaterThan(100)
    }
    expect(first.asked).toHaveLength(2)
  })
})

describe('a request that every server refuses', () => {
  test.for([
    [
      '{"error":{"message":"This model\'s maximum context length is 4096 tokens: Say hello","code":"context_length_exceeded"}}',
      'context_length_exceeded): it is too long for its model',
    ],
    ['{"object":"error","message":"Say hello","type":"BadRequestError","code":400}', '(400 BadRequestError)'],
    ['{"detail":"Say hello"}', '(400)'],
    ['{"error":"Say hello sk-0123456789abcdef"}', '(400)'],
    ['{"error":{"message":"Say hello","code":"sk-0123456789abcdef"}}', '(400)'],
    ['Say hello', '(400)'],
    ['[{"error":{"code":400,"message":"Say hello","status":"INVALID_ARGUMENT"}}]', '(400)'],
  ] as const)('is the caller’s to change: %s', async ([body, shown]) => {
    const { baseUrl } = await open(refuse(400, body))
    const failure = await run(engineOf([{ baseUrl }, { baseUrl }])).catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'EngineFailure', retry: false, refused: true })
    const { message } = failure as Error
    expect(message).toContain(shown)
    expect(message).not.toMatch(/Say hello|sk-|127\.0\.0\.1|http:/)
  })
})

describe('the address of a server', () => {
  test('may hold a login and a query, which go where they belong and nowhere else', async () => {
    const { baseUrl, asked } = await open(send(HELLO))
    const url = `${baseUrl.replace('http://', 'http://ada:s%40cret@')}/deployments/d/?api-version=2024-10-21`
    await run(engineOf([{ baseUrl: url }]))
    expect(asked[0]).toMatchObject({
      url: '/v1/deployments/d/chat/completions?api-version=2024-10-21',
      authorization: `Basic ${Buffer.from('ada:s@cret').toString('base64')}`,
    })
    const away = engineOf([{ baseUrl: 'http://ada:s%40cret@127.0.0.1:1/v1' }])
    const failure: unknown = await run(away).catch((error: unknown) => error)
    expect(inspectAll(failure)).not.toMatch(/cret/)
  })
})

/** A failure with all its causes, as a log shows it. */
function inspectAll(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return `${error.stack}${JSON.stringify(error)}${inspectAll(error.cause)}`
}

describe('vectors', () => {
  const base64 = (...vector: number[]) => Buffer.from(Float32Array.from(vector).buffer).toString('base64')
  const answer = (data: unknown, more: object = {}) =>
    send(JSON.stringify({ object: 'list', data, ...more }), { type: 'application/json' })

  async function embed(script: Script) {
    const { baseUrl } = await open(script)
    return engineOf([{ baseUrl }]).embed(['a fox', 'a lake'], { signal: never })
  }

  test.for([
    [
      'lists',
      [
        { index: 0, embedding: [1, 0] },
        { index: 1, embedding: [0, 2] },
      ],
    ],
    [
      'another order',
      [
        { index: 1, embedding: [0, 2] },
        { index: 0, embedding: [1, 0] },
      ],
    ],
    [
      'base64',
      [
        { index: 0, embedding: base64(1, 0) },
        { index: 1, embedding: base64(0, 2) },
      ],
    ],
    ['no index', [{ embedding: [1, 0] }, { embedding: [0, 2] }]],
    [
      'an index that is text',
      [
        { index: '1', embedding: [0, 2] },
        { index: '0', embedding: [1, 0] },
      ],
    ],
    [
      'null for the index',
      [
        { index: null, embedding: [1, 0] },
        { index: null, embedding: [0, 2] },
      ],
    ],
    ['no index where it is zero', [{ embedding: [1, 0] }, { index: 1, embedding: [0, 2] }]],
  ] as const)('are read from %s', async ([, data]) => {
    expect(await embed(answer(data, { usage: { prompt_tokens: 6, total_tokens: 6 }, error: null }))).toEqual({
      vectors: [Float32Array.of(1, 0), Float32Array.of(0, 2)],
      tokens: 6,
      model: 'e',
      server: 'server-1',
    })
  })

  test.for([
    [{ usage: { total_tokens: 6 } }, { tokens: 6 }],
    [{ usage: {} }, { tokens: 3, estimated: true }],
    [{ usage: null }, { tokens: 3, estimated: true }],
    [{}, { tokens: 3, estimated: true }],
  ] as const)('cost what %j says', async ([more, expected]) => {
    const data = [{ embedding: [1, 0] }, { embedding: [0, 2] }]
    expect(await embed(answer(data, more))).toMatchObject(expected)
  })

  test.for([
    ['of different lengths', [{ embedding: [1, 0] }, { embedding: [1] }]],
    ['with null in them', [{ embedding: [1, 0] }, { embedding: [1, null] }]],
    ['that are no base64 of floats', [{ embedding: 'abc' }, { embedding: 'abc' }]],
    ['too many', [{ embedding: [1] }, { embedding: [1] }, { embedding: [1] }]],
    [
      'twice of one text',
      [
        { index: 0, embedding: [1] },
        { index: 0, embedding: [1] },
      ],
    ],
  ] as const)('%s are none', async ([, data]) => {
    await expect(embed(answer(data))).rejects.toMatchObject({
      retry: true,
      message: expect.stringContaining('cannot be read'),
    })
  })
})
