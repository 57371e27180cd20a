/** Keeps what was inferred about a person until it accepts or rejects it. */
import type { Call } from '../../../../shared/contract/call.ts'
import { openSemaphore } from '../../semaphores.ts'
import {
  changeTrait,
  checkPath,
  findContradictions,
  findSame,
  insertTrait,
  lockPersona,
} from './trait-rows.ts'
import { MONTH_MS, type Trait } from './traits.ts'

/** What was rejected is not proposed again for so long. */
const QUIET_MONTHS = 6

/** The message in which something was noticed. */
export interface Evidence {
  session?: string | undefined
  message: string
}

export interface Inferred {
  aspect: Trait['aspect']
  path: string
  content: string
  /** How sure whoever inferred it is, 0 to 1. */
  confidence: number
  reason?: string | undefined
  evidence?: Evidence | undefined
}

/** A proposal, and what it contradicts of what is in force. */
export interface Proposed {
  proposal: Trait
  contradiction?: Trait | undefined
}

/**
 * Proposes a change, or notes that it was noticed again. What is in force already is confirmed; what the person has
 * rejected stays rejected.
 *
 * @throws Failure TYPE_MISMATCH for an unknown path, QUOTA_EXCEEDED where the persona is full
 */
export async function propose(
  inferred: Inferred,
  call: Pick<Call, 'db' | 'identity' | 'emit' | 'changed'>,
): Promise<Proposed> {
  checkPath(inferred.aspect, inferred.path)
  await lockPersona(call)
  const same = await findSame(inferred, call)
  if (same?.status === 'committed') return { proposal: await changeTrait(same, { confirmed: true }, call) }
  if (same?.status === 'reverted' && (await isRecent(same, call))) return { proposal: same }
  if (same?.status === 'pending') return { proposal: await noticeAgain(same, inferred, call) }
  const { reason = null, evidence, ...rest } = inferred
  const inserted = await insertTrait(
    { ...rest, reason, source: 'inferred', status: 'pending', evidence: evidence ? [evidence] : [] },
    call,
  )
  const [contradiction] = await findContradictions(inserted, call)
  if (contradiction === undefined) return { proposal: inserted }
  const { id } = await openSemaphore(
    {
      reason: 'ambiguous_choice',
      prompt:
        'Something proposed about you contradicts what your K-gent knows: accept or reject the proposal',
      options: ['accept', 'reject'],
      severity: 'info',
      about: { proposal: inserted.id },
    },
    call,
  )
  return { proposal: await changeTrait(inserted, { token_id: id }, call), contradiction }
}

async function isRecent({ id }: Trait, { db }: Pick<Call, 'db'>): Promise<boolean> {
  const [row] = await db<{ recent: boolean }[]>`
    select decided_at > now() - ${QUIET_MONTHS * MONTH_MS} * interval '1 millisecond' as recent
    from persona_traits where id = ${id}`
  return row?.recent === true
}

/** Evidence that is kept of one proposal. */
const MAX_EVIDENCE = 10

/** Counts one more occurrence, unless it is the same message; the confidence is the mean of all. */
async function noticeAgain(
  same: Trait,
  { confidence, evidence }: Inferred,
  call: Pick<Call, 'db'>,
): Promise<Trait> {
  const { db } = call
  if (evidence !== undefined) {
    const added = await db`
      update persona_traits set evidence = ${db.json([{ ...evidence }])}::jsonb || evidence
      where id = ${same.id} and not evidence @> ${db.json([{ message: evidence.message }])}::jsonb
        and jsonb_array_length(evidence) < ${MAX_EVIDENCE}`
    if (added.count === 0) return same
  }
  const occurrences = same.occurrences + 1
  const mean = (same.confidence * same.occurrences + confidence) / occurrences
  return changeTrait(same, { occurrences, confidence: mean, confirmed: true }, call)
}
