/**
 * What travels between functions, relay, workers and the stream hub about one job.
 *
 * A job is queued as a row, admitted by the relay to the `INFERENCE` stream as a `JobMessage`, run by one
 * worker, and followed on the job's `TOKENS` subject as `TokenMessage`s closed by one job event.
 */
import { z } from 'zod'

/** A model's words as PostgreSQL can keep them: without NUL, and without halves of characters. */
const Words = z.string().transform((text) => text.replaceAll('\0', '').toWellFormed())

/** A tool that a model wants to be called; `arguments` is JSON text, as the model wrote it, and may be none. */
export const ToolCall = z.strictObject({
  id: z.string().min(1).max(64),
  name: z.string().min(1).max(128),
  arguments: z.string(),
})
export type ToolCall = z.infer<typeof ToolCall>

/** One message of a conversation, as in the OpenAI API: a `tool` message is the answer to the tool call that it names. */
export const ChatMessage = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'user']), content: z.string() }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.string(),
    toolCalls: z.array(ToolCall).optional(),
  }),
  z.strictObject({ role: z.literal('tool'), content: z.string(), toolCallId: z.string().min(1).max(64) }),
])
export type ChatMessage = z.infer<typeof ChatMessage>

const JsonSchema = z.record(z.string(), z.json())

/** A tool that a model may ask to be called; `parameters` is the JSON Schema of its arguments. */
export const ToolSpec = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/),
  description: z.string().optional(),
  parameters: JsonSchema,
})
export type ToolSpec = z.infer<typeof ToolSpec>

/** Requests text. Temperature and top-p as in the OpenAI API (0 is greedy); `seed` makes sampling repeatable. */
export const ChatRequest = z.strictObject({
  messages: z.array(ChatMessage).min(1),
  maxTokens: z.int().min(1).max(8192),
  temperature: z.number().min(0).max(2),
  topP: z.number().gt(0).max(1).optional(),
  seed: z.int().min(0).optional(),
  /** The answer ends before one of these. */
  stop: z.array(z.string().min(1)).max(4).optional(),
  /** Id of a model of the catalogue; the default model where it is absent. */
  model: z.string().optional(),
  /** With them, the answer may be tool calls, and the finish reason is then `tool_calls`. */
  tools: z.array(ToolSpec).min(1).max(128).optional(),
  toolChoice: z
    .union([z.enum(['auto', 'none', 'required']), z.strictObject({ name: z.string() })])
    .optional(),
  /** JSON Schema that the text of the answer must meet. */
  responseSchema: JsonSchema.optional(),
  /** Requests of one conversation have it in common: a worker that has its beginning in memory need not read it again. */
  session: z.uuid().optional(),
})
export type ChatRequest = z.infer<typeof ChatRequest>

/** Requests one vector per text, so that texts that mean the same can be found by it. */
export const EmbedRequest = z.strictObject({
  texts: z.array(z.string().min(1).max(20_000)).min(1).max(64),
})
export type EmbedRequest = z.infer<typeof EmbedRequest>

/** The input of a model. */
export const InferenceRequest = z.union([ChatRequest, EmbedRequest])
export type InferenceRequest = z.infer<typeof InferenceRequest>

/** One job as a worker receives it. */
export const JobMessage = z.object({
  job: z.uuid(),
  tenant: z.uuid(),
  /** The function that requested it and will get the result. */
  function: z.string(),
  path: z.string(),
  request: InferenceRequest,
  /** Base64url key, good for signing the result of this very job and nothing else. */
  resultKey: z.string(),
  traceparent: z.string().optional(),
})
export type JobMessage = z.infer<typeof JobMessage>

/** Tokens as counted by the engine; those of texts that were embedded count as prompt. */
export const TokenUsage = z.strictObject({
  prompt: z.int().min(0),
  completion: z.int().min(0),
  /** Whether the engine counted only a part of it or nothing: the rest follows from the length of the texts. */
  estimated: z.boolean().optional(),
})
export type TokenUsage = z.infer<typeof TokenUsage>

/**
 * Why an answer ended: the model came to its end (`stop`), or to the limit of tokens (`length`), a filter of the model
 * server cut it off (`content_filter`), it called a tool (`tool_calls`), or the server gave no reason that is known
 * (`unknown`).
 */
export const FinishReason = z.enum(['stop', 'length', 'content_filter', 'tool_calls', 'unknown'])
export type FinishReason = z.infer<typeof FinishReason>

/**
 * How many tokens texts have where nobody counted: one for four bytes of UTF-8, which is about right for languages in
 * Latin script, and for others as well, whose characters have more bytes and more tokens.
 */
export function estimateTokens(texts: readonly string[]): number {
  return Math.ceil(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 4)
}

/**
 * What a worker publishes while it runs. `index` rises by one over all messages of a job, across attempts, so
 * that it serves as the SSE event id. `restart` means that the text sent so far is void and begins anew.
 */
export const TokenMessage = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('started'), index: z.int(), attempt: z.int() }),
  z.strictObject({ kind: z.literal('restart'), index: z.int(), attempt: z.int() }),
  z.strictObject({
    kind: z.literal('chunk'),
    index: z.int(),
    attempt: z.int(),
    text: z.string(),
    /** Completion tokens produced so far. */
    tokens: z.int(),
  }),
])
export type TokenMessage = z.infer<typeof TokenMessage>

/** Data of `io.kgents.inference.completed`. What is not known here is dropped: workers may be newer than functions. */
export const Completion = z.object({
  job: z.uuid(),
  /** Empty where vectors were requested. */
  text: Words,
  /** What the model wants to be called, in its order. */
  toolCalls: z.array(ToolCall).optional(),
  /** Tokens of each message of the request, by the tokenizer of the model; absent where the engine does not know. */
  messageTokens: z.array(z.int().min(0)).optional(),
  /** Time that the engine computed for this answer alone, by GPU or CPU; batched sequences share it. */
  computeSeconds: z.number().min(0).optional(),
  /** One for each text of the request, in its order; to be read by `decodeVector`. Their length is one. */
  vectors: z.array(z.string()).optional(),
  /** Places of texts in scripts that the model does not know: their vectors say nothing. */
  unread: z.array(z.int().min(0)).optional(),
  tokens: TokenUsage,
  /** Absent where vectors were requested. */
  finishReason: FinishReason.optional().catch('unknown'),
  engine: z.string(),
  /** Name of the model server that finished the answer, where there are several. */
  server: z.string().optional(),
  /** Vectors of different models cannot be compared. */
  model: z.string(),
  attempt: z.int().min(1),
  durationSeconds: z.number().min(0),
})
export type Completion = z.infer<typeof Completion>

/** Data of `io.kgents.inference.failed`. */
export const InferenceFailure = z.object({
  job: z.uuid(),
  reason: Words,
  /** `INFERENCE_REFUSED`: the request itself was refused, and would be again. `DEADLINE_EXCEEDED`: it waited until its deadline. */
  code: z.enum(['INFERENCE_FAILED', 'INFERENCE_REFUSED', 'DEADLINE_EXCEEDED']).optional().catch(undefined),
  /** What was generated of an answer that was cancelled. */
  tokens: TokenUsage.optional(),
  text: Words.optional(),
  attempt: z.int().min(1),
})
export type InferenceFailure = z.infer<typeof InferenceFailure>
