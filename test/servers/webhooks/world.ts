/**
 * Webhooks from end to end: functions on a database of their own, a relay and a NATS of their own, the sender with the rights
 * that it has, and sinks on this machine, which the operator allows here.
 */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { inject, test as base } from 'vitest'
import { openNatsLink } from '../../../shared/nats/link.ts'
import { catalog } from '../../../functions/catalog.ts'
import { loaders } from '../../../functions/loaders.ts'
import { createDeliver } from '../../../gateway/webhooks/deliver.ts'
import { createWebhookMetrics } from '../../../gateway/webhooks/metrics.ts'
import { createSender, type Sender } from '../../../gateway/webhooks/sender.ts'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import { createApp } from '../../../shared/http/app.ts'
import { startServing, type Serving } from '../../../shared/http/serve.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'
import { openRuntime } from '../../../shared/runtime/create-runtime.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { createRegistry } from '../../../shared/telemetry/metrics.ts'
import { insertTenant } from '../functions/world.ts'
import { eventually } from '../../eventually.ts'
import { SIGNING_KEY, World, type Delivery } from '../relay/world.ts'

const WEBHOOK_KEY = Buffer.alloc(32, 9).toString('base64url')
const KEYS = JSON.stringify({ keys: [] })

export interface Received {
  headers: IncomingHttpHeaders
  body: string
  event: KgentsEvent
}

/** Somebody's server; answers 204 unless told otherwise. */
export interface TestSink {
  url: string
  received: Received[]
  answer: (received: Received, response: ServerResponse) => void
  /** Distinct ids of what it took. */
  readonly ids: string[]
  close(): Promise<void>
}

// oxlint-disable-next-line typescript/no-explicit-any -- reason: tests look into answers of every shape
type Body = any

export interface Tenant {
  id: string
  user: string
  /** Its API key. */
  key: string
  calls(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Body }>
  /** Makes an event on `void.entropy.sip`. */
  sips(): Promise<void>
  subscribes(sink: TestSink, wanted?: object): Promise<Body>
}

class Webhooks {
  readonly world: World
  readonly app: ReturnType<typeof createApp>
  readonly #sinks: TestSink[]
  readonly #closeRuntime: () => Promise<void>
  readonly #senders: Sender[] = []
  readonly #forwarding = new Set<Promise<void>>()
  #serving: Serving | undefined

  private constructor(
    world: World,
    sinks: TestSink[],
    app: ReturnType<typeof createApp>,
    close: () => Promise<void>,
  ) {
    this.world = world
    this.#sinks = sinks
    this.app = app
    this.#closeRuntime = close
    world.broker.answer = (delivery) => {
      const forwarding = this.#forward(delivery).finally(() => this.#forwarding.delete(forwarding))
      this.#forwarding.add(forwarding)
      return 202
    }
  }

  static async open(): Promise<Webhooks> {
    const { postgres } = inject('servers')
    const world = await World.open(postgres)
    const sinks = [await openSink(), await openSink(), await openSink()]
    const database = Object.assign(new URL(postgres.app), { pathname: new URL(world.relayUrl).pathname }).href
    const config = FunctionConfig.parse({
      FUNCTION: 'void-entropy,self-soul,events-in,subscriptions,invitations',
      LOG_LEVEL: 'silent',
      DATABASE_URL: database,
      PLATFORM_JWKS: KEYS,
      DISPATCH_JWKS: KEYS,
      EVENT_SIGNING_KEY: SIGNING_KEY,
      WEBHOOK_SIGNING_KEY: WEBHOOK_KEY,
      EGRESS_PRIVATE_ALLOWED: sinks.map(({ url }) => new URL(url).origin).join(','),
    })
    const { runtime, close } = await openRuntime(config, loaders)
    return new Webhooks(world, sinks, createApp(runtime), close)
  }

  /** The next sink that no test has asked for. */
  sink(at = 0): TestSink {
    const sink = this.#sinks[at]
    if (sink === undefined) throw new RangeError('there are three sinks')
    return sink
  }

  startSender({ schedule = [0.05, 0.05, 0.05], timeoutSeconds = 5 } = {}): Sender {
    const log = createLog('webhooks', process.env['WEBHOOK_TEST_LOG'] ?? 'silent')
    const privateAllowed = this.#sinks.map(({ url }) => new URL(url).origin)
    const sender = createSender({
      link: openNatsLink(this.world.nats.urlOf('webhooks'), 'webhooks'),
      key: WEBHOOK_KEY,
      deliver: createDeliver({ key: WEBHOOK_KEY, timeoutSeconds, privateAllowed }),
      schedule,
      metrics: createWebhookMetrics(createRegistry()),
      log,
    })
    this.#senders.push(sender)
    return sender
  }

  async newTenant(roles = ['developer']): Promise<Tenant> {
    const { id, user, key } = await insertTenant(this.world.owner, 'enterprise', roles)
    const calls: Tenant['calls'] = async (method, path, body, headers = {}) => {
      const response = await this.app.request(path, {
        method,
        headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    }
    return {
      id,
      user,
      key,
      calls,
      async sips() {
        const { status, body } = await calls('POST', '/v1/agentese/void/entropy/sip', { amount: 0.1 })
        if (status !== 200) throw new Error(JSON.stringify(body))
      },
      async subscribes(sink, wanted = { patterns: ['void.**'] }) {
        const { status, body } = await calls('POST', '/v1/subscriptions', { sink: sink.url, ...wanted })
        if (status !== 201) throw new Error(JSON.stringify(body))
        return body
      },
    }
  }

  /** Serves the functions by HTTP, for clients that are not ours; answers where. */
  async listen(): Promise<string> {
    this.#serving ??= await startServing(this.app, 0, '127.0.0.1')
    return `http://127.0.0.1:${(this.#serving.server.address() as AddressInfo).port}`
  }

  /** Names of the consumers of webhooks, on both streams. */
  async consumers(): Promise<string[]> {
    const names: string[] = []
    for (const stream of ['AGENTESE', 'EVENTS']) {
      for await (const { name } of this.world.jsm.consumers.list(stream)) {
        if (name.startsWith('sink-')) names.push(`${stream}/${name}`)
      }
    }
    return names.sort()
  }

  /** Waits until a subscription has its consumers. */
  async untilReady(id: string, count = 2): Promise<void> {
    await eventually(async () => {
      const names = await this.consumers()
      if (names.filter((name) => name.endsWith(id)).length !== count) throw new Error(names.join())
    })
  }

  /** As a Trigger does it: only what the functions want, until they take it. */
  async #forward({ headers, body }: Delivery): Promise<void> {
    const type = String(headers['ce-type'])
    const isWanted = catalog.some(({ triggers }) =>
      triggers.some(({ attributes }) => attributes['type'] === type),
    )
    if (!isWanted) return
    const response = await this.app.request('/events', {
      method: 'POST',
      headers: headers as Record<string, string>,
      body,
    })
    if (response.status !== 202) throw new Error(`${type} was answered ${response.status}`)
  }

  async close(): Promise<void> {
    await this.#serving?.drain()
    for (const sender of this.#senders) await sender.close(0)
    await Promise.all(this.#sinks.map((sink) => sink.close()))
    await this.world.close()
    await Promise.all(this.#forwarding)
    await this.#closeRuntime()
  }
}

async function openSink(): Promise<TestSink> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const received = { headers: request.headers, body, event: JSON.parse(body) as KgentsEvent }
      sink.received.push(received)
      sink.answer(received, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sink: TestSink = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received: [],
    answer: (_received, response) => response.writeHead(204).end(),
    get ids() {
      return [...new Set(sink.received.map(({ headers }) => String(headers['webhook-id'])))]
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return sink
}

/** Whether a sink that knows `secret` believes what it was sent; as Standard Webhooks say. */
export function isSignedWith(secret: string, { headers, body }: Received): boolean {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>)
    return true
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false
    throw error
  }
}

export const test = base.extend('webhooks', async ({}, { onCleanup }) => {
  const webhooks = await Webhooks.open()
  onCleanup(() => webhooks.close())
  return webhooks
})
