/**
 * The work of the relay that leads one database: events out, jobs in, and sleep while there is neither.
 *
 * Trouble with NATS is waited out here, with the session kept alive; trouble with the database ends the session,
 * and whoever gets the lock next goes on from the rows that are not marked.
 */
import { NatsError } from 'nats'
import type { Log } from '../../shared/telemetry/log.ts'
import { createAdmission, type Room } from './admission.ts'
import { createJobExpiry } from './job-expiry.ts'
import { openHousekeeping } from './housekeeping.ts'
import type { Session } from './leader.ts'
import type { Metrics } from './metrics.ts'
import { createOutbox, NotStored } from './outbox.ts'
import { backoff, pause, within } from './pause.ts'
import { createRecovery } from './recovery.ts'
import { createSinks } from './sinks.ts'
import { createStateLog } from './state-log.ts'
import type { StreamLink } from './stream-link.ts'
import { createWake, type Idle } from './wake.ts'

/** A turn that takes longer hangs on a dead connection: acknowledgements, statements and naps end well before. */
const TURN_SECONDS = 30

export interface ServeOptions {
  url: string
  /** Host and name of the database, for logs and figures. */
  database: string
  link: StreamLink
  room: Room
  log: Log
  metrics: Metrics
}

export async function serveDatabase(session: Session, options: ServeOptions): Promise<void> {
  const { sql, ended } = session
  const { url, database, link, room, log, metrics } = options
  const wake = createWake(sql, metrics, ended)
  const sinks = createSinks({ sql, link, log, metrics })
  const outbox = createOutbox({ sql, link, log, metrics, onPublished: sinks.notice })
  const admission = createAdmission({ sql, link, room, log, metrics })
  const recovery = createRecovery(sql, link, outbox, log)
  const expiry = createJobExpiry(sql, link, log)
  const reportStoring = createStateLog(log, `publishing from ${database}`)
  let failures = 0

  async function round(): Promise<Idle | 'moved' | 'away'> {
    if (!link.connected) return 'away'
    await recovery.check()
    await expiry.check()
    await sinks.check()
    const [events, jobs] = await allOrThrow([outbox.drain(), admission.admit()])
    if (events.moved + jobs.admitted > 0) return 'moved'
    if (events.held || jobs.held) return 'held'
    return jobs.full ? 'full' : 'empty'
  }

  async function look(): Promise<Idle | 'moved' | 'away'> {
    try {
      const found = await round()
      if (found !== 'away') reportStoring('works')
      failures = 0
      return found
    } catch (error) {
      if (!(error instanceof NotStored || error instanceof NatsError)) throw error
      // That NATS is away is told once, by the link.
      if (link.connected) reportStoring('fails and is tried again', error)
      failures += 1
      await pause(backoff(failures, 25, 1000), ended)
      return 'away'
    }
  }

  async function takeTurn(): Promise<void> {
    const found = await look()
    if (found === 'moved') return wake.busy()
    if (found !== 'away') return wake.rest(found)
    // A session that says nothing for long is ended by the server.
    await sql`select 1`
    await link.waitConnected(1000, ended)
  }

  const housekeeping = openHousekeeping({ url, database, metrics, onNotify: wake.hint })
  metrics.set('relay_leading', 1, { database })
  try {
    await sql`delete from relay_sleep`
    while (!ended.aborted) await within(TURN_SECONDS, takeTurn())
    if (!session.lost.aborted) await wake.busy()
  } finally {
    await housekeeping.close()
  }
}

/** Waits for both, so that nothing runs on when one of them fails. */
async function allOrThrow<A, B>(work: [Promise<A>, Promise<B>]): Promise<[A, B]> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
