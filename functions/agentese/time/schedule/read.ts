/** What a person's schedules are, and how they stand. */
import { z } from 'zod'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { NextCursor, orderBy } from '../../../../shared/contract/pages.ts'
import { describe, find, Listed, listed, Schedule, STATUSES, type ListedRow } from './rows.ts'

export const manifest = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'How many of your calls wait, ran and failed',
  effects: ['reads:schedule'],
  input: NoInput,
  output: z.strictObject({
    type: z.literal('schedule'),
    counts: z.record(z.string(), z.int()),
    next: z.string().nullable(),
  }),
  examples: [{ summary: 'What is to come', input: {} }],
  async handle(_input, { db, identity }) {
    const rows = await db<{ status: string; count: number; next: Date | null }[]>`
      select status, count(*)::int as count, min(due_at) as next from schedules
      where user_id = ${identity.user} group by status`
    const pending = rows.find(({ status }) => status === 'pending')
    return {
      type: 'schedule' as const,
      counts: Object.fromEntries(rows.map(({ status, count }) => [status, count])),
      next: pending?.next?.toISOString() ?? null,
    }
  },
})

export const status = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'How one of your calls stands, with its input and what came of it',
  effects: ['reads:schedule'],
  input: z.strictObject({ id: z.uuid() }),
  output: Schedule,
  examples: [
    {
      summary: 'Was it made?',
      input: { id: { $from: 'given.0.result.id' } },
      given: [{ path: 'time.schedule.defer', input: { path: 'void.entropy.sip', delay: 3600 } }],
    },
  ],
  handle: async ({ id }, call) => describe(await find(id, call)),
})

/** UUIDs of version 7 sort by time. */
const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

export const list = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'Your scheduled calls, newest first; status has the outcome of one',
  effects: ['reads:schedule'],
  input: z.strictObject({
    status: z.enum(STATUSES).optional(),
    limit: z.int().min(1).max(100).default(20),
    cursor: NEWEST_FIRST.Cursor.optional(),
  }),
  output: z.strictObject({ schedules: z.array(Listed), next_cursor: NextCursor }),
  examples: [{ summary: 'What waits', input: { status: 'pending' } }],
  async handle({ status = null, ...bounds }, { db, identity }) {
    const schedules = db<ListedRow[]>`
      select id, path, archetype, due_at, status, finished_at, error, job_id from schedules
      where user_id = ${identity.user} and (${status}::text is null or status = ${status})`
    const { page, next_cursor } = await NEWEST_FIRST.readPage(db, schedules, bounds)
    return { schedules: page.map(listed), next_cursor }
  },
})
