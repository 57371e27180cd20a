/** What the schema of a conversation cannot say: how its parts refer to each other. */
import { Failure } from '../../../../shared/failures.ts'
import type { ChatMessage } from '../../../../shared/inference/messages.ts'
import { MAX_MESSAGES, type CompletionInput } from './shapes.ts'

/** @throws Failure TYPE_MISMATCH */
export function checkConversation(input: Pick<CompletionInput, 'messages' | 'tools' | 'toolChoice'>): void {
  const { messages, tools = [], toolChoice } = input
  const names = tools.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined)
    throw mismatch(`there are two tools "${twice}"`, 'Give each tool a name of its own')
  if (toolChoice !== undefined && toolChoice !== 'none' && names.length === 0)
    throw mismatch('a tool choice was made, and there are no tools', 'Send the tools as well')
  if (typeof toolChoice === 'object' && !names.includes(toolChoice.name))
    throw mismatch(`the chosen tool "${toolChoice.name}" is none of the tools`, 'Choose one of the tools')
  checkMessages(messages)
}

/** A tool's answer stands behind the call that it answers, and somebody has said something. */
function checkMessages(messages: readonly ChatMessage[]): void {
  if (messages.length > MAX_MESSAGES)
    throw mismatch(
      `the conversation has ${messages.length} messages, and ${MAX_MESSAGES} is the most`,
      'Begin another conversation with what matters of this one',
    )
  const called = new Set<string>()
  for (const [at, message] of messages.entries()) {
    if (message.role === 'assistant') for (const { id } of message.toolCalls ?? []) called.add(id)
    if (message.role === 'tool' && !called.has(message.toolCallId)) {
      const why = `message ${at} answers tool call "${message.toolCallId}", which no message before it makes`
      throw mismatch(why, 'Send the message with the tool call as well')
    }
  }
  if (messages.some(({ role, content }) => role !== 'system' && content.trim() !== '')) return
  if (called.size > 0) return
  throw mismatch('its messages are empty', 'Send a message of the user that has words in it')
}

function mismatch(why: string, suggestion: string): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot ask a model: ${why}`, { suggestion })
}
