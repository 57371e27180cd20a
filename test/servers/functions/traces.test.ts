import { randomUUID } from 'node:crypto'
import { describe, expect } from 'vitest'
import { createEvent } from '../../../shared/events/event.ts'
import { createApp } from '../../../shared/http/app.ts'
import { call } from './in-process.ts'
import { insertColleague, testWith, type Tenant, type World } from './world.ts'

interface Span {
  id: string
  parent?: string
  kind: string
  name: string
}

const test = testWith()
const newTrace = () => {
  const id = randomUUID().replaceAll('-', '')
  return { id, traceparent: `00-${id}-00f067aa0ba902b7-01` }
}
/** Another person of the tenant, who reads. */
async function readerOf(
  tenant: Tenant,
  { owner, runtime }: Pick<World, 'owner' | 'runtime'>,
): Promise<Pick<Tenant, 'calls'>> {
  const key = await insertColleague(owner, tenant, 'developer')
  const app = createApp(runtime)
  return { calls: (method, path) => call(app, key, method, path) }
}
const treeOf = async (tenant: Pick<Tenant, 'calls'>, id: string): Promise<Span[]> =>
  (await tenant.calls('GET', `/v1/traces/${id}`)).body.spans
/** Names of spans as paths from the root; a span whose parent is not there has none. */
function pathsIn(spans: readonly Span[]): string[] {
  const of = new Map(spans.map((span) => [span.id, span]))
  const pathOf = ({ kind, name, parent }: Span): string => {
    const own = kind === 'call' || kind === 'composition' ? name : kind
    if (parent === undefined) return own
    const above = of.get(parent)
    return above === undefined ? `?/${own}` : `${pathOf(above)}/${own}`
  }
  return spans.map(pathOf)
}

describe('a trace', () => {
  test('of a composition is one tree: its stages, their jobs and what a model did, whatever came by event', async ({
    newTenant,
    settles,
    runtime,
  }) => {
    const tenant = await newTenant()
    const { id, traceparent } = newTrace()
    const expression = 'self.soul.challenge >> self.soul.reflect'
    const { body, status } = await tenant.calls(
      'POST',
      '/v1/agentese/compose',
      { expression, input: { message: 'We need a plan' } },
      { traceparent },
    )
    expect(status).toBe(202)
    await settles(tenant, () => ({ text: 'An answer', durationSeconds: 0.001 }))
    await runtime.recorder.flush()
    const spans = await treeOf(tenant, id)
    const stage = (verb: string) =>
      ['', '/queue', '/continuation'].map((phase) => `${expression}/self.soul.${verb}${phase}`)
    const paths = pathsIn(spans).filter((path) => !path.endsWith('/worker'))
    expect(new Set(paths)).toEqual(new Set([expression, ...stage('challenge'), ...stage('reflect')]))
    expect(spans.filter(({ parent }) => parent === undefined)).toMatchObject([
      { id: body.job.id, kind: 'composition' },
    ])
  })

  test('of a conversation with K-gent has what was set off by its end', async ({
    newTenant,
    settles,
    owner,
    eventKey,
    delivers,
    runtime,
  }) => {
    const tenant = await newTenant()
    const { id, traceparent } = newTrace()
    const speak = (verb: string, input: object) =>
      tenant.calls('POST', `/v1/agentese/self/kgent/${verb}`, input, { traceparent })
    const session = (await speak('create', {})).body.result.id
    for (let turn = 0; turn < 2; turn++) {
      await speak('message', { session, message: 'What should I plant first in the garden?' })
      await settles(tenant, () => ({ text: 'Beans.', durationSeconds: 0.001 }))
    }
    await speak('history', { session })
    await speak('list', {})
    await runtime.recorder.flush()
    const event = {
      source: '/functions/self-kgent',
      type: 'io.kgents.session.ended',
      tenant: tenant.id,
      function: 'time-trace',
      traceparent,
      data: { session, user: tenant.user },
    }
    expect(await delivers(createEvent(event, eventKey))).toBe(202)
    await settles(tenant, () => ({ text: 'Beans were planted.', durationSeconds: 0.001 }))
    await runtime.recorder.flush()
    const paths = pathsIn(await treeOf(tenant, id))
    expect(paths.filter((path) => !path.includes('/')).toSorted()).toEqual(
      ['create', 'message', 'message', 'history', 'index', 'list']
        .map((verb) => `self.kgent.${verb}`)
        .concat('time.trace.crystallize')
        .toSorted(),
    )
    expect(paths.filter((path) => path.startsWith('self.kgent.message/queue'))).toHaveLength(2)
    const [strays] = await owner`
      select count(*)::int as jobs from jobs where tenant_id = ${tenant.id} and split_part(call ->> 'traceparent', '-', 2) <> ${id}`
    expect(strays).toEqual({ jobs: 0 })
  })
})

describe('GET /v1/traces', () => {
  test('filters by duration and by the beginning of a path, and pages through what fits', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    for (let n = 0; n < 5; n++)
      await owner`
        insert into marks (id, tenant_id, path, category, outcome, user_id, archetype, effects, trace_id, duration_ms, at)
        values (${randomUUID()}, ${tenant.id}, ${n < 4 ? 'void.entropy.sip' : 'void.entropyish.sip'}, 'E', 'success',
          ${tenant.user}, 'developer', '{}', ${newTrace().id}, ${n * 100}, now() - ${n} * interval '1 minute')`
    const list = async (query: string) => (await tenant.calls('GET', `/v1/traces?${query}`)).body
    const durations = async (query: string) =>
      (await list(query)).traces.map(({ duration_ms }: { duration_ms: number }) => duration_ms)
    expect(await durations('min_duration_ms=200')).toEqual([200, 300, 400])
    expect(await durations('path=void.entropy&min_duration_ms=200')).toEqual([200, 300])
    expect(await durations('path=void')).toEqual([0, 100, 200, 300, 400])
    expect(await durations('path=voi')).toEqual([])
    const first = await list('path=void.entropy.sip&limit=3')
    expect(first.traces).toHaveLength(3)
    expect(await durations(`path=void.entropy.sip&limit=3&cursor=${first.next_cursor}`)).toEqual([300])
    expect((await tenant.calls('GET', '/v1/traces?min_duration_ms=-1')).status).toBe(400)
    expect((await list('path=%25')).traces).toEqual([])
  })
})

describe('GET /v1/traces/:id/narrative', () => {
  test('says the same of the same trace, more of it where more is wanted, and what it cost', async ({
    newTenant,
    settles,
    runtime,
    owner,
  }) => {
    const tenant = await newTenant()
    const { id, traceparent } = newTrace()
    await tenant.calls(
      'POST',
      '/v1/agentese/self/soul/challenge',
      { message: 'My diary is my own' },
      { traceparent },
    )
    const narrative = async (query = '') =>
      (await tenant.calls('GET', `/v1/traces/${id}/narrative${query}`)).body
    expect((await narrative('?verbosity=terse')).text).toContain('1 call, 1 under way')
    await settles(tenant, () => ({ text: 'Really?', model: 'small' }))
    // The models that come along are free.
    await owner`update jobs set cost_usd = 0.00012 where tenant_id = ${tenant.id}`
    await tenant.calls('POST', '/v1/agentese/void/entropy/pour', { amount: 77 }, { traceparent })
    await runtime.recorder.flush()
    const [terse, normal, verbose] = [
      await narrative('?verbosity=terse'),
      await narrative(),
      await narrative('?verbosity=verbose'),
    ]
    expect(terse.sentences).toHaveLength(1)
    expect(terse.text).toMatch(/^It began at \S+ and took .*: 2 calls, 1 failed; 12 tokens, \$0\.00012\.$/)
    expect(normal.sentences).toEqual([
      terse.text,
      expect.stringMatching(
        /^After 0 ms, self\.soul\.challenge was called as developer and succeeded after /,
      ),
      expect.stringMatching(
        /^After .*, void\.entropy\.pour was called as developer and failed with NOT_FOUND after /,
      ),
    ])
    expect(verbose.text).toContain(
      'It used 5 tokens of prompt and 7 of completion of model small, which cost $0.00012.',
    )
    expect(verbose.text).toContain('It waited for a worker for ')
    expect(verbose).toEqual(await narrative('?verbosity=verbose'))
    expect(verbose.text).not.toMatch(/diary|Really/)
  })

  test('has nothing of what others do on self, and for other tenants there is no such trace', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const bob = await readerOf(tenant, { owner, runtime })
    const { id, traceparent } = newTrace()
    for (const path of ['void/entropy/sip', 'self/memory/manifest'])
      await tenant.calls('POST', `/v1/agentese/${path}`, {}, { traceparent })
    await runtime.recorder.flush()
    const seenBy = async (caller: Pick<Tenant, 'calls'>) => {
      const { status, body } = await caller.calls('GET', `/v1/traces/${id}/narrative`, undefined)
      return { status, text: body.text ?? '' }
    }
    expect((await seenBy(tenant)).text).toContain('self.memory.manifest')
    expect(await seenBy(await newTenant('enterprise', ['admin']))).toEqual({ status: 404, text: '' })
    const bobs = await seenBy(bob)
    expect(bobs.text).toContain('1 call')
    expect(bobs.text).toContain('void.entropy.sip')
    expect(bobs.text).not.toContain('self.memory')
  })

  test('refuses genres that it does not have, and what is no trace', async ({ newTenant }) => {
    const tenant = await newTenant()
    for (const query of [
      `${newTrace().id}/narrative?genre=noir`,
      'x/narrative',
      `${'0'.repeat(33)}/narrative`,
    ])
      expect((await tenant.calls('GET', `/v1/traces/${query}`)).status).toBe(400)
    expect((await tenant.calls('GET', `/v1/traces/${newTrace().id}/narrative`)).status).toBe(404)
  })
})
