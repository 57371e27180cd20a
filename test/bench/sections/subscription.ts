/** How soon a subscriber is told: from the commit of an event to its arrival, and which part of that is the hub's. */
import { randomUUID } from 'node:crypto'
import { get, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { consumerOpts, type NatsConnection } from 'nats'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { toNats } from '../../../shared/nats/event-message.ts'
import { agenteseSubject, eventSubject } from '../../../shared/nats/subjects.ts'
import { natsPassword } from '../../../knative/local/servers/nats.ts'
import { createEvent, type KgentsEvent } from '../../../shared/events/event.ts'
import { readState } from '../../platform/start-platform.ts'
import { startMeasuredPlatform, type MeasuredPlatform } from '../platform.ts'
import { inTurn, show, type Bench, type Findings, type Section } from '../section.ts'
import { median, percentile } from '../statistics.ts'

const PATH = 'void.entropy.sip'
const QUERY = 'pattern=void.**'
/** Between events: the relay has fallen asleep, as it has on an idle platform. */
const PAUSE_MS = 60
const CLIENTS = 200
const WANTED_P95_MS = 10

type Headers = Record<string, string>

/** Ways of one event to somebody who waits for it. */
const WAYS = [
  'commit to a client of the gateway',
  'commit to a client that acknowledges',
  'insert to its commit',
  'JetStream publish to a client of the hub',
  `JetStream publish to the last of ${CLIENTS} clients`,
  'JetStream publish to a bare consumer',
  'NATS publish to a bare subscriber',
] as const

export const subscription: Section = { name: 'subscription', title: 'Subscriptions', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  const measured = await startMeasuredPlatform({ INFERENCE: 'off' })
  const stops: (() => unknown)[] = []
  try {
    const way = await prepare(measured, stops)
    const rounds = quick ? 20 : 200
    const times = await inTurn(WAYS, rounds, async (name, round) => {
      if (name === WAYS[0] && round % 20 === 0) say(`round ${round + 1} of ${rounds}`)
      await delay(PAUSE_MS)
      return way(name)
    })
    return toFindings(times)
  } finally {
    for (const stop of stops) await stop()
    await measured.stop()
  }
}

/** Opens all that waits; answers what times one event on its way, in milliseconds. */
async function prepare({ platform, port, sql, addTenants }: MeasuredPlatform, stops: (() => unknown)[]) {
  const { natsKey } = readState<{ natsKey: string }>(platform.state, 'secrets.json')
  const processes = readState<Record<string, { port?: number }>>(platform.state, 'processes.json')
  const nats = readState<{ port: number }>(platform.state, 'nats/nats.conf')
  const hub = Number(processes['stream-hub']?.port)
  const connect = (user: 'relay' | 'gpu-worker') =>
    openNats(`nats://${user}:${natsPassword(natsKey, user)}@127.0.0.1:${nats.port}`, 'bench', {
      inboxPrefix: inboxPrefixOf(user),
    })
  const [nc, other] = await Promise.all([connect('relay'), connect('gpu-worker')])
  const [acme = {}, crowd = {}] = await addTenants(2)
  const atGateway = await follow(port, acme, QUERY)
  const acknowledging = await follow(port, acme, `${QUERY}&delivery=at-least-once`)
  const atHub = await follow(hub, acme, QUERY)
  const many = await Promise.all(Array.from({ length: CLIENTS }, () => follow(hub, crowd, QUERY)))
  const bare = await subscribeBare(nc, other, tenantOf(acme))
  stops.push(() => [atGateway, acknowledging, atHub, ...many].forEach(({ leave }) => leave()))
  stops.push(() => Promise.all([nc.close(), other.close()]))

  async function commit(event: KgentsEvent): Promise<void> {
    await sql`insert into outbox (id, tenant_id, subjects, event)
      values (${event.id}, ${event.tenantid}, ${[agenteseSubject(event.tenantid, PATH)]}, ${JSON.stringify(event)})`
  }
  async function publish(event: KgentsEvent): Promise<void> {
    const { headers, payload } = toNats(event)
    await nc.jetstream().publish(agenteseSubject(event.tenantid, PATH), payload, { headers })
  }
  const ways: Record<
    string,
    {
      of: Headers
      tell: typeof commit
      /** Whether time counts from when it is told, or from when that is done. */
      since?: 'done'
      waiters: readonly Pick<Waiter, 'waitFor'>[]
    }
  > = {
    [WAYS[0]]: { of: acme, tell: commit, since: 'done', waiters: [atGateway] },
    [WAYS[1]]: { of: acme, tell: commit, since: 'done', waiters: [acknowledging] },
    [WAYS[2]]: { of: acme, tell: commit, waiters: [] },
    [WAYS[3]]: { of: acme, tell: publish, waiters: [atHub] },
    [WAYS[4]]: { of: crowd, tell: publish, waiters: many },
    [WAYS[5]]: { of: acme, tell: publish, waiters: [bare.consumer] },
    [WAYS[6]]: { of: acme, tell: async (event) => bare.tell(event), waiters: [bare.subscriber] },
  }
  return async (name: string): Promise<number> => {
    const way = ways[name]
    if (way === undefined) throw new Error(`There is no way "${name}"`)
    const event = newEvent(tenantOf(way.of))
    const told = Promise.all(way.waiters.map(({ waitFor }) => waitFor(event.id)))
    const sent = performance.now()
    await way.tell(event)
    const done = performance.now()
    return Math.max(done, ...(await told)) - (way.since === 'done' ? done : sent)
  }
}

function tenantOf({ authorization = '' }: Headers): string {
  return String(decodeJwt(authorization.replace('Bearer ', ''))['tenant_id'])
}

function newEvent(tenant: string): KgentsEvent {
  const data = { mark: randomUUID(), path: PATH, category: 'E', archetype: 'developer', duration_ms: 1 }
  const event = {
    source: '/functions/bench',
    type: 'io.kgents.agentese.invoked',
    tenant,
    subject: PATH,
    data,
  }
  return createEvent(event, Buffer.alloc(32).toString('base64url'))
}

/** Somebody who is told of events. */
interface Waiter {
  /** When the event came, by `performance.now()`. */
  waitFor(event: string): Promise<number>
  leave(): void
}

interface Arrivals {
  waitFor: Waiter['waitFor']
  arrived(event: string): void
}

function createArrivals(): Arrivals {
  const waiting = new Map<string, (at: number) => void>()
  return {
    waitFor: (event) => new Promise((resolve) => waiting.set(event, resolve)),
    arrived(event) {
      waiting.get(event)?.(performance.now())
      waiting.delete(event)
    },
  }
}

/** Opens a stream; resolves when it stands. */
async function follow(port: number, headers: Headers, query: string): Promise<Waiter> {
  const arrivals = createArrivals()
  const request = get({
    host: '127.0.0.1',
    port,
    path: `/v1/agentese/subscribe?${query}`,
    headers: { ...headers, accept: 'text/event-stream' },
    agent: false,
  })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject)
  })
  if (response.statusCode !== 200) throw new Error(`Cannot subscribe: ${response.statusCode}`)
  const begun = Promise.withResolvers<void>()
  response.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes('event: subscribed')) begun.resolve()
    for (const [, id = ''] of text.matchAll(/"event_id":"([^"]+)"/g)) arrivals.arrived(id)
  })
  response.on('error', () => undefined)
  await begun.promise
  return { waitFor: arrivals.waitFor, leave: () => request.destroy() }
}

/** What the same message takes with nothing of ours in between. */
async function subscribeBare(nc: NatsConnection, other: NatsConnection, tenant: string) {
  const [stored, passed] = [createArrivals(), createArrivals()]
  const options = consumerOpts()
    .bindStream('AGENTESE')
    .orderedConsumer()
    .deliverNew()
    .callback((_error, message) => stored.arrived(message?.headers?.get('ce-id') ?? ''))
  await nc.jetstream().subscribe(`agentese.${tenant}.>`, options)
  // One of few subjects that one user may publish and another one hear.
  const subject = eventSubject(tenant, 'io.kgents.job.cancelled')
  other.subscribe(subject, {
    callback: (_error, message) => passed.arrived(message.headers?.get('ce-id') ?? ''),
  })
  await other.flush()
  return {
    consumer: { waitFor: stored.waitFor },
    subscriber: { waitFor: passed.waitFor },
    tell(event: KgentsEvent) {
      const { headers, payload } = toNats(event)
      nc.publish(subject, payload, { headers })
    },
  }
}

function toFindings(times: Record<string, number[]>): Findings {
  const of = (name: string) => times[name] ?? []
  const row = (name: string) => [name, show(median(of(name))), show(percentile(of(name), 0.95))]
  const own = percentile(of(WAYS[3]), 0.95)
  const bare = percentile(of(WAYS[5]), 0.95)
  return {
    method: `One event at a time, ${of(WAYS[0]).length} on each way in turn, ${PAUSE_MS} ms apart, so that the relay sleeps between them. From the commit, or from the sending of the publish, to the event at the client; ${CLIENTS + 3} streams are open all the while.`,
    table: { columns: ['from and to', 'p50 ms', 'p95 ms'], rows: WAYS.map(row) },
    targets: [
      {
        what: 'stored event to client, p95',
        wanted: `< ${WANTED_P95_MS} ms`,
        measured: `${show(own)} ms (bare consumer ${show(bare)} ms)`,
        met: own < WANTED_P95_MS,
      },
      {
        what: 'commit to client, p95',
        wanted: `< ${WANTED_P95_MS} ms`,
        measured: `${show(percentile(of(WAYS[0]), 0.95))} ms`,
        met: percentile(of(WAYS[0]), 0.95) < WANTED_P95_MS,
      },
    ],
  }
}
