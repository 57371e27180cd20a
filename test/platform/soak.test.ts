/**
 * Two hundred tenants at once, doing a bit of everything for `SOAK_SECONDS`, and then the books: the ledger
 * agrees with the pools, each mutation has exactly one mark and one event, and nobody ever saw a row of another's.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { expect } from 'vitest'
import { test, type Caller } from './world.ts'

const TENANTS = 200
/** Tenants that are made at the same time. */
const AT_ONCE = 20
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 20)
/** How long what is written off the request path may take to arrive afterwards. */
const SETTLE_SECONDS = 30

interface Worker {
  caller: Caller
  /** Stands in every name and text of this tenant, and in nobody else's. */
  marker: string
  /** Calls that must have left a mark, by path. */
  marked: Map<string, number>
  grants: string[]
  entities: number
  leaks: string[]
  unexpected: string[]
}

type Act = (worker: Worker) => Promise<void>

const url = (path: string) => `/v1/agentese/${path.replaceAll('.', '/')}`

/** Calls, notes that there must be a mark of it, and looks for what belongs to others in the answer. */
async function invoke(worker: Worker, path: string, input: object, headers: Record<string, string> = {}) {
  const answer = await worker.caller.call('POST', url(path), input, headers)
  const text = JSON.stringify(answer.body)
  for (const [found] of text.matchAll(/soak_[0-9a-f]{8}/g))
    if (found !== worker.marker) worker.leaks.push(text)
  if (answer.status !== 200) worker.unexpected.push(`${path}: ${told(answer)}`)
  else if (answer.headers.get('idempotency-replayed') === null) note(worker, path)
  return answer
}

function told({ status, body }: { status: number; body: unknown }): string {
  return `${status} ${JSON.stringify(body).slice(0, 300)}`
}

function note({ marked }: Worker, path: string): void {
  marked.set(path, (marked.get(path) ?? 0) + 1)
}

const ACTS: [weight: number, act: Act][] = [
  [
    5,
    async (worker) => {
      const key = randomUUID()
      const first = await invoke(worker, 'void.entropy.sip', { amount: 0.01 }, { 'idempotency-key': key })
      if (first.body.result !== undefined) worker.grants.push(first.body.result.grant)
      // A third of all clients are not sure that they were heard.
      if (Math.random() < 0.3) {
        const again = await invoke(worker, 'void.entropy.sip', { amount: 0.01 }, { 'idempotency-key': key })
        if (again.body.result?.grant !== first.body.result?.grant)
          worker.unexpected.push(`one key, two answers: ${told(first)} and ${told(again)}`)
      }
    },
  ],
  [
    2,
    async (worker) => {
      const grant = worker.grants.pop()
      if (grant !== undefined) await invoke(worker, 'void.entropy.pour', { grant })
    },
  ],
  [4, async (worker) => void (await invoke(worker, 'void.entropy.manifest', {}))],
  [
    3,
    async (worker) => {
      const name = `${worker.marker}_${worker.entities++}`
      await invoke(worker, `world.${name}.define`, {}, { 'x-observer-archetype': 'architect' })
    },
  ],
  [
    3,
    async (worker) => {
      if (worker.entities === 0) return
      const name = `${worker.marker}_${Math.floor(Math.random() * worker.entities)}`
      const changes = { colour: worker.marker, weight: Math.random() }
      await invoke(worker, `world.${name}.transform`, { changes }, { 'x-observer-archetype': 'architect' })
    },
  ],
  [
    3,
    async (worker) => {
      const { body } = await worker.caller.call('GET', '/v1/agentese/query?pattern=%3Fworld.*&limit=1000')
      const names: string[] = (body.matches ?? []).map((each: { path: string }) => each.path)
      const foreign = names.filter((name) => name.includes('soak_') && !name.includes(worker.marker))
      worker.leaks.push(...foreign)
    },
  ],
  [2, async (worker) => void (await invoke(worker, 'void.gratitude.thank', { target: worker.marker }))],
  [2, async (worker) => void (await invoke(worker, 'time.trace.query', { limit: 20 }))],
  [
    1,
    async (worker) => {
      const input = { expression: 'void.entropy.sip >> void.entropy.manifest', input: { amount: 0.01 } }
      const { status } = await worker.caller.call('POST', '/v1/agentese/compose', input)
      if (status !== 200) worker.unexpected.push(`compose: ${status}`)
      note(worker, 'void.entropy.sip')
      note(worker, 'void.entropy.manifest')
    },
  ],
]

const DRAWN = ACTS.flatMap(([weight, act]) => Array.from({ length: weight }, () => act))

function workerOf(caller: Caller): Worker {
  const marker = `soak_${caller.tenant.slice(0, 8)}`
  return { caller, marker, marked: new Map(), grants: [], entities: 0, leaks: [], unexpected: [] }
}

async function work(worker: Worker, until: number): Promise<void> {
  while (performance.now() < until) {
    const act = DRAWN[Math.floor(Math.random() * DRAWN.length)]
    await act?.(worker)
  }
}

test(
  `${TENANTS} tenants at once for ${SECONDS} s leave books that agree`,
  async ({ newTenant, sql }) => {
    const workers: Worker[] = []
    for (let count = 0; count < TENANTS; count += AT_ONCE) {
      const few = Array.from({ length: AT_ONCE }, () => newTenant('enterprise', ['admin']))
      for (const caller of await Promise.all(few)) workers.push(workerOf(caller))
    }
    const until = performance.now() + SECONDS * 1000
    await Promise.all(workers.map((worker) => work(worker, until)))

    expect(workers.flatMap(({ leaks }) => leaks)).toEqual([])
    expect(workers.flatMap(({ unexpected }) => unexpected)).toEqual([])
    const ids = workers.map(({ caller }) => caller.tenant)
    const expected = workers.reduce((sum, { marked }) => sum + total(marked), 0)
    expect(await countMarks(sql, ids, expected)).toBe(expected)

    const books = await sql<{ tenant: string; spent: number; gone: number }[]>`
      select p.tenant_id as tenant, round(sum(c.amount), 6)::float8 as spent,
             round((p.initial - p.remaining)::numeric, 6)::float8 as gone
      from entropy_pools p join charges c on c.tenant_id = p.tenant_id and c.resource = 'entropy' and c.kind = 'settled'
      where p.tenant_id = any(${ids}) group by p.tenant_id, p.initial, p.remaining`
    expect(books.filter(({ spent, gone }) => Math.abs(spent - gone) > 1e-6)).toEqual([])

    const [told] = await sql`
      select count(*)::int as marks, count(distinct m.id)::int as ones, count(o.id)::int as events
      from marks m left join outbox o
        on o.tenant_id = m.tenant_id and (o.event::jsonb #>> '{data,mark}') = m.id::text
      where m.tenant_id = any(${ids})`
    expect(told).toEqual({ marks: expected, ones: expected, events: expected })

    const strangers = await sql`
      select count(*)::int as count from outbox
      where tenant_id = any(${ids}) and event::jsonb ->> 'tenantid' <> tenant_id::text`
    expect(strangers).toEqual([{ count: 0 }])
    process.stdout.write(`soak: ${expected} marked calls in ${SECONDS} s by ${TENANTS} tenants\n`)
  },
  (SECONDS + SETTLE_SECONDS + 90) * 1000,
)

function total(marked: Map<string, number>): number {
  return [...marked.values()].reduce((sum, count) => sum + count, 0)
}

/** Marks of looks are written off the request path: waits until all are there, or no more come. */
async function countMarks(sql: Sql, tenants: string[], expected: number): Promise<number> {
  const until = performance.now() + SETTLE_SECONDS * 1000
  for (;;) {
    const [row] = await sql<
      { count: number }[]
    >`select count(*)::int as count from marks where tenant_id = any(${tenants})`
    const count = row?.count ?? 0
    if (count >= expected || performance.now() > until) return count
    await pause(200)
  }
}
