/** What the queue costs: from the call to the worker, to the first word, and while the model speaks. */
import { systemPrompt, temperatureOf } from '../../../functions/agentese/self/soul/persona.ts'
import type { Engine } from '../../../gpu-workers/engines/engine.ts'
import { openLlamaCpp } from '../../../gpu-workers/engines/llama-cpp.ts'
import { findDefaultModel } from '../../../knative/local/servers/model.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { startMeasuredPlatform, type MeasuredPlatform } from '../platform.ts'
import { show, type Bench, type Findings, type Section } from '../section.ts'
import { median } from '../statistics.ts'

const MESSAGE = 'Tell me a long story about a house by the sea'
/** As `self.soul` asks for. */
const REPLY_TOKENS = 120

/** Milliseconds since the request was sent, and how fast it went from the first word on. */
interface Reply {
  started: number
  firstWord: number
  /** From the last word to the event that the result is stored. */
  stored: number
  tokensPerSecond: number
}

export const queue: Section = { name: 'queue', title: 'Inference queue', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  const model = await findDefaultModel({ cache: cacheFolder(process.env), env: process.env, report: say })
  if (!('path' in model)) throw new Error(`Cannot measure the queue: ${model.reason}`)
  const engine = await openLlamaCpp({ modelPath: model.path })
  const measured = await startMeasuredPlatform({ KNATIVE_TIME_SCALE: '1' })
  try {
    return await compare(engine, measured, quick ? 2 : 5, say)
  } finally {
    await measured.stop()
    await engine.close()
  }
}

async function compare(
  engine: Engine,
  { port, addTenants }: MeasuredPlatform,
  rounds: number,
  say: Bench['say'],
): Promise<Findings> {
  const [headers = {}] = await addTenants(1)
  await throughPlatform(port, headers) // functions are awake from here on
  const alone: number[] = []
  const replies: Reply[] = []
  for (let round = 1; round <= rounds; round += 1) {
    say(`round ${round} of ${rounds}`)
    alone.push(await engineAlone(engine))
    replies.push(await throughPlatform(port, headers))
  }
  return toFindings(alone, replies)
}

/** Tokens per second of the engine in this process, from its first word on. */
async function engineAlone(engine: Engine): Promise<number> {
  const request = {
    messages: [
      { role: 'system' as const, content: systemPrompt('reflect') },
      { role: 'user' as const, content: MESSAGE },
    ],
    maxTokens: REPLY_TOKENS,
    temperature: temperatureOf('reflect'),
  }
  const words: number[] = []
  for await (const { kind } of engine.generate(request, { signal: new AbortController().signal })) {
    if (kind === 'chunk') words.push(performance.now())
  }
  return rateOf(words)
}

async function throughPlatform(port: number, headers: Record<string, string>): Promise<Reply> {
  const sentAt = performance.now()
  const response = await fetch(`http://127.0.0.1:${port}/v1/agentese/self/soul/dialogue`, {
    method: 'POST',
    headers: { ...headers, accept: 'text/event-stream' },
    body: JSON.stringify({ message: MESSAGE }),
  })
  const words: number[] = []
  let started = Number.NaN
  let stored = Number.NaN
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const at = performance.now()
    if (part.includes('event: started')) started = at - sentAt
    if (part.includes('event: complete')) stored = at
    for (const _chunk of part.matchAll(/event: chunk/g)) words.push(at)
  }
  return {
    started,
    firstWord: (words[0] ?? Number.NaN) - sentAt,
    stored: stored - (words.at(-1) ?? Number.NaN),
    tokensPerSecond: rateOf(words),
  }
}

/** Words per second from the first to the last; the engine gives one chunk for each token. */
function rateOf(words: readonly number[]): number {
  const [first = 0] = words
  return ((words.length - 1) * 1000) / ((words.at(-1) ?? 0) - first)
}

function toFindings(alone: number[], replies: Reply[]): Findings {
  const through = median(replies.map(({ tokensPerSecond }) => tokensPerSecond))
  const share = through / median(alone)
  return {
    method: `One dialogue at a time, ${replies.length} rounds in turn with the engine alone in another process, medians. Client, platform and model share the machine.`,
    table: {
      columns: ['what', 'through the platform', 'engine alone'],
      rows: [
        ['request to worker start, ms', show(median(replies.map(({ started }) => started))), '-'],
        ['request to first word, ms', show(median(replies.map(({ firstWord }) => firstWord))), '-'],
        ['last word to result stored and told, ms', show(median(replies.map(({ stored }) => stored))), '-'],
        ['tokens/s', show(through), show(median(alone))],
      ],
    },
    targets: [
      {
        what: 'tokens/s over the engine alone',
        wanted: '>= 0.95x',
        measured: `${share.toFixed(2)}x`,
        met: share >= 0.95,
      },
    ],
  }
}
