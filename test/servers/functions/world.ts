/** Functions on a real database, without a network in between: tenants call them, and events are delivered to them. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { inject, test as base } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import type { FunctionDefinition } from '../../../shared/contract/function.ts'
import { createEvent, deriveResultKey, type KgentsEvent } from '../../../shared/events/event.ts'
import { createApiKey } from '../../../shared/identity/api-keys.ts'
import type { Completion, JobMessage } from '../../../shared/inference/messages.ts'
import type { Runtime } from '../../../shared/calls/runtime.ts'
import { createDatabase } from '../servers.ts'
import { call, insertTenant, openFunctions, type Answer, type OpenFunctions } from './in-process.ts'

export { insertTenant }

export interface Tenant {
  id: string
  user: string
  calls(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

/** Of a database, as its owner and as functions. */
export interface DatabaseUrls {
  owner: string
  app: string
}

export interface World {
  urls: DatabaseUrls
  /** The owner: sees every row. */
  owner: postgres.Sql
  /** As functions connect. */
  app: postgres.Sql
  eventKey: string
  runtime: Runtime
  newTenant(tier?: string, roles?: string[]): Promise<Tenant>
  /** Posts an event as a Trigger does; answers the status. */
  delivers(event: KgentsEvent): Promise<number>
  /**
   * Delivers the events that the tenant's calls have written, as relay and Triggers do, until there are no more; a job
   * that asks a model is answered by `model`. Answers the types of what was delivered.
   */
  settles(tenant: Tenant, model?: (message: JobMessage) => Partial<Completion> | Error): Promise<string[]>
  /** The relay has found something due. */
  ticks(): Promise<void>
  /** An event that a worker publishes about a job. */
  resultOf(tenant: string, job: string, type: string, data: object, asker?: string): KgentsEvent
}

/** One for all files, which share a database: a tick of one takes what is due in all of it, and signs the word of it. */
const EVENT_KEY = Buffer.alloc(32, 5).toString('base64url')

/** Uses up tokens of a tenant's plan. */
export async function useUpTokens(
  owner: postgres.Sql,
  tenant: string,
  { granted, spent }: { granted: number; spent: number },
): Promise<void> {
  await useUp(owner, tenant, { resource: 'tokens', granted, spent })
}

/**
 * Uses up what a tenant's plan grants by the month: of this month's, and of the next one's where that begins in a moment.
 */
export async function useUp(
  owner: postgres.Sql,
  tenant: string,
  {
    resource,
    granted = null,
    spent,
  }: { resource: 'tokens' | 'sessions'; granted?: number | null; spent: number },
): Promise<void> {
  for (const at of [Date.now(), Date.now() + 3_600_000]) {
    const period = new Date(at).toISOString().slice(0, 7)
    await owner`
      insert into allowances (tenant_id, resource, period, granted, spent)
      values (${tenant}, ${resource}, ${period}, ${granted}, ${spent}) on conflict do nothing`
  }
}

/** For a file whose tests have what is long due, or change what tenants share: ticks and tests of other files meet none of it. */
export async function inOwnDatabase(): Promise<DatabaseUrls> {
  const { owner, app } = inject('servers').postgres
  const name = `own_${randomUUID().replaceAll('-', '')}`
  await createDatabase(owner, name)
  const urlOf = (url: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href
  return { owner: urlOf(owner), app: urlOf(app) }
}

/**
 * @param extra functions that a test file serves besides the catalog's
 * @param settings variables of its environment besides the usual ones
 * @param where the database that its tests use; most files share one
 */
export function testWith(
  extra: readonly FunctionDefinition[] = [],
  settings: Record<string, string> = {},
  where: () => Promise<DatabaseUrls> = async () => inject('servers').postgres,
) {
  return base.extend<World & { opened: OpenFunctions }>({
    urls: [async ({}, use) => use(await where()), { scope: 'file' }],
    owner: [
      async ({ urls }, use) => {
        const sql = postgres(urls.owner, { max: 2, onnotice: () => {} })
        await use(sql)
        await sql.end()
      },
      { scope: 'file' },
    ],
    app: [
      async ({ urls }, use) => {
        const sql = postgres(urls.app, { max: 2, onnotice: () => {} })
        await use(sql)
        await sql.end()
      },
      { scope: 'file' },
    ],
    eventKey: async ({}, use) => use(EVENT_KEY),
    opened: [
      async ({ urls }, use) => {
        const opened = await openFunctions({
          functions: [...catalog, ...extra],
          databaseUrl: urls.app,
          eventKey: EVENT_KEY,
          settings,
        })
        await use(opened)
        await opened.close()
      },
      { scope: 'file' },
    ],
    runtime: async ({ opened }, use) => use(opened.runtime),
    newTenant: async ({ owner, opened }, use) =>
      use(async (tier = 'enterprise', roles = ['developer']) => {
        const { id, user, key } = await insertTenant(owner, tier, roles)
        return { id, user, calls: (...request) => call(opened.app, key, ...request) }
      }),
    delivers: async ({ opened }, use) =>
      use(async (event) => {
        const headers = { 'content-type': 'application/cloudevents+json' }
        const response = await opened.app.request('/events', {
          method: 'POST',
          headers,
          body: JSON.stringify(event),
        })
        const text = await response.text()
        if (response.status === 202 && text !== '') throw new Error('Knative takes a body for a failure')
        return response.status
      }),
    settles: async ({ owner, delivers, eventKey }, use) =>
      use(async ({ id }, model) => {
        const told: string[] = []
        for (;;) {
          const events = await nextEvents(owner, id)
          if (events.length === 0) return told
          for (const event of events) {
            told.push(event.type)
            const delivered =
              event.type === 'io.kgents.inference.requested'
                ? await answerJob(owner, event, eventKey, model)
                : event
            const status = await delivers(delivered)
            if (status !== 202) throw new Error(`${delivered.type} was answered ${status}`)
          }
        }
      }),
    ticks: async ({ opened }, use) =>
      use(async () => {
        const { status } = await opened.app.request('/ticks', { method: 'POST' })
        if (status !== 202) throw new Error(`A tick was answered ${status}`)
      }),
    resultOf: async ({ eventKey }, use) =>
      use((tenant, job, type, data, asker = 'self-soul') =>
        createEvent(
          {
            source: '/gpu-workers',
            type,
            tenant,
            subject: job,
            function: asker,
            data: { job, ...data },
          },
          deriveResultKey(eventKey, tenant, job),
        ),
      ),
  })
}

/** Events of a tenant that were not delivered yet, in their order. */
export async function nextEvents(owner: postgres.Sql, tenant: string): Promise<KgentsEvent[]> {
  const rows = await owner<{ event: string }[]>`
    with next as (
      update outbox set published_at = now() where tenant_id = ${tenant} and published_at is null returning seq, event
    )
    select event from next order by seq`
  return rows.map(({ event }) => JSON.parse(event) as KgentsEvent)
}

/** What a worker would publish about the job that `requested` asks for. */
export async function answerJob(
  owner: postgres.Sql,
  requested: KgentsEvent,
  eventKey: string,
  model: (message: JobMessage) => Partial<Completion> | Error = () => ({ text: 'An answer' }),
): Promise<KgentsEvent> {
  const { job } = requested.data as { job: string }
  const [row] = await owner<{ message: string | null }[]>`select message from jobs where id = ${job}`
  // No worker gets a job that has ended before.
  if (row?.message == null) return requested
  const message = JSON.parse(row.message) as JobMessage
  const answer = model(message)
  const facts = {
    text: '',
    tokens: { prompt: 5, completion: 7 },
    engine: 'test',
    model: 'test',
    durationSeconds: 0,
  }
  const [type, data] =
    answer instanceof Error ? ['failed', { reason: answer.message }] : ['completed', { ...facts, ...answer }]
  const event = {
    source: '/gpu-workers',
    type: `io.kgents.inference.${type}`,
    tenant: requested.tenantid,
    subject: job,
    function: message.function,
    data: { job, attempt: 1, ...data },
  }
  return createEvent(event, deriveResultKey(eventKey, requested.tenantid, job))
}

/** Another person of a tenant; answers its API key. */
export async function insertColleague(
  owner: postgres.Sql,
  { id }: Pick<Tenant, 'id'>,
  role: string,
): Promise<string> {
  const user = randomUUID()
  const { key, prefix, hash } = createApiKey()
  await owner`insert into users (id, tenant_id, email, name, roles) values (${user}, ${id}, ${`${user}@b.c`}, 'Test', ${[role]})`
  await owner`insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash)
              values (${randomUUID()}, ${id}, ${user}, 'test', ${prefix}, ${hash})`
  return key
}
