/** Tool calls in answers: their ids, and how one is read from the JSON that a grammar held a model to. */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ToolCall } from '../../shared/inference/messages.ts'
import { parseJson } from './openai-failure.ts'

const Call = z.object({ name: z.string(), arguments: z.unknown() })

export function newToolCallId(): string {
  return `call_${randomBytes(12).toString('base64url')}`
}

/** The call in `text`; none where the limit of tokens cut it off. */
export function readCall(text: string): ToolCall[] {
  const { success, data } = Call.safeParse(parseJson(text))
  if (!success) return []
  return [{ id: newToolCallId(), name: data.name, arguments: JSON.stringify(data.arguments ?? {}) }]
}
