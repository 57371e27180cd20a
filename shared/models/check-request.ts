/** What can be known to be wrong with a request to a model before a worker has it; the worker counts exactly. */
import { Failure } from '../failures.ts'
import type { ChatRequest, EmbedRequest } from '../inference/messages.ts'
import type { Tier } from '../plans/tiers.ts'
import { checkResponseSchema, checkSize } from './response-schema.ts'
import { findModel, type Model, type ModelFeature } from './catalogue.ts'

/** No tokenizer has longer tokens in ordinary text: fewer tokens than bytes divided by it there cannot be. */
const MAX_TOKEN_BYTES = 16

/**
 * The model that a request is for.
 *
 * @throws Failure NOT_FOUND, TIER_REQUIRED; INFERENCE_REFUSED where the prompt is too long for the model, or where the model
 *   cannot do what is asked
 */
export function checkRequest(request: ChatRequest | EmbedRequest, plan: Tier | { id: Tier }): Model {
  if ('texts' in request) return findModel(undefined, plan, 'embedding')
  const model = findModel(request.model, plan)
  if (request.tools !== undefined) checkFeature(model, 'tools', 'takes no tools')
  for (const { parameters } of request.tools ?? []) checkSize(parameters)
  checkTools(request)
  if (request.responseSchema !== undefined) {
    checkFeature(model, 'json_schema', 'is held to no JSON schema')
    checkResponseSchema(request.responseSchema)
  }
  checkLength(request, model)
  return model
}

function checkTools({ tools = [], toolChoice, messages }: ChatRequest): void {
  const names = tools.map(({ name }) => name)
  if (new Set(names).size < names.length)
    refuse('two tools have one name', 'Give each tool a name of its own')
  const wanted = typeof toolChoice === 'object' ? toolChoice.name : undefined
  if (wanted !== undefined && !names.includes(wanted))
    refuse(`no tool is called "${wanted.slice(0, 100)}"`, 'Choose one of the tools of the request')
  if (toolChoice === 'required' && names.length === 0)
    refuse('a tool is required, and there is none', 'Send tools with the request')
  const called = new Set(
    messages.flatMap((message) =>
      message.role === 'assistant' ? (message.toolCalls ?? []).map(({ id }) => id) : [],
    ),
  )
  const stray = messages.find((message) => message.role === 'tool' && !called.has(message.toolCallId))
  if (stray?.role === 'tool')
    refuse(
      `a "tool" message answers "${stray.toolCallId}", which nobody called`,
      'Send the message with the tool call too',
    )
}

function refuse(why: string, suggestion: string): never {
  throw new Failure('INFERENCE_REFUSED', `Cannot ask the model: ${why}`, { suggestion })
}

function checkFeature({ id, features }: Model, feature: ModelFeature, why: string): void {
  if (features.includes(feature)) return
  throw new Failure('INFERENCE_REFUSED', `Cannot ask model "${id}": it ${why}`, {
    suggestion: 'Use a model with that feature, see GET /v1/models',
    details: { model: id, feature },
  })
}

function checkLength({ messages, tools = [] }: ChatRequest, { id, contextTokens }: Model): void {
  const texts = [...messages.map(({ content }) => content), ...tools.map((tool) => JSON.stringify(tool))]
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  const tokens = Math.ceil(bytes / MAX_TOKEN_BYTES)
  if (tokens < contextTokens) return
  throw new Failure(
    'INFERENCE_REFUSED',
    `Cannot ask model "${id}": the prompt has at least ${tokens} tokens, and its context holds ${contextTokens}`,
    {
      suggestion: 'Send less text, or use a model with a larger context',
      details: { model: id, at_least_tokens: tokens, context_tokens: contextTokens },
    },
  )
}
