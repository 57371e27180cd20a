/** After the streams were replaced by others that lack their end, as promoted mirrors may. */
import type { Sql } from 'postgres'

/**
 * Has the relay publish again all that the outbox still has, which is what it published in the last hour. Consumers know the
 * ids of what they have done, so too much is harmless. The relay must not run meanwhile: it does not look back.
 *
 * @returns how many events that is
 */
export async function publishAgain(sql: Sql): Promise<number> {
  // Events that can never be published are marked with infinity, and stay so.
  const { count } = await sql`
    update outbox set published_at = null where published_at is not null and published_at <> 'infinity'`
  return count
}
