import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'nats'
import { describe, expect, vi } from 'vitest'
import { natsPassword } from '../../knative/local/servers/nats.ts'
import { eventually, until } from '../eventually.ts'
import { readState, startPlatform } from './start-platform.ts'
import { readAll, test as base, textOf, type Caller, type StreamEvent, type World } from './world.ts'

/** A platform that nobody else uses, because much of it is killed here. */
const test = base.extend({
  platform: [
    // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
    async ({}, use) => {
      // Two workers, so that one can die; a short silence, so that the other takes over soon; a pause before a killed
      // server comes back, so that there is an outage to see.
      const platform = await startPlatform({ WORKERS: '2', ACK_WAIT_SECONDS: '3', RESTART_SECONDS: '4' })
      await use(platform)
      await platform.stop()
    },
    { scope: 'file' },
  ],
})

const SIP = '/v1/agentese/void/entropy/sip'

/** Waits until what was killed as `old` runs again, as another process. */
const untilBack = (pidOf: (name: string) => number, name: string, old: number) =>
  until(async () => (pidOf(name) === old ? undefined : pidOf(name)))

/** Messages of a stream below one subject, as NATS itself counts them. */
async function countInStream(state: string, stream: string, subject: string): Promise<number> {
  const { port } = readState<{ port: number }>(state, 'nats/nats.conf')
  const { natsKey } = readState<{ natsKey: string }>(state, 'secrets.json')
  const connection = await connect({
    port,
    user: 'relay',
    pass: natsPassword(natsKey, 'relay'),
    inboxPrefix: '_INBOX_relay',
  })
  try {
    const { state: counts } = await (
      await connection.jetstreamManager()
    ).streams.info(stream, { subjects_filter: subject })
    return Object.values(counts.subjects ?? {}).reduce((sum, messages) => sum + messages, 0)
  } finally {
    await connection.close()
  }
}

async function sip(caller: Caller, times: number) {
  return Promise.all(Array.from({ length: times }, () => caller.call('POST', SIP, { amount: 0.01 })))
}

describe('when NATS is killed and comes back', () => {
  test('calls go on, every event arrives, and none twice', async ({ newTenant, kill, pidOf, sql, state }) => {
    const tenant = await newTenant()
    const first = await sip(tenant, 3)
    const old = kill('NATS')
    const during = await sip(tenant, 3)
    await untilBack(pidOf, 'NATS', old)
    const after = await sip(tenant, 3)
    expect([...first, ...during, ...after].map(({ status }) => status)).toEqual(Array(9).fill(200))
    await eventually(async () => {
      const [waiting] =
        await sql`select count(*)::int as n from outbox where tenant_id = ${tenant.tenant} and published_at is null`
      expect(waiting).toEqual({ n: 0 })
    })
    const [marks] = await sql`select count(*)::int as n from marks where tenant_id = ${tenant.tenant}`
    expect(marks).toEqual({ n: 9 })
    expect(await countInStream(state, 'AGENTESE', `agentese.${tenant.tenant}.>`)).toBe(9)
  })
})

describe('when Redis is killed', () => {
  test('calls go on, and limits still bind', async ({ newTenant, kill, pidOf }) => {
    const tenant = await newTenant('free')
    const old = kill('Redis')
    expect((await tenant.call('POST', '/v1/agentese/void/entropy/manifest')).status).toBe(200)
    const flood = await Promise.all(
      Array.from({ length: 40 }, () => tenant.call('POST', '/v1/agentese/void/entropy/manifest')),
    )
    const limited = flood.find(({ status }) => status === 429)
    expect(limited?.body).toMatchObject({ code: 'RATE_LIMITED', category: 'QUOTA_EXCEEDED' })
    expect(Number(limited?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(new Set(flood.map(({ status }) => status))).toEqual(new Set([200, 429]))
    await untilBack(pidOf, 'Redis', old)
  })
})

describe('when PostgreSQL is killed', () => {
  test('calls get 503 with Retry-After, and work again without a restart of anything else', async ({
    newTenant,
    kill,
    pidOf,
  }) => {
    const tenant = await newTenant()
    const token = { authorization: `Bearer ${await tenant.token()}` }
    expect((await tenant.call('POST', SIP, {}, token)).status).toBe(200)
    // Awake as well, so that it is asked before PostgreSQL is back.
    expect((await tenant.call('GET', '/health')).status).toBe(200)
    const old = kill('PostgreSQL')
    // A session that PostgreSQL has left behind may answer once more before it ends.
    const away = await until(async () => {
      const answer = await tenant.call('POST', SIP, {}, token)
      return answer.status === 200 ? undefined : answer
    })
    expect(away).toMatchObject({ status: 503, body: { category: 'UNAVAILABLE' } })
    expect(Number(away.headers.get('retry-after'))).toBeGreaterThan(0)
    // What it has found is good for a second.
    await eventually(async () => expect((await tenant.call('GET', '/health')).status).toBe(503))
    await untilBack(pidOf, 'PostgreSQL', old)
    await eventually(async () => expect((await tenant.call('POST', SIP, {}, token)).status).toBe(200))
    await eventually(async () => expect((await tenant.call('GET', '/health/saas')).body.status).toBe('ok'))
  })
})

describe('when a worker is killed in mid-generation', () => {
  test('the job completes elsewhere, the stream is whole, and it is charged once', async ({
    newTenant,
    pidOf,
    sql,
  }) => {
    const tenant = await newTenant()
    const events: StreamEvent[] = []
    const stream = tenant.stream('POST', '/v1/agentese/self/soul/dialogue', {
      message: 'Tell me a long story about the sea',
    })
    for await (const event of stream) {
      events.push(event)
      // Whichever worker has it: both are killed, and both come back.
      if (events.filter((each) => each.event === 'chunk').length === 5 && event.event === 'chunk') {
        for (const name of ['gpu-worker-1', 'gpu-worker-2']) process.kill(pidOf(name), 'SIGKILL')
      }
    }
    const last = events.at(-1)
    expect(last?.event).toBe('complete')
    expect(textOf(events)).toBe(last?.data.text)
    expect(Math.max(...events.flatMap(({ data }) => data.attempt ?? 1))).toBeGreaterThan(1)
    const charges = await sql`select kind from charges where tenant_id = ${tenant.tenant} order by kind`
    expect(charges).toEqual([{ kind: 'reserved' }, { kind: 'settled' }])
  })
})

describe('when a function is killed during requests', () => {
  test('each caller gets a good answer or a 503, and the ledger fits the answers', async ({
    newTenant,
    functions,
    sql,
  }) => {
    const tenant = await newTenant()
    await sip(tenant, 1)
    const answers = sip(tenant, 30)
    await delay(20) // some are under way; how many does not matter
    for (const { pid } of (await functions())['void-entropy']?.pods ?? []) process.kill(pid, 'SIGKILL')
    const statuses = (await answers).map(({ status }) => status)
    expect(statuses.every((status) => status === 200 || status === 503)).toBe(true)
    const [sum] = await sql`
      select (select count(*)::int from entropy_grants where tenant_id = ${tenant.tenant}) as grants,
             (select count(*)::int from charges where tenant_id = ${tenant.tenant}) as charges,
             (select count(*)::int from marks where tenant_id = ${tenant.tenant}) as marks`
    expect(sum?.['grants']).toBeGreaterThanOrEqual(statuses.filter((status) => status === 200).length + 1)
    expect(new Set(Object.values(sum ?? {})).size).toBe(1)
  })
})

describe('when everything that works on a composition is killed', () => {
  test('it goes on where it was, runs each stage once, and its caller follows it as a job', async ({
    newTenant,
    functions,
    pidOf,
    sql,
  }) => {
    const tenant = await newTenant()
    const stages = ['void.entropy.sip', 'self.soul.reflect', 'self.soul.challenge']
    const { status, body } = await tenant.call('POST', '/v1/agentese/compose', {
      expression: stages.join(' >> '),
      inputs: [{ amount: 1 }, {}, { message: 'Why should chance decide what I do today?' }],
    })
    expect(status).toBe(202)
    const marks = async () => {
      const rows = await sql<{ path: string }[]>`
        select path from marks where tenant_id = ${tenant.tenant} order by at`
      return rows.map(({ path }) => path)
    }
    for (const done of [1, 2]) {
      await vi.waitUntil(async () => (await marks()).length >= done, { timeout: 120_000, interval: 20 })
      const running = await functions()
      for (const name of ['logos', 'self-soul'])
        for (const { pid } of running[name]?.pods ?? []) process.kill(pid, 'SIGKILL')
      for (const name of ['gpu-worker-1', 'gpu-worker-2']) process.kill(pidOf(name), 'SIGKILL')
    }
    const events = await readAll(tenant.stream('GET', body.links.stream))
    const last = events.at(-1)
    expect(last?.event, JSON.stringify(last)).toBe('complete')
    expect(last?.data.result).toMatchObject({ success: true, failed_at: -1 })
    expect(await marks()).toEqual(stages)
    const [pool] = await sql`select remaining::float8 from entropy_pools where tenant_id = ${tenant.tenant}`
    expect(pool).toEqual({ remaining: 99 })
  })
})

/** Jobs whose parts are killed while they run. */
const KILLED_JOBS = Number(process.env['KILLED_JOBS'] ?? 4)
const KILLABLE = ['gpu-worker-1', 'gpu-worker-2', 'stream-hub', 'relay', 'self-soul', 'NATS'] as const

describe('while workers, hub, relay, functions and NATS are killed at random moments', () => {
  test(
    'each job completes once, is charged once, and its stream has neither gap nor repetition',
    async ({ newTenant, functions, pidOf, sql }) => {
      const tenant = await newTenant('team')
      const over = new AbortController()
      const kills = killAtRandom({ functions, pidOf }, over.signal)
      const streams = await Promise.all(
        Array.from({ length: KILLED_JOBS }, (_, at) =>
          followToTheEnd(tenant, `Describe number ${at} in two sentences`),
        ),
      )
      over.abort()
      const killed = await kills
      for (const events of streams) {
        const indices = events.flatMap(({ data }) => (data.index === undefined ? [] : [Number(data.index)]))
        expect(indices).toEqual([...new Set(indices)].toSorted((one, other) => one - other))
        expect(events.at(-1)?.event, JSON.stringify(events.at(-1))).toBe('complete')
        expect(textOf(events)).toBe(events.at(-1)?.data.text)
      }
      const [sum] = await sql`
      select (select count(*)::int from jobs where tenant_id = ${tenant.tenant} and status = 'completed') as completed,
        (select count(*)::int from charges where tenant_id = ${tenant.tenant} and kind = 'settled') as charged,
        (select count(*)::int from marks where tenant_id = ${tenant.tenant} and path = 'self.soul.dialogue') as marked`
      expect(sum).toEqual({ completed: KILLED_JOBS, charged: KILLED_JOBS, marked: KILLED_JOBS })
      process.stdout.write(
        `${KILLED_JOBS} jobs completed and charged once; killed: ${JSON.stringify(killed)}\n`,
      )
    },
    Math.max(300_000, KILLED_JOBS * 30_000),
  )
})

/** Asks, and follows the answer to its end: where the stream breaks, from the event that was seen last. */
async function followToTheEnd(tenant: Caller, message: string): Promise<StreamEvent[]> {
  const key = { 'idempotency-key': crypto.randomUUID() }
  const { body } = await until(async () => {
    const answer = await tenant.call('POST', '/v1/agentese/self/soul/dialogue', { message }, key)
    return answer.status === 202 ? answer : undefined
  })
  const events: StreamEvent[] = []
  while (!['complete', 'error'].includes(events.at(-1)?.event ?? '')) {
    const seen = events.at(-1)?.id
    const from = seen === undefined ? {} : { 'last-event-id': seen }
    try {
      for await (const event of tenant.stream('GET', body.links.stream, undefined, from)) events.push(event)
    } catch {
      // The hub is away, or was killed in the middle.
      await delay(100)
    }
  }
  return events
}

/** Kills one part after the other until `signal` is aborted; how often each was killed. */
async function killAtRandom(
  { functions, pidOf }: Pick<World, 'functions' | 'pidOf'>,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const killed: Record<string, number> = {}
  while (!signal.aborted) {
    await delay(1000 + Math.random() * 3000, undefined, { signal }).catch(() => {})
    const name = KILLABLE[Math.floor(Math.random() * KILLABLE.length)] ?? 'relay'
    const isFunction = name === 'self-soul'
    const pids = isFunction ? (await functions())[name]?.pods.map(({ pid }) => pid) : [pidOf(name)]
    for (const pid of pids ?? []) {
      try {
        process.kill(pid, 'SIGKILL')
        killed[name] = (killed[name] ?? 0) + 1
      } catch {
        // It has ended already, and comes back.
      }
    }
  }
  return killed
}

describe('when the whole platform sleeps', () => {
  test('functions go to sleep, and wake with the next request', async ({ acme, functions }) => {
    await acme.call('GET', '/.well-known/jwks.json')
    await eventually(async () => expect((await functions())['json-web-keys']?.pods).toEqual([]))
    expect((await acme.call('GET', '/.well-known/jwks.json')).status).toBe(200)
    expect((await functions())['json-web-keys']?.pods).toHaveLength(1)
  })

  test('a stream that nobody has read yet is still there', async ({ newTenant }) => {
    const tenant = await newTenant()
    const { body } = await tenant.call('POST', '/v1/agentese/self/soul/dialogue', {
      message: 'Who are you, and what is on your mind?',
    })
    await eventually(async () =>
      expect((await tenant.call('GET', `/v1/jobs/${body.job.id}`)).body.job.status).toBe('completed'),
    )
    const events = await readAll(tenant.stream('GET', body.links.stream))
    expect(events.at(-1)?.event).toBe('complete')
  })
})
