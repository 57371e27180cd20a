/** After a message of a person in a conversation: what it says about the person is proposed, in the background. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { trigger } from '../../../../shared/contract/define-operation.ts'
import { Failure } from '../../../../shared/failures.ts'
import { currentIdentity } from '../../../../shared/identity/current-identity.ts'
import { proposeFrom } from './infer.ts'

export const said = trigger({
  name: 'said',
  attributes: { type: 'io.kgents.session.message' },
  needs: ['postgres', 'events'],
  data: z.looseObject({ session: z.uuid(), message: z.uuid() }),
  async handle({ session, message }, call) {
    const row = await findOwn({ session, message }, call)
    if (row === undefined) return
    const person = await currentIdentity(call.db, row.user_id).catch((error: unknown) => {
      if (error instanceof Failure) return undefined
      throw error
    })
    // Whoever has left is not learned about.
    if (person === undefined) return
    const { db, emit, changed } = call
    const identity = { ...call.identity, ...person }
    await proposeFrom({ text: row.content, session, message }, { db, emit, changed, identity })
  },
})

/** The message, where a person wrote it. */
async function findOwn(
  { session, message }: { session: string; message: string },
  { db }: Pick<Call, 'db'>,
): Promise<{ content: string; user_id: string } | undefined> {
  const [row] = await db<{ content: string; user_id: string }[]>`
    select m.content, s.user_id from kgent_messages m join kgent_sessions s on s.id = m.session_id
    where m.id = ${message} and m.session_id = ${session} and m.role = 'user'`
  return row
}
