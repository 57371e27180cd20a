/** Usage: what calls leave behind is counted once, in its own time, and shown at once. */
import { describe } from 'vitest'
import { testWith, type Tenant } from './world.ts'

const test = testWith([], { LOG_LEVEL: 'error' })

const MANIFEST = '/v1/agentese/void/entropy/manifest'
const CREATE = '/v1/agentese/self/kgent/create'
const MESSAGE = '/v1/agentese/self/kgent/message'

/** Amounts by meter, of the month that it is. */
async function usageOf(tenant: Tenant, query = 'by=month'): Promise<Record<string, number>> {
  const { status, body } = await tenant.calls('GET', `/v1/usage?${query}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return Object.fromEntries(
    body.usage.map((row: { meter: string; quantity: number }) => [row.meter, row.quantity]),
  )
}

describe('GET /v1/usage', () => {
  test('has what was used before it is counted, and the same after', async ({
    newTenant,
    owner,
    runtime,
    settles,
    expect,
  }) => {
    const tenant = await newTenant()
    await tenant.calls('POST', MANIFEST, {})
    const { body } = await tenant.calls('POST', CREATE, {})
    await tenant.calls('POST', MESSAGE, { session: body.result.id, message: 'What grows?' })
    await settles(tenant, () => ({ tokens: { prompt: 30, completion: 12 }, durationSeconds: 1.5 }))
    await runtime.recorder.flush()
    const before = await usageOf(tenant)
    expect(before).toMatchObject({
      tokens: 42,
      tokens_in: 30,
      tokens_out: 12,
      api_calls: 3,
      invocations: 3,
      sessions: 1,
      session_messages: 1,
      gpu_seconds: 1.5,
    })
    await owner`select roll_up_usage()`
    expect(await usageOf(tenant)).toEqual(before)
  })
})
