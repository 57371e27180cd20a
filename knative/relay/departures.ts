/**
 * Erases tenants whose 30 days after deletion are over: their messages in every stream, their rows in batches, and then a sweep
 * over all tables and streams, which ends the erasure only where nothing is left but what the law keeps.
 *
 * Each batch is a transaction of its own, and the database knows what is under way. So it does not matter where it is interrupted:
 * the relay that leads next goes on. Rows in `outbox` go with the others, and nothing is published any more by then.
 *
 * Redis holds buckets of rate limits alone, which vanish within an hour after the last request.
 */
import type { JetStreamManager } from 'nats'
import type { Sql } from 'postgres'
import { STREAMS } from '../../shared/nats/streams.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Metrics } from './metrics.ts'
import type { StreamLink } from './stream-link.ts'

const BATCH = 1000

/** What a stream has of one tenant is under the subjects with its id in the second token. */
const SUBJECTS = Object.entries(STREAMS).flatMap(([stream, { subjects }]) =>
  subjects.map((subject) => ({ stream, first: subject.split('.')[0] ?? '' })),
)

export interface DeparturesOptions {
  sql: Sql
  link: StreamLink
  log: Log
  metrics: Metrics
  /** Aborts when the relay no longer leads. */
  closed: AbortSignal
}

export interface Departures {
  /** Goes on with every tenant that is due; where NATS is unavailable, it waits for the next turn. */
  turn(): Promise<void>
}

export function createDepartures({ sql, link, log, metrics, closed }: DeparturesOptions): Departures {
  async function erase(tenant: string, manager: JetStreamManager): Promise<void> {
    await purge(tenant, manager)
    let erased = BATCH
    while (!closed.aborted && erased > 0) erased = await eraseRows(sql, tenant)
    if (closed.aborted) return
    const left = await countMessages(tenant, manager)
    const [row] = await sql<
      { ended: boolean }[]
    >`select finish_erasure(${tenant}, ${sql.json(left)}) as ended`
    if (row?.ended === true) {
      metrics.add('relay_tenants_erased_total')
      log.info({ tenant }, 'A tenant is erased')
    } else log.warn({ tenant }, 'Something is left of a tenant that is erased: it is tried again')
  }

  return {
    async turn() {
      const due = await sql<{ tenant: string }[]>`select tenant from tenants_to_erase() as due (tenant)`
      if (due.length === 0 || !link.connected) return
      await link.streams()
      const manager = await link.nats.manager()
      for (const { tenant } of due) {
        if (closed.aborted) return
        // One that cannot be erased must not keep the others from it.
        await erase(tenant, manager).catch((error: unknown) =>
          log.error({ err: error, tenant }, 'A tenant could not be erased: it is tried again'),
        )
      }
    },
  }
}

async function eraseRows(sql: Sql, tenant: string): Promise<number> {
  const [row] = await sql<{ erased: number }[]>`select erase_rows(${tenant}, ${BATCH}) as erased`
  return row?.erased ?? 0
}

async function purge(tenant: string, manager: JetStreamManager): Promise<void> {
  for (const { stream, first } of SUBJECTS) {
    await manager.streams.purge(stream, { filter: `${first}.${tenant}.>` })
  }
}

/** Messages of a tenant in each stream. */
async function countMessages(tenant: string, manager: JetStreamManager): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { stream, first } of SUBJECTS) {
    const { state } = await manager.streams.info(stream, { subjects_filter: `${first}.${tenant}.>` })
    const found = Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0)
    counts[stream] = (counts[stream] ?? 0) + found
  }
  return counts
}
