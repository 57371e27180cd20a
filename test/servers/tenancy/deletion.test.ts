import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { requestFor } from '../functions/examples.ts'
import { MANIFEST, passGrace, test, type SignedUp } from './world.ts'
import { codeIn } from '../functions/code-in.ts'

const TENANTS = '/v1/operator/tenants'

const deletes = (who: SignedUp, slug = who.slug) => who.calls('DELETE', `/v1/tenant?slug=${slug}`)
const restores = (who: SignedUp) => who.calls('POST', '/v1/tenant/restore', {})

describe('DELETE /v1/tenant', () => {
  test('refuses everything at once but restoring and exports, which brings all of it back as it was', async ({
    signsUp,
    withTokenOf,
    passTime,
    owner,
    expect,
  }) => {
    const ada = await signsUp()
    const token = await withTokenOf(ada.key)
    const deleted = await deletes(ada)
    expect(deleted.body.deletion).toEqual({
      deleted_at: expect.any(String),
      erased_after: expect.any(String),
    })
    const { deleted_at, erased_after } = deleted.body.deletion
    expect(Date.parse(erased_after) - Date.parse(deleted_at)).toBe(30 * 86_400_000)
    passTime()
    const open = new Set([
      'tenant.restore',
      'exports.create',
      'exports.list',
      'exports.get',
      'exports.download',
    ])
    const endpoints = catalog.flatMap((each) => each.endpoints)
    for (const endpoint of endpoints.filter(({ auth }) => auth === 'required')) {
      const [method, path, body, headers] = requestFor(endpoint)
      if (open.has(endpoint.name)) continue
      const { status, body: answer } = await ada.calls(method, path, body, headers)
      expect({ status, code: codeIn(answer) }, endpoint.name).toEqual({
        status: 403,
        code: 'TENANT_SUSPENDED',
      })
    }
    expect((await token.calls('POST', MANIFEST, {})).body).toMatchObject({
      code: 'TENANT_SUSPENDED',
      details: { deleted: true },
    })
    expect((await ada.calls('POST', '/v1/auth/token', {})).status).toBe(403)
    expect((await ada.calls('GET', '/v1/tenant/exports')).status).toBe(200)
    const restored = await restores(ada)
    expect(restored).toMatchObject({ status: 200, body: { tenant: { id: ada.id } } })
    passTime()
    for (const who of [ada, token]) expect((await who.calls('POST', MANIFEST, {})).status).toBe(200)
    const { body } = await ada.calls('GET', '/v1/audit')
    expect(body.audit.map(({ action }: { action: string }) => action)).toEqual([
      'tenant.restored',
      'tenant.deleted',
      'tenant.created',
    ])
    expect(await owner`select from tenants where id = ${ada.id} and suspended_at is null`).toHaveLength(1)
  })

  test('takes an admin, and the slug of that tenant', async ({
    signsUp,
    admin,
    colleague,
    owner,
    expect,
  }) => {
    const ada = await signsUp()
    expect((await deletes(ada, 'another')).body.code).toBe('STATE_CONFLICT')
    expect((await ada.calls('DELETE', '/v1/tenant')).status).toBe(400)
    const [own] = await owner<{ slug: string }[]>`select slug from tenants where id = ${admin.id}`
    // Neither one who is no admin, nor the slug of another's.
    const developer = await colleague()
    expect((await developer.calls('DELETE', `/v1/tenant?slug=${own?.slug}`)).body.code).toBe('SCOPE_MISSING')
    expect((await deletes(ada, own?.slug)).body.code).toBe('STATE_CONFLICT')
    expect((await restores(ada)).body.code).toBe('STATE_CONFLICT')
    expect(
      await owner`select from tenants where id in (${ada.id}, ${admin.id}) and deleted_at is null`,
    ).toHaveLength(2)
  })

  test('happens once, however often it is asked for, and lets calls under way come to their end', async ({
    signsUp,
    owner,
    expect,
  }) => {
    const ada = await signsUp()
    const sip = () => ada.calls('POST', '/v1/agentese/void/entropy/sip', { amount: 1 })
    const answers = await Promise.all([sip(), deletes(ada), sip(), deletes(ada), deletes(ada), sip()])
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => ![200, 403, 409].includes(status))).toEqual([])
    const accepted = [0, 2, 5].filter((n) => answers[n]?.status === 200).length
    const [pool] = await owner<{ used: number }[]>`
      select (initial - remaining)::float8 as used from entropy_pools where tenant_id = ${ada.id}`
    expect(pool?.used).toBe(accepted)
    const deletions = await owner`
      select from audit where tenant_id = ${ada.id} and action = 'tenant.deleted'`
    expect(deletions).toHaveLength(1)
  })

  test('cancels the jobs that are under way, and gives back what they had reserved', async ({
    signsUp,
    ticks,
    owner,
    expect,
  }) => {
    const ada = await signsUp()
    const asks = {
      message: 'Which mountain would you rather climb in winter, and what would you take along?',
    }
    const jobs = await Promise.all(
      [1, 2].map(() => ada.calls('POST', '/v1/agentese/self/soul/dialogue', asks)),
    )
    expect(jobs.map(({ status }) => status)).toEqual([202, 202])
    await deletes(ada)
    await ticks()
    const rows = await owner<{ status: string }[]>`select status from jobs where tenant_id = ${ada.id}`
    expect(rows.map(({ status }) => status)).toEqual(['cancelled', 'cancelled'])
    const [held] = await owner<{ reserved: number }[]>`
      select sum(reserved)::float8 as reserved from allowances
      where tenant_id = ${ada.id} and resource = 'tokens'`
    expect(held?.reserved).toBe(0)
  })

  test('is not for a tenant in which operators are', async ({ operator, owner, expect }) => {
    const [own] = await owner<{ slug: string }[]>`select slug from tenants where id = ${operator.id}`
    const { body } = await operator.calls('DELETE', `/v1/tenant?slug=${own?.slug}`)
    expect(body).toMatchObject({ code: 'STATE_CONFLICT', message: expect.stringContaining('operators') })
  })
})

describe('POST /v1/tenant/restore', () => {
  test('works at the last moment, and no longer when the erasure has begun', async ({
    signsUp,
    owner,
    expect,
  }) => {
    const [late, later] = [await signsUp(), await signsUp()]
    for (const who of [late, later]) {
      await deletes(who)
      await passGrace(owner, who.id)
    }
    expect((await restores(late)).status).toBe(200)
    await owner`select * from tenants_to_erase()`
    expect((await restores(later)).body).toMatchObject({
      code: 'STATE_CONFLICT',
      message: expect.stringContaining('erasure has begun'),
    })
    expect(await owner`select from tombstones where id in (${late.id}, ${later.id})`).toHaveLength(1)
  })

  test('and the beginning of the erasure exclude each other when they come at once', async ({
    signsUp,
    owner,
    expect,
  }) => {
    for (let n = 0; n < 4; n += 1) {
      const ada = await signsUp()
      await deletes(ada)
      await passGrace(owner, ada.id)
      const [restored] = await Promise.all([restores(ada), owner`select * from tenants_to_erase()`])
      const erasing = await owner`select from tombstones where id = ${ada.id}`
      const [row] = await owner`select deleted_at, erasing_at from tenants where id = ${ada.id}`
      expect(restored.status === 200, JSON.stringify(restored.body)).toBe(erasing.length === 0)
      expect((row?.['deleted_at'] === null) === (restored.status === 200)).toBe(true)
    }
  })
})

describe('DELETE /v1/operator/tenants/{id}', () => {
  test('is undone by operators alone, and leaves a suspension of before as it was', async ({
    operator,
    signsUp,
    passTime,
    expect,
  }) => {
    const ada = await signsUp()
    const path = `${TENANTS}/${ada.id}`
    await operator.calls('POST', `${path}/suspend`, { reason: 'It mines coins' })
    expect((await operator.calls('DELETE', `${path}?slug=another`)).status).toBe(409)
    expect((await operator.calls('DELETE', `${path}?slug=${ada.slug}`)).status).toBe(200)
    expect((await operator.calls('DELETE', `${path}?slug=${ada.slug}`)).status).toBe(409)
    // Resuming is no way round it.
    expect((await operator.calls('POST', `${path}/resume`)).status).toBe(409)
    passTime()
    expect((await restores(ada)).body).toMatchObject({
      code: 'STATE_CONFLICT',
      message: expect.stringContaining('operator'),
    })
    const { body } = await operator.calls('GET', '/v1/operator/deletions?state=deleted&limit=100')
    expect(body.deletions.find(({ id }: { id: string }) => id === ada.id)).toMatchObject({
      slug: ada.slug,
      deleted_by: 'operator',
      slug_freed: true,
    })
    const restored = await operator.calls('POST', `${path}/restore`)
    expect(restored.body.tenant).toMatchObject({ suspended_reason: 'It mines coins' })
    expect((await operator.calls('POST', `${path}/restore`)).status).toBe(409)
    const audit = await operator.calls('GET', `/v1/audit?target=${ada.id}`)
    expect(audit.body.audit.map(({ action }: { action: string }) => action)).toEqual([
      'tenant.restored',
      'tenant.deleted',
      'tenant.suspended',
    ])
  })

  test('is for operators, and for no tenant of theirs', async ({
    operator,
    admin,
    signsUp,
    owner,
    expect,
  }) => {
    const ada = await signsUp()
    for (const path of [`${TENANTS}/${ada.id}?slug=${ada.slug}`]) {
      expect((await admin.calls('DELETE', path)).body.code).toBe('SCOPE_MISSING')
      expect((await ada.calls('DELETE', path)).body.code).toBe('SCOPE_MISSING')
    }
    expect((await ada.calls('POST', `${TENANTS}/${ada.id}/restore`)).body.code).toBe('SCOPE_MISSING')
    expect((await ada.calls('GET', '/v1/operator/deletions')).body.code).toBe('SCOPE_MISSING')
    const [own] = await owner<{ slug: string }[]>`select slug from tenants where id = ${operator.id}`
    expect((await operator.calls('DELETE', `${TENANTS}/${operator.id}?slug=${own?.slug}`)).status).toBe(409)
    expect((await operator.calls('DELETE', `${TENANTS}/${randomUUID()}?slug=x`)).status).toBe(404)
  })
})

describe('the database', () => {
  test('lets functions neither delete, nor restore, nor erase what is not theirs', async ({
    app,
    admin,
    signsUp,
    expect,
  }) => {
    const ada = await signsUp()
    const as = (statement: string) =>
      app.begin(async (db) => {
        await db`select set_tenant_context(${admin.id})`
        return db.unsafe(statement)
      })
    const refused = [
      `select delete_for_operator('${admin.user}', '{}', '${ada.id}', false)`,
      `select restore_for_operator('${admin.user}', '{}', '${ada.id}')`,
      `select * from provisioning_for_operator('${admin.user}')`,
      `select * from deletions_for_operator('${admin.user}')`,
    ]
    for (const statement of refused) await expect(as(statement), statement).rejects.toThrow(/only operators/)
    const denied = [
      `select mark_deleted('${ada.id}', 'operator', false)`,
      `select unmark_deleted('${ada.id}', 'operator')`,
      `select erase_rows('${ada.id}', 1)`,
      `select finish_erasure('${ada.id}', '{}')`,
      `select * from tenants_to_erase()`,
      `select count_rows('${ada.id}')`,
      `select add_tenant('{}')`,
      `select bootstrap('{}')`,
      `update tenants set deleted_at = now()`,
      `select * from tombstones`,
      `select * from sign_ups`,
    ]
    for (const statement of denied)
      await expect(as(statement), statement).rejects.toThrow(/permission denied/)
  })
})
