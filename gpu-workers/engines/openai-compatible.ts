/**
 * Any server that speaks the OpenAI protocol, for chat completions and embeddings: vLLM, Ollama, llama.cpp's server,
 * OpenRouter.
 *
 * Several servers are tried in their order. Until the first token arrives a server that is unavailable, overloaded or
 * broken is passed over for the next; from then on the answer is that server's, and if it breaks off the
 * attempt fails and the worker decides what to do. Vectors come in one piece.
 */
import { z } from 'zod'
import { readServerSentEvents } from '../../shared/http/server-sent-events.ts'
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

/** One server. */
export interface Server {
  /** Up to and without `/chat/completions` and `/embeddings`, such as `http://vllm:8000/v1`. */
  baseUrl: string
  model: string
  apiKey?: string
}

export interface OpenAiCompatibleSettings {
  servers: readonly [Server, ...Server[]]
  concurrency?: number
  /** Whether every server understands vLLM's `continue_final_message`. */
  canContinue?: boolean
  /** One for all servers, for vectors of different models cannot be compared; who has it not is passed over. */
  embeddingModel?: string
  fetch?: typeof fetch
}

export function createOpenAiCompatible(settings: OpenAiCompatibleSettings): Engine {
  return new OpenAiCompatible(settings)
}

/** One event of the stream, as far as it matters here; unknown members are ignored. */
const Chunk = z.object({
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .default([]),
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }).nullish(),
  error: z.unknown().optional(),
})

const EmbeddingsAnswer = z.object({
  data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()).min(1) })),
  usage: z.object({ prompt_tokens: z.int() }).nullish(),
})

class OpenAiCompatible implements Engine {
  readonly name = 'openai'
  readonly model: string
  readonly concurrency: number
  readonly canContinue: boolean
  readonly #servers: readonly Server[]
  readonly #embeddingModel: string | undefined
  readonly #fetch: typeof fetch

  constructor({
    servers,
    concurrency = 1,
    canContinue = false,
    embeddingModel,
    fetch = globalThis.fetch,
  }: OpenAiCompatibleSettings) {
    this.model = servers[0].model
    this.concurrency = concurrency
    this.canContinue = canContinue
    this.#servers = servers
    this.#embeddingModel = embeddingModel
    this.#fetch = fetch
  }

  async *generate(request: ChatRequest, options: GenerateOptions): AsyncGenerator<EngineOutput> {
    yield* this.#tryInTurn((server) => this.#complete(server, request, options), options.signal)
  }

  async embed(texts: readonly string[], { signal }: EmbedOptions): Promise<Embeddings> {
    const model = this.#embeddingModel
    if (model === undefined) {
      throw new EngineFailure(
        'Cannot embed the texts: this worker has no embedding model, INFERENCE_EMBEDDING_MODEL names one',
        { retry: false },
      )
    }
    const answers = this.#tryInTurn((server) => this.#embed(server, model, texts, signal), signal)
    for await (const answer of answers) return answer
    throw brokenOff()
  }

  /** What the first server gives that gives anything. */
  async *#tryInTurn<T>(use: (server: Server) => AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
    let failure: unknown
    for (const server of this.#servers) {
      let begun = false
      try {
        for await (const output of use(server)) {
          begun = true
          yield output
        }
        return
      } catch (error) {
        signal.throwIfAborted()
        failure = error
        if (begun || (error instanceof EngineFailure && !error.retry)) break
      }
    }
    if (failure instanceof EngineFailure) throw failure
    throw new EngineFailure('Cannot finish the answer: the model server is unavailable', {
      retry: true,
      cause: failure,
    })
  }

  async *#complete(
    server: Server,
    request: ChatRequest,
    { signal, prefix }: GenerateOptions,
  ): AsyncGenerator<EngineOutput> {
    const body = bodyOf(server.model, request, prefix)
    const response = await this.#post(server, '/chat/completions', 'text/event-stream', body, signal)
    yield* readAnswer(response, request, prefix)
  }

  async *#embed(
    server: Server,
    model: string,
    texts: readonly string[],
    signal: AbortSignal,
  ): AsyncGenerator<Embeddings> {
    const body = { model, input: texts, encoding_format: 'float' }
    const response = await this.#post(server, '/embeddings', 'application/json', body, signal)
    yield readEmbeddings(await new Response(response).text(), model, texts)
  }

  async #post(
    { baseUrl, apiKey }: Server,
    path: string,
    accept: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#fetch(`${baseUrl.replace(/\/+$/, '')}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept,
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      signal,
    })
    if (response.ok && response.body !== null) return response.body
    await response.body?.cancel()
    throw refusalOf(response.status)
  }

  async close(): Promise<void> {}
}

/** Where the prefix has used up all tokens, one more is requested, and dropped, because the usage is needed. */
function bodyOf(model: string, request: ChatRequest, prefix: Prefix | undefined) {
  const continued = prefix !== undefined && prefix.text !== ''
  return {
    model,
    messages: continued
      ? [...request.messages, { role: 'assistant', content: prefix.text }]
      : request.messages,
    max_tokens: Math.max(1, request.maxTokens - (prefix?.tokens ?? 0)),
    temperature: request.temperature,
    ...(request.seed === undefined ? {} : { seed: request.seed }),
    stream: true,
    stream_options: { include_usage: true },
    ...(continued ? { add_generation_prompt: false, continue_final_message: true } : {}),
  }
}

async function* readAnswer(
  body: AsyncIterable<Uint8Array>,
  request: ChatRequest,
  prefix: Prefix = { text: '', tokens: 0 },
): AsyncGenerator<EngineOutput> {
  let tokens = prefix.tokens
  let reason: 'stop' | 'length' | undefined
  let usage: z.infer<typeof Chunk>['usage']
  const isFull = prefix.tokens >= request.maxTokens
  for await (const { data } of readServerSentEvents(body)) {
    if (data === '[DONE]') {
      reason ??= 'stop'
      break
    }
    const chunk = readChunk(data)
    usage = chunk.usage ?? usage
    const choice = chunk.choices[0]
    if (choice?.finish_reason) reason = choice.finish_reason === 'length' ? 'length' : 'stop'
    const text = choice?.delta?.content ?? ''
    if (text === '' || isFull) continue
    // One event is one token with all servers that we know; the usage at the end corrects the sum.
    tokens += 1
    yield { kind: 'chunk', text, tokens }
  }
  if (reason === undefined) throw brokenOff()
  yield { kind: 'end', reason: isFull ? 'length' : reason, usage: usageOf(usage, tokens, request, prefix) }
}

/** Servers may answer in any order; an answer that is not about these texts is none. */
function readEmbeddings(answer: string, model: string, texts: readonly string[]): Embeddings {
  const result = EmbeddingsAnswer.safeParse(parse(answer))
  if (!result.success) throw brokenOff(result.error)
  const { data, usage } = result.data
  const sorted = data.toSorted((a, b) => a.index - b.index)
  if (sorted.length !== texts.length || sorted.some(({ index }, at) => index !== at)) throw brokenOff()
  const vectors = sorted.map(({ embedding }) => Float32Array.from(embedding))
  return { vectors, tokens: usage?.prompt_tokens ?? estimateTokens(texts), model }
}

function usageOf(
  usage: z.infer<typeof Chunk>['usage'],
  tokens: number,
  request: ChatRequest,
  prefix: Prefix,
) {
  if (!usage) {
    return { prompt: estimateTokens(request.messages.map(({ content }) => content)), completion: tokens }
  }
  return {
    // The server counts the prefix as part of the prompt.
    prompt: Math.max(0, usage.prompt_tokens - prefix.tokens),
    completion: Math.min(request.maxTokens, prefix.tokens + usage.completion_tokens),
  }
}

/** For servers that do not report usage: about four characters to a token. */
function estimateTokens(texts: readonly string[]): number {
  return Math.ceil(texts.reduce((sum, text) => sum + text.length, 0) / 4)
}

function readChunk(data: string): z.infer<typeof Chunk> {
  const result = Chunk.safeParse(parse(data))
  if (!result.success || result.data.error !== undefined) throw brokenOff(result.error)
  return result.data
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

function brokenOff(cause?: unknown): EngineFailure {
  return new EngineFailure('Cannot finish the answer: the model server broke it off', { retry: true, cause })
}

/** These statuses mean that the request itself is wrong; any other one may be better elsewhere or later. */
const WRONG_REQUEST = new Set([400, 413, 422])

function refusalOf(status: number): EngineFailure {
  const retry = !WRONG_REQUEST.has(status)
  return new EngineFailure(`Cannot get an answer: the model server answered ${status}`, { retry })
}
