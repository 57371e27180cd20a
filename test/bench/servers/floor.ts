/**
 * The floor: what a sip and a look into the pool cost at least, on the same tables, in one hop.
 *
 * Both run as `kgents_app`, which forced row-level security binds to the tenant that is set for the transaction alone. A
 * sip draws from the pool, decides, and writes the grant, its charge and its event to the outbox in the same transaction:
 * two flushes, since `begin`, context and first query need no answer in between, and neither do the last writes and
 * `commit`. A look is one flush: several statements in one simple query are one transaction.
 *
 * Left out: verifying who calls (the tenant is a header), checking input, limits, permissions, marks, signatures, traces,
 * repetition, refusing writes of a look, and delivering what the outbox holds.
 */
import { randomInt } from 'node:crypto'
import { serve } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import postgres, { type ReservedSql } from 'postgres'
import { v7 } from 'uuid'

const PATH = '/v1/agentese/void/entropy'
const INITIAL = 100
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

// With array types, because the driver reserves no new connection without them.
const sql = postgres(process.env['DATABASE_URL'] ?? '', { max: 10, onnotice: () => {} })

const app = new Hono()
app.post(`${PATH}/manifest`, async (context) => {
  await context.req.json()
  const { initial, remaining } = await look(tenantOf(context))
  return context.json({ type: 'entropy', remaining, initial, percentage: (100 * remaining) / initial })
})
app.post(`${PATH}/sip`, async (context) => {
  const { amount } = await context.req.json<{ amount: number }>()
  const sip = newSip(tenantOf(context), amount)
  if (!(await write(sip))) return context.json({ code: 'ENTROPY_EXHAUSTED' }, 402)
  return context.json({ amount, seed: sip.seed, source: 'void.entropy', grant: sip.grant })
})
serve({ fetch: app.fetch, port: Number(process.env['PORT']), hostname: '127.0.0.1' })

/** Nothing but an id: one is written into a statement. */
function tenantOf({ req }: Context): string {
  const tenant = req.header('x-tenant-id') ?? ''
  if (!UUID.test(tenant)) throw new TypeError(`"${tenant}" is no tenant`)
  return tenant
}

interface Pool {
  initial: number
  remaining: number
}

async function look(tenant: string): Promise<Pool> {
  const [, [pool] = []] = await sql.unsafe<[unknown[], Pool[]]>(
    `select set_config('app.current_tenant', '${tenant}', true); select initial, remaining from entropy_pools`,
  )
  return pool ?? { initial: INITIAL, remaining: INITIAL }
}

interface Sip {
  tenant: string
  amount: number
  grant: string
  seed: number
}

function newSip(tenant: string, amount: number): Sip {
  return { tenant, amount, grant: v7(), seed: randomInt(2 ** 47) / 2 ** 47 }
}

/** Answers whether there was enough to draw. */
async function write(sip: Sip): Promise<boolean> {
  const db = await sql.reserve()
  try {
    const begun = [db.unsafe('begin'), db`select set_config('app.current_tenant', ${sip.tenant}, true)`]
    const [drawn] = await Promise.all([draw(db, sip), ...begun.map((query) => query.execute())])
    const isEnough = drawn.length > 0
    await (isEnough ? Promise.all([record(db, sip), db.unsafe('commit')]) : db.unsafe('rollback'))
    return isEnough
  } catch (error) {
    await db.unsafe('rollback')
    throw error
  } finally {
    db.release()
  }
}

function draw(db: ReservedSql, { tenant, amount }: Sip) {
  return db`
    insert into entropy_pools (tenant_id, remaining) values (${tenant}, ${INITIAL - amount})
    on conflict (tenant_id) do update set remaining = entropy_pools.remaining - ${amount}
      where entropy_pools.remaining >= ${amount}
    returning remaining`
}

/** In one statement with plain parameters, which is planned once for each connection. */
function record(db: ReservedSql, { tenant, amount, grant, seed }: Sip) {
  const event = eventOf(tenant, grant, amount)
  return db`
    with granted as (
      insert into entropy_grants (id, tenant_id, amount, seed) values (${grant}, ${tenant}, ${amount}, ${seed})
    ), charged as (
      insert into charges (tenant_id, reservation_id, kind, resource, amount, path)
      values (${tenant}, ${grant}, 'settled', 'entropy', ${amount}, 'void.entropy.sip')
    )
    insert into outbox (id, tenant_id, subjects, event)
    values (${event.id}, ${tenant}, array[${`agentese.${tenant}.void.entropy.sip`}::text], ${JSON.stringify(event)})`
}

/** As large as those of the platform. */
function eventOf(tenant: string, mark: string, amount: number) {
  return {
    specversion: '1.0',
    id: v7(),
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    tenantid: tenant,
    source: '/functions/void-entropy',
    type: 'io.kgents.agentese.invoked',
    subject: 'void.entropy.sip',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    data: {
      mark,
      path: 'void.entropy.sip',
      category: 'E',
      effects: ['charges:entropy'],
      user: tenant,
      archetype: 'developer',
      charges: { entropy: amount },
      duration_ms: 3,
    },
    signature: 'signature-of-43-characters-that-nobody-checks',
  }
}
