/** Random operations on credits, the same for the same seed; and how the database runs many of them in one statement. */
import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { KINDS, type Operation } from './credit-model.ts'

const HOUR = 3600

/** Numbers below `bound`, by the generator of Tommy Ettinger's "mulberry32". */
function createRandom(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

/**
 * So many operations of one tenant, in the order of time. Most make sense; some repeat an earlier one, also with another amount,
 * some take more than there is or name what is not there.
 */
export function generateOperations(seed: number, count: number): Operation[] {
  const random = createRandom(seed)
  const prefix = randomUUID().slice(0, 24)
  const operations: Operation[] = []
  const sources = { hold: [] as string[], spent: [] as string[] }
  let at = 0
  const some = (list: readonly string[]) =>
    list[list.length - 1 - random(Math.min(list.length, 40))] ?? 'nothing'
  /** Of one millionth, a few credits or many; as often a round amount as not. */
  const amount = () =>
    [1 + random(1_000_000), (1 + random(50)) * 1_000_000, 1 + random(90_000_000)][random(3)] ?? 1
  const next = (index: number): Operation => {
    const source = `s-${index}`
    const dice = random(100)
    if (dice < 14) {
      const id = `${prefix}${index.toString(16).padStart(12, '0')}`
      const until = at + (random(40) === 0 ? 0 : 1 + random(300 * HOUR))
      return {
        act: 'grant',
        at,
        source,
        id,
        kind: KINDS[random(4)] ?? 'prepaid',
        amount: amount() * 2,
        until,
      }
    }
    if (dice < 44) {
      sources.spent.push(source)
      return { act: 'spend', at, source, amount: random(30) === 0 ? 0 : amount() }
    }
    if (dice < 64) {
      sources.hold.push(source)
      return { act: 'hold', at, source, amount: amount(), until: at + 1 + random(20 * HOUR) }
    }
    if (dice < 76) {
      const held = some(sources.hold)
      sources.spent.push(held)
      return { act: 'capture', at, source: held, amount: amount() }
    }
    if (dice < 82) return { act: 'release', at, source: some(sources.hold) }
    if (dice < 92) return { act: 'refund', at, source, about: some(sources.spent), amount: amount() }
    const before = operations[operations.length - 1 - random(Math.min(operations.length, 60))]
    if (dice < 98 && before !== undefined && before.act !== 'expire') {
      return {
        ...before,
        at,
        ...('amount' in before && random(4) === 0 ? { amount: before.amount + 1 } : {}),
      }
    }
    return { act: 'expire', at, source: '' }
  }
  for (let index = 0; index < count; index += 1) {
    operations.push(next(index))
    at += random(3) === 0 ? random(HOUR) : 0
  }
  return operations
}

/** Makes `pg_temp.run_operations` on a connection: the functions of the ledger one after the other, in one statement. */
export async function installRunner(sql: postgres.Sql | postgres.ReservedSql): Promise<void> {
  await sql.unsafe(`
    create or replace function pg_temp.run_operations(
      tenant uuid, acts text[], moments bigint[], sources text[], units bigint[], untils bigint[], extras text[])
      returns setof text language plpgsql as $$
    declare
      answer record;
      n integer;
      moment timestamptz;
      amount numeric;
    begin
      for n in 1 .. cardinality(acts) loop
        moment := to_timestamp(moments[n] + 1800000000);
        amount := (units[n]::numeric / 1000000)::numeric(18, 6);
        case acts[n]
          when 'grant' then
            select * into answer from ledger_grant(tenant, moment, split_part(extras[n], ' ', 1)::uuid,
              split_part(extras[n], ' ', 2), amount, to_timestamp(untils[n] + 1800000000), sources[n], null);
          when 'spend' then select * into answer from ledger_spend(tenant, moment, amount, sources[n]);
          when 'hold' then
            select * into answer from ledger_hold(tenant, moment, amount, sources[n], to_timestamp(untils[n] + 1800000000));
          when 'capture' then select * into answer from ledger_settle(tenant, moment, sources[n], amount, 'captured');
          when 'release' then select * into answer from ledger_settle(tenant, moment, sources[n], 0, 'released');
          when 'refund' then select * into answer from ledger_refund(tenant, moment, amount, extras[n], sources[n]);
          else
            perform ledger_open(tenant, moment);
            select 'done' as outcome, null::numeric as amount into answer;
        end case;
        return next concat_ws(' ', answer.outcome, (answer.amount * 1000000)::bigint);
      end loop;
    end
    $$`)
}

/** What the database answers to each operation. */
export async function runOperations(
  sql: postgres.Sql | postgres.ReservedSql,
  tenant: string,
  operations: readonly Operation[],
): Promise<string[]> {
  const rows = await sql<{ answer: string }[]>`
    select answer from pg_temp.run_operations(${tenant},
      ${operations.map(({ act }) => act)}::text[], ${operations.map(({ at }) => at)}::bigint[],
      ${operations.map(({ source }) => source)}::text[],
      ${operations.map((each) => ('amount' in each ? each.amount : 0))}::bigint[],
      ${operations.map((each) => ('until' in each ? each.until : 0))}::bigint[],
      ${operations.map(extraOf)}::text[]) as answer`
  return rows.map(({ answer }) => answer)
}

function extraOf(operation: Operation): string {
  if (operation.act === 'grant') return `${operation.id} ${operation.kind}`
  return operation.act === 'refund' ? operation.about : ''
}
