/**
 * As much of the platform as a drill loses: PostgreSQL with the schema and an archive of WAL, NATS on the files of its
 * component, the relay, a Broker that takes everything, and somebody who writes all the time.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsConnection } from 'nats'
import postgres, { type Sql } from 'postgres'
import { components } from '../../../functions/components.ts'
import { readConfig } from '../../../shared/config.ts'
import { allowLogin, migrate } from '../../../shared/database/migrate.ts'
import { createEvent } from '../../../shared/events/event.ts'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import type { StreamName } from '../../../shared/nats/streams.ts'
import { agenteseSubject, eventSubject } from '../../../shared/nats/subjects.ts'
import { newId } from '../../../shared/new-id.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { randomSecret } from '../../keys.ts'
import { loginUrl } from '../../local/database-logins.ts'
import { findFreePort } from '../../local/servers/ports.ts'
import { startPostgres, type PostgresServer } from '../../local/servers/postgres.ts'
import { relay as contract } from '../../relay/component.ts'
import { createMetrics } from '../../relay/metrics.ts'
import { runRelay } from '../../relay/relay.ts'
import { valuesOf } from '../../setup/kept.ts'
import { natsLogins, natsObjects } from '../../setup/own-servers.ts'
import { findNatsPorts, startComponentNats, type ComponentNats, type NatsPorts } from '../component-nats.ts'
import { archiveSettings, makeArchive, recoverySettings } from './database-archive.ts'

const KEY = Buffer.alloc(32, 7).toString('base64url')
const PATH = 'void.entropy.sip'
const TYPE = 'io.kgents.entropy.sipped'

export interface Relay {
  stop(): Promise<void>
}

export interface DrillOptions {
  /** After which a segment of WAL goes to the archive although it is not full. */
  archiveTimeoutSeconds: number
  /** Ours: where programs are looked for, and `DRILL_LOG`, the log level of the relay. */
  env: NodeJS.ProcessEnv
}

/** What was written, and when its transaction had ended. */
export interface Written {
  id: string
  at: number
}

export class DrillPlatform {
  readonly state = mkdtempSync(join(tmpdir(), 'kgents-drill-'))
  readonly archive = join(this.state, 'archive')
  readonly tenant = newId()
  readonly #options: DrillOptions
  readonly #passwords = new Map(natsLogins(components).map((user) => [user, randomSecret()]))
  readonly #databasePassword = randomSecret()
  readonly #relayPassword = randomSecret()
  readonly #cleanups: (() => Promise<unknown>)[] = []
  readonly written: Written[] = []

  constructor(options: DrillOptions) {
    this.#options = options
  }

  // PostgreSQL

  /** Starts on what is there; what was restored is first brought to the end of the archive. */
  async startPostgres(): Promise<PostgresServer> {
    const server = await startPostgres({
      state: this.state,
      port: await findFreePort(),
      password: this.#databasePassword,
      settings: {
        ...archiveSettings(this.archive, this.#options.archiveTimeoutSeconds),
        ...recoverySettings(this.archive),
      },
    })
    this.#cleanups.push(() => server.stop())
    return server
  }

  async prepare({ url }: PostgresServer): Promise<void> {
    await migrate(url)
    await allowLogin(url, 'kgents_relay', this.#relayPassword)
    const sql = this.connect(url)
    await makeArchive(sql, this.archive)
  }

  relayUrl({ url }: PostgresServer): string {
    return loginUrl(url, 'kgents_relay', this.#relayPassword)
  }

  connect(url: string): Sql {
    const sql = postgres(url, { max: 4, onnotice: () => {} })
    this.#cleanups.push(() => sql.end({ timeout: 1 }))
    return sql
  }

  // NATS

  async startNats(component: 'nats' | 'nats-mirror', ports?: NatsPorts, primary?: NatsPorts) {
    const [secret] = natsObjects(this.#passwords)
    if (secret === undefined) throw new TypeError('there is no Secret')
    const { 'users.conf': users = '', 'mirror.conf': mirror = '' } = valuesOf(secret)
    const server = await startComponentNats({
      component,
      name: component,
      state: this.state,
      env: this.#options.env,
      ports: ports ?? (await findNatsPorts()),
      files: {
        'users.conf': users,
        'mirror.conf': mirror.replace(/@[^"]*/, `@127.0.0.1:${primary?.leaf}`),
      },
    })
    this.#cleanups.push(() => server.stop())
    return server
  }

  /** Ends a server as a crash would, and takes its disk away. */
  async loseNats(server: ComponentNats): Promise<void> {
    await server.kill()
    rmSync(join(this.state, server.name, 'data'), { recursive: true, force: true })
  }

  natsUrl({ port }: ComponentNats, user: string): string {
    return loginUrl(`nats://127.0.0.1:${port}`, user, this.#passwords.get(user) ?? '')
  }

  async asUser(server: ComponentNats, user: string): Promise<NatsConnection> {
    const nc = await openNats(this.natsUrl(server, user), 'drill', { inboxPrefix: inboxPrefixOf(user) })
    this.#cleanups.push(() => nc.close())
    return nc
  }

  // What goes on

  /** @param databaseUrl as `kgents_relay` */
  async startRelay(nats: ComponentNats, databaseUrl: string): Promise<Relay> {
    const stopping = new AbortController()
    const config = readConfig(contract.env, {
      RELAY_DATABASE_URLS: databaseUrl,
      NATS_URL: this.natsUrl(nats, 'relay'),
      BROKER_URL: await this.#openBroker(),
    })
    const log = createLog('relay', this.#options.env['DRILL_LOG'] ?? 'silent')
    const running = runRelay(config, log, createMetrics(), stopping.signal)
    const stop = async () => {
      stopping.abort()
      await running
    }
    this.#cleanups.push(stop)
    return { stop }
  }

  async #openBroker(): Promise<string> {
    const server = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(202).end())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.#cleanups.push(async () => server.close().closeAllConnections())
    const { port } = server.address() as AddressInfo // reason: it listens on a port
    return `http://127.0.0.1:${port}/`
  }

  /** One event in a transaction of its own, as a function leaves it. */
  async write(sql: Sql): Promise<Written> {
    const count = this.written.length
    const event = createEvent(
      { source: '/functions/drill', type: TYPE, tenant: this.tenant, subject: PATH, data: { count } },
      KEY,
    )
    const subject = count % 2 === 0 ? agenteseSubject(this.tenant, PATH) : eventSubject(this.tenant, TYPE)
    await sql`
      insert into outbox (id, tenant_id, subjects, event)
      values (${event.id}, ${this.tenant}, ${[subject]}, ${JSON.stringify(event)})`
    const written = { id: event.id, at: performance.now() }
    this.written.push(written)
    return written
  }

  /** Writes one after the other until `stop` aborts or the server is gone. */
  async keepWriting(sql: Sql, perSecond: number, stop: AbortSignal): Promise<void> {
    const began = performance.now()
    for (let count = 0; !stop.aborted; count += 1) {
      const due = began + (count * 1000) / perSecond - performance.now()
      if (due > 0) await new Promise((resolve) => setTimeout(resolve, due))
      try {
        await this.write(sql)
      } catch {
        return
      }
    }
  }

  /** Ids of the events in the streams; one that is there twice is twice in the list. */
  async published(
    nc: NatsConnection,
    streams: readonly StreamName[] = ['AGENTESE', 'EVENTS'],
  ): Promise<string[]> {
    const ids: string[] = []
    for (const stream of streams) {
      const { state } = await (await nc.jetstreamManager()).streams.info(stream)
      if (state.messages === 0) continue
      const consumer = await nc.jetstream().consumers.get(stream, {})
      const messages = await consumer.fetch({ max_messages: state.messages, expires: 30_000 })
      for await (const message of messages) ids.push(message.headers?.get('ce-id') ?? '')
      await consumer.delete()
    }
    return ids
  }

  /** Stops and deletes everything. */
  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.toReversed()) await cleanup().catch(() => {})
    rmSync(this.state, { recursive: true, force: true })
  }
}
