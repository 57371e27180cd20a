/**
 * Session memory: what was said in a person's conversations, found by words at once and by meaning when a model has embedded
 * it. A message is its own memory, so each is found with its session, who said it, when, and by which model.
 */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import type { Person } from '../person.ts'
import { trigger } from '../../../../shared/contract/define-operation.ts'
import { putEntry, type Corpus } from '../../../../shared/recall/entries.ts'

/** The node has the messages, so its `index` embeds them. */
export const SESSIONS: Corpus = { kind: 'session', node: 'self.kgent' }

/** What stands in an answer in place of what was forgotten. */
const FORGOTTEN = '[forgotten]'

/** A message joins session memory as soon as it was said; its words are found at once. */
export const said = trigger({
  name: 'said',
  attributes: { type: 'io.kgents.session.message' },
  needs: ['postgres'],
  data: z.looseObject({ message: z.uuid() }),
  async handle({ message }, { db, identity }) {
    const [row] = await db<{ content: string; session: string; owner: string }[]>`
      select m.content, s.id as session, s.user_id as owner
      from kgent_messages m join kgent_sessions s on s.id = m.session_id
      where m.id = ${message} and m.role in ('user', 'assistant')`
    if (row === undefined || row.content.trim() === '' || row.content === FORGOTTEN) return
    const { content: text, session, owner } = row
    await putEntry({ db, identity }, SESSIONS, { owner, subject: message, text, tags: [session] })
  },
})

/** Notes that the model of `job` is shown these memories, so that forgetting one erases its answer. */
export async function noteQuoted(
  { job, session, memories }: { job: string; session: string; memories: readonly string[] },
  { db, identity }: Person,
): Promise<void> {
  if (memories.length === 0) return
  await db`
    insert into memory_quotes (tenant_id, memory_id, session_id, job_id)
    select ${identity.tenant}, id::uuid, ${session}, ${job}
    from jsonb_array_elements_text(${db.json([...memories])}) as id on conflict do nothing`
}

/** Notes the same of a conversation that begins with answers of another, so that forgetting erases these, too. */
export async function copyQuotes(from: string, to: string, { db }: Pick<Call, 'db'>): Promise<void> {
  await db`
    insert into memory_quotes (tenant_id, memory_id, session_id, job_id, quoted_at)
    select tenant_id, memory_id, ${to}, job_id, quoted_at from memory_quotes
    where session_id = ${from}
      and quoted_at <= (select max(created_at) from kgent_messages where session_id = ${to})`
}

/**
 * Erases what models have said since they were shown one of these memories: in each conversation the answers from then on,
 * since a later one was shown the earlier ones. Copies of those in jobs go as well.
 *
 * @returns jobs that are under way and were shown one
 */
export async function eraseQuotes(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  memories: readonly string[],
): Promise<string[]> {
  const erased = await db<{ id: string }[]>`
    update kgent_messages m set content = ${FORGOTTEN}
    where m.role = 'assistant' and exists (
      select from memory_quotes q where q.session_id = m.session_id and q.quoted_at <= m.created_at
        and q.memory_id in (select jsonb_array_elements_text(${db.json([...memories])})::uuid))
    returning m.id`
  await db`
    delete from kgent_summaries s using memory_quotes q
    where q.session_id = s.session_id and q.quoted_at <= s.created_at
      and q.memory_id in (select jsonb_array_elements_text(${db.json([...memories])})::uuid)`
  const ids = db.json(erased.map(({ id }) => id))
  await db`
    delete from recall_entries where kind = ${SESSIONS.kind} and owner = ${identity.user}
      and subject in (select jsonb_array_elements_text(${ids}))`
  const copies = await db<{ job: string }[]>`
    select distinct job from jsonb_array_elements_text(${ids}) as id, erase_copies(id::uuid) as job`
  const quoting = await db<{ job: string }[]>`
    with gone as (
      delete from memory_quotes
      where memory_id in (select jsonb_array_elements_text(${db.json([...memories])})::uuid) returning job_id
    )
    update jobs set forgotten_at = now()
    where id in (select job_id from gone) and status in ('queued', 'running') returning id as job`
  return [...new Set([...copies, ...quoting].map(({ job }) => job))]
}
