/** Requests as the OpenAI protocol has them. */
import type { ChatMessage, ChatRequest } from '../../shared/inference/messages.ts'
import type { Prefix } from './engine.ts'

/** The body of a request for a completion by `model`, which goes on with `from` where that is not empty. */
export function bodyOf(model: string, request: ChatRequest, from: Prefix) {
  const { topP, stop, seed, tools, toolChoice, responseSchema } = request
  const messages = request.messages.map(messageOf)
  const continued = from.text !== ''
  return {
    model,
    messages: continued ? [...messages, { role: 'assistant', content: from.text }] : messages,
    max_tokens: request.maxTokens - from.tokens,
    temperature: request.temperature,
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(stop === undefined ? {} : { stop }),
    ...(seed === undefined ? {} : { seed }),
    ...(tools === undefined
      ? {}
      : {
          tools: tools.map((tool) => ({ type: 'function', function: tool })),
          tool_choice: choiceOf(toolChoice),
        }),
    ...(responseSchema === undefined
      ? {}
      : {
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'answer', schema: responseSchema, strict: true },
          },
        }),
    stream: true,
    stream_options: { include_usage: true },
    ...(continued ? { add_generation_prompt: false, continue_final_message: true } : {}),
  }
}

function messageOf(message: ChatMessage) {
  if (message.role === 'tool')
    return { role: 'tool', content: message.content, tool_call_id: message.toolCallId }
  if (message.role !== 'assistant' || message.toolCalls === undefined)
    return { role: message.role, content: message.content }
  const calls = message.toolCalls.map(({ id, name, arguments: text }) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
  }))
  return { role: 'assistant', content: message.content, ...(calls.length === 0 ? {} : { tool_calls: calls }) }
}

function choiceOf(choice: ChatRequest['toolChoice'] = 'auto') {
  return typeof choice === 'string' ? choice : { type: 'function', function: { name: choice.name } }
}
