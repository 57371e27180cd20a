/** What every engine promises, as tests; `engine` is asked when a test runs. Needs a model that can say hello. */
import { describe, expect, test } from 'vitest'
import type { Engine, GenerateOptions } from '../../../gpu-workers/engines/engine.ts'
import type { ChatRequest } from '../../../shared/inference/messages.ts'

const never = new AbortController().signal

function ask(content: string, rest: Partial<ChatRequest> = {}): ChatRequest {
  return { messages: [{ role: 'user', content }], maxTokens: 24, temperature: 0, ...rest }
}

/** Runs a request to its end. */
async function run(engine: Engine, request: ChatRequest, options: Partial<GenerateOptions> = {}) {
  const chunks: { text: string; tokens: number }[] = []
  for await (const output of engine.generate(request, { signal: never, ...options })) {
    if (output.kind === 'end') return { ...output, chunks, text: chunks.map(({ text }) => text).join('') }
    if (output.kind === 'chunk') chunks.push(output)
  }
  throw new Error('the engine ended without an end')
}

/** How alike two vectors are, from -1 to 1. */
export function cosine(a: Float32Array | undefined, b: Float32Array | undefined): number {
  const product = (one: Float32Array, other: Float32Array) =>
    one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0)
  if (a === undefined || b === undefined) throw new Error('there is a vector missing')
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b))
}

/** @param embedsNext resolves when the model behind the engine has embedded its next piece of text */
export function testEngine(name: string, engine: () => Engine, embedsNext: () => Promise<void>): void {
  describe(name, () => {
    test('generate() yields the answer in chunks and ends with what it took', async () => {
      const { chunks, text, usage, reason } = await run(engine(), ask('Say hello.', { maxTokens: 200 }))
      expect(text).toMatch(/hello|hi|greet/i)
      expect(chunks.length).toBeGreaterThan(3)
      expect(chunks.every((chunk) => chunk.text !== '')).toBe(true)
      const tokens = chunks.map((chunk) => chunk.tokens)
      expect(tokens).toEqual(tokens.toSorted((a, b) => a - b))
      expect(reason).toBe('stop')
      expect(usage.prompt).toBeGreaterThan(5)
      expect(usage.completion).toBeGreaterThanOrEqual(chunks.length)
    })

    test('generate() stops at the limit of tokens', async () => {
      const { usage, reason } = await run(engine(), ask('Tell a long story.', { maxTokens: 9 }))
      expect(reason).toBe('length')
      expect(usage.completion).toBe(9)
    })

    test('generate() takes all messages into account', async () => {
      const short = await run(engine(), ask('And now?', { maxTokens: 1 }))
      const messages = [
        { role: 'system', content: 'You are a pirate.' },
        { role: 'user', content: 'What is your ship called?' },
        { role: 'assistant', content: 'She is called the Black Gull.' },
        { role: 'user', content: 'And now?' },
      ] as const
      const long = await run(engine(), ask('', { messages: [...messages], maxTokens: 1 }))
      expect(long.usage.prompt).toBeGreaterThan(short.usage.prompt + 10)
    })

    test('generate() repeats itself for the same seed, and else does not', async () => {
      const request = ask('Write a line about the sea.', { temperature: 1 })
      const seeded = { ...request, seed: 7 }
      const [first, second] = [await run(engine(), seeded), await run(engine(), seeded)]
      expect(second.text).toBe(first.text)
      const [third, fourth] = [await run(engine(), request), await run(engine(), request)]
      expect(fourth.text).not.toBe(third.text)
    })

    test('generate() never cuts a character in two', async () => {
      const { text } = await run(engine(), ask('Repeat after me: 🌊🌊🌊🌊🌊🌊🌊🌊'))
      expect(text).toContain('🌊')
      expect(text.isWellFormed()).toBe(true)
      expect(text.slice(0, -2)).not.toContain('\uFFFD')
    })

    test('generate() throws the reason of an abort, and the engine serves the next request', async () => {
      const stop = new AbortController()
      const request = ask('Tell a long story.', { maxTokens: 500 })
      const answer = (async () => {
        for await (const output of engine().generate(request, { signal: stop.signal })) {
          if (output.kind === 'chunk' && output.tokens >= 3) stop.abort(new Error('cancelled'))
        }
      })()
      await expect(answer).rejects.toThrow('cancelled')
      expect((await run(engine(), ask('Say hello.', { maxTokens: 3 }))).usage.completion).toBe(3)
    })

    test('generate() may be left in the middle, and the engine serves the next request', async () => {
      for await (const output of engine().generate(ask('Tell a long story.'), { signal: never })) {
        if (output.kind === 'chunk') break
      }
      expect((await run(engine(), ask('Say hello.', { maxTokens: 3 }))).usage.completion).toBe(3)
    })

    test('generate() fails for good when the prompt does not fit', async () => {
      const answer = run(engine(), ask('and on and on '.repeat(1000)))
      await expect(answer).rejects.toMatchObject({ name: 'EngineFailure', retry: false })
    })

    test('generate() continues a prefix as if it had never been interrupted', async () => {
      const request = ask('Tell a story about a fox and a lake.', { maxTokens: 30 })
      const whole = await run(engine(), request)
      for (const at of [0, 4, 11, 20]) {
        const tokens = whole.chunks[at]?.tokens ?? 0
        const text = whole.chunks
          .slice(0, at + 1)
          .map((chunk) => chunk.text)
          .join('')
        const rest = await run(engine(), request, { prefix: { text, tokens } })
        expect(text + rest.text).toBe(whole.text)
        expect(rest.usage.completion).toBe(30)
        expect(rest.chunks[0]?.tokens).toBe(tokens + 1)
      }
    })

    test('generate() adds nothing to a prefix that has used up all tokens', async () => {
      const prefix = { text: 'Once upon a time', tokens: 4 }
      const { text, usage, reason } = await run(engine(), ask('Tell a story.', { maxTokens: 4 }), { prefix })
      expect({ text, reason, completion: usage.completion }).toEqual({
        text: '',
        reason: 'length',
        completion: 4,
      })
    })

    test('embed() gives one vector for each text, in their order, that tells what it means', async () => {
      const texts = [
        'The cat sleeps on the sofa',
        'Quarterly revenue fell by a fifth',
        'A kitten is napping on the couch',
        'The company earned less money',
      ]
      const { vectors, tokens, model } = await engine().embed(texts, { signal: never })
      expect(vectors).toHaveLength(4)
      expect(new Set(vectors.map(({ length }) => length)).size).toBe(1)
      const [cat, revenue, kitten, earnings] = vectors
      expect(cosine(cat, kitten)).toBeGreaterThan(cosine(cat, earnings) + 0.2)
      expect(cosine(revenue, earnings)).toBeGreaterThan(cosine(revenue, kitten) + 0.2)
      expect(tokens).toBeGreaterThan(20)
      expect(model).not.toBe(engine().model)
    })

    test('embed() gives the same vector for the same text, whatever stands beside it', async () => {
      const alone = await engine().embed(['The boat is in the hallway'], { signal: never })
      const texts = ['Something else', 'The boat is in the hallway', 'The boat is in the hallway']
      const together = await engine().embed(texts, { signal: never })
      expect(cosine(alone.vectors[0], together.vectors[1])).toBeCloseTo(1, 4)
      expect(cosine(together.vectors[1], together.vectors[2])).toBeCloseTo(1, 4)
    })

    test('embed() has a vector for whatever a text can be', async () => {
      const texts = [' ', '\n', '🌊', '[SEP]', '\0', 'x', 'ein längerer Satz, über die Donau']
      const { vectors } = await engine().embed(texts, { signal: never })
      for (const vector of vectors) expect(Math.hypot(...vector)).toBeGreaterThan(0)
      expect(vectors).toHaveLength(texts.length)
    })

    test('embed() reads a long text from its beginning to its end', async () => {
      const filler = 'The meeting was about the budget of the next year. '.repeat(60)
      const texts = [
        filler,
        `${filler}${'The volcano erupted and the island burned. '.repeat(60)}`,
        'A volcano',
      ]
      const { vectors, tokens } = await engine().embed(texts, { signal: never })
      expect(cosine(vectors[1], vectors[2])).toBeGreaterThan(cosine(vectors[0], vectors[2]) + 0.1)
      expect(cosine(vectors[1], vectors[0])).toBeGreaterThan(0.5) // its beginning counts as well
      expect(tokens).toBeGreaterThan(1500)
    })

    test('embed() throws the reason of an abort, and the engine serves the next request', async () => {
      const stop = new AbortController()
      const texts = Array.from({ length: 64 }, () => 'A long text. '.repeat(1000))
      const answer = engine().embed(texts, { signal: stop.signal })
      await embedsNext()
      stop.abort(new Error('cancelled'))
      await expect(answer).rejects.toThrow('cancelled')
      const stopped = engine().embed(['Hi'], { signal: AbortSignal.abort(new Error('cancelled')) })
      await expect(stopped).rejects.toThrow('cancelled')
      expect((await engine().embed(['Hi'], { signal: never })).vectors).toHaveLength(1)
    })
  })
}
