/**
 * Reads what servers answer in the OpenAI protocol, each in its own dialect: what is needed is read wherever it stands, and
 * what is absent, null or unknown is passed over. An answer is lost only where its text is not whole.
 */
import { z } from 'zod'
import { readServerSentEvents } from '../../shared/http/server-sent-events.ts'
import { estimateTokens, type FinishReason, type ToolCall } from '../../shared/inference/messages.ts'
import { decodeVector } from '../../shared/inference/vectors.ts'
import type { Embeddings } from './engine.ts'
import { failureInAnswer, parseJson, ServerFailure } from './openai-failure.ts'
import { ToolCallReader } from './openai-tool-calls.ts'

/** Tokens as a server has counted them; absent where it has not. */
export interface Counted {
  prompt?: number
  completion?: number
}

/** One step of an answer; `end` comes last. */
export type Read =
  /** `tokens` is an estimate of what this took; the text is empty where the model thinks. */
  | { kind: 'piece'; text: string; tokens: number }
  | { kind: 'end'; reason: FinishReason; counted: Counted; toolCalls: ToolCall[] }

const Choice = z.looseObject({
  index: z.unknown().optional(),
  delta: z.looseObject({}).nullish().catch(undefined),
  message: z.looseObject({}).nullish().catch(undefined),
  text: z.unknown().optional(),
  finish_reason: z.unknown().optional(),
  usage: z.unknown().optional(),
})

const Chunk = z.looseObject({
  choices: z.array(Choice).catch([]),
  usage: z.unknown().optional(),
  /** Where Groq has the usage. */
  x_groq: z.looseObject({ usage: z.unknown().optional() }).optional().catch(undefined),
  error: z.unknown().optional(),
})
type Chunk = z.infer<typeof Chunk>

/** What servers call the end of an answer, in lower case. `error` is none: the answer broke off. */
const FINISH_REASONS = new Map<string, FinishReason | 'error'>(
  Object.entries({
    stop: 'stop',
    eos: 'stop',
    eos_token: 'stop',
    end_turn: 'stop',
    stop_sequence: 'stop',
    length: 'length',
    max_tokens: 'length',
    model_length: 'length',
    content_filter: 'content_filter',
    safety: 'content_filter',
    refusal: 'content_filter',
    tool_calls: 'tool_calls',
    tool_use: 'tool_calls',
    function_call: 'tool_calls',
    error: 'error',
    abort: 'error',
    insufficient_system_resource: 'error',
  }),
)

/** A token is hardly ever longer; an event with more bytes is taken for several tokens. */
const MAX_TOKEN_BYTES = 16

/**
 * The pieces of an answer, whether it comes as events or, from a server that does not stream, as one JSON text.
 *
 * @throws ServerFailure where it broke off, or where an error stands in it
 */
export async function* readAnswer(body: AsyncIterable<Uint8Array>): AsyncGenerator<Read> {
  const { opening, bytes } = await peek(body)
  const chunks = opening === '{' ? readWhole(bytes) : readStream(bytes)
  const counted: Counted = {}
  const calls = new ToolCallReader()
  let reason: FinishReason | undefined
  let begun = false
  try {
    for await (const chunk of chunks) {
      if (chunk === 'done') {
        if (begun) reason ??= 'unknown'
        break
      }
      const choice = chunk.choices.find(isFirst)
      begun ||= choice !== undefined
      Object.assign(counted, countIn(chunk.usage ?? chunk.x_groq?.usage ?? choice?.usage))
      const piece = pieceOf(choice)
      if (piece !== undefined) yield piece
      const called = calls.read(callsIn(choice))
      if (called !== '') yield { kind: 'piece', text: '', tokens: tokensIn(called) }
      reason = reasonOf(choice?.finish_reason) ?? reason
      // The usage alone comes after everything else.
      if (begun && chunk.choices.length === 0 && counted.completion !== undefined) reason ??= 'unknown'
    }
  } catch (error) {
    // What breaks after the reason for the end leaves the text whole.
    if (reason === undefined)
      throw error instanceof ServerFailure ? error : new ServerFailure('brokenOff', { cause: error })
  }
  if (reason === undefined) throw new ServerFailure('brokenOff')
  const toolCalls = reason === 'length' ? [] : calls.end()
  yield { kind: 'end', reason: toolCalls.length > 0 ? 'tool_calls' : reason, counted, toolCalls }
}

/** The first character of a body that is not blank, and the body with it. */
async function peek(
  body: AsyncIterable<Uint8Array>,
): Promise<{ opening: string; bytes: AsyncIterable<Uint8Array> }> {
  const iterator = body[Symbol.asyncIterator]()
  const decoder = new TextDecoder()
  const first: Uint8Array[] = []
  let opening = ''
  while (opening === '') {
    const next = await iterator.next()
    if (next.done === true) break
    first.push(next.value)
    opening = decoder.decode(next.value, { stream: true }).trimStart().slice(0, 1)
  }
  async function* all() {
    try {
      yield* first
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value
    } finally {
      await iterator.return?.()
    }
  }
  return { opening, bytes: all() }
}

async function* readWhole(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Chunk | 'done'> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const part of bytes) text += decoder.decode(part, { stream: true })
  const chunk = readChunk(text + decoder.decode())
  if (chunk.choices.length === 0) throw new ServerFailure('unreadable')
  yield chunk
  yield 'done'
}

async function* readStream(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Chunk | 'done'> {
  for await (const { data } of readServerSentEvents(bytes)) {
    const text = data.trim()
    if (text === '[DONE]') yield 'done'
    // Other words keep the line open; half an object is a piece that is missing.
    else if (text.startsWith('{')) yield readChunk(text)
  }
}

function isFirst({ index }: z.infer<typeof Choice>): boolean {
  return index === undefined || index === null || Number(index) === 0
}

function readChunk(text: string): Chunk {
  const result = Chunk.safeParse(parseJson(text))
  if (!result.success) throw new ServerFailure('unreadable', { cause: result.error })
  const failure = failureInAnswer(errorIn(result.data))
  if (failure !== undefined) throw failure
  return result.data
}

/** Some servers do not wrap their errors. */
function errorIn(chunk: Chunk): unknown {
  return chunk['object'] === 'error' || chunk['type'] === 'error' ? (chunk.error ?? chunk) : chunk.error
}

/** Tool calls in a choice; those of the old form have no list, and are one. */
function callsIn(choice: z.infer<typeof Choice> | undefined): unknown {
  const from = choice?.delta ?? choice?.message
  const { tool_calls: calls, function_call: call } = from ?? {}
  return calls ?? (typeof call === 'object' && call !== null ? [{ index: 0, function: call }] : undefined)
}

/** What a choice adds to the answer. A message beside a delta repeats the whole answer so far. */
function pieceOf(choice: z.infer<typeof Choice> | undefined): Read | undefined {
  const from = choice?.delta ?? choice?.message
  const text = textOf(from?.['content'] ?? choice?.text) || textOf(from?.['refusal'])
  const thought = textOf(from?.['reasoning_content']) || textOf(from?.['reasoning'])
  const tokens = tokensIn(text) + tokensIn(thought)
  if (tokens > 0) return { kind: 'piece', text, tokens }
  return Array.isArray(from?.['content']) ? { kind: 'piece', text: '', tokens: 0 } : undefined
}

function tokensIn(text: string): number {
  if (text === '') return 0
  return Buffer.byteLength(text) <= MAX_TOKEN_BYTES ? 1 : estimateTokens([text])
}

/** Text as it is, or the texts in a list of parts; what the model thinks is not part of the answer. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (Array.isArray(content)) return content.map(textOf).join('')
  if (typeof content !== 'object' || content === null) return ''
  const { type, text } = content as { type?: unknown; text?: unknown }
  return typeof text === 'string' && !/think|reason/.test(String(type)) ? text : ''
}

/** @throws ServerFailure where the server reports that it could not finish */
function reasonOf(value: unknown): FinishReason | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  const reason = FINISH_REASONS.get(value.toLowerCase()) ?? 'unknown'
  if (reason === 'error') throw new ServerFailure('brokenOff')
  return reason
}

const Usage = z.looseObject({
  prompt_tokens: z.unknown().optional(),
  completion_tokens: z.unknown().optional(),
  total_tokens: z.unknown().optional(),
})

/** What a usage counts. A sum that is no more than the prompt is that of an answer that had not begun. */
function countIn(usage: unknown): Counted {
  const { prompt_tokens, completion_tokens } = Usage.safeParse(usage).data ?? {}
  const [prompt, total] = [countOf(prompt_tokens), totalIn(usage)]
  const rest = prompt !== undefined && total !== undefined && total > prompt ? total - prompt : undefined
  const completion = countOf(completion_tokens) ?? rest
  return { ...(prompt === undefined ? {} : { prompt }), ...(completion === undefined ? {} : { completion }) }
}

function totalIn(usage: unknown): number | undefined {
  return countOf(Usage.safeParse(usage).data?.total_tokens)
}

/** A count, also where it comes as text; zero is what servers write that do not count. */
function countOf(value: unknown): number | undefined {
  const count = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : undefined
}

const EmbeddingsAnswer = z.looseObject({
  data: z.array(
    z.looseObject({
      index: z
        .union([
          z.int(),
          z
            .string()
            .regex(/^\d{1,9}$/)
            .transform(Number),
        ])
        .nullish(),
      embedding: z.union([z.array(z.number()).min(1), z.string().min(1)]),
    }),
  ),
  usage: z.unknown().optional(),
  error: z.unknown().optional(),
})

/**
 * The vectors of `texts`. Servers may answer in any order; without an index, a vector belongs to the text in its place.
 *
 * @throws ServerFailure where the answer is not about these texts
 */
export function readEmbeddings(answer: string, texts: readonly string[]): Omit<Embeddings, 'model'> {
  const parsed = parseJson(answer)
  const failure = failureInAnswer(z.object({ error: z.unknown().optional() }).safeParse(parsed).data?.error)
  if (failure !== undefined) throw failure
  const result = EmbeddingsAnswer.safeParse(parsed)
  if (!result.success) throw new ServerFailure('unreadable', { cause: result.error })
  const { data, usage } = result.data
  const placed = data.map(({ index, embedding }, place) => ({ place: index ?? place, embedding }))
  const sorted = placed.toSorted((a, b) => a.place - b.place)
  const vectors = sorted.map(({ embedding }) => vectorOf(embedding))
  const isAbout = sorted.length === texts.length && sorted.every(({ place }, at) => place === at)
  if (!isAbout || new Set(vectors.map(({ length }) => length)).size > 1) throw new ServerFailure('unreadable')
  const tokens = countIn(usage).prompt ?? totalIn(usage)
  return tokens === undefined
    ? { vectors, tokens: estimateTokens(texts), estimated: true }
    : { vectors, tokens }
}

function vectorOf(embedding: number[] | string): Float32Array {
  if (typeof embedding !== 'string') return Float32Array.from(embedding)
  try {
    return decodeVector(embedding)
  } catch (cause) {
    throw new ServerFailure('unreadable', { cause })
  }
}
