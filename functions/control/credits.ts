/**
 * Credits: what a tenant has, every change of them with what it was made for, and what operators give. Credits that are past are
 * booked as expired with the next change, or by a tick within two minutes.
 */
import { z } from 'zod'
import { Credits, CREDIT_KINDS } from '../../shared/billing/ledger/credits.ts'
import { creditBalance, expireCredits } from '../../shared/billing/ledger/ledger.ts'
import { defineOperation, route, tick } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { Flag, wholeNumber } from '../../shared/contract/query-values.ts'
import { Instant } from '../../shared/instant.ts'
import { Grant, GRANTS_NEWEST_FIRST, listGrants } from './credits/grants.ts'
import { grantToTenant } from './credits/grant-to-tenant.ts'
import {
  LATEST_FIRST,
  LedgerTransaction,
  listTransactions,
  Source,
  TRANSACTION_KINDS,
} from './credits/transactions.ts'

const Amount = z.number().nonnegative().describe('Credits of $0.01, with six decimals')

const Balance = z.strictObject({
  available: Amount,
  held: Amount.describe('Set aside for work under way; it does not expire meanwhile'),
  by_kind: z.record(z.enum(CREDIT_KINDS), Amount).describe('Available, in the order of spending'),
})

export const credits = defineOperation({
  name: 'credits',
  summary: 'Credits of a tenant, and the ledger of them',
  database: 'central',
  routes: {
    balance: route({
      route: 'GET /v1/billing/credits',
      summary: 'Your credits by kind, and the grants that they are of, newest first',
      permission: 'billing:read',
      scopes: ['credit:read'],
      needs: ['postgres'],
      input: z.strictObject({
        open: Flag.optional().describe('Only grants of which something is left; false: only the others'),
        limit: wholeNumber(1, 100).default(20),
        cursor: GRANTS_NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ balance: Balance, grants: z.array(Grant), next_cursor: NextCursor }),
      examples: [{ summary: 'What is left', input: { open: 'true' } }],
      async handle(wanted, { db }) {
        const [{ available, held, byKind }, listed] = await Promise.all([
          creditBalance(db),
          listGrants(wanted, db),
        ])
        return { balance: { available, held, by_kind: byKind }, ...listed }
      },
    }),

    ledger: route({
      route: 'GET /v1/billing/ledger',
      summary: 'Every change of your credits with its entries, which sum to zero; newest first',
      permission: 'billing:read',
      scopes: ['credit:read'],
      needs: ['postgres'],
      input: z.strictObject({
        source: Source.optional().describe('What it was made for, or what it refunds'),
        kind: z.enum(TRANSACTION_KINDS).optional(),
        from: Instant.optional(),
        to: Instant.optional().describe('Exclusive'),
        limit: wholeNumber(1, 100).default(20),
        cursor: LATEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ transactions: z.array(LedgerTransaction), next_cursor: NextCursor }),
      examples: [{ summary: 'All that an invoice has taken', input: { source: 'invoice:2026-11' } }],
      handle: (wanted, { db }) => listTransactions(wanted, db),
    }),

    grant: route({
      route: 'POST /v1/operator/tenants/:id/credits',
      summary: 'Give a tenant credits, with a record in both audits',
      permission: 'platform:operate',
      scopes: ['platform_credit:write'],
      needs: ['postgres'],
      input: z.strictObject({
        id: z.uuid(),
        kind: z.enum(CREDIT_KINDS),
        amount: Credits.describe('Credits of $0.01'),
        expires_at: Instant.optional().describe(
          'Default: after 90 days for promotional, a month for rollover, a year for prepaid and compensation',
        ),
        reason: z.string().trim().min(1).max(500).describe('Also for the tenant'),
      }),
      output: z.strictObject({
        grant: z.strictObject({
          id: z.uuid(),
          tenant: z.uuid(),
          kind: z.enum(CREDIT_KINDS),
          amount: Amount,
          source: z.string(),
          expires_at: z.string(),
        }),
      }),
      examples: [
        {
          summary: 'After an outage',
          input: {
            id: '019a0000-0000-7000-8000-000000000000',
            kind: 'compensation',
            amount: 500,
            reason: 'The outage of 12 November',
          },
        },
      ],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (wanted, call) => grantToTenant(wanted, call),
    }),
  },
  tick: tick({
    tenants: 'tenants_with_due_credits',
    needs: ['postgres'],
    handle: ({ db }) => expireCredits(db),
  }),
})
