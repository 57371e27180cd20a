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

/** Where a conversation is followed, and where the stream hub reads it as whoever follows. */
export const SESSION_STREAM_PATH = '/v1/kgent/sessions/:id/events'

/** A message as it is shown; the stream hub reads it as whoever follows. */
export const SessionMessage = z.strictObject({
  id: z.uuid(),
  position: z.int().describe('Its place in the conversation'),
  role: z.enum(['user', 'assistant', 'system', 'tool']),
  content: z.string(),
  interrupted: z.boolean().describe('Whether the answer was cut off, and this is how far it had come'),
  job: z.uuid().nullable(),
  tokens_in: z.int(),
  tokens_out: z.int(),
  model: z.string().nullable(),
  created_at: z.string(),
})

const Turn = z.strictObject({ job: z.uuid(), attempt: z.int(), index: z.int() })
const Changed = z.looseObject({ session: z.uuid() })

/** By the name of the event. Each has an id, from which `Last-Event-ID` goes on; `end` is that of the last one. */
export const SESSION_STREAM_EVENTS = {
  message: { summary: 'A message has joined the conversation', data: SessionMessage },
  started: { summary: 'A worker has begun with the answer', data: Turn },
  restart: { summary: 'The answer so far is void and begins anew', data: Turn },
  chunk: {
    summary: 'The next piece of the answer that is on its way',
    data: z.strictObject({ job: z.uuid(), text: z.string(), index: z.int() }),
  },
  changed: { summary: 'Its settings have changed: mode, title, status', data: Changed },
  reset: { summary: 'It begins afresh', data: Changed },
  forked: { summary: 'It began with a part of another', data: Changed },
  idle: { summary: 'Nobody has spoken for half an hour', data: Changed },
  ended: { summary: 'It is over; the last event, with the id `end`', data: Changed },
} as const
