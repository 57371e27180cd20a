/**
 * An engine that says fixed words, and tells the lengths of texts, at the pace of the test: it stands for the GPU where a test is about time,
 * crashes and failures, and not about language.
 */
import type {
  Embeddings,
  Engine,
  EngineOutput,
  GenerateOptions,
  Prefix,
} from '../../../gpu-workers/engines/engine.ts'

export interface ScriptedEngine extends Engine {
  /** What each call was told to continue; undefined where it was to begin anew, or to embed. */
  readonly calls: (Prefix | undefined)[]
  /** Lets `count` more words be said; they are said at once, or as soon as they are asked for. None, and no vectors. */
  allow(count: number): void
  /** Makes the next calls throw, after the words that are allowed. */
  failWith(...errors: Error[]): void
}

export interface Script {
  words: readonly string[]
  canContinue?: boolean
  concurrency?: number
  /** How many words may be said before `allow`; all of them unless told otherwise. */
  allowed?: number
  /** What the end says besides. */
  end?: Partial<Extract<EngineOutput, { kind: 'end' }>>
}

export function createScriptedEngine(script: Script): ScriptedEngine {
  const { words, canContinue = true, concurrency = 1 } = script
  const calls: (Prefix | undefined)[] = []
  const failures: Error[] = []
  const pace = { allowed: script.allowed ?? Infinity, changed: Promise.withResolvers<void>() }

  async function* generate(_: unknown, { signal, prefix }: GenerateOptions): AsyncGenerator<EngineOutput> {
    calls.push(prefix)
    const failure = failures.shift()
    const begun = canContinue ? (prefix?.tokens ?? 0) : 0
    if (!canContinue && prefix !== undefined) yield { kind: 'restart' }
    for (const [index, word] of words.entries()) {
      if (index < begun) continue
      if (failure !== undefined && pace.allowed === 0) throw failure
      while (pace.allowed === 0) await Promise.race([pace.changed.promise, untilAborted(signal)])
      pace.allowed--
      yield { kind: 'chunk', text: word, tokens: index + 1 }
    }
    if (failure !== undefined) throw failure
    const usage = { prompt: 5, completion: words.length }
    yield { kind: 'end', reason: 'stop', usage, model: 'words', ...script.end }
  }

  async function embed(texts: readonly string[], { signal }: { signal: AbortSignal }): Promise<Embeddings> {
    calls.push(undefined)
    const failure = failures.shift()
    if (failure !== undefined) throw failure
    while (pace.allowed === 0) await Promise.race([pace.changed.promise, untilAborted(signal)])
    const vectors = texts.map((text) => Float32Array.of(text.length, 0, 0, text.length))
    return { vectors, tokens: texts.length * 3, model: 'lengths' }
  }

  return {
    name: 'scripted',
    model: 'words',
    concurrency,
    calls,
    generate,
    embed,
    allow(count) {
      pace.allowed += count
      pace.changed.resolve()
      pace.changed = Promise.withResolvers()
    },
    failWith: (...errors) => void failures.push(...errors),
    close: async () => {},
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}
