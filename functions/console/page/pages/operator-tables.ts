/** The pages of an operator that are lists and facts of operations. */
import { impersonate } from '../core/session.ts'
import { go } from '../core/router.ts'
import type { Json } from '../core/api.ts'
import type { ListSection, Page } from '../parts/section.ts'

const OPERATOR = { group: 'Operator', permission: 'platform:operate' } as const

function actAs(answer: Json, tenant: string): void {
  impersonate(answer, tenant)
  go('overview')
}

const isOpen = ({ status }: Json) => status === 'finalized' || status === 'failed'

function invoicesOf(tenant: unknown): ListSection {
  const action = { fill: ({ id }: Json) => ({ id: tenant, invoice: id }) }
  return {
    list: 'GET /v1/operator/tenants/:id/invoices',
    title: 'Invoices',
    of: 'invoices',
    input: { id: tenant },
    rowActions: [
      {
        ...action,
        operation: 'POST /v1/operator/tenants/:id/invoices/:invoice/pay',
        label: 'Note as paid',
        when: isOpen,
      },
      {
        ...action,
        operation: 'POST /v1/operator/tenants/:id/invoices/:invoice/credit-notes',
        label: 'Credit',
      },
      {
        ...action,
        operation: 'POST /v1/operator/tenants/:id/invoices/:invoice/void',
        label: 'Void',
        danger: true,
        when: isOpen,
      },
    ],
  }
}

export const TENANTS: Page = {
  ...OPERATOR,
  id: 'tenants',
  title: 'Tenants',
  about: 'All customers of the platform.',
  sections: [
    {
      list: 'GET /v1/operator/tenants',
      title: 'Tenants',
      of: 'tenants',
      actions: [{ operation: 'POST /v1/operator/tenants', label: 'Create a tenant', secret: 'token' }],
      rowActions: [
        {
          operation: 'POST /v1/operator/tenants/:id/suspend',
          label: 'Suspend',
          danger: true,
          when: ({ status }) => status === 'active',
        },
        {
          operation: 'POST /v1/operator/tenants/:id/resume',
          label: 'Resume',
          when: ({ status }) => status === 'suspended',
        },
        { operation: 'POST /v1/operator/tenants/:id/impersonate', label: 'Act as', use: actAs },
        { operation: 'PUT /v1/operator/tenants/:id/plan', label: 'Plan' },
        { operation: 'POST /v1/operator/tenants/:id/credits', label: 'Grant credits' },
        { operation: 'POST /v1/operator/tenants/:id/placement', label: 'Move' },
        {
          operation: 'DELETE /v1/operator/tenants/:id',
          label: 'Delete',
          danger: true,
          when: ({ status }) => status !== 'deleted',
        },
        {
          operation: 'POST /v1/operator/tenants/:id/restore',
          label: 'Restore',
          when: ({ status }) => status === 'deleted',
        },
      ],
      inner: ({ id }) => [
        {
          facts: 'GET /v1/operator/tenants/:id/placement',
          title: 'Placement',
          input: { id },
          show: ({ placement }) => placement,
        },
        invoicesOf(id),
      ],
    },
    { list: 'GET /v1/operator/provisioning', title: 'Provisioning', of: 'tenants being provisioned' },
    { list: 'GET /v1/operator/deletions', title: 'Deletions', of: 'deleted tenants' },
    {
      list: 'GET /v1/operator/operators',
      title: 'Operators',
      of: 'operators',
      actions: [{ operation: 'POST /v1/operator/operators', label: 'Make an operator' }],
      rowActions: [{ operation: 'DELETE /v1/operator/operators/:id', label: 'Remove', danger: true }],
    },
    {
      list: 'GET /v1/plans',
      title: 'Plans',
      of: 'plans',
      actions: [{ operation: 'POST /v1/operator/plans', label: 'New version of a plan' }],
    },
  ],
}

export const QUEUES: Page = {
  ...OPERATOR,
  id: 'queues',
  title: 'Queues and streams',
  about: 'What waits for workers, by tenant, and how far outboxes and streams are behind.',
  sections: [
    { list: 'GET /v1/operator/queues', title: 'Queues', of: 'queues', everySeconds: 5 },
    {
      facts: 'GET /v1/operator/health',
      title: 'Outbox and streams',
      show: ({ outbox, streams }) => ({ outbox, streams }),
    },
  ],
}

const REPLAY = { operation: 'POST /v1/operator/dead-letters/replay', shows: true } as const
const DISCARD = { operation: 'POST /v1/operator/dead-letters/discard', shows: true, danger: true } as const
const alone = ({ id }: Json) => ({ ids: [id] })

export const ALL_DEAD_LETTERS: Page = {
  ...OPERATOR,
  id: 'operator-dead-letters',
  title: 'Dead letters of all tenants',
  about:
    'Events that no attempt could deliver: filter them, and replay or discard them one by one or all that match.',
  sections: [
    {
      list: 'GET /v1/operator/dead-letters',
      title: 'Dead letters',
      of: 'dead letters',
      actions: [
        { ...REPLAY, label: 'Replay all that match', filtered: true },
        { ...DISCARD, label: 'Discard all that match', filtered: true },
      ],
      rowActions: [
        { ...REPLAY, label: 'Replay', fill: alone },
        { ...DISCARD, label: 'Discard', fill: alone },
      ],
    },
  ],
}

export const HEALTH: Page = {
  ...OPERATOR,
  id: 'health',
  title: 'Health',
  about: 'The parts of the platform, and whether they answer.',
  sections: [
    { facts: 'GET /v1/operator/health', title: 'Parts' },
    { facts: 'GET /webhooks/stripe/health', title: 'Payments' },
  ],
}

export const MARGINS: Page = {
  ...OPERATOR,
  id: 'margins',
  title: 'Margins',
  about: 'What tenants pay against what they cost.',
  sections: [{ list: 'GET /v1/operator/margins', title: 'Margins', of: 'margins' }],
}

export const METERING: Page = {
  ...OPERATOR,
  id: 'metering',
  title: 'Metering',
  about: 'Whether what is billed agrees with what was recorded.',
  sections: [
    {
      facts: 'GET /v1/operator/metering',
      title: 'State',
      show: ({ lag_seconds, rolled_up_at, reconciled_through }) => ({
        lag_seconds,
        rolled_up_at,
        reconciled_through,
      }),
      actions: [{ operation: 'POST /v1/operator/metering/recount', label: 'Count a day again', shows: true }],
    },
    { list: 'GET /v1/operator/metering', title: 'Reconciliation', of: 'reconciliations' },
  ],
}
