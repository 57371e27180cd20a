/**
 * Any server that speaks the OpenAI protocol, for chat completions and embeddings: vLLM, Ollama, llama.cpp's server,
 * OpenRouter.
 *
 * Several servers are tried in their order, those last that have just failed. Where one breaks off in the middle, the next
 * goes on with the text so far if it can, and else begins anew: the first piece of its text then follows a `restart`, so
 * nobody reads the same words twice. Vectors come in one piece.
 */
import {
  estimateTokens,
  type ChatRequest,
  type FinishReason,
  type ToolCall,
  type TokenUsage,
} from '../../shared/inference/messages.ts'
import { modelNamed } from '../../shared/models/catalogue.ts'
import {
  EngineFailure,
  type Embeddings,
  type EmbedOptions,
  type Engine,
  type EngineOutput,
  type GenerateOptions,
  type Prefix,
} from './engine.ts'
import { bodyOf } from './openai-request.ts'
import { readAnswer, readEmbeddings, type Counted } from './openai-answer.ts'
import { failureOfStatus, ServerFailure } from './openai-failure.ts'
import { ServerTurns } from './server-turns.ts'

/** One server. */
export interface Server {
  /** What callers get to see of it, in jobs that it has answered and in failures; where there are several. */
  name?: string
  /** Up to and without `/chat/completions` and `/embeddings`, such as `http://vllm:8000/v1`. */
  baseUrl: string
  model: string
  /** Models of the catalogue that it has besides those without a server, with their names there. */
  models?: ReadonlyMap<string, string>
  apiKey?: string
  /** Whether it goes on with an answer that has begun: whether it knows vLLM's `continue_final_message`. */
  canContinue?: boolean
}

export interface OpenAiCompatibleSettings {
  servers: readonly [Server, ...Server[]]
  concurrency?: number
  /** One for all servers, for vectors of different models cannot be compared; who has it not is passed over. */
  embeddingModel?: string
  /** Silence after which the next server is asked. */
  silentSeconds?: number
  /** Called for each server that did not answer, with its name. */
  onFailure?: (server: string, failure: Error) => void
  fetch?: typeof fetch
  /** Milliseconds that never go back; replaced in tests. */
  now?: () => number
}

export function createOpenAiCompatible(settings: OpenAiCompatibleSettings): Engine {
  return new OpenAiCompatible(settings)
}

const NOTHING: Prefix = { text: '', tokens: 0 }
const SILENT_SECONDS = 120
/** Pieces that one token may come in, a letter each; a server that sends more knows no `max_tokens`, and is stopped. */
const MAX_PIECES_PER_TOKEN = 16
/** Of an error's body; what is needed of it stands at its beginning. */
const MAX_ERROR_CHARACTERS = 16_384

class OpenAiCompatible implements Engine {
  readonly name = 'openai'
  readonly model: string
  readonly concurrency: number
  readonly #servers: readonly Server[]
  readonly #turns: ServerTurns<Server>
  readonly #embeddingModel: string | undefined
  readonly #silentMs: number
  readonly #fetch: typeof fetch

  constructor(settings: OpenAiCompatibleSettings) {
    const { servers, concurrency = 1, silentSeconds = SILENT_SECONDS } = settings
    this.model = servers[0].model
    this.concurrency = concurrency
    this.#servers = servers
    this.#turns = new ServerTurns(servers, settings)
    this.#embeddingModel = settings.embeddingModel
    this.#silentMs = silentSeconds * 1000
    this.#fetch = settings.fetch ?? globalThis.fetch
  }

  async *generate(request: ChatRequest, options: GenerateOptions): AsyncGenerator<EngineOutput> {
    let soFar = options.prefix ?? NOTHING
    const servers = this.#servers.filter((server) => modelAt(server, request.model) !== undefined)
    if (servers.length === 0) throw hasNotModel(request.model)
    const ask = (server: Server) => this.#complete(server, request, soFar, options)
    const answers = this.#turns.take(options.signal, ask, servers)
    for await (const output of answers) {
      if (output.kind === 'restart') soFar = NOTHING
      if (output.kind === 'chunk') soFar = { text: soFar.text + output.text, tokens: output.tokens }
      yield output
    }
  }

  async embed(texts: readonly string[], options: EmbedOptions): Promise<Embeddings> {
    const model = this.#embeddingModel
    if (model === undefined) {
      throw new EngineFailure(
        'Cannot embed the texts: this worker has no embedding model, INFERENCE_EMBEDDING_MODEL names one',
        { retry: false },
      )
    }
    const answers = this.#turns.take(options.signal, (server) => this.#embed(server, model, texts, options))
    for await (const answer of answers) return answer
    throw new EngineFailure('Cannot embed the texts: no server answered', { retry: true })
  }

  /** An answer, or the rest of it; nobody is asked where all of it is there, and only its end got lost. */
  async *#complete(
    server: Server,
    request: ChatRequest,
    soFar: Prefix,
    options: GenerateOptions,
  ): AsyncGenerator<EngineOutput> {
    if (soFar.tokens < request.maxTokens) yield* this.#ask(server, request, soFar, options)
    else {
      const usage = usageOf({}, request, soFar, soFar.tokens)
      yield { kind: 'end', reason: 'length', usage, model: modelAt(server, request.model) ?? server.model }
    }
  }

  async *#ask(
    server: Server,
    request: ChatRequest,
    soFar: Prefix,
    { signal, onProgress }: GenerateOptions,
  ): AsyncGenerator<EngineOutput> {
    const model = modelAt(server, request.model) ?? server.model
    // A schema holds a whole answer, and not the rest of one.
    const continues = server.canContinue === true && request.responseSchema === undefined
    const from = continues && soFar.text !== '' ? soFar : NOTHING
    let isVoid = soFar.text !== from.text
    let tokens = from.tokens
    const watch = this.#watch(signal)
    try {
      const body = bodyOf(model, request, from)
      const response = await this.#post(server, '/chat/completions', body, watch.signal)
      for await (const read of readAnswer(response)) {
        watch.alive()
        onProgress?.()
        if (read.kind === 'piece') tokens += read.tokens
        const isOver = tokens > request.maxTokens * MAX_PIECES_PER_TOKEN
        if (read.kind === 'piece' && read.text === '' && !isOver) continue
        if (isVoid) yield { kind: 'restart' }
        isVoid = false
        if (read.kind === 'piece') yield { kind: 'chunk', text: read.text, tokens }
        if (read.kind === 'piece' && !isOver) continue
        const { reason, counted, toolCalls } = read.kind === 'end' ? read : stoppedAt(request.maxTokens)
        yield {
          kind: 'end',
          reason,
          usage: usageOf(counted, request, from, tokens),
          model,
          ...namedBy(server),
          ...(toolCalls.length === 0 ? {} : { toolCalls }),
        }
        return
      }
    } finally {
      watch.end()
    }
  }

  async *#embed(
    server: Server,
    model: string,
    texts: readonly string[],
    { signal }: EmbedOptions,
  ): AsyncGenerator<Embeddings> {
    const watch = this.#watch(signal)
    try {
      const body = { model, input: texts, encoding_format: 'float' }
      const response = await this.#post(server, '/embeddings', body, watch.signal)
      yield { ...readEmbeddings(await new Response(response).text(), texts), model, ...namedBy(server) }
    } finally {
      watch.end()
    }
  }

  /** A signal that aborts as `signal` does, and when nothing has been heard for too long. */
  #watch(signal: AbortSignal) {
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(new ServerFailure('silent')), this.#silentMs)
    return {
      signal: AbortSignal.any([signal, silence.signal]),
      alive: () => void timer.refresh(),
      end: () => clearTimeout(timer),
    }
  }

  async #post(
    { baseUrl, apiKey }: Server,
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const { url, authorization } = endpointOf(baseUrl, path, apiKey)
    const response = await this.#fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: path === '/embeddings' ? 'application/json' : 'text/event-stream',
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: JSON.stringify(body),
      signal,
    })
    if (response.ok && response.body !== null) return response.body
    throw failureOfStatus(response.status, response.headers, await readBeginning(response))
  }

  async close(): Promise<void> {}
}

/** The end of an answer that the server itself does not end: nobody pays for more than was asked for. */
function stoppedAt(maxTokens: number): {
  reason: FinishReason
  counted: Counted
  toolCalls: ToolCall[]
} {
  return { reason: 'length', counted: { completion: maxTokens }, toolCalls: [] }
}

/** The name that a server has for a model of the catalogue; undefined where it does not have it. */
function modelAt({ model, models }: Server, id: string | undefined): string | undefined {
  const named = id === undefined ? undefined : modelNamed(id)
  if (id === undefined || (named !== undefined && named.servers === undefined)) return model
  return models?.get(id)
}

function hasNotModel(id: string | undefined): EngineFailure {
  return new EngineFailure(`Cannot answer by model "${id}": no server of this worker has it`, {
    retry: false,
    refused: true,
  })
}

function namedBy({ name }: Server): { server?: string } {
  return name === undefined ? {} : { server: name }
}

/** The address of an endpoint, with the query of the base but without its login, which becomes a header. */
function endpointOf(baseUrl: string, path: string, apiKey: string | undefined) {
  const url = new URL(baseUrl)
  const { username, password } = url
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString(
    'base64',
  )
  url.username = url.password = ''
  url.pathname = url.pathname.replace(/\/*$/, path)
  if (apiKey !== undefined) return { url: url.href, authorization: `Bearer ${apiKey}` }
  return { url: url.href, authorization: username === '' ? undefined : `Basic ${login}` }
}

async function readBeginning({ body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of body ?? []) {
    text += decoder.decode(bytes, { stream: true })
    if (text.length >= MAX_ERROR_CHARACTERS) break
  }
  return text
}

/** What the server has counted, and estimates for the rest. It counts the text that it continued as part of the prompt. */
function usageOf(counted: Counted, request: ChatRequest, from: Prefix, tokens: number): TokenUsage {
  const { prompt, completion } = counted
  const isEstimated = prompt === undefined || (completion === undefined && tokens > from.tokens)
  return {
    prompt:
      prompt === undefined
        ? estimateTokens(request.messages.map(({ content }) => content))
        : Math.max(0, prompt - from.tokens),
    completion: completion === undefined ? tokens : Math.min(request.maxTokens, from.tokens + completion),
    ...(isEstimated ? { estimated: true } : {}),
  }
}
