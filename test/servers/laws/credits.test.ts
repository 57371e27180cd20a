/**
 * Laws of the ledger of credits: entries sum to zero, nothing is negative, credits are spent in their order, a refund restores,
 * expiry takes nothing that is held, and each source does each thing once. The database runs random operations, and each answer
 * and every state is compared with a model. `LEDGER_OPERATIONS` says how many; a nightly run does 1,000,000.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, describe } from 'vitest'
import { testWith } from '../functions/world.ts'
import { CreditModel, type GrantState } from './credit-model.ts'
import { generateOperations, installRunner, runOperations } from './credit-operations.ts'

const OPERATIONS = Number(process.env['LEDGER_OPERATIONS'] ?? 6000)
const SEED = Number(process.env['LEDGER_SEED'] ?? 10)
/** Of one tenant. */
const RUN = 4000
const STATEMENT = 200

/** Long enough for any machine. */
const TIMEOUT_MS = Math.max(300_000, OPERATIONS * 10)

const test = testWith()
const counted: Record<string, number> = {}

afterAll(() => {
  console.log(`Ledger: ${OPERATIONS} random operations, seed ${SEED}: ${JSON.stringify(counted)}`)
})

describe('the ledger of credits', () => {
  test(
    `answers ${OPERATIONS} random operations as the model does, and holds what the model holds`,
    { timeout: TIMEOUT_MS },
    async ({ owner, expect }) => {
      const connection = await owner.reserve()
      try {
        await installRunner(connection)
        for (let run = 0; run * RUN < OPERATIONS; run += 1) {
          const tenant = randomUUID()
          const model = new CreditModel()
          const operations = generateOperations(SEED + run, Math.min(RUN, OPERATIONS - run * RUN))
          for (let from = 0; from < operations.length; from += STATEMENT) {
            const batch = operations.slice(from, from + STATEMENT)
            const answers = await runOperations(connection, tenant, batch)
            const expected = batch.map((operation) => {
              const answer = model.run(operation)
              const name = `${operation.act} ${answer.split(' ')[0]}`
              counted[name] = (counted[name] ?? 0) + 1
              return answer
            })
            const differing = expected.findIndex((answer, at) => answer !== answers[at])
            const where = `seed ${SEED + run}, operation ${from + differing}: ${JSON.stringify(batch[differing])}`
            expect(answers[differing], where).toBe(expected[differing])
            checkModel(model, expect)
          }
          const grants = await connection<GrantState[]>`
          select id, kind, (amount * 1000000)::float8 as amount, (available * 1000000)::float8 as available,
            (held * 1000000)::float8 as held, (spent * 1000000)::float8 as spent, (expired * 1000000)::float8 as expired
          from credit_grants where tenant_id = ${tenant} order by id`
          expect(grants.map((row) => ({ ...row }))).toEqual(
            model.grants.map(({ until: _until, source: _source, ...grant }) => grant),
          )
          const [sums] = await connection`
          select (select seq::int from ledgers where tenant_id = ${tenant}) as seq,
            (select count(*)::int from ledger_transactions where tenant_id = ${tenant}) as transactions,
            (select coalesce(sum(amount), 0)::int from ledger_entries where tenant_id = ${tenant}) as total,
            (select count(*)::int from (select from ledger_entries where tenant_id = ${tenant}
              group by seq having sum(amount) <> 0) unbalanced) as unbalanced`
          expect(sums).toEqual({ seq: model.seq, transactions: model.seq, total: 0, unbalanced: 0 })
        }
      } finally {
        connection.release()
      }
    },
  )
})

/** The laws hold for the model, and so for what equals it. */
function checkModel(
  { grants, held }: CreditModel,
  expect: (value: unknown, message?: string) => { toBe(value: unknown): void },
) {
  const broken = grants.filter(
    ({ amount, available, held, spent, expired }) =>
      Math.min(available, held, spent, expired) < 0 || available + held + spent + expired !== amount,
  )
  expect(broken.length, JSON.stringify(broken[0])).toBe(0)
  // Nothing that is held has expired: the open holds are all there.
  expect(grants.reduce((sum, grant) => sum + grant.held, 0)).toBe(held)
}
