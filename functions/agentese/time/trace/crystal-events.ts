/**
 * When crystals are made by themselves: as a session ends or falls silent, and as a day is over. They are there at once, with a
 * summary that follows from their counts; the model's, where there is one, comes after, in the name of the person.
 */
import { z } from 'zod'
import type { Call, Given } from '../../../../shared/contract/call.ts'
import { tick, trigger } from '../../../../shared/contract/define-operation.ts'
import { Failure, failureFrom } from '../../../../shared/failures.ts'
import { currentIdentity } from '../../../../shared/identity/current-identity.ts'
import { crystallizeDays, crystallizeMarks } from './make-crystal.ts'

const MADE = 'io.kgents.crystals.made'
/** Crystals of one session, at most. */
const MAX_CRYSTALS = 20
const Session = z.object({ session: z.uuid() })

const ending = (name: string, type: string) =>
  trigger({
    name,
    attributes: { type },
    needs: ['postgres', 'events'],
    data: Session,
    handle: ({ session }, call) => crystallizeSession(session, call),
  })

export const crystalTriggers = [
  ending('session-ended', 'io.kgents.session.ended'),
  ending('session-idle', 'io.kgents.session.idle'),
  trigger({
    name: 'crystal-made',
    attributes: { type: MADE },
    needs: ['postgres', 'functions'],
    data: z.object({ crystal: z.uuid(), user: z.uuid() }),
    transaction: false,
    handle: (made, call) => haveSummarized(made, call),
  }),
]

export const crystalTick = tick({
  tenants: 'tenants_with_due_crystals',
  needs: ['postgres', 'events'],
  async handle(call) {
    for (const made of await crystallizeDays(call)) call.emit(MADE, made)
  },
})

async function crystallizeSession(id: string, call: Pick<Call, 'db' | 'identity' | 'emit'>): Promise<void> {
  const [session] = await call.db<{ user_id: string; created_at: Date; until: Date }[]>`
    select user_id, created_at, now() as until from kgent_sessions where id = ${id}`
  if (session === undefined) return
  const { user_id: user, created_at: from, until: to } = session
  for (let made = 0; made < MAX_CRYSTALS; made++) {
    const { crystal } = await crystallizeMarks({ user, from, to, session: id }, call)
    if (crystal === undefined) return
    call.emit(MADE, { crystal, user })
  }
}

/** Has a model summarize a crystal, where its person may use one now; a crystal that nobody summarizes is as good as before. */
async function haveSummarized(
  { crystal, user }: { crystal: string; user: string },
  call: Given<'postgres' | 'functions', 'caller'>,
): Promise<void> {
  try {
    const identity = await call.transact('read', ({ db }) => currentIdentity(db, user))
    const { status, body } = await call.dispatch(
      {
        function: 'time-trace',
        path: 'time.trace.crystallize',
        input: { crystal },
        idempotencyKey: `crystal:${crystal}:${call.trace.traceId}`,
        inner: true,
      },
      { identity, trace: call.trace, signal: call.signal },
    )
    if (status >= 400) throw failureFrom(body)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    call.log.info({ crystal, code: error.code }, 'a crystal is not summarized by a model')
  }
}
