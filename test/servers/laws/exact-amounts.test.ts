/** Amounts are exact: what is asked for, answered, written into the ledger and summed up agrees to the last digit. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { z } from 'zod'
import { aspect, defineNode } from '../../../shared/contract/define-node.ts'
import { testWith } from '../functions/world.ts'

const CALLS = 100
const AMOUNTS_OF_CALL = 100

const spending = defineNode('concept.spending', {
  summary: 'Charges what it is told',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Nothing',
      effects: [],
      input: z.strictObject({}),
      output: z.strictObject({}),
      examples: [],
      handle: () => ({}),
    }),
    define: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Charges amounts, each of a resource of its own',
      effects: ['charges:gold'],
      cost: () => ({ gold: 1 }),
      input: z.strictObject({ amounts: z.array(z.number()) }),
      output: z.strictObject({}),
      examples: [],
      handle({ amounts }, { charge }) {
        for (const [at, amount] of amounts.entries()) charge(`gold_${at}`, amount)
        return {}
      },
    }),
  },
})

const test = testWith([spending])

/** As people and programs send them: few decimals, and all that a number has. */
const anAmount = fc.oneof(
  fc.integer({ min: 1, max: 10_000_000 }).map((units) => units / 1e5),
  fc.double({ min: 0.001, max: 100, noNaN: true }),
)

/** The exact sum, as decimal text without zeros at its end. */
function sumOf(amounts: readonly number[]): string {
  const scale = 25n
  const unitsOf = (amount: number) => {
    const [whole = '', fraction = ''] =
      amount.toFixed(0) === String(amount) ? [String(amount)] : String(amount).split('.')
    return BigInt(whole + fraction.padEnd(Number(scale), '0'))
  }
  const digits = amounts
    .reduce((sum, amount) => sum + unitsOf(amount), 0n)
    .toString()
    .padStart(Number(scale) + 1, '0')
  return `${digits.slice(0, -Number(scale))}.${digits.slice(-Number(scale))}`.replace(/\.?0+$/, '')
}

test('the ledger sums 10,000 random amounts to the last digit, and answers print what was charged', async ({
  newTenant,
  owner,
}) => {
  const tenant = await newTenant()
  const amounts = fc.sample(anAmount, { numRuns: CALLS * AMOUNTS_OF_CALL, seed: 7 })
  const charged: number[] = []
  for (let call = 0; call < CALLS; call += 1) {
    const sent = amounts.slice(call * AMOUNTS_OF_CALL, (call + 1) * AMOUNTS_OF_CALL)
    const { body } = await tenant.calls('POST', '/v1/agentese/concept/spending/define', { amounts: sent })
    charged.push(...Object.values<number>(body.meta.charges))
    expect(Object.values(body.meta.charges)).toEqual(sent)
  }
  const [ledger] = await owner<{ count: number; sum: string }[]>`
    select count(*)::int, trim_scale(sum(amount))::text as sum from charges where tenant_id = ${tenant.id}`
  expect(ledger).toEqual({ count: amounts.length, sum: sumOf(charged) })
  const [marks] = await owner<{ sum: string }[]>`
    select trim_scale(sum(value::numeric))::text as sum from marks, jsonb_each_text(charges) where tenant_id = ${tenant.id}`
  expect(marks?.sum).toBe(sumOf(charged))
})

test('a pool holds what was poured and sipped to the last digit, as its ledger and its answers have it', async ({
  newTenant,
  owner,
}) => {
  const tenant = await newTenant()
  const sip = (amount: number) => tenant.calls('POST', '/v1/agentese/void/entropy/sip', { amount })
  const printed: number[] = []
  for (const amount of [0.1, 0.3, 0.7, 0.001, 1.005, 0.12345678901234568]) {
    const { body } = await sip(amount)
    expect(body.meta.charges).toEqual({ entropy: amount })
    const { grant } = body.result
    const poured = await tenant.calls('POST', '/v1/agentese/void/entropy/pour', { grant })
    expect(poured.body.meta.charges).toEqual({ entropy: -poured.body.result.recovered })
    printed.push(amount, -poured.body.result.recovered)
  }
  const [row] = await owner<{ agrees: boolean }[]>`
    select 100 - remaining = (select sum(amount) from charges where tenant_id = ${tenant.id}) as agrees
    from entropy_pools where tenant_id = ${tenant.id}`
  expect(row?.agrees).toBe(true)
  const amounts = await owner<{ amount: string }[]>`
    select trim_scale(amount)::text as amount from charges where tenant_id = ${tenant.id} order by at, amount desc`
  expect(amounts.map(({ amount }) => amount)).toEqual(printed.map(String))
  const simple = await sip(0.1)
  const back = await tenant.calls('POST', '/v1/agentese/void/entropy/pour', {
    grant: simple.body.result.grant,
  })
  expect(back.body.result.recovered).toBe(0.05)
})
