/** A request of `POST /v1/chat/completions`, as the input of `world.model.complete`. */
import { z } from 'zod'
import type { ChatMessage } from '../../../shared/inference/messages.ts'
import { ANY_JSON_OBJECT, AnswerTokens, defined, JsonForm, text, TOOL, toTool } from './content.ts'
import { Ignored, optional, unsupported } from './read-request.ts'

const Calls = z.array(
  z
    .strictObject({
      id: z.string(),
      type: z.literal('function'),
      function: z.strictObject({ name: z.string(), arguments: z.string() }),
    })
    .transform(({ id, function: { name, arguments: given } }) => ({ id, name, arguments: given })),
)

const Message = z
  .discriminatedUnion('role', [
    z.strictObject({ role: z.enum(['system', 'developer', 'user']), content: text('text'), name: Ignored }),
    z.strictObject({
      role: z.literal('assistant'),
      content: text('text', 'refusal').nullish(),
      tool_calls: Calls.nullish(),
      name: Ignored,
      refusal: Ignored,
      annotations: Ignored,
      audio: unsupported(),
      function_call: unsupported(),
    }),
    z.strictObject({ role: z.literal('tool'), content: text('text'), tool_call_id: z.string() }),
  ])
  .transform((message): ChatMessage => {
    if (message.role === 'tool')
      return { role: 'tool', content: message.content, toolCallId: message.tool_call_id }
    if (message.role === 'assistant') {
      const toolCalls = message.tool_calls ?? []
      return {
        role: 'assistant',
        content: message.content ?? '',
        ...(toolCalls.length === 0 ? {} : { toolCalls }),
      }
    }
    return { role: message.role === 'user' ? 'user' : 'system', content: message.content }
  })

const ToolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z
    .strictObject({ type: z.literal('function'), function: z.strictObject({ name: z.string() }) })
    .transform((choice) => choice.function),
])

const Form = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({ type: z.literal('json_schema'), json_schema: z.strictObject(JsonForm) }),
  ])
  .transform((form) => {
    if (form.type === 'text') return undefined
    return form.type === 'json_object' ? ANY_JSON_OBJECT : form.json_schema.schema
  })

export const ChatRequest = z
  .strictObject({
    model: z.string().min(1),
    messages: z.array(Message).min(1),
    max_tokens: optional(AnswerTokens),
    max_completion_tokens: optional(AnswerTokens),
    temperature: optional(z.number().min(0).max(2)),
    top_p: optional(z.number().gt(0).max(1)),
    seed: optional(z.int().min(0)),
    stop: optional(z.union([z.string().transform((one) => [one]), z.array(z.string()).max(4)])),
    tools: optional(
      z.array(
        z.strictObject({ type: z.literal('function'), function: z.strictObject(TOOL).transform(toTool) }),
      ),
    ),
    tool_choice: optional(ToolChoice),
    response_format: optional(Form),
    stream: optional(z.boolean()),
    stream_options: optional(z.looseObject({ include_usage: z.boolean().optional() })),
    // Change nothing about the answer that this platform could do.
    metadata: Ignored,
    parallel_tool_calls: Ignored,
    prompt_cache_key: Ignored,
    prompt_cache_retention: Ignored,
    reasoning_effort: Ignored,
    safety_identifier: Ignored,
    service_tier: Ignored,
    store: Ignored,
    user: Ignored,
    verbosity: Ignored,
    // Would change it.
    audio: unsupported(),
    frequency_penalty: unsupported(0),
    function_call: unsupported(),
    functions: unsupported(),
    logit_bias: unsupported(),
    logprobs: unsupported(false),
    modalities: optional(z.tuple([z.literal('text')])),
    n: unsupported(1),
    prediction: unsupported(),
    presence_penalty: unsupported(0),
    top_logprobs: unsupported(0),
    web_search_options: unsupported(),
  })
  .transform((request) => ({
    stream: request.stream ?? false,
    includeUsage: request.stream_options?.include_usage ?? false,
    input: defined({
      model: request.model,
      messages: request.messages,
      maxTokens: request.max_completion_tokens ?? request.max_tokens,
      temperature: request.temperature,
      topP: request.top_p,
      seed: request.seed,
      stop: atLeastOne(request.stop),
      tools: atLeastOne(request.tools?.map((tool) => tool.function)),
      toolChoice: request.tool_choice,
      responseSchema: request.response_format,
    }),
  }))
export type ChatRequest = z.output<typeof ChatRequest>

/** An empty list asks for nothing. */
function atLeastOne<T>(list: T[] | undefined): T[] | undefined {
  return list?.length === 0 ? undefined : list
}
