/** Events about conversations with K-gent: that something happened, and never what was said. */
import { z } from 'zod'

export const SESSION_EVENTS = {
  created: 'io.kgents.session.created',
  message: 'io.kgents.session.message',
  changed: 'io.kgents.session.changed',
  idle: 'io.kgents.session.idle',
  ended: 'io.kgents.session.ended',
  reset: 'io.kgents.session.reset',
  forked: 'io.kgents.session.forked',
} as const

export const SessionEventData = z.looseObject({
  session: z.uuid(),
  user: z.uuid().describe('Whose it is'),
  message: z.uuid().optional(),
  position: z.int().optional().describe('Place of the message in the conversation'),
  role: z.enum(['user', 'assistant', 'system', 'tool']).optional(),
  interrupted: z.boolean().optional(),
  job: z.uuid().optional().describe('The job that answers, or has answered'),
  mode: z.string().optional(),
  status: z.string().optional(),
  reason: z.enum(['closed', 'idle']).optional(),
  forked_from: z.uuid().optional(),
})
export type SessionEventData = z.infer<typeof SessionEventData>
