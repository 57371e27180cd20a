/**
 * `void.entropy`: the tenant's pool of chance. Sipping draws from it and gives a seed; pouring a grant back recovers
 * half. The pool does not refill with time. Open to every archetype alike.
 */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { allowOne, requireAny } from '../../../shared/contract/constraints.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Failure } from '../../../shared/failures.ts'
import { newId } from '../../../shared/new-id.ts'
import { drawEntropy, drawSeed, INITIAL, poolOf, regrow } from './entropy/pool.ts'

/** The smallest sip; less would not change the pool, and still give a seed. */
const SMALLEST = 0.001
/** Share of a grant that pouring it back recovers. */
const RECOVERY = 0.5

const Pool = z.strictObject({ remaining: z.number(), initial: z.number(), percentage: z.number() })
const Grant = z.strictObject({
  grant: z.uuid(),
  amount: z.number(),
  sipped_at: z.string(),
  poured_at: z.string().nullable(),
})

/** A sip, by its grant, by its amount, or else by the result of the stage before. */
interface Pour {
  grant?: string | undefined
  amount?: number | undefined
  input?: { grant?: string | undefined } | undefined
}

/** Names a sip in one way, where that is clear: what is said goes before the stage before. */
function sipOf({ grant, amount, input }: Pour): { grant: string } | { amount: number } | undefined {
  if (grant !== undefined) return amount === undefined ? { grant } : undefined
  if (amount !== undefined) return { amount }
  return input?.grant === undefined ? undefined : { grant: input.grant }
}

interface GrantRow {
  id: string
  amount: number
  sipped_at: Date
  poured_at: Date | null
}

export const voidEntropy = defineNode('void.entropy', {
  summary: 'A pool of chance that is drawn from and given back to',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How much entropy is left',
      effects: ['reads:entropy'],
      input: NoInput,
      output: Pool.extend({ type: z.literal('entropy') }),
      examples: [{ summary: 'Look into the pool', input: {} }],
      async handle(_input, { db }) {
        return { type: 'entropy' as const, ...(await poolOf(db)) }
      },
    }),

    witness: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'The latest sips, newest first',
      effects: ['reads:entropy'],
      input: z.strictObject({ limit: z.int().min(1).max(100).default(10) }),
      output: z.strictObject({ history: z.array(Grant) }),
      examples: [{ summary: 'The last three sips', input: { limit: 3 } }],
      async handle({ limit }, { db }) {
        const rows = await db<GrantRow[]>`
          select id, amount::float8, sipped_at, poured_at from entropy_grants order by sipped_at desc, id desc limit ${limit}`
        const history = rows.map(({ id, amount, sipped_at, poured_at }) => ({
          grant: id,
          amount,
          sipped_at: sipped_at.toISOString(),
          poured_at: poured_at?.toISOString() ?? null,
        }))
        return { history }
      },
    }),

    sip: aspect({
      category: 'E',
      archetypes: 'all',
      summary: 'Draw some entropy and get a seed from it',
      effects: ['charges:entropy'],
      cost: ({ amount }) => ({ entropy: amount }),
      input: z.strictObject({ amount: z.number().min(SMALLEST).max(INITIAL).default(0.1) }),
      output: z.strictObject({
        amount: z.number(),
        seed: z.number().min(0).lt(1),
        source: z.string(),
        grant: z.uuid(),
      }),
      examples: [{ summary: 'A small sip', input: { amount: 0.1 } }],
      async handle({ amount }, call) {
        await drawEntropy(amount, call)
        const grant = newId()
        const seed = drawSeed()
        const { db, identity } = call
        db.send(db`
          insert into entropy_grants (id, tenant_id, amount, seed) values (${grant}, ${identity.tenant}, ${amount}, ${seed})`)
        return { amount, seed, source: 'void.entropy', grant }
      },
    }),

    pour: aspect({
      category: 'E',
      archetypes: 'all',
      summary: 'Give a sip back, by its grant or its amount; half of it returns to the pool, once',
      effects: ['earns:entropy'],
      input: allowOne(
        requireAny(
          z.strictObject({
            grant: z.uuid().optional(),
            amount: z.number().positive().max(INITIAL).optional(),
            /** The result of the stage before, such as a sip. */
            input: z.looseObject({ grant: z.uuid().optional() }).optional(),
          }),
          ['grant', 'amount', 'input.grant'],
          'name grant or amount',
        ),
        ['grant', 'amount'],
        'name grant or amount, not both',
      ),
      output: z.strictObject({ returned: z.number(), recovered: z.number(), remaining: z.number() }),
      examples: [
        {
          summary: 'The latest sip of that amount',
          input: { amount: 0.1 },
          given: [{ path: 'void.entropy.sip', input: { amount: 0.1 } }],
        },
        {
          summary: 'What the stage before has sipped',
          input: { input: { grant: { $from: 'given.0.result.grant' } } },
          given: [{ path: 'void.entropy.sip', input: {} }],
        },
      ],
      async handle(what, call) {
        const returned = await takeBack(what, call)
        const { remaining, regrown } = await regrow(returned * RECOVERY, call)
        return { returned, recovered: regrown, remaining }
      },
    }),
  },
})

/** Marks a grant as poured; answers its amount. By amount it is the latest such sip that was not poured yet. */
async function takeBack(what: Pour, { db }: Pick<Call, 'db'>): Promise<number> {
  const { grant, amount }: Omit<Pour, 'input'> = sipOf(what) ?? {}
  const name = grant ?? amount
  const [row] = await db<GrantRow[]>`
    select id, amount::float8, sipped_at, poured_at from entropy_grants
    where id = ${grant ?? null}::uuid or (amount = ${amount ?? null}::numeric and poured_at is null)
    order by sipped_at desc limit 1 for update`
  if (row === undefined) {
    throw new Failure('NOT_FOUND', `Cannot pour "${name}": there is no such grant`, {
      suggestion: 'void.entropy.witness lists your grants',
    })
  }
  if (row.poured_at !== null) {
    throw new Failure('STATE_CONFLICT', `Cannot pour "${name}": it was poured already`, {
      suggestion: 'A grant pours once; void.entropy.witness shows which are left',
    })
  }
  await db`update entropy_grants set poured_at = now() where id = ${row.id}`
  return row.amount
}
