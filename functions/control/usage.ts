/** What a tenant uses: by time, by path, by model, by person and by key; and how much of its plan that is. */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route, tick } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { METER_NAMES } from '../../shared/metering/meters.ts'
import { requirePermission } from '../../shared/pipeline/check-access.ts'
import { announceAlerts } from './usage/alerts.ts'
import { CurrentUsage, readCurrent } from './usage/current.ts'
import { Moment, readPeriod, TimeZone } from './usage/period.ts'
import {
  BY_LABEL,
  BY_TIME,
  Cursor,
  isCursorOf,
  isLabel,
  readByLabel,
  readByTime,
  UsageRow,
} from './usage/read.ts'

const UsageQuery = z
  .strictObject({
    from: Moment.optional().describe('A day in the time zone, or a moment; the month that it is'),
    to: Moment.optional().describe('Up to this day or moment, and without it'),
    meter: z.enum(METER_NAMES).optional().describe('All without it'),
    by: z.enum([...BY_TIME, ...BY_LABEL]).default('day'),
    timezone: TimeZone.default('UTC').describe('Where days and months begin'),
    limit: wholeNumber(1, 1000).default(100),
    cursor: Cursor.optional(),
  })
  .refine(({ by, cursor }) => cursor === undefined || isCursorOf(by, cursor), {
    path: ['cursor'],
    error: 'must be a next_cursor of this list, as it came',
  })

const UsageAnswer = z.strictObject({
  from: z.string().describe('The beginning of the quarter of an hour in which the period begins'),
  to: z.string(),
  usage: z.array(UsageRow),
  next_cursor: NextCursor,
})

export const usage = defineOperation({
  name: 'usage',
  summary: 'What a tenant uses',
  routes: {
    list: route({
      route: 'GET /v1/usage',
      summary: 'What your tenant used, by time or by what was used; complete up to now',
      permission: 'billing:read',
      scopes: ['usage:read'],
      needs: ['postgres'],
      input: UsageQuery,
      output: UsageAnswer,
      examples: [
        { summary: 'Tokens by day, of this month', input: { meter: 'tokens' } },
        {
          summary: 'By path, as the calendar of Kolkata has the month',
          input: { by: 'path', from: '2026-11-01', to: '2026-12-01', timezone: 'Asia/Kolkata' },
        },
      ],
      handle: (wanted, call) => list(wanted, call),
    }),

    current: route({
      route: 'GET /v1/usage/current',
      summary: 'What your tenant has used of its plan this month, and what that comes to at its end',
      permission: 'billing:read',
      scopes: ['usage:read'],
      needs: ['postgres'],
      input: z.strictObject({}),
      output: CurrentUsage,
      handle: (_input, call) => readCurrent(call),
    }),
  },

  tick: tick({
    tenants: 'tenants_with_usage_alerts',
    needs: ['postgres', 'events'],
    handle: announceAlerts,
  }),
})

/** Totals are for whoever may see bills; who used what is for admins. */
async function list(
  { by, meter, timezone, limit, cursor, ...wanted }: z.infer<typeof UsageQuery>,
  call: Pick<Call, 'db' | 'identity'>,
): Promise<z.infer<typeof UsageAnswer>> {
  if (by === 'person' || by === 'key') requirePermission('usage.list', 'tenant:admin', call.identity)
  const period = await readPeriod({ ...wanted, timezone }, call)
  const meters = meter === undefined ? METER_NAMES : [meter]
  const bounds = { limit, cursor }
  const read = isLabel(by)
    ? await readByLabel(by, period, meters, bounds, call)
    : await readByTime(by, period, meters, timezone, bounds, call)
  return { from: period.from.toISOString(), to: period.to.toISOString(), ...read }
}
