/**
 * Stream hubs between a real NATS and the real functions `subscribe`, `jobs` and `issue-token` on a real database. The relay is in
 * the hands of the test: it publishes what happens on paths.
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { exportJWK, generateKeyPair } from 'jose'
import type { NatsConnection } from 'nats'
import postgres from 'postgres'
import { inject, test as base } from 'vitest'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { fromNats, toNats } from '../../../shared/nats/event-message.ts'
import { agenteseSubject, eventSubject } from '../../../shared/nats/subjects.ts'
import { catalog } from '../../../functions/catalog.ts'
import { loaders } from '../../../functions/loaders.ts'
import { createCallerReader } from '../../../gateway/stream-hub/callers.ts'
import { createFunctions } from '../../../gateway/stream-hub/functions.ts'
import { createHub, type Hub, type HubOptions } from '../../../gateway/stream-hub/hub.ts'
import { openNatsLink } from '../../../shared/nats/link.ts'
import { createTokenLogs } from '../../../gateway/stream-hub/token-logs.ts'
import { createResolver } from '../../../gateway/upstream/addresses.ts'
import { CREDENTIALS_REVOKED } from '../../../shared/events/credentials.ts'
import { createEvent, deriveResultKey } from '../../../shared/events/event.ts'
import type { EventKind } from '../../../shared/events/subscription.ts'
import { createApp } from '../../../shared/http/app.ts'
import type { Role } from '../../../shared/identity/permissions.ts'
import { permissionsOf } from '../../../shared/identity/permissions.ts'
import { createSigner } from '../../../shared/identity/tokens.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'
import { openRuntime } from '../../../shared/runtime/create-runtime.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { insertTenant } from '../functions/world.ts'
import { readEvents, type ReadEvent } from './hub-world.ts'
import { listen } from './local-world.ts'

export interface Tenant {
  id: string
  user: string
  apiKey: string
  token: string
  roles: Role[]
}

export type Headers = Record<string, string>

/** A stream that a test reads event by event. */
export interface Reader {
  status: number
  /** Of the subscription; empty where there is none. */
  id: string
  /** The next event that is not a heartbeat; undefined at the end of the stream. */
  next(): Promise<ReadEvent | undefined>
  /** The next `count` of them. */
  take(count: number): Promise<ReadEvent[]>
  events: AsyncGenerator<ReadEvent>
  leave(): void
}

export class SubscriptionWorld {
  /** As the relay, which may publish anything. */
  readonly nc: NatsConnection
  readonly owner = postgres(inject('servers').postgres.owner, { max: 2, onnotice: () => {} })
  readonly #hubUrl: string
  readonly #eventKey = randomBytes(32).toString('base64url')
  readonly #hubs = new Map<string, Hub>()
  readonly #closers: (() => Promise<unknown>)[] = []
  #runtime: Awaited<ReturnType<typeof openRuntime>> | undefined
  #sign: ReturnType<typeof createSigner> | undefined
  #audience = ''
  #ingress = ''

  constructor(nc: NatsConnection, hubUrl: string) {
    this.nc = nc
    this.#hubUrl = hubUrl
  }

  async start(): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
    const facts = { kid: 'platform', alg: 'EdDSA' }
    const key = { ...(await exportJWK(privateKey)), ...facts }
    const config = FunctionConfig.parse({
      FUNCTION: 'subscribe,issue-token,jobs,self-kgent',
      LOG_LEVEL: 'silent',
      DATABASE_URL: inject('servers').postgres.app,
      PLATFORM_JWKS: JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), ...facts }] }),
      PLATFORM_SIGNING_KEY: JSON.stringify(key),
      DISPATCH_JWKS: JSON.stringify({ keys: [] }),
      DISPATCH_SIGNING_KEY: JSON.stringify(key),
      EVENT_SIGNING_KEY: this.#eventKey,
    })
    this.#sign = createSigner({ key, issuer: config.PLATFORM_ISSUER })
    this.#runtime = await openRuntime(config, loaders)
    this.#audience = config.PLATFORM_AUDIENCE
    const app = createApp(this.#runtime.runtime)
    const functions = createServer(getRequestListener(app.fetch))
    this.#ingress = await listen(functions)
    this.#closers.push(async () => {
      functions.closeAllConnections()
      functions.close()
      await this.#runtime?.close()
      await this.owner.end()
      await this.nc.close()
    })
    await ensureStreams(this.nc)
  }

  async tenant(roles: Role[] = ['developer']): Promise<Tenant> {
    const { id, user, key } = await insertTenant(this.owner, 'enterprise', roles)
    const tenant = { id, user, apiKey: key, roles }
    return { ...tenant, token: await this.tokenOf(tenant) }
  }

  /** @param scopes what it is narrowed to */
  async tokenOf(
    tenant: Omit<Tenant, 'token'>,
    lifetimeSeconds = 600,
    scopes?: readonly string[],
  ): Promise<string> {
    const { id, user, roles } = tenant
    const identity = {
      tenant: id,
      tier: 'enterprise',
      user,
      roles,
      permissions: permissionsOf(roles),
      ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    } as const
    return (await this.#sign?.(identity, this.#audience, lifetimeSeconds)) ?? ''
  }

  /** Starts a hub; several share nothing but NATS. Answers its address. */
  async openHub(times: HubOptions['subscriptionTimes'] = {}): Promise<string> {
    const log = createLog('hub', 'silent')
    const link = openNatsLink(this.#hubUrl, 'stream-hub')
    const functions = createFunctions(createResolver({ CLUSTER_INGRESS: this.#ingress }))
    const hub = createHub({
      catalog,
      functions,
      logs: createTokenLogs(link, log),
      link,
      readCaller: createCallerReader((token) => this.#verify(token), functions),
      log,
      subscriptionTimes: times,
    })
    const address = await listen(hub.server)
    this.#hubs.set(`http://${address}`, hub)
    this.#closers.unshift(async () => {
      await this.drain(`http://${address}`)
      await functions.close()
      await link.close()
    })
    return `http://${address}`
  }

  async drain(hub: string): Promise<void> {
    await this.#hubs.get(hub)?.drain()
    this.#hubs.delete(hub)
  }

  /** Publishes the word that credentials of the tenant have ended, as the relay does. */
  async revokes({ id }: Pick<Tenant, 'id'>): Promise<void> {
    const event = createEvent(
      { source: '/functions/members', type: CREDENTIALS_REVOKED, tenant: id, data: {} },
      this.#eventKey,
    )
    const { headers, payload } = toNats(event)
    await this.nc.jetstream().publish(eventSubject(id, CREDENTIALS_REVOKED), payload, { headers })
  }

  #verify(token: string) {
    if (this.#runtime === undefined) throw new Error('The world was not started')
    return this.#runtime.runtime.verifyToken(token)
  }

  /** Publishes what happened as the relay does; answers its sequence in the stream. */
  async happens(
    tenant: Tenant,
    path: string,
    kind: EventKind = 'invoked',
    data: Record<string, unknown> = {},
  ): Promise<number> {
    const event = createEvent(
      {
        source: '/functions/test',
        type: `io.kgents.agentese.${kind}`,
        tenant: tenant.id,
        subject: path,
        data: { path, user: tenant.user, archetype: 'poet', ...data },
      },
      this.#eventKey,
    )
    const { headers, payload } = toNats(event)
    const { seq } = await this.nc.jetstream().publish(agenteseSubject(tenant.id, path), payload, { headers })
    return seq
  }

  /** Opens a stream and waits until it stands: what happens from now on is told. */
  async follow(
    hub: string,
    { token }: Pick<Tenant, 'token'>,
    query: string,
    headers: Headers = {},
  ): Promise<Reader> {
    const leaving = new AbortController()
    const response = await fetch(`${hub}/v1/agentese/subscribe?${query}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...headers },
      signal: leaving.signal,
    })
    this.#closers.unshift(async () => leaving.abort())
    const reader = readerOf(response, () => leaving.abort())
    if (response.status !== 200) return reader
    const first = await reader.next()
    if (first?.event !== 'subscribed') throw new Error(`The stream began with ${JSON.stringify(first)}`)
    const { id } = first.data['subscription'] as { id: string }
    return { ...reader, id }
  }

  async send(hub: string, { token }: Tenant, method: string, path: string, body?: unknown) {
    const response = await fetch(`${hub}/v1/agentese/subscribe${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  acknowledge(hub: string, tenant: Tenant, id: string, events: readonly (ReadEvent | undefined)[]) {
    return this.send(hub, tenant, 'POST', `/${id}/ack`, { acks: events.map((event) => event?.data['ack']) })
  }

  /** Calls a function without a hub in between. */
  async call({ token }: Pick<Tenant, 'token'>, method: string, path: string, body?: object) {
    const response = await fetch(`http://${this.#ingress}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, never> }
  }

  /** Publishes the events that calls of the tenant have written, as the relay does. */
  async relays({ id }: Pick<Tenant, 'id'>): Promise<void> {
    const rows = await this.owner<{ subjects: string[]; event: string }[]>`
      with next as (
        update outbox set published_at = now() where tenant_id = ${id} and published_at is null
        returning seq, subjects, event
      ) select subjects, event from next order by seq`
    for (const { subjects, event } of rows) {
      const { headers, payload } = toNats(JSON.parse(event))
      for (const subject of subjects) await this.nc.jetstream().publish(subject, payload, { headers })
    }
  }

  /** Delivers what a worker has come to, as a Trigger does. */
  async answers({ id }: Pick<Tenant, 'id'>, job: string, text: string): Promise<void> {
    const facts = { engine: 'test', model: 'test', attempt: 1, durationSeconds: 0 }
    const data = { job, text, tokens: { prompt: 5, completion: 7 }, ...facts }
    const about = { tenant: id, subject: job, function: 'self-kgent' }
    const event = createEvent(
      { source: '/gpu-workers', type: 'io.kgents.inference.completed', ...about, data },
      deriveResultKey(this.#eventKey, id, job),
    )
    const headers = { 'content-type': 'application/cloudevents+json' }
    const { status } = await fetch(`http://${this.#ingress}/events`, {
      method: 'POST',
      headers,
      body: JSON.stringify(event),
    })
    if (status !== 202) throw new Error(`The answer was answered ${status}`)
  }

  /** The dead letters of a tenant, as they stand in the stream. */
  async deadLetters({ id }: Tenant) {
    const subject = `events.${id}.io.kgents.subscription.dead`
    const { num_pending, name } = await (
      await this.nc.jetstreamManager()
    ).consumers.add('EVENTS', { filter_subject: subject })
    const consumer = await this.nc.jetstream().consumers.get('EVENTS', name)
    const letters = []
    for (let left = num_pending; left > 0; left--) {
      const message = await consumer.next()
      if (message !== null) letters.push(fromNats(message))
    }
    await consumer.delete()
    return letters
  }

  /** Names of the consumers of a tenant's subscriptions. */
  async consumers({ id }: Tenant): Promise<string[]> {
    const answer = await this.nc.request('$JS.API.CONSUMER.NAMES.AGENTESE')
    const { consumers } = answer.json<{ consumers: string[] | null }>()
    return (consumers ?? []).filter((name) => name.includes(id))
  }

  async stop(): Promise<void> {
    for (const close of this.#closers) await close()
  }
}

function readerOf(response: Response, leave: () => void): Reader {
  const events = readEvents(response)
  async function next(): Promise<ReadEvent | undefined> {
    for (;;) {
      const { value, done } = await events.next()
      if (done === true) return undefined
      if (value.event !== 'heartbeat') return value
    }
  }
  return {
    status: response.status,
    id: '',
    events,
    next,
    leave,
    async take(count) {
      const taken: ReadEvent[] = []
      while (taken.length < count) {
        const event = await next()
        if (event === undefined) throw new Error(`The stream ended after ${taken.length} of ${count} events`)
        taken.push(event)
      }
      return taken
    },
  }
}

/** What one metric of a hub says now; 0 where it says nothing. */
export async function metricOf(hub: string, name: string): Promise<number> {
  const text = await (await fetch(`${hub}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return line === undefined ? 0 : Number(line.slice(name.length + 1))
}

export const test = base.extend<{ world: SubscriptionWorld }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  world: async ({}, use) => {
    const { nats } = inject('servers')
    const nc = await openNats(nats.relay, 'test', { inboxPrefix: inboxPrefixOf('relay') })
    const world = new SubscriptionWorld(nc, nats.hub)
    await world.start()
    await use(world)
    await world.stop()
  },
})
