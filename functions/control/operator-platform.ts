/** How the platform does, for its operators: what waits where, which parts answer, and what tenants bring and cost. */
import { z } from 'zod'
import { NoInput } from '../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { PlatformHealth, readHealth } from './operator-platform/health.ts'
import { BY_MONTH, listMargins, Margin, Month } from './operator-platform/margins.ts'
import { BY_SLUG, listQueues, TenantQueue } from './operator-platform/queues.ts'

/** Cents: what a thousand tokens cost the platform where the operator gives no figure. */
const DEFAULT_COST = '0.2'

export const operatorPlatform = defineOperation({
  name: 'operator-platform',
  summary: 'Queues, health and margins, for operators of the platform',
  database: 'central',
  routes: {
    queues: route({
      route: 'GET /v1/operator/queues',
      summary: 'Jobs that wait and run, of each tenant that has some',
      permission: 'platform:operate',
      scopes: ['platform_queue:read'],
      needs: ['postgres'],
      input: z.strictObject({
        limit: wholeNumber(1, 100).default(20),
        cursor: BY_SLUG.Cursor.optional(),
      }),
      output: z.strictObject({
        total: z.strictObject({
          waiting: z.int(),
          admitted: z.int(),
          running: z.int(),
          oldest_wait_seconds: z.number(),
        }),
        queues: z.array(TenantQueue),
        next_cursor: NextCursor,
      }),
      handle: (page, call) => listQueues(page, call),
    }),

    health: route({
      route: 'GET /v1/operator/health',
      summary: 'Each part of the platform and what waits for it; degraded where one is down or behind',
      permission: 'platform:operate',
      scopes: ['platform_health:read'],
      needs: ['postgres', 'health'],
      input: NoInput,
      output: PlatformHealth,
      handle: (_input, call) => readHealth(call),
    }),

    margins: route({
      route: 'GET /v1/operator/margins',
      summary: 'What tenants were invoiced by month, beside what their tokens cost',
      permission: 'platform:operate',
      scopes: ['platform_margin:read'],
      needs: ['postgres'],
      input: z.strictObject({
        from: Month.optional().describe('Default: this month, in UTC'),
        to: Month.optional().describe('The last month; default: as from'),
        cents_per_1000_tokens: z
          .string()
          .regex(/^\d{1,6}(\.\d{1,6})?$/, 'is no amount of cents')
          .default(DEFAULT_COST)
          .describe('What the platform pays for them'),
        limit: wholeNumber(1, 100).default(20),
        cursor: BY_MONTH.Cursor.optional(),
      }),
      output: z.strictObject({ margins: z.array(Margin), next_cursor: NextCursor }),
      examples: [{ summary: 'A quarter', input: { from: '2026-07', to: '2026-09' } }],
      handle: (wanted, call) => listMargins(wanted, call),
    }),
  },
})
