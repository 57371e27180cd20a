/** A response of the Responses API, from what was asked and how its job goes. */
import type { CompletionInput, CompletionOutput } from '../../../functions/agentese/world/model/shapes.ts'
import { failureFrom } from '../../../shared/failures.ts'
import type { ToolCall } from '../../../shared/inference/messages.ts'
import { openAiErrorBody } from '../../../shared/http/openai-error.ts'
import { idOf } from './response-ids.ts'

export interface Asked {
  job: string
  /** Seconds since 1970. */
  createdAt: number
  background: boolean
  input: Partial<CompletionInput>
}

export type JobStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled'

/** How far it is. */
export interface Progress {
  status: JobStatus
  output?: CompletionOutput | undefined
  /** Why it failed; members of a problem. */
  error?: unknown
}

const STATUSES = { queued: 'queued', running: 'in_progress', failed: 'failed', cancelled: 'cancelled' }

export function responseOf(
  { job, createdAt, background, input }: Asked,
  { status, output, error }: Progress,
) {
  const { tools = [], toolChoice = 'auto', responseSchema, previous } = input
  return {
    id: idOf('resp', job),
    object: 'response',
    created_at: createdAt,
    status: status === 'completed' ? doneAs(output) : STATUSES[status],
    background,
    error: status === 'failed' ? errorOf(error) : null,
    incomplete_details: output?.finishReason === 'length' ? { reason: 'max_output_tokens' } : null,
    instructions: input.instructions ?? null,
    max_output_tokens: input.maxTokens ?? null,
    model: input.model ?? output?.model ?? '',
    output: output === undefined ? [] : itemsOf(job, output),
    parallel_tool_calls: true,
    previous_response_id: previous === undefined ? null : idOf('resp', previous),
    reasoning: { effort: null, summary: null },
    store: input.store ?? true,
    temperature: input.temperature ?? 1,
    text: { format: formatOf(responseSchema) },
    tool_choice: typeof toolChoice === 'string' ? toolChoice : { type: 'function', name: toolChoice.name },
    tools: tools.map((tool) => ({ type: 'function', strict: false, ...tool })),
    top_p: input.topP ?? 1,
    truncation: 'disabled',
    usage: output === undefined ? null : usageOf(output),
    metadata: {},
  }
}

/** What an answer consists of, in its order: words, then calls. */
function itemsOf(job: string, { text, toolCalls, finishReason }: CompletionOutput) {
  const status = finishReason === 'length' ? 'incomplete' : 'completed'
  const words = text === '' && toolCalls.length > 0 ? [] : [messageItem(job, status, text)]
  return [...words, ...toolCalls.map((call, at) => callItem(job, at, call))]
}

export function messageItem(job: string, status: string, text?: string) {
  const content = text === undefined ? [] : [textPart(text)]
  return { type: 'message', id: idOf('msg', job), status, role: 'assistant', content }
}

export function textPart(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

export function callItem(job: string, at: number, { id, name, arguments: given }: ToolCall) {
  return {
    type: 'function_call',
    id: idOf('fc', job, at),
    call_id: id,
    name,
    arguments: given,
    status: 'completed',
  }
}

function doneAs(output: CompletionOutput | undefined): string {
  return output?.finishReason === 'length' ? 'incomplete' : 'completed'
}

function errorOf(error: unknown) {
  const { code, message } = openAiErrorBody(failureFrom(error)).error
  return { code, message }
}

function formatOf(schema: unknown) {
  return schema === undefined
    ? { type: 'text' }
    : { type: 'json_schema', name: 'answer', schema, strict: true }
}

function usageOf({ tokens: { prompt, completion } }: CompletionOutput) {
  return {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: completion,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: prompt + completion,
  }
}
