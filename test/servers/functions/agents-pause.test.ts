/** Runs that wait for a person, and runs that are ended from outside. */
import { randomUUID } from 'node:crypto'
import { describe, expect } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import {
  agentsOf,
  begins,
  calling,
  COUNT,
  counted,
  counters,
  jobOf,
  scripted,
  stepsOf,
} from './agents-world.ts'
import { call, insertTenant, openFunctions } from './in-process.ts'
import { answerJob, nextEvents, testWith, type Tenant } from './world.ts'

const test = testWith([counters])

function resolves(tenant: Tenant, token_id: string, human_input: string) {
  return tenant.calls('POST', '/v1/agentese/world/purgatory/resolve', { token_id, human_input })
}

async function waitingFor(tenant: Tenant, run: string) {
  const { runs } = (await agentsOf(tenant)('runs')).body.result
  return runs.find((each: { run: string }) => each.run === run)
}

describe('a tool that waits for a person', () => {
  test('is called once it is approved, although every process has ended since it was asked for', async ({
    owner,
    eventKey,
    urls,
  }) => {
    const { id, user, key } = await insertTenant(owner, 'enterprise', ['developer'])
    const what = randomUUID()
    const { model } = scripted(calling([COUNT, { what }]), { text: 'Done' })
    const inAProcess = async <T>(work: (tenant: Tenant) => Promise<T>): Promise<T> => {
      const opened = await openFunctions({
        functions: [...catalog, counters],
        databaseUrl: urls.app,
        eventKey,
      })
      const tenant = {
        id,
        user,
        calls: (...request: Parameters<Tenant['calls']>) => call(opened.app, key, ...request),
      }
      const result = await work(tenant)
      const headers = { 'content-type': 'application/cloudevents+json' }
      for (
        let events = await nextEvents(owner, id);
        events.length > 0;
        events = await nextEvents(owner, id)
      ) {
        for (const event of events) {
          const isRequest = event.type === 'io.kgents.inference.requested'
          const body = JSON.stringify(isRequest ? await answerJob(owner, event, eventKey, model) : event)
          expect((await opened.app.request('/events', { method: 'POST', headers, body })).status).toBe(202)
        }
      }
      await opened.close()
      return result
    }
    const run = await inAProcess((tenant) => begins(tenant, { approval: 'all' }))
    const { semaphore } = await inAProcess(async (tenant) => {
      expect(counted.get(what)).toBeUndefined()
      const pending = await tenant.calls('POST', '/v1/agentese/self/semaphore/pending', {})
      expect(pending.body.result.semaphores).toMatchObject([
        { prompt: `May agent "counter" call world-counters-count with {"what":"${what}"}?`, deadline: null },
      ])
      return waitingFor(tenant, run)
    })
    await owner`update agent_runs set moved_at = moved_at - interval '1 minute' where id = ${run}`
    await inAProcess((tenant) => resolves(tenant, semaphore, 'approve'))
    await inAProcess(async (tenant) => {
      expect(await jobOf(tenant, run)).toMatchObject({
        status: 'completed',
        result: { output: 'Done', steps: 2 },
      })
      const steps: { kind: string; duration_ms: number }[] = await stepsOf(tenant, run)
      expect(steps.map(({ kind }) => kind)).toEqual(['model', 'human', 'tool', 'model'])
      expect(steps.find(({ kind }) => kind === 'human')?.duration_ms).toBeGreaterThan(59_000)
    })
    expect(counted.get(what)).toBe(1)
  })

  test('is not called where it is refused, and its model is told; what needs no approval is called', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const [what, other] = [randomUUID(), 'world.counters.babble']
    const { model, requests } = scripted(calling([other, { size: 1 }], [COUNT, { what }]), { text: 'Well' })
    const run = await begins(tenant, { tools: [COUNT, other], approval: [COUNT] })
    await settles(tenant, model)
    const { semaphore, waits_for } = await waitingFor(tenant, run)
    expect(waits_for).toBe('human')
    expect((await resolves(tenant, semaphore, 'perhaps')).status).toBe(400)
    expect((await resolves(tenant, semaphore, 'reject')).status).toBe(200)
    await settles(tenant, model)
    expect(requests[1]?.messages.slice(-2)).toMatchObject([
      { content: expect.stringMatching(/^\{"length":3/) },
      { content: expect.stringMatching(/^Error: a person has refused this call/) },
    ])
    expect(counted.get(what)).toBeUndefined()
    expect((await jobOf(tenant, run)).status).toBe('completed')
  })

  test('is not called where nobody decides until the deadline, or the question is cancelled', async ({
    newTenant,
    settles,
    ticks,
    owner,
  }) => {
    const tenant = await newTenant()
    const what = randomUUID()
    const answers = [calling([COUNT, { what }]), { text: 'Well' }]
    const { model, requests } = scripted(...answers)
    const run = await begins(tenant, { approval: 'all', approval_seconds: 60 })
    await settles(tenant, model)
    await ticks()
    expect(await settles(tenant, model)).toEqual([])
    await owner`update semaphores set deadline = now() - interval '1 second' where tenant_id = ${tenant.id}`
    await ticks()
    await settles(tenant, model)
    expect(requests[1]?.messages.at(-1)?.content).toMatch(
      /nobody has allowed this call, and the question is voided/,
    )
    expect((await jobOf(tenant, run)).status).toBe('completed')
    const second = scripted(...answers)
    const { body } = await agentsOf(tenant)('invoke', { agent: 'counter', input: 'Again' })
    await settles(tenant, second.model)
    const { semaphore } = await waitingFor(tenant, body.job.id)
    await tenant.calls('POST', '/v1/agentese/world/purgatory/cancel', { token_id: semaphore })
    await settles(tenant, second.model)
    expect(second.requests[1]?.messages.at(-1)?.content).toMatch(/the question is cancelled/)
    expect(counted.get(what)).toBeUndefined()
  })
})

describe('a run that is cancelled', () => {
  test('takes the job of its step with it, which is charged for what it had generated', async ({
    newTenant,
    owner,
    delivers,
    resultOf,
  }) => {
    const tenant = await newTenant()
    const run = await begins(tenant, {})
    const job = (await agentsOf(tenant)('step', { run })).body.job.id as string
    // A worker has taken it.
    await owner`update jobs set admitted_at = now(), status = 'running' where id = ${job}`
    expect((await tenant.calls('DELETE', `/v1/jobs/${run}`)).status).toBe(200)
    for (const event of await nextEvents(owner, tenant.id)) expect(await delivers(event)).toBe(202)
    expect((await jobOf(tenant, job)).status).toBe('cancelled')
    const facts = {
      text: 'x',
      tokens: { prompt: 3, completion: 4 },
      engine: 'e',
      model: 'm',
      attempt: 1,
      durationSeconds: 0,
    }
    await delivers(resultOf(tenant.id, job, 'io.kgents.inference.completed', facts, 'world-agent'))
    expect(await jobOf(tenant, job)).toMatchObject({ status: 'cancelled', charges: { tokens: 7 } })
    expect((await jobOf(tenant, run)).status).toBe('cancelled')
    expect(await stepsOf(tenant, run)).toEqual([])
    expect((await agentsOf(tenant)('step', { run })).body.result.status).toBe('cancelled')
  })

  test('is cancelled with its step, too, and takes back what it has asked a person', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const first = await begins(tenant, { approval: 'all' })
    const job = (await agentsOf(tenant)('step', { run: first })).body.job.id as string
    expect((await tenant.calls('DELETE', `/v1/jobs/${job}`)).status).toBe(200)
    await settles(tenant)
    expect((await jobOf(tenant, first)).status).toBe('cancelled')
    const { body } = await agentsOf(tenant)('invoke', { agent: 'counter', input: 'Count' })
    const run = body.job.id as string
    await settles(tenant, scripted(calling([COUNT, { what: 'x' }])).model)
    const { semaphore } = await waitingFor(tenant, run)
    expect((await agentsOf(tenant)('cancel', { run })).body.result).toEqual({
      run,
      status: 'cancelled',
      steps: 1,
    })
    await settles(tenant)
    expect(
      await owner`select status from semaphores where tenant_id = ${tenant.id} and id = ${semaphore}`,
    ).toEqual([{ status: 'cancelled' }])
  })

  test('is cancelled where the API key that began it is revoked, and goes on where it is rotated', async ({
    newTenant,
    opened,
    settles,
  }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    await begins(tenant, {})
    const begun = []
    for (const name of ['lost', 'rotated']) {
      const { body } = await tenant.calls('POST', '/v1/api-keys', { name })
      const holder = {
        ...tenant,
        calls: (...request: Parameters<Tenant['calls']>) => call(opened.app, body.key, ...request),
      }
      const run = (await agentsOf(holder)('invoke', { agent: 'counter', input: 'Count' })).body.job
        .id as string
      begun.push({ key: body.api_key.id as string, run })
    }
    const [lost, rotated] = begun
    expect((await tenant.calls('DELETE', `/v1/api-keys/${lost?.key}`)).status).toBe(200)
    expect((await tenant.calls('POST', `/v1/api-keys/${rotated?.key}/rotate`, {})).status).toBe(200)
    await settles(tenant, scripted({ text: 'Done' }).model)
    expect((await jobOf(tenant, lost?.run ?? '')).status).toBe('cancelled')
    expect((await jobOf(tenant, rotated?.run ?? '')).status).toBe('completed')
  })
})
