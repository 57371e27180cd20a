/** One answer of a model in this process: by words, by JSON that a grammar holds to a schema, or by calls of tools. */
import { randomInt } from 'node:crypto'
import {
  LlamaChat,
  type ChatWrapper,
  type GbnfJsonSchema,
  type Llama,
  type LLamaContextualRepeatPenalty,
  type LlamaChatResponseChunk,
  type LlamaContextSequence,
  type LlamaGrammar,
  type LlamaModel,
} from 'node-llama-cpp'
import type { ChatRequest, FinishReason, ToolCall } from '../../shared/inference/messages.ts'
import { EngineFailure, type EngineOutput, type GenerateOptions, type Prefix } from './engine.ts'
import { toGrammarSchema } from './grammar-schema.ts'
import { nameOf } from './llama-cpp-embedder.ts'
import { choiceOf, countMessages, mustCall, promptOf, templateOf, type Prompt } from './llama-cpp-prompt.ts'
import { createQueue } from './queue.ts'
import { newToolCallId, readCall } from './tool-calls.ts'

/** Tokens that the repeat penalty covers. */
const PENALTY_TOKENS = 64
/** Calls in one answer. */
const MAX_CALLS = 8

/** The type of the library infers what it is given, which nobody needs here. */
type GbnfJsonAnySchema = GbnfJsonSchema & { type: 'string' }

/** How one answer is generated. */
interface Run {
  request: ChatRequest
  prompt: Prompt
  prefix: Prefix
  maxTokens: number
  grammar: LlamaGrammar | undefined
  signal: AbortSignal
}

/** What the library reports: pieces while it generates, and the response when it has. */
type Reported = { piece: LlamaChatResponseChunk } | { call: string } | { response: Response }

/** What is read of a response, with tools and without. */
interface Response {
  functionCalls?: readonly { functionName: string; params: unknown }[] | undefined
  metadata: { stopReason: string }
}

export class LlamaCppAnswers {
  readonly #llama: Llama
  readonly #model: LlamaModel
  readonly #repeatPenalty: number
  readonly #fresh: ChatWrapper
  readonly #continuing: ChatWrapper

  constructor(llama: Llama, model: LlamaModel, repeatPenalty: number) {
    this.#llama = llama
    this.#model = model
    this.#repeatPenalty = repeatPenalty
    this.#fresh = templateOf(model, true)
    // With trimming, the space between the prefix and the next word would be lost.
    this.#continuing = templateOf(model, false)
  }

  prepare(request: ChatRequest): Prompt {
    return promptOf(request, this.#fresh, this.#model)
  }

  /** @throws EngineFailure; what the signal was aborted with */
  async *answer(
    sequence: LlamaContextSequence,
    request: ChatRequest,
    prompt: Prompt,
    { signal, prefix: before = NOTHING, onProgress }: GenerateOptions,
  ): AsyncGenerator<EngineOutput> {
    const promptTokens = prompt.tokens.length
    const room = roomFor(promptTokens, sequence)
    const grammar = await this.#grammarFor(request)
    // A grammar begins at its beginning: what has been written before would have to be read by it.
    const prefix = grammar === undefined ? before : NOTHING
    if (prefix.text !== before.text) yield { kind: 'restart' }
    const limit = Math.min(request.maxTokens, room)
    const read = sequence.tokenMeter.getState()
    let tokens = prefix.tokens
    let response: Response | undefined
    let hidden = ''
    const run = { request, prompt, prefix, maxTokens: limit - tokens, grammar, signal }
    for await (const reported of limit > tokens ? this.#respond(sequence, run) : []) {
      if ('response' in reported) response = reported.response
      if ('piece' in reported) {
        const { type, text } = reported.piece
        tokens += reported.piece.tokens.length
        if (mustCall(request)) hidden += text
        // What a reasoning model thinks costs tokens and is not part of the answer.
        else if (type === undefined && text !== '') {
          yield { kind: 'chunk', text, tokens }
          continue
        }
      }
      onProgress?.()
    }
    const used = sequence.tokenMeter.diff(read)
    const toolCalls = mustCall(request) ? readCall(hidden) : callsOf(response)
    // Tokens of calls are in no piece.
    if (toolCalls.length > 0)
      tokens = Math.min(limit, Math.max(tokens, prefix.tokens + used.usedOutputTokens))
    yield {
      kind: 'end',
      reason: toolCalls.length > 0 ? 'tool_calls' : reasonOf(response),
      usage: { prompt: promptTokens, completion: tokens },
      // As callers know it: the model of the file is the one that the request names.
      model: request.model ?? nameOf(this.#model),
      messageTokens: countMessages(request, this.#model),
      // The last token of a prompt counts as read with the first one of the answer.
      reusedTokens: Math.max(0, promptTokens - used.usedInputTokens - 1),
      ...(toolCalls.length === 0 ? {} : { toolCalls }),
    }
  }

  /** The library reports by callback. */
  async *#respond(sequence: LlamaContextSequence, run: Run): AsyncGenerator<Reported> {
    const { prefix, signal } = run
    const chatWrapper = prefix.text === '' ? this.#fresh : this.#continuing
    const chat = new LlamaChat({ contextSequence: sequence, chatWrapper })
    const abandoned = new AbortController()
    const reports = createQueue<Reported>()
    const response = this.#start(chat, run, AbortSignal.any([signal, abandoned.signal]), reports)
      .then((whole) => {
        reports.push({ response: whole })
        reports.end()
      })
      .catch((error: unknown) => reports.fail(error))
    try {
      yield* reports
    } catch (error) {
      signal.throwIfAborted()
      throw new EngineFailure('Cannot finish the answer: llama.cpp failed', { retry: true, cause: error })
    } finally {
      abandoned.abort()
      await response
      chat.dispose({ disposeSequence: false })
    }
  }

  async #start(chat: LlamaChat, run: Run, signal: AbortSignal, reports: { push(value: Reported): void }) {
    const { request, prompt, prefix, maxTokens, grammar } = run
    const { functions, history } = prompt
    const { topP, stop, temperature } = request
    const how = {
      maxTokens,
      temperature,
      ...(topP === undefined ? {} : { topP }),
      ...(stop === undefined ? {} : { customStopTriggers: stop }),
      // The library's own default is the time in seconds: equal prompts of one second would get equal answers.
      seed: request.seed ?? randomInt(2 ** 31),
      repeatPenalty: this.#penaltyAfter(prefix.text),
      signal,
      onResponseChunk: (piece: LlamaChatResponseChunk) => reports.push({ piece }),
    }
    const whole = [...history, { type: 'model' as const, response: prefix.text === '' ? [] : [prefix.text] }]
    if (grammar !== undefined) return chat.generateResponse(whole, { ...how, grammar })
    if (functions === undefined) return chat.generateResponse(whole, how)
    return chat.generateResponse(whole, {
      ...how,
      functions,
      documentFunctionParams: true,
      maxParallelFunctionCalls: MAX_CALLS,
      onFunctionCallParamsChunk: ({ functionName }) => reports.push({ call: functionName }),
    })
  }

  /** @throws EngineFailure where no grammar can be made of the schema */
  async #grammarFor(request: ChatRequest): Promise<LlamaGrammar | undefined> {
    const { responseSchema, tools, toolChoice } = request
    if (responseSchema !== undefined && tools !== undefined && toolChoice !== 'none') {
      throw refused('this model is not held to a JSON schema and given tools at once')
    }
    const schema = responseSchema === undefined ? undefined : toGrammarSchema(responseSchema)
    const wanted = mustCall(request) ? callSchemaOf(request) : schema
    if (wanted === undefined) return undefined
    try {
      return await this.#llama.createGrammarForJsonSchema(wanted as GbnfJsonAnySchema)
    } catch (error) {
      throw refused('no grammar can be made of its JSON schema', error)
    }
  }

  #penaltyAfter(prefix: string): false | LLamaContextualRepeatPenalty {
    if (this.#repeatPenalty === 1) return false
    const before = prefix === '' ? [] : this.#model.tokenize(prefix)
    return {
      penalty: this.#repeatPenalty,
      lastTokens: PENALTY_TOKENS,
      punishTokensFilter: (tokens) => [...before, ...tokens].slice(-PENALTY_TOKENS),
    }
  }
}

const NOTHING: Prefix = { text: '', tokens: 0 }

/** Without a check the library makes room by dropping the beginning of the conversation. */
function roomFor(promptTokens: number, { contextSize }: LlamaContextSequence): number {
  const room = contextSize - promptTokens - 1
  if (room >= 1) return room
  throw new EngineFailure(
    `Cannot answer a prompt of ${promptTokens} tokens: the context holds ${contextSize}`,
    { retry: false, refused: true },
  )
}

function refused(why: string, cause?: unknown): EngineFailure {
  return new EngineFailure(`Cannot answer: ${why}`, { retry: false, refused: true, cause })
}

/** An object with the name of a tool and its arguments, for an answer that has to be a call. */
function callSchemaOf(request: ChatRequest) {
  const calls = choiceOf(request).map(({ name, parameters }) => ({
    type: 'object' as const,
    properties: { name: { const: name }, arguments: toGrammarSchema(parameters) },
  }))
  return { oneOf: calls } as GbnfJsonSchema // reason: definitions of each tool are its own
}

/** Where the limit ended the answer, so did it a call that had begun. */
function callsOf(response: Response | undefined): ToolCall[] {
  return (response?.functionCalls ?? []).map(({ functionName, params }) => ({
    id: newToolCallId(),
    name: functionName,
    arguments: JSON.stringify(params ?? {}),
  }))
}

function reasonOf(response: Response | undefined): FinishReason {
  return response === undefined || response.metadata.stopReason === 'maxTokens' ? 'length' : 'stop'
}
