/** Forgetting a memory, and taking it back. */
import { z } from 'zod'
import { KEEPERS } from '../../../../shared/agentese/archetypes.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Refusal } from '../../../../shared/failures.ts'
import { hideEntries } from '../../../../shared/recall/entries.ts'
import { separate } from './merge.ts'
import { COMPOST_DAYS, findMemory, MEMORIES, MemoryView, viewOf } from './rows.ts'
import { eraseQuotes } from './sessions.ts'
import { ENGRAM, idOf, ITS_ID, naming, OneMemory } from './shapes.ts'

export const forget = aspect({
  category: 'M',
  archetypes: KEEPERS,
  summary: `Put a memory on the compost: nothing shows its text any more, it can be restored, and is gone after ${COMPOST_DAYS} days`,
  effects: ['deletes:memory_crystals'],
  needs: ['jobs'],
  input: naming(z.strictObject(OneMemory)),
  output: z.strictObject({ id: z.uuid(), lifecycle: z.literal('composting') }),
  examples: [{ summary: 'Never mind', input: ITS_ID, given: [ENGRAM] }],
  async handle(which, call) {
    await waitForWork(call)
    const { id, cherished, lifecycle, merged_into, merged_from } = await findMemory(call, idOf(which), true)
    if (cherished) {
      throw new Refusal(`Cannot forget memory "${id}": it is cherished`, {
        consentRequired: call.identity.user,
        suggestion: `First let go of it: self.memory.cherish with {"id": "${id}", "uncherish": true}`,
      })
    }
    if (lifecycle !== 'composting' || merged_into !== null) {
      // What says the same elsewhere stays, without this one as its source.
      await separate(call, id)
      await setForgotten(call, id, true)
      await eraseCopies(call, [id, ...merged_from.map((source) => source.id)])
    }
    return { id, lifecycle: 'composting' as const }
  },
})

export const restore = aspect({
  category: 'M',
  archetypes: KEEPERS,
  summary: 'Take a memory back from the compost, or out of the one that it was merged into',
  effects: ['writes:memory_crystals'],
  input: naming(z.strictObject(OneMemory)),
  output: MemoryView,
  examples: [
    {
      summary: 'After all',
      input: ITS_ID,
      given: [ENGRAM, { path: 'self.memory.forget', input: ITS_ID }],
    },
  ],
  async handle(which, call) {
    const { id, lifecycle } = await findMemory(call, idOf(which), true)
    if (lifecycle === 'composting') await setForgotten(call, id, false)
    await separate(call, id)
    return viewOf(await findMemory(call, id))
  },
})

async function setForgotten(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  id: string,
  forgotten: boolean,
): Promise<void> {
  await db`
    update memories m set lifecycle = ${forgotten ? 'composting' : 'active'},
      forgotten_at = ${forgotten ? db`now()` : db`null`} where id = ${id}`
  await hideEntries(db, MEMORIES, identity.user, [id], forgotten)
}

/**
 * Waits for work of this person that is just ending, so that its result is seen here; work that ends later finds the
 * memory hidden. It comes before anything else is locked, since that work may want it.
 */
async function waitForWork({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<void> {
  await db`
    select from jobs where user_id = ${identity.user} and status in ('queued', 'running') order by id for update`
}

/**
 * Erases what quotes one of these memories: answers in conversations, results of jobs and compositions, calls that were deferred, answers that are
 * kept to be repeated. Jobs that quote one and are under way are cancelled. Restoring brings none of that back.
 */
async function eraseCopies(
  { db, identity, endJob }: Pick<Call, 'db' | 'identity' | 'endJob'>,
  ids: readonly string[],
): Promise<void> {
  for (const job of await eraseQuotes({ db, identity }, ids)) await endJob({ job, how: 'cancelled' })
  const underWay = await db<{ job: string }[]>`
    select distinct job from jsonb_array_elements_text(${db.json([...ids])}) as id, erase_copies(id::uuid) as job`
  for (const { job } of underWay) await endJob({ job, how: 'cancelled' })
}
