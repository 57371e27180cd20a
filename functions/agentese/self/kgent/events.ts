/** What happens to conversations, as events: without what was said, which is its person's alone. */
import type { Call } from '../../../../shared/contract/call.ts'
import { SESSION_EVENTS, type SessionEventData } from '../../../../shared/events/session-events.ts'
import type { SessionRow } from './sessions.ts'

export type Emitting = Pick<Call, 'emit'>

/** Publishes that something has happened to a conversation, with the transaction. */
export function emitSession(
  what: keyof typeof SESSION_EVENTS,
  { id, user_id }: Pick<SessionRow, 'id' | 'user_id'>,
  { emit }: Emitting,
  more: Omit<SessionEventData, 'session' | 'user'> = {},
): void {
  emit(SESSION_EVENTS[what], { session: id, user: user_id, ...more })
}
