/**
 * Any server that speaks the OpenAI chat completions protocol: vLLM, Ollama, llama.cpp's server, OpenRouter.
 *
 * Several servers are tried in their order. Until the first token arrives a server that is away, overloaded or
 * broken is passed over for the next; from then on the answer is that server's, and if it breaks off the
 * attempt fails and the worker decides what to do.
 */
import { z } from 'zod'
import type { ChatRequest } from '../../shared/inference/messages.ts'
import { EngineFailure, type Engine, type EngineOutput, type GenerateOptions, type Prefix } from './engine.ts'
import { readEventData } from './server-sent-events.ts'

/** One server. */
export interface Server {
  /** Up to and without `/chat/completions`, such as `http://vllm:8000/v1`. */
  baseUrl: string
  model: string
  apiKey?: string
}

export interface OpenAiCompatibleSettings {
  servers: readonly [Server, ...Server[]]
  concurrency?: number
  /** Whether every server understands vLLM's `continue_final_message`. */
  canContinue?: boolean
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

class OpenAiCompatible implements Engine {
  readonly name = 'openai'
  readonly model: string
  readonly concurrency: number
  readonly canContinue: boolean
  readonly #servers: readonly Server[]
  readonly #fetch: typeof fetch

  constructor({
    servers,
    concurrency = 1,
    canContinue = false,
    fetch = globalThis.fetch,
  }: OpenAiCompatibleSettings) {
    this.model = servers[0].model
    this.concurrency = concurrency
    this.canContinue = canContinue
    this.#servers = servers
    this.#fetch = fetch
  }

  async *generate(request: ChatRequest, options: GenerateOptions): AsyncGenerator<EngineOutput> {
    let failure: unknown
    for (const server of this.#servers) {
      let begun = false
      try {
        for await (const output of this.#ask(server, request, options)) {
          begun = true
          yield output
        }
        return
      } catch (error) {
        options.signal.throwIfAborted()
        failure = error
        if (begun || (error instanceof EngineFailure && !error.retry)) break
      }
    }
    if (failure instanceof EngineFailure) throw failure
    throw new EngineFailure('Cannot finish the answer: the model server is away', {
      retry: true,
      cause: failure,
    })
  }

  async *#ask(
    server: Server,
    request: ChatRequest,
    { signal, prefix }: GenerateOptions,
  ): AsyncGenerator<EngineOutput> {
    const response = await this.#fetch(`${server.baseUrl.replace(/\/+$/, '')}/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        ...(server.apiKey === undefined ? {} : { authorization: `Bearer ${server.apiKey}` }),
      },
      body: JSON.stringify(bodyOf(server.model, request, prefix)),
      signal,
    })
    if (!response.ok || response.body === null) {
      await response.body?.cancel()
      throw refusalOf(response.status)
    }
    yield* readAnswer(response.body, request, prefix)
  }

  async close(): Promise<void> {}
}

/** Where the prefix has used up all tokens, one more is asked for, and dropped, because the usage is needed. */
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
  for await (const data of readEventData(body)) {
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

function usageOf(
  usage: z.infer<typeof Chunk>['usage'],
  tokens: number,
  request: ChatRequest,
  prefix: Prefix,
) {
  if (!usage) return { prompt: estimateTokens(request), completion: tokens }
  return {
    // The server counts the prefix as part of the prompt.
    prompt: Math.max(0, usage.prompt_tokens - prefix.tokens),
    completion: Math.min(request.maxTokens, prefix.tokens + usage.completion_tokens),
  }
}

/** For servers that do not report usage: about four characters to a token. */
function estimateTokens(request: ChatRequest): number {
  return Math.ceil(request.messages.reduce((sum, { content }) => sum + content.length, 0) / 4)
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

/** These statuses tell that the request itself is wrong; any other one may be better elsewhere or later. */
const WRONG_REQUEST = new Set([400, 413, 422])

function refusalOf(status: number): EngineFailure {
  const retry = !WRONG_REQUEST.has(status)
  return new EngineFailure(`Cannot get an answer: the model server answered ${status}`, { retry })
}
