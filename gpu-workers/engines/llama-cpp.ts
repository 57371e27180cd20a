/**
 * A model in this very process, by llama.cpp: on the GPU where there is one, else on the CPU.
 *
 * The models are loaded and warmed up once, when the worker starts. Requests are rendered with the template that
 * the model was trained with; text of callers never becomes a control token.
 */
import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import {
  getLlama,
  LlamaChat,
  LlamaLogLevel,
  resolveChatWrapper,
  type ChatHistoryItem,
  type ChatWrapper,
  type Llama,
  type LlamaChatResponseChunk,
  type LlamaContextSequence,
  type LlamaModel,
} from 'node-llama-cpp'
import type { ChatRequest } from '../../shared/inference/messages.ts'
import {
  EngineFailure,
  type Embeddings,
  type EmbedOptions,
  type Engine,
  type EngineOutput,
  type GenerateOptions,
  type Prefix,
} from './engine.ts'
import { nameOf, openEmbedder, type Embedder } from './llama-cpp-embedder.ts'
import { createQueue } from './queue.ts'

export interface LlamaCppSettings {
  modelPath: string
  /** The model that embeds; without it texts are not embedded. */
  embeddingModelPath?: string
  /** Requests run together; each has its own part of the context. */
  concurrency?: number
  /**
   * CPU threads. One is left to the event loop and to NATS: with as many threads as cores, llama.cpp's spinning
   * threads wait for each other (measured on 2 cores: 0.4 tokens/s with two threads or more, 61 with one).
   */
  threads?: number
  gpu?: 'auto' | 'cuda' | 'vulkan' | 'metal' | false
  /** Prompt and answer together; never more than the model was trained on. */
  contextTokens?: number
  /** How much less likely recently used tokens become; 1 is off. Small models fall into loops without it. */
  repeatPenalty?: number
  warn?: (message: string) => void
}

/** Loads the models and answers one token, so that the first job does not pay for cold caches. */
export async function openLlamaCpp(settings: LlamaCppSettings): Promise<Engine> {
  const threads = settings.threads ?? Math.max(1, availableParallelism() - 1)
  const llama = await getLlama({
    gpu: settings.gpu ?? 'auto',
    // Only what npm installed is used: a worker that starts to download or compile is not a worker.
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    maxThreads: threads,
    logLevel: LlamaLogLevel.warn,
    logger: (_level, message) => settings.warn?.(message.trim()),
  })
  const model = await llama.loadModel({ modelPath: settings.modelPath })
  const context = await model.createContext({
    sequences: settings.concurrency ?? 1,
    contextSize: Math.min(settings.contextTokens ?? 4096, model.trainContextSize ?? Infinity),
    threads,
  })
  const sequences = Array.from({ length: context.totalSequences }, () => context.getSequence())
  const { embeddingModelPath: path, repeatPenalty = 1.1 } = settings
  const embedder = path === undefined ? undefined : await openEmbedder(llama, path, threads)
  const engine = new LlamaCpp(llama, model, sequences, repeatPenalty, embedder)
  await engine.warmUp()
  return engine
}

/** Tokens that the repeat penalty covers. */
const PENALTY_TOKENS = 64

class LlamaCpp implements Engine {
  readonly name = 'llama-cpp'
  readonly model: string
  readonly concurrency: number
  readonly #llama: Llama
  readonly #model: LlamaModel
  readonly #free: LlamaContextSequence[]
  readonly #repeatPenalty: number
  readonly #embedder: Embedder | undefined
  readonly #fresh: ChatWrapper
  readonly #continuing: ChatWrapper

  constructor(
    llama: Llama,
    model: LlamaModel,
    sequences: LlamaContextSequence[],
    repeatPenalty: number,
    embedder: Embedder | undefined,
  ) {
    this.#llama = llama
    this.#model = model
    this.#free = sequences
    this.#repeatPenalty = repeatPenalty
    this.#embedder = embedder
    this.model = nameOf(model)
    this.concurrency = sequences.length
    this.#fresh = templateOf(model, true)
    // With trimming, the space between the prefix and the next word would be lost.
    this.#continuing = templateOf(model, false)
  }

  async *generate(request: ChatRequest, options: GenerateOptions): AsyncGenerator<EngineOutput> {
    options.signal.throwIfAborted()
    const sequence = this.#free.pop()
    if (sequence === undefined) throw new Error(`Cannot run more than ${this.concurrency} requests at once`)
    try {
      yield* this.#run(sequence, request, options)
    } finally {
      this.#free.push(sequence)
    }
  }

  async *#run(
    sequence: LlamaContextSequence,
    request: ChatRequest,
    { signal, prefix = { text: '', tokens: 0 }, onProgress }: GenerateOptions,
  ): AsyncGenerator<EngineOutput> {
    const promptTokens = this.#countPrompt(request)
    // Without a check the library makes room by dropping the beginning of the conversation.
    const room = sequence.contextSize - promptTokens - 1
    if (room < 1) {
      throw new EngineFailure(
        `Cannot answer a prompt of ${promptTokens} tokens: the context holds ${sequence.contextSize}`,
        { retry: false, refused: true },
      )
    }
    let tokens = prefix.tokens
    const maxTokens = Math.min(request.maxTokens, room) - tokens
    let reason: 'stop' | 'length' = 'length'
    if (maxTokens > 0) {
      const chunks = this.#respond(sequence, request, prefix, maxTokens, signal)
      for await (const chunk of chunks) {
        if (chunk === 'stop') {
          reason = chunk
          continue
        }
        tokens += chunk.tokens.length
        // What a reasoning model thinks costs tokens and is not part of the answer.
        if (chunk.type === undefined && chunk.text !== '') yield { kind: 'chunk', text: chunk.text, tokens }
        else onProgress?.()
      }
    }
    const usage = { prompt: promptTokens, completion: tokens }
    yield { kind: 'end', reason, usage, model: this.model }
  }

  /** The library reports by callback; `stop` at the end reports that the model came to an end by itself. */
  async *#respond(
    sequence: LlamaContextSequence,
    request: ChatRequest,
    prefix: Prefix,
    maxTokens: number,
    signal: AbortSignal,
  ): AsyncGenerator<LlamaChatResponseChunk | 'stop'> {
    const chatWrapper = prefix.text === '' ? this.#fresh : this.#continuing
    const chat = new LlamaChat({ contextSequence: sequence, chatWrapper })
    const abandoned = new AbortController()
    const chunks = createQueue<LlamaChatResponseChunk | 'stop'>()
    const response = chat
      .generateResponse(historyOf(request, prefix.text), {
        maxTokens,
        temperature: request.temperature,
        // The library's own default is the time in seconds: equal prompts of one second would get equal answers.
        seed: request.seed ?? randomInt(2 ** 31),
        repeatPenalty: this.#penaltyAfter(prefix.text),
        signal: AbortSignal.any([signal, abandoned.signal]),
        onResponseChunk: (chunk) => chunks.push(chunk),
      })
      .then(({ metadata }) => {
        if (metadata.stopReason !== 'maxTokens') chunks.push('stop')
        chunks.end()
      })
      .catch((error: unknown) => chunks.fail(error))
    try {
      yield* chunks
    } catch (error) {
      signal.throwIfAborted()
      throw new EngineFailure('Cannot finish the answer: llama.cpp failed', { retry: true, cause: error })
    } finally {
      abandoned.abort()
      await response
      chat.dispose({ disposeSequence: false })
    }
  }

  #penaltyAfter(prefix: string) {
    if (this.#repeatPenalty === 1) return false
    const before = prefix === '' ? [] : this.#model.tokenize(prefix)
    return {
      penalty: this.#repeatPenalty,
      lastTokens: PENALTY_TOKENS,
      punishTokensFilter: (tokens: typeof before) => [...before, ...tokens].slice(-PENALTY_TOKENS),
    }
  }

  #countPrompt(request: ChatRequest): number {
    const { contextText } = this.#fresh.generateContextState({ chatHistory: historyOf(request, '') })
    return contextText.tokenize(this.#model.tokenizer).length
  }

  async embed(texts: readonly string[], options: EmbedOptions): Promise<Embeddings> {
    if (this.#embedder !== undefined) return this.#embedder.embed(texts, options)
    throw new EngineFailure(
      'Cannot embed the texts: this worker has no embedding model, EMBEDDING_MODEL_PATH sets one',
      { retry: false },
    )
  }

  async warmUp(): Promise<void> {
    const request = { messages: [{ role: 'user' as const, content: 'Hi' }], maxTokens: 1, temperature: 0 }
    for await (const output of this.generate(request, { signal: AbortSignal.timeout(60_000) })) void output
  }

  async close(): Promise<void> {
    await this.#llama.dispose()
  }
}

/**
 * The template in the model file, as it is. The library would rather take its own equivalent, which for SmolLM2
 * begins with the start token twice and lacks the model's default system message.
 */
function templateOf(model: LlamaModel, trimLeadingWhitespaceInResponses: boolean): ChatWrapper {
  const hasTemplate = model.fileInfo.metadata.tokenizer.chat_template !== undefined
  return resolveChatWrapper(model, {
    type: hasTemplate ? 'jinjaTemplate' : 'auto',
    warningLogs: false,
    customWrapperSettings: { jinjaTemplate: { trimLeadingWhitespaceInResponses } },
  })
}

function historyOf(request: ChatRequest, prefix: string): ChatHistoryItem[] {
  const history = request.messages.map(({ role, content }): ChatHistoryItem => {
    if (role === 'assistant') return { type: 'model', response: [content] }
    return { type: role === 'tool' ? 'user' : role, text: content }
  })
  return [...history, { type: 'model', response: prefix === '' ? [] : [prefix] }]
}
