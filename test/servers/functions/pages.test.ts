/** Lists in pages: each entry comes once, whatever is deleted between two pages, and a cursor is one or is refused. */
import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { describe, expect } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { inputSchemaOf, outputSchemaOf } from '../../../shared/contract/schemas.ts'
import { ASPECTS, asAllowed, requestFor, urlOf } from './examples.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

/** All of the same microsecond, so that the id alone tells them apart. */
const AT = '2026-03-04T05:06:07.123456Z'
const COUNT = 7
const PAGE = 2

interface List {
  url: string
  headers?: Record<string, string>
  input?: object
  /** The member of the answer that has the entries, and theirs that has the id. */
  entries: string
  id: string
  table: string
  /** A row of it; the tenant and its person are added. */
  row: () => Record<string, unknown>
  /** Column of the id in the table. */
  key?: string
}

const ADMIN = { 'x-observer-archetype': 'admin' }
const MARK = {
  node: 'self.soul',
  path: 'self.soul.manifest',
  category: 'P',
  outcome: 'success',
  archetype: 'developer',
  effects: [],
  trace_id: '0'.repeat(32),
  duration_ms: 1,
  at: AT,
}

const LISTS: Record<string, List> = {
  memories: {
    url: '/v1/agentese/self/memory/recent',
    entries: 'memories',
    id: 'id',
    table: 'memories',
    row: () => ({
      id: randomUUID(),
      content: 'A',
      tags: [],
      source_type: 'a',
      metadata: {},
      captured_at: AT,
    }),
  },
  semaphores: {
    url: '/v1/agentese/world/purgatory/list',
    entries: 'semaphores',
    id: 'token_id',
    table: 'semaphores',
    row: () => ({
      id: `sem-${randomUUID().slice(0, 8)}`,
      reason: 'approval_needed',
      prompt: 'Why?',
      severity: 'info',
      opened_at: AT,
    }),
  },
  'decisions of the gatekeeper': {
    url: '/v1/agentese/self/soul/audit',
    headers: ADMIN,
    entries: 'decisions',
    id: 'decision',
    table: 'governance_decisions',
    row: () => ({
      id: randomUUID(),
      action: 'Read',
      context: '{}',
      recommendation: 'approve',
      confidence: 1,
      reasoning: 'None',
      principles: '[]',
      alternatives: '[]',
      tokens_used: 0,
      trace_id: '0'.repeat(32),
      at: AT,
    }),
  },
  'what was done at a node': {
    url: '/v1/agentese/self/soul/witness',
    entries: 'history',
    id: 'mark',
    table: 'marks',
    row: () => ({ id: randomUUID(), ...MARK }),
  },
  marks: {
    url: '/v1/agentese/time/trace/query',
    input: { path: MARK.path },
    entries: 'results',
    id: 'mark',
    table: 'marks',
    row: () => ({ id: randomUUID(), ...MARK }),
  },
  'values of a person': {
    url: '/v1/agentese/self/state/inspect',
    entries: 'entries',
    id: 'key',
    table: 'states',
    key: 'key',
    row: () => ({ key: `Ü ${randomUUID()}`, value: '1' }),
  },
  jobs: {
    url: '/v1/jobs',
    entries: 'jobs',
    id: 'id',
    table: 'jobs',
    row: () => ({
      id: randomUUID(),
      function: 'a',
      path: 'a.b.c',
      call: '{}',
      message: '',
      status: 'failed',
    }),
  },
  agents: {
    url: '/v1/agentese/world/agent/list',
    entries: 'agents',
    id: 'id',
    table: 'agents',
    row: () => ({
      id: randomUUID(),
      handle: `a${Math.random()}`.replace('.', ''),
      name: 'A',
      theme: 'A',
      instructions: 'A',
    }),
  },
}

describe.for(Object.entries(LISTS))('a list of %s', ([, list]) => {
  test('goes on after the last entry of a page although that was deleted', async ({ newTenant, owner }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const ids = await fill(list, tenant, owner)
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = await read(list, tenant, { limit: PAGE, ...(cursor === null ? {} : { cursor }) })
      const found = (page[list.entries] as Record<string, string>[]).map((entry) => entry[list.id] ?? '')
      seen.push(...found)
      const { table, key = 'id' } = list
      await owner`delete from ${owner(table)} where tenant_id = ${tenant.id} and ${owner(key)}::text = ${found.at(-1) ?? ''}`
      cursor = page['next_cursor'] as string | null
    } while (cursor !== null)
    expect(seen.filter((id) => ids.includes(id)).toSorted()).toEqual(ids.toSorted())
  })
})

async function fill(list: List, tenant: Tenant, owner: Sql): Promise<string[]> {
  const rows = Array.from({ length: COUNT }, () => list.row())
  const [columns] = await owner<{ names: string[] }[]>`
    select array_agg(column_name::text) as names from information_schema.columns where table_name = ${list.table}`
  const whose = { tenant_id: tenant.id, user_id: tenant.user, created_by: tenant.user }
  const known = Object.fromEntries(Object.entries(whose).filter(([name]) => columns?.names.includes(name)))
  await owner`insert into ${owner(list.table)} ${owner(rows.map((row) => ({ ...row, ...known })))}`
  return rows.map((row) => String(row[list.key ?? 'id']))
}

async function read(
  { url, headers, input }: List,
  tenant: Tenant,
  bounds: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  if (url.startsWith('/v1/agentese')) {
    const { status, body } = await tenant.calls('POST', url, { ...input, ...bounds }, headers)
    expect(body, url).toMatchObject({ result: expect.anything() })
    expect(status).toBe(200)
    return body.result
  }
  const query = new URLSearchParams(bounds as Record<string, string>)
  return (await tenant.calls('GET', `${url}?${query.toString()}`)).body
}

const cursorOf = (...place: unknown[]) => Buffer.from(JSON.stringify(place)).toString('base64url')
const ID = '019a0000-0000-7000-8000-000000000000'
const NO_CURSORS = [
  '',
  'x',
  ID,
  'null',
  '!!',
  'ä',
  Buffer.from('{"a":1}').toString('base64url'),
  cursorOf(),
  cursorOf(null, null, null, null),
  cursorOf('2026-02-30T00:00:00.000000Z', ID),
  cursorOf('0000-01-01T00:00:00.000000Z', ID),
  cursorOf('infinity', ID),
  cursorOf(`${AT}'; drop table marks`, ID),
  cursorOf(AT, 'no id\0'),
  cursorOf(AT, ID, ID, ID),
  cursorOf('\0'),
  cursorOf('\0', '\0', '\0'),
  cursorOf(1),
  'A'.repeat(2001),
]

const PAGED = catalog
  .flatMap(({ endpoints }) => endpoints)
  .filter((endpoint) => Object.hasOwn(propertiesOf(inputSchemaOf(endpoint)), 'cursor'))

test('every list that returns next_cursor takes it as cursor', () => {
  const returning = catalog
    .flatMap(({ endpoints }) => endpoints)
    .filter((endpoint) => Object.hasOwn(propertiesOf(outputSchemaOf(endpoint)), 'next_cursor'))
  expect(returning.map(({ name }) => name)).toEqual(PAGED.map(({ name }) => name))
  expect(PAGED.length).toBeGreaterThan(15)
})

describe.for(PAGED.map((endpoint) => [endpoint.name, endpoint] as const))('%s', ([, endpoint]) => {
  test('refuses what is no cursor of it', async ({ newTenant }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const known = ASPECTS.find((each) => each.endpoint === endpoint)
    for (const cursor of NO_CURSORS) {
      const [method, url] = known === undefined ? requestFor(endpoint) : ['POST', urlOf(known)]
      const answer =
        known === undefined
          ? await tenant.calls(method, `${url.split('?')[0]}?cursor=${encodeURIComponent(cursor)}`)
          : await tenant.calls(
              'POST',
              url,
              { ...known.endpoint.examples[0]?.input, cursor },
              asAllowed(known.aspect),
            )
      expect({ cursor, status: answer.status, code: answer.body.code }).toMatchObject({ cursor, status: 400 })
      expect(answer.body.message, cursor).toContain('cursor')
    }
  })
})

function propertiesOf(schema: Readonly<Record<string, unknown>>): object {
  return schema['properties'] ?? {}
}
