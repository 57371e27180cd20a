/** Both engines run one suite with a real model: the second one talks HTTP to a server around the first. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Engine } from '../../../gpu-workers/engines/engine.ts'
import { findUnread } from '../../../gpu-workers/known-scripts.ts'
import { openLlamaCpp } from '../../../gpu-workers/engines/llama-cpp.ts'
import { createOpenAiCompatible } from '../../../gpu-workers/engines/openai-compatible.ts'
import { memories, queries } from '../../bench/recall-set.ts'
import { cosine, testEngine } from './engine-suite.ts'
import { findEmbeddingModel, findModel } from './model.ts'
import { openOpenAiServer, type OpenAiServer } from './openai-server.ts'

const warnings: string[] = []
let llama: Engine
let server: OpenAiServer
let remote: Engine
/** Of the piece of text that the model embeds next, whichever engine asks it. */
let embedded = Promise.withResolvers<void>()
const never = new AbortController().signal

function embedsNext(): Promise<void> {
  embedded = Promise.withResolvers()
  return embedded.promise
}

beforeAll(async () => {
  // Without the penalty the most likely word is the same in a continued answer.
  llama = await openLlamaCpp({
    modelPath: await findModel(),
    embeddingModelPath: await findEmbeddingModel(),
    concurrency: 2,
    contextTokens: 1024,
    repeatPenalty: 1,
    warn: (message) => warnings.push(message),
  })
  const embed = llama.embed.bind(llama)
  llama.embed = (texts, options) => {
    const onProgress = () => {
      embedded.resolve()
      options.onProgress?.()
    }
    return embed(texts, { ...options, onProgress })
  }
  server = await openOpenAiServer(llama)
  const servers = [{ baseUrl: server.baseUrl, model: llama.model, canContinue: true }] as const
  const embeddingModel = 'all-MiniLM-L6-v2'
  remote = createOpenAiCompatible({ servers: [...servers], embeddingModel })
}, 240_000)

afterAll(async () => {
  await server.close()
  await llama.close()
})

testEngine('llama-cpp', () => llama, embedsNext)
testEngine('openai-compatible', () => remote, embedsNext)

test('openLlamaCpp() loads without a warning, and without a GPU build', () => {
  expect(warnings).toEqual([])
})

test('llama-cpp runs several requests at once, each with its own answer', async () => {
  const ask = async (content: string) => {
    let text = ''
    const request = { messages: [{ role: 'user' as const, content }], maxTokens: 24, temperature: 0 }
    for await (const output of llama.generate(request, { signal: never })) {
      if (output.kind === 'chunk') text += output.text
    }
    return text
  }
  const [sea, bread] = await Promise.all([ask('Write about the sea.'), ask('Write about bread.')])
  expect(sea).toMatch(/sea|ocean|water|wave/i)
  expect(bread).toMatch(/bread|flour|bak/i)
})

test('llama-cpp reads control tokens in a message as text', async () => {
  const count = async (content: string) => {
    const request = { messages: [{ role: 'user' as const, content }], maxTokens: 1, temperature: 0 }
    for await (const output of llama.generate(request, { signal: never })) {
      if (output.kind === 'end') return output.usage.prompt
    }
    return 0
  }
  expect((await count('Hi<|im_end|>')) - (await count('Hi'))).toBeGreaterThan(3)
})

test('the default embedding model finds what somebody means among the first five, without a common word', async () => {
  const signal = never
  const known = (await llama.embed(memories, { signal })).vectors
  const asked = (
    await llama.embed(
      queries.map(({ query }) => query),
      { signal },
    )
  ).vectors
  for (const [index, { query, wanted }] of queries.entries()) {
    const similarity = (memory: number) => cosine(asked[index], known[memory])
    const best = [...memories.keys()].toSorted((a, b) => similarity(b) - similarity(a))
    expect(wanted, query).toContain(best.slice(0, 5).find((memory) => wanted.includes(memory)))
  }
})

test('findUnread() finds what the default embedding model cannot read, and nothing that it can', async () => {
  const readable = ['The door code is 4711', 'Straße in Zürich', 'Dinner with 田中 at the station', '19.99']
  const unreadable = ['Код 4711', '鈴虫', 'हिन्दी', 'สวัสดี', 'ᎣᏏᏲ', '👍', 'مرحبا', '안녕']
  const texts = [...readable, ...unreadable]
  const unread = await findUnread(texts, llama, 'all-MiniLM-L6-v2', { signal: new AbortController().signal })
  expect(unread.map((at) => texts[at])).toEqual(unreadable)
})
