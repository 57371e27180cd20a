/** Where memories come from. */
import { z } from 'zod'
import { Failure } from '../../../../shared/failures.ts'
import type { Person } from '../person.ts'
import type { MemoryRow } from './rows.ts'

/** Where a memory comes from. */
export const Provenance = z.strictObject({
  /** `experience` or what else it was kept as; `session` for what was said in a conversation. */
  kind: z.string(),
  /** What whoever kept it names as its source. */
  ref: z.string().nullable(),
  session: z.uuid().nullable(),
  message: z.uuid().nullable(),
  /** Who said it: the person, or a model. */
  who: z.enum(['user', 'assistant']),
  model: z.string().nullable(),
  at: z.string(),
})
export type Provenance = z.infer<typeof Provenance>

/** A message of a conversation, as the source of a memory. */
export interface SourceMessage {
  id: string
  session_id: string
  role: 'user' | 'assistant'
  content: string
  model: string | null
  created_at: Date
}

/** Messages of this person's conversations, by id; those of others are not found. */
export async function readSourceMessages(
  ids: readonly string[],
  { db, identity }: Person,
): Promise<Map<string, SourceMessage>> {
  const rows = await db<SourceMessage[]>`
    select m.id, m.session_id, m.role, m.content, m.model, m.created_at
    from kgent_messages m join kgent_sessions s on s.id = m.session_id
    where s.user_id = ${identity.user} and m.role in ('user', 'assistant')
      and m.id in (select jsonb_array_elements_text(${db.json([...ids])})::uuid)`
  return new Map(rows.map((row) => [row.id, row]))
}

/** @throws Failure NOT_FOUND where this person has no such message */
export async function findSourceMessage(id: string, call: Person): Promise<SourceMessage> {
  const found = (await readSourceMessages([id], call)).get(id)
  if (found !== undefined) return found
  throw new Failure('NOT_FOUND', `Cannot find message "${id}": you have none of that id`, {
    suggestion: 'self.kgent.history lists the messages of a session',
  })
}

/** Of a memory that the person keeps. */
export function sourceOf(
  memory: Pick<
    MemoryRow,
    'source_type' | 'source_ref' | 'session_id' | 'message_id' | 'model' | 'captured_at'
  >,
): Provenance {
  return {
    kind: memory.source_type,
    ref: memory.source_ref,
    session: memory.session_id,
    message: memory.message_id,
    who: memory.model === null ? 'user' : 'assistant',
    model: memory.model,
    at: memory.captured_at.toISOString(),
  }
}

/** Of a message of a conversation. */
export function provenanceOf({ id, session_id, role, model, created_at }: SourceMessage): Provenance {
  return {
    kind: 'session',
    ref: null,
    session: session_id,
    message: id,
    who: role,
    model,
    at: created_at.toISOString(),
  }
}
