/** Laws 12 and 14: what is reserved ends once, failures cost nothing, one key is one charge; one mark for each call. */
import { describe, expect } from 'vitest'
import { testWith } from '../functions/world.ts'
import * as fc from 'fast-check'

const test = testWith()
const SIP = '/v1/agentese/void/entropy/sip'
const DIALOGUE = '/v1/agentese/self/soul/dialogue'
const MESSAGE = { message: 'Tell me how a garden grows when nobody looks after it' }

type Step =
  | { kind: 'sip'; amount: number }
  | { kind: 'refused' }
  | { kind: 'talk'; ends: 'well' | 'badly' | 'cancelled' }
  | { kind: 'again' }

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('sip' as const), amount: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant('refused' as const) }),
  fc.record({ kind: fc.constant('talk' as const), ends: fc.constantFrom('well', 'badly', 'cancelled') }),
  fc.record({ kind: fc.constant('again' as const) }),
)

describe('laws 12 and 14', () => {
  test('the ledger adds up to what was settled, and each call has one mark and one event', async ({
    newTenant,
    settles,
    owner,
    runtime,
  }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 8 }), async (steps) => {
        const tenant = await newTenant()
        let calls = 0
        let sipped = 0
        let talked = 0
        let last: { amount: number; key: string } | undefined
        for (const step of steps) {
          if (step.kind === 'sip') {
            last = { amount: step.amount, key: `key-${calls}` }
            await tenant.calls('POST', SIP, { amount: step.amount }, { 'idempotency-key': last.key })
            calls++
            sipped += step.amount
          } else if (step.kind === 'again') {
            if (last !== undefined)
              await tenant.calls('POST', SIP, { amount: last.amount }, { 'idempotency-key': last.key })
          } else if (step.kind === 'refused') {
            const { status } = await tenant.calls('POST', '/v1/agentese/void/entropy/pour', { amount: 99 })
            expect(status).toBe(404)
            calls++
          } else {
            const { body } = await tenant.calls('POST', DIALOGUE, MESSAGE)
            calls++
            if (step.ends === 'cancelled') await tenant.calls('DELETE', body.links.self)
            await settles(tenant, () => (step.ends === 'badly' ? new Error('no') : { text: 'Well.' }))
            if (step.ends === 'well') talked += 12
          }
        }
        await runtime.recorder.flush()
        await settles(tenant)
        const [ledger] = await owner`
          select coalesce(sum(amount) filter (where resource = 'entropy' and kind = 'settled'), 0)::float8 as sipped,
                 coalesce(sum(amount) filter (where resource = 'tokens' and kind = 'settled'), 0)::float8 as talked,
                 count(*) filter (where kind = 'reserved')::int - count(*) filter (where resource = 'tokens' and kind <> 'reserved')::int as open
          from charges where tenant_id = ${tenant.id}`
        expect(ledger).toEqual({ sipped, talked, open: 0 })
        const allowances =
          await owner`select reserved::int, spent::int from allowances where tenant_id = ${tenant.id} and resource = 'tokens'`
        for (const row of allowances) expect(row).toEqual({ reserved: 0, spent: talked })
        const [told] = await owner`
          select (select count(*)::int from marks where tenant_id = ${tenant.id}) as marks,
                 (select count(*)::int from outbox where tenant_id = ${tenant.id}
                  and event::json->>'type' ~ '^io.kgents.agentese.(invoked|failed|refused)$') as events`
        expect(told).toEqual({ marks: calls, events: calls })
      }),
      { numRuns: 25 },
    )
  })

  test('marks cannot be changed or removed by functions', async ({ newTenant, app }) => {
    const tenant = await newTenant()
    for (const text of ["update marks set outcome = 'failure'", 'delete from marks', 'truncate marks']) {
      await expect(
        app.begin(async (db) => {
          await db`select set_tenant_context(${tenant.id})`
          await db.unsafe(text)
        }),
      ).rejects.toThrow(/permission denied/)
    }
  })
})
