/** A job that came to nothing is called again by its requester, once, and by nobody else. */
import { describe, expect } from 'vitest'
import { colleagueOf } from './colleague.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

/** Asks for a dialogue; answers the id of its job. */
async function asks({ calls }: Pick<Tenant, 'calls'>): Promise<string> {
  const { body } = await calls('POST', '/v1/agentese/self/soul/dialogue', {
    message: 'What is worth building?',
  })
  return body.job.id
}

const retry = ({ calls }: Pick<Tenant, 'calls'>, id: string) => calls('POST', `/v1/jobs/${id}/retry`, {})

describe('POST /v1/jobs/{id}/retry', () => {
  test('calls a failed job again, once, and leaves the first as it was', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const id = await asks(tenant)
    await settles(tenant, () => new Error('out of memory'))
    const { status, body } = await retry(tenant, id)
    expect(status).toBe(202)
    expect(body.job).toMatchObject({ status: 'queued', path: 'self.soul.dialogue' })
    expect(body.job.id).not.toBe(id)
    expect((await retry(tenant, id)).body.job.id).toBe(body.job.id)
    await settles(tenant, () => ({ text: 'Hello' }))
    const ended = await tenant.calls('GET', body.links.self)
    expect(ended.body.job).toMatchObject({ status: 'completed', result: { response: 'Hello' } })
    expect((await tenant.calls('GET', `/v1/jobs/${id}`)).body.job.status).toBe('failed')
  })

  test('calls a cancelled job again', async ({ newTenant }) => {
    const tenant = await newTenant()
    const id = await asks(tenant)
    await tenant.calls('DELETE', `/v1/jobs/${id}`)
    expect((await retry(tenant, id)).status).toBe(202)
  })

  test('refuses a job that runs or has its result, and whoever did not ask for it', async ({
    newTenant,
    owner,
    runtime,
    settles,
  }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const id = await asks(tenant)
    expect(await retry(tenant, id)).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
    await settles(tenant, () => new Error('out of memory'))
    const admin = await colleagueOf(tenant, { owner, runtime }, 'admin')
    const other = await newTenant()
    for (const stranger of [admin, other]) expect((await retry(stranger, id)).status).toBe(404)
    const done = await asks(tenant)
    await settles(tenant, () => ({ text: 'Hello' }))
    expect((await retry(tenant, done)).status).toBe(409)
  })
})
