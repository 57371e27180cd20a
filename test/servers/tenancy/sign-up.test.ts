import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe } from 'vitest'
import { createApiKey } from '../../../shared/identity/api-keys.ts'
import { describeNew } from '../../../shared/tenancy/new-tenant.ts'
import { catalog } from '../../../functions/catalog.ts'
import { call, openFunctions } from '../functions/in-process.ts'
import { MANIFEST, newAddress, newSlug, SIGNUP, test, wanted } from './world.ts'

describe('POST /v1/signup', () => {
  test('makes a tenant on the free plan that is ready, with an admin whose key works', async ({
    tries,
    withKey,
    expect,
  }) => {
    const { status, body } = await tries(wanted())
    expect({ status, body }).toMatchObject({
      status: 201,
      body: { tenant: { tier: 'free' }, member: { email: 'ada@initrode.example', email_verified: false } },
    })
    const ada = withKey(body.key)
    expect((await ada.calls('GET', '/v1/tenant')).body.tenant).toMatchObject({
      id: body.tenant.id,
      tier: 'free',
      state: 'ready',
    })
    expect((await ada.calls('GET', '/v1/members')).body.members).toMatchObject([
      { id: body.member.id, roles: ['admin', 'developer'] },
    ])
    expect((await ada.calls('POST', MANIFEST, {})).status).toBe(200)
    const { body: audit } = await ada.calls('GET', '/v1/audit')
    expect(audit.audit).toMatchObject([{ action: 'tenant.created', actor: { user: body.member.id } }])
  })

  test('writes the key down nowhere', async ({ tries, owner, expect }) => {
    const { body } = await tries(wanted())
    const rows = await owner`
      select to_jsonb(k)::text as row from api_keys k where tenant_id = ${body.tenant.id}
      union all select record from audit where tenant_id = ${body.tenant.id}
      union all select event from outbox where tenant_id = ${body.tenant.id}`
    expect(rows.length).toBeGreaterThan(2)
    expect(JSON.stringify(rows)).not.toContain(body.key.slice(9))
  })

  test('gives somebody with the address of another nothing of what that one has', async ({
    admin,
    owner,
    tries,
    withKey,
    expect,
  }) => {
    const email = `${randomUUID()}@acme.example`
    await owner`update users set email = ${email} where id = ${admin.user}`
    await admin.calls('POST', '/v1/domains', { name: 'acme-domain.com', join_roles: ['developer'] })
    const { body } = await tries({ ...wanted(), email: email.toUpperCase() })
    expect(body.tenant.id).not.toBe(admin.id)
    expect(body.member.id).not.toBe(admin.user)
    const namesake = withKey(body.key)
    expect((await namesake.calls('GET', `/v1/members/${admin.user}`)).status).toBe(404)
    expect((await namesake.calls('GET', '/v1/domains')).body.domains).toEqual([])
    expect((await admin.calls('GET', '/v1/members')).body.members).toHaveLength(1)
  })

  test.for<[string, object]>([
    ['a reserved slug', { slug: 'operator' }],
    ['a slug that looks like ours', { slug: 'kgents-support' }],
    ['a slug in another script', { slug: 'xn--acme-1' }],
    ['a slug of two characters', { slug: 'ab' }],
    ['a slug that ends in a dash', { slug: 'acme-' }],
    ['capitals', { slug: 'Acme' }],
    ['a slug that is too long', { slug: `a${'x'.repeat(63)}` }],
    ['no address', { email: 'ada' }],
    ['a name of blanks', { name: '  ' }],
    ['another plan', { tier: 'enterprise' }],
    ['roles', { roles: ['super_admin'] }],
  ])('refuses %s', async ([, change], { tries, expect }) => {
    const { status, body } = await tries({ ...wanted(), ...change })
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
  })

  test('makes one tenant of a slug, however many come at once', async ({ tries, owner, expect }) => {
    const input = wanted()
    const answers = await Promise.all([1, 2, 3, 4].map(() => tries(input)))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409])
    expect(await owner`select from tenants where slug = ${input.slug}`).toHaveLength(1)
  })

  test('lets ten tenants of one network in, at once or not, and no more', async ({
    tries,
    owner,
    expect,
  }) => {
    const network = newAddress().split('::')[0]
    const slugs = Array.from({ length: 14 }, newSlug)
    const answers = await Promise.all(slugs.map((slug, n) => tries(wanted(slug), `${network}::${n + 1}`)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(4)
    expect(refused[0]?.body.code).toBe('RATE_LIMITED')
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await owner`select from tenants where slug = any (${slugs})`).toHaveLength(10)
    await owner`update sign_ups set at = at - interval '1 day' where network <<= ${`${network}::/64`}`
    expect((await tries(wanted(), `${network}::99`)).status).toBe(201)
  })

  test('lets no more in than the limit where many processes ask at once', async ({ urls, expect }) => {
    const processes = postgres(urls.app, { max: 8, onnotice: () => {} })
    const network = newAddress()
    const tries = Array.from({ length: 16 }, async () => {
      const { slug, name, person, email } = wanted()
      const { prefix, hash } = createApiKey()
      const admin = { email, name: person }
      const { made } = describeNew(
        { slug, name, tier: 'free', admin, keyName: 'x', key: { prefix, hash } },
        {},
      )
      const [row] = await processes<{ outcome: string }[]>`
        select sign_up(${JSON.stringify(made)}::text::jsonb, ${network}, 3, 1000000) as outcome`
      return row?.outcome
    })
    const outcomes = await Promise.all(tries)
    await processes.end()
    expect(outcomes.filter((outcome) => outcome === 'made')).toHaveLength(3)
    expect(outcomes.filter((outcome) => outcome === 'network_full')).toHaveLength(13)
  })

  test('lets no more in than the platform takes in an hour, from wherever they come', async ({
    app,
    expect,
  }) => {
    const answers = await app.begin(async (db) => {
      const outcomes: string[] = []
      for (let n = 0; n < 3; n += 1) {
        const [row] = await db<{ outcome: string }[]>`
          select sign_up('{}', null, 1000000, 0) as outcome`
        outcomes.push(row?.outcome ?? '')
      }
      return outcomes
    })
    expect(answers).toEqual(['full', 'full', 'full'])
  })

  test('is closed where the operator has closed it', async ({ urls, eventKey, expect }) => {
    const closed = await openFunctions({
      functions: catalog.filter(({ name }) => name === 'signup'),
      databaseUrl: urls.app,
      eventKey,
      settings: { SIGNUP_ENABLED: 'off' },
    })
    const { status, body } = await call(closed.app, '', 'POST', SIGNUP, wanted())
    await closed.close()
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'AFFORDANCE_DENIED' })
  })
})

describe('provisioning', () => {
  const STEPS = ['tenant', 'admin', 'entropy', 'allowance', 'event']

  test('is shown step by step, to operators alone', async ({ operator, signsUp, expect }) => {
    const ada = await signsUp()
    const { body } = await operator.calls('GET', '/v1/operator/provisioning?limit=100')
    const found = body.provisioning.find((each: { tenant: string }) => each.tenant === ada.id)
    expect(found).toMatchObject({ slug: ada.slug, state: 'ready' })
    expect(found.steps.map(({ step }: { step: string }) => step)).toEqual(STEPS)
    expect(found.steps.every((each: object) => 'done_at' in each)).toBe(true)
    expect((await ada.calls('GET', '/v1/operator/provisioning')).status).toBe(403)
  })

  test.for(STEPS.slice(2))(
    'goes on from "%s" where it was interrupted, and does nothing twice',
    async (step, { signsUp, ticks, owner, expect }) => {
      const ada = await signsUp()
      const position = STEPS.indexOf(step) + 1
      // As a process leaves it that ended before this step was done.
      await owner`delete from outbox where tenant_id = ${ada.id}`
      // Not due yet, so that no tick of another test comes first.
      await owner`
        update provisioning_steps set done_at = null, tried_at = now() + interval '1 hour'
        where tenant_id = ${ada.id} and position >= ${position}`
      expect((await ada.calls('GET', '/v1/tenant')).body.tenant.state).toBe('provisioning')
      await owner`update provisioning_steps set tried_at = null where tenant_id = ${ada.id}`
      // Several processes are woken at once.
      await Promise.all([ticks(), ticks(), ticks()])
      expect((await ada.calls('GET', '/v1/tenant')).body.tenant.state).toBe('ready')
      const events = await owner`
      select from outbox where tenant_id = ${ada.id} and event::jsonb ->> 'type' = 'io.kgents.tenants.provisioned'`
      expect(events).toHaveLength(1)
      expect(await owner`select from entropy_pools where tenant_id = ${ada.id}`).toHaveLength(1)
      expect(await owner`select from allowances where tenant_id = ${ada.id}`).toHaveLength(1)
    },
  )

  test.for(STEPS.slice(2))(
    'notes a commit of "%s" that fails, does the others, and repeats it',
    async (step, { signsUp, ticks, owner, operator, expect }) => {
      const ada = await signsUp()
      await owner`delete from outbox where tenant_id = ${ada.id}`
      // Refused when the transaction of the step commits, after everything in it was done.
      const name = `break_${ada.id.replaceAll('-', '')}`
      await owner.unsafe(`
      create function ${name}() returns trigger language plpgsql as
        $$ begin raise exception 'the server goes down'; end $$;
      create constraint trigger ${name} after update on provisioning_steps deferrable initially deferred for each row
        when (new.tenant_id = '${ada.id}' and new.step = '${step}' and new.done_at is not null) execute function ${name}()`)
      await owner`update provisioning_steps set done_at = null where tenant_id = ${ada.id} and position > 2`
      await ticks()
      await owner.unsafe(`drop trigger ${name} on provisioning_steps; drop function ${name}()`)
      const { body } = await operator.calls('GET', '/v1/operator/provisioning?state=provisioning&limit=100')
      const found = body.provisioning.find((each: { tenant: string }) => each.tenant === ada.id)
      expect(found.steps.find((each: { step: string }) => each.step === step)).toMatchObject({
        attempts: expect.any(Number),
        error: 'the server goes down',
      })
      await owner`update provisioning_steps set tried_at = now() - interval '1 day' where tenant_id = ${ada.id}`
      await ticks()
      expect((await ada.calls('GET', '/v1/tenant')).body.tenant.state).toBe('ready')
      const events = await owner`
      select from outbox where tenant_id = ${ada.id} and event::jsonb ->> 'type' = 'io.kgents.tenants.provisioned'`
      expect(events).toHaveLength(1)
    },
  )

  test('has its steps for a tenant of an operator, too', async ({ operator, ticks, expect }) => {
    const slug = newSlug()
    const { body } = await operator.calls('POST', '/v1/operator/tenants', {
      slug,
      name: 'Initech',
      tier: 'pro',
      admin_email: 'bill@initech.example',
    })
    const stateOf = async () => {
      const listed = await operator.calls('GET', '/v1/operator/provisioning?limit=100')
      return listed.body.provisioning.find((each: { tenant: string }) => each.tenant === body.tenant.id).state
    }
    await ticks()
    expect(await stateOf()).toBe('ready')
  })
})
