/** The pages of a tenant that are lists and facts of operations: data alone. Those with a component of their own are in `pages.ts`. */
import type { Page } from '../parts/section.ts'

/** The part of an address behind # is sent to nobody. */
const invitationLink = (token: string) =>
  `${location.origin}/console#/accept?token=${encodeURIComponent(token)}`

const byName = ({ name }: { name?: unknown }) => ({ name })
const isActive = (row: { status?: unknown }) => row.status === undefined || row.status === 'active'
const isOpen = (row: { status?: unknown }) => row.status === 'queued' || row.status === 'running'

export const JOBS: Page = {
  id: 'jobs',
  title: 'Jobs',
  group: 'Use',
  about: 'Work that a model does, as it goes on.',
  permission: 'jobs:read',
  sections: [
    {
      list: 'GET /v1/jobs',
      title: 'Jobs',
      of: 'jobs',
      columns: ['path', 'status', 'created_at', 'finished_at', 'tokens', 'charges'].map((name) => ({ name })),
      everySeconds: 3,
      rowActions: [
        { operation: 'POST /v1/jobs/:id/retry', label: 'Retry', when: ({ status }) => status === 'failed' },
        { operation: 'DELETE /v1/jobs/:id', label: 'Cancel', danger: true, when: isOpen },
      ],
    },
  ],
}

export const TOOLS: Page = {
  id: 'tools',
  title: 'Tools',
  group: 'Use',
  about: 'HTTP interfaces that your agents may use.',
  sections: [
    {
      list: 'POST /v1/agentese/world/tool/list',
      title: 'Tools',
      of: 'tools',
      actions: [
        { operation: 'POST /v1/agentese/world/tool/define', label: 'Define a tool' },
        { operation: 'POST /v1/agentese/world/tool/secret', label: 'Store a secret' },
        { operation: 'POST /v1/agentese/world/tool/allow', label: 'Allow an origin' },
      ],
      rowActions: [
        {
          operation: 'POST /v1/agentese/world/tool/invoke',
          label: 'Use',
          fill: byName,
          shows: true,
        },
        {
          operation: 'POST /v1/agentese/world/tool/remove',
          label: 'Remove',
          fill: byName,
          danger: true,
        },
      ],
    },
  ],
}

export const SCHEDULES: Page = {
  id: 'schedules',
  title: 'Schedules',
  group: 'Use',
  about: 'Calls that are made later.',
  sections: [
    {
      list: 'POST /v1/agentese/time/schedule/list',
      title: 'Scheduled calls',
      of: 'scheduled calls',
      actions: [
        { operation: 'POST /v1/agentese/time/schedule/defer', label: 'Schedule a call', shows: true },
      ],
      rowActions: [
        { operation: 'POST /v1/agentese/time/schedule/status', label: 'Outcome', shows: true },
        {
          operation: 'POST /v1/agentese/time/schedule/cancel',
          label: 'Cancel',
          danger: true,
          when: ({ status }) => status === 'pending',
        },
      ],
    },
  ],
}

export const PEOPLE: Page = {
  id: 'people',
  title: 'Members and invitations',
  group: 'People',
  about: 'Who belongs to your tenant, and who may come.',
  permission: 'tenant:admin',
  sections: [
    {
      list: 'GET /v1/members',
      title: 'Members',
      of: 'members',
      rowActions: [
        { operation: 'PATCH /v1/members/:id', label: 'Change roles', edits: true },
        { operation: 'DELETE /v1/members/:id', label: 'Remove', danger: true },
      ],
    },
    {
      list: 'GET /v1/invitations',
      title: 'Invitations',
      of: 'invitations',
      actions: [
        { operation: 'POST /v1/invitations', label: 'Invite', secret: 'token', linkOf: invitationLink },
      ],
      rowActions: [
        {
          operation: 'POST /v1/invitations/:id/resend',
          label: 'Resend',
          secret: 'token',
          linkOf: invitationLink,
        },
        { operation: 'DELETE /v1/invitations/:id', label: 'Revoke', danger: true },
      ],
    },
  ],
}

export const KEYS: Page = {
  id: 'api-keys',
  title: 'API keys',
  group: 'People',
  about: 'Credentials of programs. A key is shown when it is made and never again.',
  sections: [
    {
      list: 'GET /v1/api-keys',
      title: 'API keys',
      of: 'API keys',
      actions: [{ operation: 'POST /v1/api-keys', label: 'Create a key', secret: 'key' }],
      rowActions: [
        { operation: 'POST /v1/api-keys/:id/rotate', label: 'Rotate', secret: 'key', when: isActive },
        { operation: 'DELETE /v1/api-keys/:id', label: 'Revoke', danger: true, when: isActive },
      ],
    },
  ],
}

/** A directory that provisions people holds a key of the tenant that is good for nothing else. */
const SCIM_KEY = { name: 'SCIM', owner: 'tenant', roles: ['admin'], scopes: ['scim:*'] }

export const SSO: Page = {
  id: 'sso',
  title: 'SSO and domains',
  group: 'People',
  about: 'The identity providers of your company, and the domains that are proven to be yours.',
  permission: 'tenant:admin',
  sections: [
    {
      list: 'GET /v1/identity-providers',
      title: 'Identity providers',
      of: 'identity providers',
      actions: [
        { operation: 'PUT /v1/identity-providers/:name', label: 'Add a provider', shows: true },
        { operation: 'POST /v1/auth/recovery-codes', label: 'Make recovery codes', secret: 'codes' },
        { operation: 'POST /v1/api-keys', label: 'Make a key for SCIM', given: SCIM_KEY, secret: 'key' },
      ],
      rowActions: [
        {
          operation: 'PUT /v1/identity-providers/:name',
          label: 'Change',
          fill: byName,
          edits: true,
        },
        {
          operation: 'DELETE /v1/identity-providers/:name',
          label: 'Remove',
          fill: byName,
          danger: true,
        },
      ],
    },
    {
      list: 'GET /v1/domains',
      title: 'Domains',
      of: 'domains',
      actions: [{ operation: 'POST /v1/domains', label: 'Add a domain', shows: true }],
      rowActions: [
        { operation: 'POST /v1/domains/:id/verify', label: 'Verify', shows: true },
        { operation: 'PATCH /v1/domains/:id', label: 'Change', edits: true },
        { operation: 'DELETE /v1/domains/:id', label: 'Remove', danger: true },
      ],
    },
  ],
}

interface Subscribed {
  subscription?: { cancels_at_end?: boolean } | null
}
const isCanceling = ({ subscription }: Subscribed) => subscription?.cancels_at_end === true
const isGoingOn = ({ subscription }: Subscribed) => subscription?.cancels_at_end === false

export const BILLING: Page = {
  id: 'billing',
  title: 'Billing',
  group: 'Money',
  about: 'Your plan, what it costs, and your invoices.',
  permission: 'billing:read',
  sections: [
    {
      facts: 'GET /v1/billing/subscription',
      title: 'Subscription',
      show: ({ subscription, payment }) => ({
        ...(subscription ?? { plan: 'free' }),
        payment,
      }),
      actions: [
        { operation: 'POST /v1/billing/subscription/preview', label: 'Preview a change', shows: true },
        { operation: 'POST /v1/billing/subscription', label: 'Change the plan' },
        { operation: 'POST /v1/billing/checkout', label: 'Buy', shows: true },
        { operation: 'POST /v1/billing/portal', label: 'Payment details', shows: true },
        { operation: 'POST /v1/billing/subscription/resume', label: 'Resume', when: isCanceling },
        { operation: 'POST /v1/billing/subscription/cancel', label: 'Cancel', danger: true, when: isGoingOn },
      ],
    },
    {
      list: 'GET /v1/plans',
      title: 'Plans',
      of: 'plans',
      columns: ['name', 'price_month_cents', 'price_year_cents', 'trial_days', 'features'].map((name) => ({
        name,
      })),
    },
    {
      list: 'GET /v1/billing/invoices',
      title: 'Invoices',
      of: 'invoices',
      columns: ['number', 'status', 'issued_at', 'due_at', 'total_cents', 'open_cents'].map((name) => ({
        name,
      })),
      downloads: [
        {
          operation: 'GET /v1/billing/invoices/:id/pdf',
          label: 'PDF',
          file: ({ number, id }) => `invoice-${String(number ?? id)}.pdf`,
        },
      ],
    },
  ],
}

export const CREDITS: Page = {
  id: 'credits',
  title: 'Credits',
  group: 'Money',
  about: 'What is left to spend before usage is billed, and every entry that it comes from.',
  permission: 'billing:read',
  sections: [
    { facts: 'GET /v1/billing/credits', title: 'Credits', show: ({ balance }) => balance },
    { list: 'GET /v1/billing/credits', title: 'Grants', of: 'grants', member: 'grants' },
    { list: 'GET /v1/billing/ledger', title: 'Ledger', of: 'entries' },
  ],
}

export const SUBSCRIPTIONS: Page = {
  id: 'subscriptions',
  title: 'Webhooks',
  group: 'Events',
  about: 'Events that are sent to your own addresses, and how their deliveries go.',
  permission: 'subscriptions:write',
  sections: [
    {
      list: 'GET /v1/subscriptions',
      title: 'Subscriptions',
      of: 'subscriptions',
      columns: ['sink', 'status', 'patterns', 'events', 'delivery', 'created_at'].map((name) => ({ name })),
      nameOf: ({ sink }) => String(sink),
      actions: [{ operation: 'POST /v1/subscriptions', label: 'Subscribe', secret: 'secret' }],
      rowActions: [
        { operation: 'POST /v1/subscriptions/:id/test', label: 'Test', shows: true },
        { operation: 'POST /v1/subscriptions/:id/rotate', label: 'Rotate the secret', secret: 'secret' },
        { operation: 'DELETE /v1/subscriptions/:id', label: 'End', danger: true },
      ],
      inner: ({ id }) => [
        {
          list: 'GET /v1/subscriptions/:id/dead',
          title: 'Dead letters',
          of: 'dead letters',
          input: { id },
          columns: ['event', 'attempts', 'error', 'at'].map((name) => ({ name })),
          rowActions: [
            {
              operation: 'POST /v1/subscriptions/:id/dead/:event/retry',
              label: 'Send again',
              fill: ({ id: event }) => ({ id, event }),
            },
          ],
        },
      ],
    },
  ],
}

export const MAPPINGS: Page = {
  id: 'event-mappings',
  title: 'Event mappings',
  group: 'Events',
  about: 'Paths that are invoked when events of your own systems come in.',
  sections: [
    {
      list: 'GET /v1/event-mappings',
      title: 'Mappings',
      of: 'mappings',
      actions: [{ operation: 'POST /v1/event-mappings', label: 'Map a type of event' }],
      rowActions: [{ operation: 'DELETE /v1/event-mappings/:id', label: 'Remove', danger: true }],
    },
  ],
}

export const DEAD_LETTERS: Page = {
  id: 'dead-letters',
  title: 'Dead letters',
  group: 'Events',
  about: 'Events that no attempt could deliver to a function.',
  permission: 'tenant:admin',
  sections: [
    {
      list: 'GET /v1/dead-letters',
      title: 'Dead letters',
      of: 'dead letters',
      rowActions: [
        { operation: 'POST /v1/dead-letters/:id/replay', label: 'Replay', shows: true },
        { operation: 'DELETE /v1/dead-letters/:id', label: 'Discard', danger: true },
      ],
    },
  ],
}

const isDeleted = ({ tenant }: { tenant?: { status?: string } }) => tenant?.status === 'deleted'

export const SETTINGS: Page = {
  id: 'settings',
  title: 'Tenant settings',
  group: 'Tenant',
  about: 'Its name, a copy of its data, and its end.',
  sections: [
    {
      facts: 'GET /v1/tenant',
      title: 'Tenant',
      show: ({ tenant }) => tenant,
      actions: [
        { operation: 'PATCH /v1/tenant', label: 'Rename' },
        { operation: 'POST /v1/tenant/restore', label: 'Take the deletion back', when: isDeleted },
        {
          operation: 'DELETE /v1/tenant',
          label: 'Delete',
          danger: true,
          shows: true,
          when: (answer) => !isDeleted(answer),
        },
      ],
    },
    {
      list: 'GET /v1/tenant/exports',
      title: 'Exports',
      of: 'exports',
      actions: [{ operation: 'POST /v1/tenant/exports', label: 'Export all data' }],
      downloads: [
        {
          operation: 'GET /v1/tenant/exports/:id/download',
          label: 'Download',
          file: ({ id }) => `export-${String(id)}.jsonl`,
        },
      ],
    },
  ],
}
