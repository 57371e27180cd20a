/**
 * What a worker needs from whatever runs the model. Everything about queues, tenants and retries stays outside:
 * an engine turns one request into text, or texts into vectors, counts tokens, and stops on request.
 */
import type { ChatRequest, FinishReason, TokenUsage, ToolCall } from '../../shared/inference/messages.ts'

/** What an earlier attempt has already generated; the engine goes on right after it, or begins anew. */
export interface Prefix {
  text: string
  /** Completion tokens that `text` took; they count towards the request's `maxTokens`. */
  tokens: number
}

/** One step of an answer. `end` comes exactly once and last; an engine that cannot reach it throws. */
export type EngineOutput =
  /** The text so far, the prefix included, is void: what follows is a new answer. */
  | { kind: 'restart' }
  | {
      kind: 'chunk'
      /** New text, never empty; the prefix is not repeated. */
      text: string
      /** Completion tokens so far, those of the prefix included. */
      tokens: number
    }
  | {
      kind: 'end'
      reason: FinishReason
      /** Tokens of the whole answer, those of the prefix included. */
      usage: TokenUsage
      /** The model that answered. */
      model: string
      /** Name of the server that finished the answer, where there are several. */
      server?: string
      /** With the reason `tool_calls`. */
      toolCalls?: ToolCall[]
      /** Tokens of each message of the request. */
      messageTokens?: number[]
      /** Of the prompt, those that had been read for an earlier request of the same tenant. */
      reusedTokens?: number
      /** Time that the engine computed for this answer alone. */
      computeSeconds?: number
    }

export interface GenerateOptions {
  /** Stops the engine at once; `generate` then throws the signal's reason. */
  signal: AbortSignal
  prefix?: Prefix
  /** What has been read for one tenant is of use to no other. */
  tenant?: string
  /** Called while the engine works and has no text, as a model that thinks. */
  onProgress?: () => void
}

/** What texts mean, by an embedding model. */
export interface Embeddings {
  /** One for each text, in their order; of any length but zero. */
  vectors: Float32Array[]
  /** Tokens of all texts together. */
  tokens: number
  /** Whether `tokens` is no count, but follows from the length of the texts. */
  estimated?: boolean
  /** Name of the server that answered, where there are several. */
  server?: string
  /** Time that the engine computed for these vectors alone. */
  computeSeconds?: number
  /** The embedding model: vectors of different models cannot be compared. */
  model: string
}

export interface EmbedOptions {
  /** Stops the engine soon; `embed` then throws the signal's reason. */
  signal: AbortSignal
  /** Called now and then while the engine works, by engines that know. */
  onProgress?: () => void
}

export interface Engine {
  /** The kind of engine, such as `llama-cpp`. */
  readonly name: string
  readonly model: string
  /** Requests that it runs at the same time; callers never start more. */
  readonly concurrency: number
  generate(request: ChatRequest, options: GenerateOptions): AsyncIterable<EngineOutput>
  /** Fails for good where the engine has no embedding model, with how to configure one. */
  embed(texts: readonly string[], options: EmbedOptions): Promise<Embeddings>
  close(): Promise<void>
}

/** An engine could not answer. The message names no prompt and no secret: it reaches the caller's error. */
export class EngineFailure extends Error {
  override readonly name = 'EngineFailure'
  /** Whether the same request may succeed later or on another worker. */
  readonly retry: boolean
  /** Whether the request itself is at fault: whoever sends it has to change it. */
  readonly refused: boolean
  /** Before which trying again makes no sense. */
  readonly retryAfterSeconds: number

  constructor(
    message: string,
    options: { retry: boolean; refused?: boolean; retryAfterSeconds?: number; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.retry = options.retry
    this.refused = options.refused ?? false
    this.retryAfterSeconds = options.retryAfterSeconds ?? 0
  }
}
