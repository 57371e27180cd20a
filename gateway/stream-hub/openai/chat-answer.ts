/** Answers of `POST /v1/chat/completions`: whole, and as a stream of chunks. */
import type { CompletionOutput } from '../../../functions/agentese/world/model/shapes.ts'
import type { FinishReason, TokenUsage, ToolCall } from '../../../shared/inference/messages.ts'
import { writeData } from '../../../shared/http/event-message.ts'
import type { StreamEvent } from '../transcript.ts'
import type { Wire } from '../wire.ts'
import { failedStream, outputOf, restarted } from './ending.ts'
import { SentText } from './sent-text.ts'

/** What all parts of one answer have in common. */
export interface Completion {
  job: string
  model: string
  /** Seconds since 1970. */
  created: number
}

export function chatCompletion(completion: Completion, output: CompletionOutput) {
  const { text, toolCalls, finishReason, tokens } = output
  const calls = toolCalls.length === 0 ? {} : { tool_calls: toolCalls.map(callOf) }
  const content = text === '' && toolCalls.length > 0 ? null : text
  const message = { role: 'assistant', content, refusal: null, annotations: [], ...calls }
  return {
    ...head(completion, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: reasonOf(finishReason) }],
    usage: usageOf(tokens),
  }
}

/** @param includeUsage whether the last chunk has the tokens */
export function createChatWire(completion: Completion, includeUsage: boolean): Wire {
  const sent = new SentText()
  const noUsage = includeUsage ? { usage: null } : {}
  let over = false
  const write = (delta: object, finish_reason: string | null = null) =>
    writeData({
      ...head(completion, 'chat.completion.chunk'),
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...noUsage,
    })

  function writeText(text: string): string {
    const fresh = sent.next(text)
    if (fresh === undefined) over = true
    return fresh === undefined ? failedStream(restarted()) : fresh === '' ? '' : write({ content: fresh })
  }

  function writeEnd({ toolCalls, finishReason, tokens }: CompletionOutput): string {
    const usage = { ...head(completion, 'chat.completion.chunk'), choices: [], usage: usageOf(tokens) }
    return [
      ...toolCalls.map((call, index) => write({ tool_calls: [{ index, ...callOf(call) }] })),
      write({}, reasonOf(finishReason)),
      includeUsage ? writeData(usage) : '',
      DONE,
    ].join('')
  }

  return {
    opening: write({ role: 'assistant', content: '', refusal: null }),
    write({ event, data }: StreamEvent): string {
      if (over || event === 'started') return ''
      if (event === 'restart') sent.restart()
      if (event === 'chunk') return writeText(String(data['text']))
      if (event === 'complete') return writeEnd(outputOf(data['result']))
      return event === 'error' ? failedStream(data) : ''
    },
  }
}

/** Behind it, nothing comes. */
const DONE = 'data: [DONE]\n\n'

function head({ job, model, created }: Completion, object: string) {
  return { id: `chatcmpl-${job}`, object, created, model, service_tier: 'default', system_fingerprint: null }
}

function callOf({ id, name, arguments: given }: ToolCall) {
  return { id, type: 'function', function: { name, arguments: given } }
}

/** Clients know no other reasons. */
function reasonOf(reason: FinishReason): string {
  return reason === 'unknown' ? 'stop' : reason
}

function usageOf({ prompt, completion }: TokenUsage) {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}
