/**
 * A model in this very process, by llama.cpp: on the GPU where there is one, else on the CPU.
 *
 * The models are loaded and warmed up once, when the worker starts. Requests that run at the same time are computed in one batch,
 * each in a sequence of its own.
 */
import { availableParallelism } from 'node:os'
import {
  getLlama,
  LlamaLogLevel,
  type Llama,
  type LlamaContextSequence,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp'
import type { ChatRequest } from '../../shared/inference/messages.ts'
import { modelNamed } from '../../shared/models/catalogue.ts'
import { ComputeClock } from './compute-clock.ts'
import {
  EngineFailure,
  type Embeddings,
  type EmbedOptions,
  type Engine,
  type EngineOutput,
  type GenerateOptions,
} from './engine.ts'
import { nameOf, openEmbedder, type Embedder } from './llama-cpp-embedder.ts'
import { LlamaCppAnswers } from './llama-cpp-answer.ts'
import { Sequences } from './sequences.ts'

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
  const answers = new LlamaCppAnswers(llama, model, repeatPenalty)
  const engine = new LlamaCpp(llama, model, new Sequences(sequences), answers, embedder)
  await engine.warmUp()
  return engine
}

class LlamaCpp implements Engine {
  readonly name = 'llama-cpp'
  readonly model: string
  readonly concurrency: number
  readonly #llama: Llama
  readonly #sequences: Sequences<Token, LlamaContextSequence>
  readonly #answers: LlamaCppAnswers
  readonly #embedder: Embedder | undefined
  readonly #clock = new ComputeClock()

  constructor(
    llama: Llama,
    model: LlamaModel,
    sequences: Sequences<Token, LlamaContextSequence>,
    answers: LlamaCppAnswers,
    embedder: Embedder | undefined,
  ) {
    this.#llama = llama
    this.#sequences = sequences
    this.#answers = answers
    this.#embedder = embedder
    this.model = nameOf(model)
    this.concurrency = sequences.size
  }

  async *generate(request: ChatRequest, options: GenerateOptions): AsyncGenerator<EngineOutput> {
    options.signal.throwIfAborted()
    checkModel(request)
    const prompt = this.#answers.prepare(request)
    const owner = { tenant: options.tenant, session: request.session }
    const { sequence, give } = await this.#sequences.take(owner, prompt.tokens)
    const stopClock = this.#clock.begin()
    try {
      for await (const output of this.#answers.answer(sequence, request, prompt, options)) {
        yield output.kind === 'end' ? { ...output, computeSeconds: stopClock() } : output
      }
    } finally {
      stopClock()
      give()
    }
  }

  async embed(texts: readonly string[], options: EmbedOptions): Promise<Embeddings> {
    if (this.#embedder === undefined) {
      throw new EngineFailure(
        'Cannot embed the texts: this worker has no embedding model, EMBEDDING_MODEL_PATH sets one',
        { retry: false },
      )
    }
    const stopClock = this.#clock.begin()
    try {
      const embeddings = await this.#embedder.embed(texts, options)
      return { ...embeddings, computeSeconds: stopClock() }
    } finally {
      stopClock()
    }
  }

  async warmUp(): Promise<void> {
    const request = { messages: [{ role: 'user' as const, content: 'Hi' }], maxTokens: 1, temperature: 0 }
    for await (const output of this.generate(request, { signal: AbortSignal.timeout(60_000) })) void output
  }

  async close(): Promise<void> {
    await this.#llama.dispose()
  }
}

/** The model of the file is every one that the catalogue has without a server. */
function checkModel({ model: id }: ChatRequest): void {
  if (id === undefined) return
  const model = modelNamed(id)
  if (model !== undefined && model.servers === undefined) return
  throw new EngineFailure(`Cannot answer by model "${id}": this worker does not have it`, {
    retry: false,
    refused: true,
  })
}
