/** A platform small enough to move its tenants: the catalog in this process, a relay that moves, a database and a NATS of their own. */
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { inject } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { watch } from '../../../knative/relay/moves/fence.ts'
import { copyPeople } from '../../../knative/relay/moves/people.ts'
import { openAsMover } from '../../../knative/relay/moves/session.ts'
import { makeSilo } from '../../../shared/database/silo-databases.ts'
import { siloUrl } from '../../../shared/database/silos.ts'
import { createEvent, deriveResultKey } from '../../../shared/events/event.ts'
import {
  call,
  insertTenant,
  openFunctions,
  type Answer,
  type OpenFunctions,
} from '../functions/in-process.ts'
import { eventually } from '../../eventually.ts'
import { test as base, type World } from './world.ts'

const SIP = '/v1/agentese/void/entropy/sip'
const AMOUNT = 0.001
/** Between two calls of one caller: enough of them meet each step, and some CPU is left for the move. */
const PACE_MS = 10

export interface Customer {
  id: string
  user: string
  key: string
  calls(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

/** What callers got who called until they were stopped. */
export interface Load {
  /** Resolves when so many more calls were accepted. */
  calls(more: number): Promise<void>
  stop(): Promise<Called>
}

export interface Called {
  tenant: string
  /** The grant that each key was answered with, the same for each repetition. */
  grants: Map<string, string>
  /** Answers that asked to come again. */
  deferred: number
  /** Any other answers that a caller did not hope for. */
  wrong: unknown[]
  slowestMs: number
}

export class Platform {
  readonly world: World
  readonly name: string
  readonly functions: OpenFunctions
  readonly #silos: Sql[] = []
  readonly #loads: AbortController[] = []

  readonly #eventKey: string

  private constructor(world: World, functions: OpenFunctions, eventKey: string) {
    this.world = world
    this.#eventKey = eventKey
    this.name = new URL(world.ownerUrl).pathname.slice(1)
    this.functions = functions
  }

  static async open(world: World): Promise<Platform> {
    const eventKey = randomBytes(32).toString('base64url')
    const functions = await openFunctions({
      functions: catalog,
      databaseUrl: inject('servers').postgres.app.replace(/\/[^/]*$/, new URL(world.ownerUrl).pathname),
      eventKey,
    })
    return new Platform(world, functions, eventKey)
  }

  startRelay() {
    return this.world.startRelay({ MOVER_DATABASE_URL: this.world.ownerUrl, CLOCK_SECONDS: '3600' })
  }

  spawnRelay() {
    return this.world.spawnRelay({ MOVER_DATABASE_URL: this.world.ownerUrl })
  }

  async newTenant(tier = 'enterprise', roles = ['developer']): Promise<Customer> {
    const inserted = await insertTenant(this.world.owner, tier, roles)
    return { ...inserted, calls: (...request) => call(this.functions.app, inserted.key, ...request) }
  }

  /** A worker has finished a job; answers the status that its event gets. */
  async finishes(tenant: string, job: string): Promise<number> {
    const facts = { engine: 'test', model: 'test', durationSeconds: 0, attempt: 1 }
    const data = { job, text: 'An answer', tokens: { prompt: 5, completion: 7 }, ...facts }
    const type = 'io.kgents.inference.completed'
    const event = createEvent(
      { source: '/gpu-workers', type, tenant, subject: job, function: 'self-soul', data },
      deriveResultKey(this.#eventKey, tenant, job),
    )
    const headers = { 'content-type': 'application/cloudevents+json' }
    const { status } = await this.functions.app.request('/events', {
      method: 'POST',
      headers,
      body: JSON.stringify(event),
    })
    return status
  }

  /** Waits until the move of a tenant has come to a step. */
  async comesTo(tenant: string, step: string): Promise<void> {
    await eventually(async () => {
      const [row] = await this.world.owner`select step, error from placements where tenant_id = ${tenant}`
      if (row?.['step'] !== step) throw new Error(`${row?.['step']} is not ${step}: ${row?.['error']}`)
    })
  }

  /** As if the old copy had been kept long enough. */
  async skipKeeping(tenant: string): Promise<void> {
    await this.world.owner`
      update placements set step_since = now() - interval '2 hours' where tenant_id = ${tenant} and step = 'keep'`
  }

  /** A tenant that was in a silo from its first call on. */
  async newTenantInSilo(): Promise<Customer> {
    const tenant = await this.newTenant('enterprise', ['super_admin', 'admin', 'developer'])
    const { owner, ownerUrl } = this.world
    const name = `${this.name.slice(0, 20)}_silo_${tenant.id.replaceAll('-', '')}`
    await makeSilo(ownerUrl, name)
    const [pool, silo] = await Promise.all([openAsMover(ownerUrl), openAsMover(siloUrl(name, ownerUrl))])
    await copyPeople(pool, silo, tenant.id)
    await watch(pool, tenant.id, 'all')
    await Promise.all([pool, silo].map((sql) => sql.end()))
    await owner`
      insert into placements (tenant_id, database, lives_in, wanted, step) values (${tenant.id}, ${name}, 'silo', 'silo', 'done')`
    return tenant
  }

  /** Takes the tenant there and back, as far as `done` each time. */
  async movesThereAndBack({ id }: Customer, operator: Customer, load: Load): Promise<void> {
    for (const to of ['silo', 'pool']) {
      const { status } = await operator.calls('POST', `/v1/operator/tenants/${id}/placement`, { to })
      if (status !== 202) throw new Error(`The move to "${to}" was answered ${status}`)
      await this.comesTo(id, 'keep')
      await load.calls(10)
      await this.skipKeeping(id)
      await this.comesTo(id, 'done')
    }
  }

  /** From now on the sessions that move the tenant are ended, once in each step of each move, as soon as it begins. */
  async interruptsEachStep(): Promise<void> {
    await this.world.owner.unsafe(`
      create table interrupted (wanted text, step text, primary key (wanted, step));
      create function interrupt() returns trigger language plpgsql security definer as $$
      begin
        insert into interrupted values (new.wanted, new.step) on conflict do nothing;
        if found then
          perform pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'kgents-mover' and pid <> pg_backend_pid()
            and (datname = current_database() or starts_with(datname, left(current_database(), 20) || '_silo_'));
        end if;
        return null;
      end
      $$;
      create trigger interrupting after update of step on placements for each row execute function interrupt();`)
  }

  /** The database in which the tenant is served, as its owner. */
  async served(tenant: string): Promise<Sql> {
    const [row] = await this.world.owner<{ database: string }[]>`
      select database from placements where tenant_id = ${tenant} and lives_in = 'silo'`
    if (row === undefined) return this.world.owner
    const sql = postgres(siloUrl(row.database, this.world.ownerUrl), { max: 1, onnotice: () => {} })
    this.#silos.push(sql)
    return sql
  }

  /** Calls one after the other, each call under a key of its own, and some calls again. */
  startLoad({ id, calls }: Customer, callers: number): Load {
    const called: Called = { tenant: id, grants: new Map(), deferred: 0, wrong: [], slowestMs: 0 }
    const stopping = new AbortController()
    const sip = async (key: string) => {
      const began = performance.now()
      for (;;) {
        const { status, body } = await calls('POST', SIP, { amount: AMOUNT }, { 'idempotency-key': key })
        if (status === 503) {
          called.deferred += 1
          if (stopping.signal.aborted) return
          await setTimeout(PACE_MS)
          continue
        }
        called.slowestMs = Math.max(called.slowestMs, performance.now() - began)
        const grant: unknown = body?.result?.grant
        const known = called.grants.get(key)
        if (status !== 200 || (known !== undefined && known !== grant))
          called.wrong.push({ status, body, known })
        else called.grants.set(key, String(grant))
        return
      }
    }
    const run = async () => {
      const keys: string[] = []
      while (!stopping.signal.aborted) {
        const key = randomUUID()
        keys.push(key)
        await sip(key)
        const earlier = keys[Math.floor(Math.random() * keys.length)] ?? key
        if (keys.length % 3 === 0) await sip(earlier)
        await setTimeout(PACE_MS)
      }
    }
    const running = Promise.all(Array.from({ length: callers }, run))
    running.catch(() => {}) // reason: `stop` waits for it
    this.#loads.push(stopping)
    return {
      async calls(more) {
        const enough = called.grants.size + more
        await eventually(() => {
          if (called.grants.size < enough) throw new Error(`${called.grants.size} of ${enough} calls`)
        })
      },
      async stop() {
        stopping.abort()
        await running
        return called
      },
    }
  }

  async close(): Promise<void> {
    for (const load of this.#loads) load.abort()
    await this.functions.close()
    await Promise.all(this.#silos.map((sql) => sql.end({ timeout: 1 })))
    const rows = await this.world.owner<{ datname: string }[]>`
      select datname from pg_database where datname like ${`${this.name.slice(0, 20)}\\_silo\\_%`}`
    for (const { datname } of rows)
      await this.world.owner`drop database ${this.world.owner(datname)} with (force)`
  }
}

export const test = base.extend('platform', async ({ world }, { onCleanup }) => {
  const platform = await Platform.open(world)
  onCleanup(() => platform.close())
  return platform
})
