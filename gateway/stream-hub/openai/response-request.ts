/** A request of `POST /v1/responses`, as the input of `world.model.complete`. */
import { z } from 'zod'
import type { ChatMessage } from '../../../shared/inference/messages.ts'
import { ANY_JSON_OBJECT, AnswerTokens, defined, JsonForm, text, TOOL, toTool } from './content.ts'
import { Ignored, optional, unsupported } from './read-request.ts'
import { jobIn } from './response-ids.ts'

const words = text('input_text', 'output_text', 'refusal')

const Item = z.union([
  z
    .strictObject({
      type: z.literal('message').optional(),
      role: z.enum(['system', 'developer', 'user', 'assistant']),
      content: words,
      id: Ignored,
      status: Ignored,
      phase: Ignored,
    })
    .transform(({ role, content }): ChatMessage => {
      if (role === 'assistant') return { role, content }
      return { role: role === 'user' ? 'user' : 'system', content }
    }),
  z
    .strictObject({
      type: z.literal('function_call'),
      call_id: z.string(),
      name: z.string(),
      arguments: z.string(),
      id: Ignored,
      status: Ignored,
    })
    .transform(({ call_id, name, arguments: given }): ChatMessage => {
      return { role: 'assistant', content: '', toolCalls: [{ id: call_id, name, arguments: given }] }
    }),
  z
    .strictObject({
      type: z.literal('function_call_output'),
      call_id: z.string(),
      output: words,
      id: Ignored,
      status: Ignored,
    })
    .transform(({ call_id, output }): ChatMessage => ({
      role: 'tool',
      content: output,
      toolCallId: call_id,
    })),
])

const Input = z
  .union([
    z.string().transform((content): ChatMessage[] => [{ role: 'user', content }]),
    z.array(Item).min(1),
  ])
  .transform(joinCalls)

/** Calls that a model made together, and what it said before them, are one message to it. */
function joinCalls(messages: readonly ChatMessage[]): ChatMessage[] {
  const joined: ChatMessage[] = []
  for (const message of messages) {
    const last = joined.at(-1)
    if (message.role === 'assistant' && message.toolCalls !== undefined && last?.role === 'assistant')
      joined[joined.length - 1] = { ...last, toolCalls: [...(last.toolCalls ?? []), ...message.toolCalls] }
    else joined.push(message)
  }
  return joined
}

const Tool = z.strictObject({ type: z.literal('function'), ...TOOL }).transform(toTool)

const ToolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z.strictObject({ type: z.literal('function'), name: z.string() }).transform(({ name }) => ({ name })),
])

const Form = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({ type: z.literal('json_schema'), ...JsonForm }),
  ])
  .transform((form) => {
    if (form.type === 'text') return undefined
    return form.type === 'json_object' ? ANY_JSON_OBJECT : form.schema
  })

export const ResponseRequest = z
  .strictObject({
    model: z.string().min(1),
    input: Input,
    instructions: optional(z.string().min(1)),
    previous_response_id: optional(z.string().transform(jobIn)),
    max_output_tokens: optional(AnswerTokens),
    temperature: optional(z.number().min(0).max(2)),
    top_p: optional(z.number().gt(0).max(1)),
    tools: optional(z.array(Tool)),
    tool_choice: optional(ToolChoice),
    text: optional(z.strictObject({ format: optional(Form), verbosity: Ignored })),
    stream: optional(z.boolean()),
    store: optional(z.boolean()),
    background: optional(z.boolean()),
    // Change nothing about the answer that this platform could do.
    include: Ignored,
    max_tool_calls: Ignored,
    metadata: Ignored,
    parallel_tool_calls: Ignored,
    prompt_cache_key: Ignored,
    prompt_cache_retention: Ignored,
    reasoning: Ignored,
    safety_identifier: Ignored,
    service_tier: Ignored,
    stream_options: Ignored,
    user: Ignored,
    // Would change it.
    context_management: unsupported(),
    conversation: unsupported(),
    prompt: unsupported(),
    top_logprobs: unsupported(0),
    truncation: unsupported('disabled'),
  })
  .transform((request) => ({
    stream: request.stream ?? false,
    background: request.background ?? false,
    input: defined({
      model: request.model,
      messages: request.input,
      instructions: request.instructions,
      previous: request.previous_response_id,
      maxTokens: request.max_output_tokens,
      temperature: request.temperature,
      topP: request.top_p,
      tools: request.tools?.length === 0 ? undefined : request.tools,
      toolChoice: request.tool_choice,
      responseSchema: request.text?.format,
      store: request.store,
    }),
  }))
