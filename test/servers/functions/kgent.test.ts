import { describe, expect } from 'vitest'
import { insertColleague, testWith, useUp, type Tenant } from './world.ts'

const test = testWith()
const kgent = (tenant: Tenant, verb: string, input: object = {}, headers?: Record<string, string>) =>
  tenant.calls('POST', `/v1/agentese/self/kgent/${verb}`, input, headers)

async function open(tenant: Tenant): Promise<string> {
  return (await kgent(tenant, 'create', { title: 'The garden', mode: 'advise' })).body.result.id
}

describe('self.kgent', () => {
  test('answers with what was said before in mind, and keeps the answer', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const session = await open(tenant)
    const asked: string[] = []
    const model: Parameters<typeof settles>[1] = ({ request }) => {
      if ('messages' in request) asked.push(request.messages.map(({ content }) => content).join(' | '))
      return { text: ` Answer ${asked.length} ` }
    }
    expect(await kgent(tenant, 'message', { session, message: 'I have a garden' })).toMatchObject({
      status: 202,
    })
    await settles(tenant, model)
    await kgent(tenant, 'message', { session, message: 'What shall I plant?' })
    await settles(tenant, model)
    expect(asked[1]).toMatch(/I have a garden \| Answer 1 \| What shall I plant\?$/)
    const { result } = (await kgent(tenant, 'history', { session })).body
    expect(result.session).toMatchObject({
      message_count: 4,
      tokens_used: 24,
      mode: 'advise',
      status: 'active',
    })
    expect(result.messages.map(({ content }: { content: string }) => content)).toEqual([
      'Answer 2',
      'What shall I plant?',
      'Answer 1',
      'I have a garden',
    ])
  })

  test('is its person’s alone: another tenant and a colleague find nothing', async ({ newTenant, owner }) => {
    const [tenant, other] = [await newTenant(), await newTenant()]
    const session = await open(tenant)
    const colleague = await insertColleague(owner, tenant, 'admin')
    for (const [who, headers] of [[other], [tenant, { 'x-api-key': colleague }]] as const) {
      for (const [verb, input] of [
        ['history', { session }],
        ['message', { session, message: 'Let me in, please' }],
        ['read', { session }],
        ['quote', { session, message: session }],
        ['update', { session, title: 'Mine' }],
        ['fork', { session }],
        ['reset', { session }],
        ['summarise', { session }],
        ['close', { session }],
      ] as const)
        expect(await kgent(who, verb, input, headers), verb).toMatchObject({
          status: 404,
          body: { code: 'NOT_FOUND' },
        })
      expect((await kgent(who, 'list', {}, headers)).body.result.sessions).toEqual([])
    }
  })

  test('takes nothing more once it is closed, or nobody spoke for half an hour', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const [closed, expired] = [await open(tenant), await open(tenant)]
    await kgent(tenant, 'close', { session: closed })
    await owner`update kgent_sessions set expires_at = now() - interval '1 second' where id = ${expired}`
    for (const session of [closed, expired])
      expect(await kgent(tenant, 'message', { session, message: 'Are you still there?' })).toMatchObject({
        status: 412,
        body: { code: 'PRECONDITION_FAILED' },
      })
    expect((await kgent(tenant, 'manifest')).body.result.sessions).toEqual({
      active: 0,
      archived: 0,
      closed: 2,
    })
  })

  test('opens as many in a month as the plan grants, also when they are asked for at once', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant('free')
    await useUp(owner, tenant.id, { resource: 'sessions', spent: 9 })
    const answers = await Promise.all([
      kgent(tenant, 'create'),
      kgent(tenant, 'create'),
      kgent(tenant, 'create'),
    ])
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 429, 429])
    const refused = answers.find(({ status }) => status === 429)
    expect(refused?.body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { resource: 'sessions', limit: 10 },
    })
  })
})
