/** An answer to a conversation. */
import type { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { estimateTokens, type ChatMessage, type ChatRequest } from '../../../../shared/inference/messages.ts'
import { checkConversation } from './check.ts'
import { chooseModel } from './choose-model.ts'
import { conversationOf } from './kept.ts'
import { CompletionInput, CompletionOutput } from './shapes.ts'

/** What the templates of models put around a message, in tokens. */
const TOKENS_AROUND = 8

export const complete = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'Ask a model for the next message of a conversation',
  effects: ['calls:llm', 'charges:tokens'],
  cost: (input) => ({ tokens: estimateOf(requestOf(input)) }),
  needs: ['inference'],
  input: CompletionInput,
  output: CompletionOutput,
  examples: [
    {
      summary: 'One question',
      input: { messages: [{ role: 'user', content: 'Why is the sky blue?' }], maxTokens: 64 },
    },
  ],
  async handle({ previous, ...given }, call) {
    const model = chooseModel(given.model, call)
    const messages = [...(await earlier(previous, call)), ...given.messages]
    checkConversation({ ...given, messages })
    const input = { ...given, messages, model: model.id }
    const request = requestOf(input)
    // Its job keeps the whole conversation, so that whoever goes on from it needs no other.
    return call.infer({ ...request, estimateTokens: estimateOf(request) }, { as: 'complete', input })
  },
  complete: ({ input, text, toolCalls, finishReason = 'unknown', tokens, model }) => ({
    text,
    toolCalls: [...toolCalls],
    finishReason,
    tokens,
    model: input.model ?? model,
  }),
})

async function earlier(
  previous: string | undefined,
  call: Pick<Call, 'db' | 'identity'>,
): Promise<ChatMessage[]> {
  return previous === undefined ? [] : conversationOf(previous, call)
}

/** What the model gets to see. */
function requestOf(input: Omit<z.infer<typeof CompletionInput>, 'previous'>): ChatRequest {
  const { instructions, store: _, messages, ...rest } = input
  const system = instructions === undefined ? [] : [{ role: 'system' as const, content: instructions }]
  return { ...rest, messages: [...system, ...messages] } as ChatRequest // reason: JSON Schemas are JSON, whatever their type says
}

/** The prompt by its length, and the longest answer; what was really used is charged. */
function estimateOf({ messages, tools = [], maxTokens }: ChatRequest): number {
  const texts = messages.flatMap((message) => [
    message.content,
    ...(message.role === 'assistant' ? (message.toolCalls ?? []).map((call) => JSON.stringify(call)) : []),
  ])
  const around = messages.length * TOKENS_AROUND
  return estimateTokens([...texts, ...tools.map((tool) => JSON.stringify(tool))]) + around + maxTokens
}
