/** Conversations and messages as they are shown. */
import { z } from 'zod'
import { SessionMessage } from '../../../../shared/events/session-events.ts'
import { BUDGET_TIERS } from '../soul/budgets.ts'
import { MODES } from '../soul/persona.ts'

const ModeName = z.enum(MODES)
const BudgetName = z.enum(BUDGET_TIERS)

/** What is done with a message while the model answers another: 409, it waits for its turn, or it takes the turn. */
export const WHEN_BUSY = ['reject', 'enqueue', 'interrupt'] as const
export type WhenBusy = (typeof WHEN_BUSY)[number]

export const SESSION_STATUSES = ['active', 'archived', 'closed'] as const

export const Session = z.strictObject({
  id: z.uuid(),
  title: z.string().nullable(),
  mode: ModeName,
  budget: BudgetName,
  when_busy: z.enum(WHEN_BUSY),
  status: z.enum(SESSION_STATUSES),
  ended_reason: z.enum(['closed', 'idle']).nullable(),
  forked_from: z.strictObject({ session: z.uuid(), position: z.int() }).nullable(),
  message_count: z.int(),
  tokens_used: z.int(),
  last_message_at: z.string().nullable(),
  created_at: z.string(),
  expires_at: z.string(),
})
export type Session = z.infer<typeof Session>

export const Message = SessionMessage
export type Message = z.infer<typeof Message>

const Title = z.string().trim().min(1).max(200)
export const Settings = {
  title: Title.optional(),
  mode: ModeName.optional(),
  budget: BudgetName.optional(),
  when_busy: z.enum(WHEN_BUSY).optional(),
}

/** Far beyond any window; what really fits is counted in tokens. */
const MAX_CHARACTERS = 200_000

export const MessageInput = z.strictObject({
  session: z.uuid(),
  message: z.string().trim().max(MAX_CHARACTERS),
  mode: ModeName.optional(),
  budget: BudgetName.optional(),
  when_busy: z.enum(WHEN_BUSY).optional(),
})
export type MessageInput = z.infer<typeof MessageInput>

export const MessageOutput = z.strictObject({
  session: z.uuid(),
  message: Message,
  mode: ModeName,
  tokens_used: z.int(),
  was_template: z.boolean(),
})
export type MessageOutput = z.infer<typeof MessageOutput>
