/**
 * How the counting of usage is, for the operators of the platform: how far it is, and where ledger and sums differed. A day of
 * a tenant whose sums are wrong is counted again from the ledger.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor, orderBy, type Bounds } from '../../shared/contract/pages.ts'
import { Flag, wholeNumber } from '../../shared/contract/query-values.ts'
import { Failure } from '../../shared/failures.ts'
import { actorFacts, type Audited } from './audit/record.ts'
import { operate } from './tenants/operate.ts'

const Reconciliation = z.strictObject({
  tenant: z.uuid(),
  day: z.string(),
  meter: z.string(),
  ledger: z.number().describe('What the rows themselves come to'),
  daily: z.number(),
  hourly: z.number(),
  quarters: z.number(),
  events: z.number().nullable().describe('What other records of the same come to; null where there are none'),
  discrepancy: z.number().describe('The greatest difference between ledger and sums'),
  checked_at: z.string(),
})
type Reconciliation = z.infer<typeof Reconciliation>

const LATEST_FIRST = orderBy({ day: 'text', tenant: 'uuid', meter: 'text' }, 'desc')

const Wanted = z.strictObject({
  tenant: z.uuid().optional(),
  day: z.iso.date().optional(),
  differing: Flag.default(false).describe('Only where ledger and sums differ'),
  limit: wholeNumber(1, 1000).default(100),
  cursor: LATEST_FIRST.Cursor.optional(),
})

export const metering = defineOperation({
  name: 'metering',
  summary: 'Whether usage is counted right, for operators of the platform',
  database: 'central',
  routes: {
    state: route({
      route: 'GET /v1/operator/metering',
      summary: 'How far usage is counted, and what the daily reconciliation of ledger and sums found',
      permission: 'platform:operate',
      scopes: ['platform_metering:read'],
      needs: ['postgres'],
      input: Wanted,
      output: z.strictObject({
        lag_seconds: z.number().describe('Age of the oldest call or charge that is not counted'),
        rolled_up_at: z.string(),
        reconciled_through: z.string().describe('The last day that is reconciled, in UTC'),
        reconciliations: z.array(Reconciliation),
        next_cursor: NextCursor,
      }),
      examples: [{ summary: 'What is wrong', input: { differing: 'true' } }],
      handle: (wanted, call) => readState(wanted, call),
    }),

    recount: route({
      route: 'POST /v1/operator/metering/recount',
      summary: 'Count a day of a tenant again from its ledger, and reconcile it',
      permission: 'platform:operate',
      scopes: ['platform_metering:write'],
      needs: ['postgres'],
      input: z.strictObject({ tenant: z.uuid(), day: z.iso.date() }),
      output: z.strictObject({ reconciliations: z.array(Reconciliation) }),
      examples: [
        {
          summary: 'After a difference was found',
          input: { tenant: '019a0000-0000-7000-8000-000000000000', day: '2026-11-26' },
        },
      ],
      writes: true,
      handle: (wanted, call) => recount(wanted, call),
    }),
  },
})

type Acting = Pick<Call, 'db' | 'identity'>

interface Row extends Record<'ledger' | 'daily' | 'hourly' | 'quarters' | 'discrepancy', string> {
  tenant: string
  day: string
  meter: string
  events: string | null
  checked_at: Date
}

async function readState(wanted: z.infer<typeof Wanted>, call: Acting) {
  const { db, identity } = call
  const [state] = await operate(db<{ lag_seconds: number; rolled_up_at: Date; through: string }[]>`
    select lag_seconds, rolled_up_at, reconciled_through::text as through from metering_for_operator(${identity.user})`)
  if (state === undefined) throw new TypeError('Cannot read the state of metering: there is none')
  return {
    lag_seconds: state.lag_seconds,
    rolled_up_at: state.rolled_up_at.toISOString(),
    reconciled_through: state.through,
    ...(await listReconciliations(wanted, call)),
  }
}

async function listReconciliations(
  {
    tenant = null,
    day = null,
    differing = false,
    ...bounds
  }: Bounds & {
    tenant?: string | null | undefined
    day?: string | null | undefined
    differing?: boolean
  },
  { db, identity }: Acting,
) {
  const rows = db<Row[]>`
    select tenant_id as tenant, day::text as day, meter, ledger, daily, hourly, quarters, events, discrepancy, checked_at
    from usage_reconciliations_for_operator(${identity.user})
    where (${tenant}::uuid is null or tenant_id = ${tenant}) and (${day}::date is null or day = ${day}::date)
      and (not ${differing}::boolean or discrepancy <> 0)`
  const { page, next_cursor } = await operate(LATEST_FIRST.readPage(db, rows, bounds))
  return { reconciliations: page.map(describe), next_cursor }
}

/** @throws Failure NOT_FOUND */
async function recount({ tenant, day }: { tenant: string; day: string }, call: Audited) {
  const { db, identity } = call
  const [row] = await operate(db<{ done: boolean }[]>`
    select recount_usage_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${tenant}, ${day}::date) as done`)
  if (row?.done !== true) {
    throw new Failure('NOT_FOUND', `Cannot find tenant "${tenant}"`, {
      suggestion: 'GET /v1/operator/tenants lists them',
    })
  }
  const { reconciliations } = await listReconciliations({ tenant, day, limit: 1000 }, call)
  return { reconciliations }
}

function describe({
  ledger,
  daily,
  hourly,
  quarters,
  events,
  discrepancy,
  checked_at,
  ...row
}: Row): Reconciliation {
  return {
    ...row,
    ledger: Number(ledger),
    daily: Number(daily),
    hourly: Number(hourly),
    quarters: Number(quarters),
    events: events === null ? null : Number(events),
    discrepancy: Number(discrepancy),
    checked_at: checked_at.toISOString(),
  }
}
