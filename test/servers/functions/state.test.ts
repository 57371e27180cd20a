import fc from 'fast-check'
import { describe, expect } from 'vitest'
import { colleagueOf } from './colleague.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

type Person = Pick<Tenant, 'calls'>

const state = async (person: Person, verb: string, input: object = {}) => {
  const { status, body } = await person.calls('POST', `/v1/agentese/self/state/${verb}`, input)
  return { status, code: body.code, result: body.result }
}
const put = (person: Person, key: string, value: unknown) => state(person, 'put', { key, value })
const get = async (person: Person, key: string) => {
  const { status, result } = await state(person, 'inspect', { key })
  return status === 404 ? undefined : result.entries[0].value
}

/** All that a person keeps. */
async function all(person: Person): Promise<Record<string, unknown>> {
  const { result } = await state(person, 'inspect', { limit: 200 })
  return Object.fromEntries(
    result.entries.map(({ key, value }: { key: string; value: unknown }) => [key, value]),
  )
}

const Key = fc.constantFrom('a', 'B', 'a.b:c-d_e', '__proto__', '0', 'constructor')
/** A member `__proto__` is refused, and now and then one is drawn. */
const Value = fc
  .jsonValue({ maxDepth: 3 })
  .map((value) => JSON.stringify(value))
  .filter((text) => !text.includes('"__proto__":'))
  .map((text) => JSON.parse(text) as unknown)
const RUNS = { numRuns: 15 }

describe('self.state keeps the laws of a lens:', () => {
  test('what was put is what is got', async ({ newTenant }) => {
    const tenant = await newTenant()
    const law = fc.asyncProperty(Key, Value, async (key, value) => {
      await put(tenant, key, value)
      expect(await get(tenant, key)).toEqual(value)
    })
    await fc.assert(law, RUNS)
  })

  test('putting what was got changes nothing', async ({ newTenant }) => {
    const tenant = await newTenant()
    for (const key of ['a', 'B']) await put(tenant, key, { key })
    const law = fc.asyncProperty(Key, Value, async (key, value) => {
      await put(tenant, key, value)
      const before = await all(tenant)
      await put(tenant, key, await get(tenant, key))
      expect(await all(tenant)).toEqual(before)
    })
    await fc.assert(law, RUNS)
  })

  test('of two puts the second alone remains, and no other key is touched', async ({ newTenant }) => {
    const tenant = await newTenant()
    const law = fc.asyncProperty(Key, Value, Value, async (key, first, second) => {
      const before = await all(tenant)
      await put(tenant, key, first)
      await put(tenant, key, second)
      expect(await all(tenant)).toEqual({ ...before, [key]: second })
    })
    await fc.assert(law, RUNS)
  })

  test('nobody’s lens reaches what another person or tenant keeps', async ({ newTenant, owner, runtime }) => {
    const tenant = await newTenant()
    const people: Person[] = [tenant, await colleagueOf(tenant, { owner, runtime }), await newTenant()]
    const known = people.map(() => new Map<string, unknown>())
    const step = fc.record({ who: fc.nat(2), key: Key, value: Value, drop: fc.boolean() })
    const law = fc.asyncProperty(fc.array(step, { maxLength: 4 }), async (steps) => {
      for (const { who, key, value, drop } of steps) {
        const [person = tenant, own] = [people[who], known[who]]
        if (drop) {
          const { status } = await state(person, 'drop', { key })
          expect(status).toBe(own?.delete(key) === true ? 200 : 404)
        } else {
          await put(person, key, value)
          own?.set(key, value)
        }
      }
      for (const [who, person] of people.entries())
        expect(await all(person)).toEqual(Object.fromEntries(known[who] ?? []))
    })
    await fc.assert(law, RUNS)
  })
})

describe('self.state', () => {
  test('goes back to a checkpoint as a whole: the latest, by label or by index', async ({ newTenant }) => {
    const tenant = await newTenant()
    await put(tenant, 'a', { deep: [1, 2] })
    await state(tenant, 'checkpoint', { label: 'one' })
    await put(tenant, 'a', 2)
    await put(tenant, 'b', 3)
    const { result } = await state(tenant, 'checkpoint', { label: 'two' })
    expect(result).toMatchObject({ label: 'two', keys: 2 })
    await state(tenant, 'drop', { key: 'a' })
    await put(tenant, 'c', 4)
    await state(tenant, 'restore')
    expect(await all(tenant)).toEqual({ a: 2, b: 3 })
    await state(tenant, 'restore', { label: 'one' })
    expect(await all(tenant)).toEqual({ a: { deep: [1, 2] } })
    await state(tenant, 'restore', { index: 0 })
    expect(await all(tenant)).toEqual({ a: 2, b: 3 })
    for (const missing of [{ label: 'three' }, { index: 2 }])
      expect(await state(tenant, 'restore', missing)).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    expect((await state(tenant, 'restore', { label: 'one', index: 0 })).code).toBe('TYPE_MISMATCH')
  })

  test('restores nobody else’s checkpoint', async ({ newTenant, owner, runtime }) => {
    const tenant = await newTenant()
    const colleague = await colleagueOf(tenant, { owner, runtime })
    const other = await newTenant()
    await put(tenant, 'a', 1)
    await state(tenant, 'checkpoint', { label: 'mine' })
    for (const stranger of [colleague, other]) {
      expect((await state(stranger, 'restore', { label: 'mine' })).status).toBe(404)
      expect((await state(stranger, 'restore')).status).toBe(404)
      expect((await state(stranger, 'manifest')).result).toMatchObject({ keys: 0, checkpoints: [] })
    }
  })

  test('keeps the latest twenty checkpoints', async ({ newTenant }) => {
    const tenant = await newTenant()
    for (let n = 0; n < 22; n++) await state(tenant, 'checkpoint', { label: `${n}` })
    const { result } = await state(tenant, 'manifest')
    expect(result.checkpoints).toHaveLength(20)
    expect(result.checkpoints[0].label).toBe('21')
    expect((await state(tenant, 'restore', { label: '1' })).status).toBe(404)
  })

  test('is bounded in values, in keys and in all, also for a crowd that puts at once', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    expect(await put(tenant, 'a', 'x'.repeat(32_767))).toMatchObject({ status: 429, code: 'QUOTA_EXCEEDED' })
    expect((await put(tenant, 'a', 'x'.repeat(32_766))).status).toBe(200)
    const puts = await Promise.all(
      Array.from({ length: 9 }, (_, n) => put(tenant, `k${n}`, 'x'.repeat(32_766))),
    )
    expect(puts.filter(({ status }) => status === 200)).toHaveLength(7)
    expect((await state(tenant, 'manifest')).result).toMatchObject({ keys: 8, bytes: 262_144 })
    const many = await newTenant()
    await owner`
      insert into states (tenant_id, user_id, key, value)
      select ${many.id}, ${many.user}, 'k' || n, '1' from generate_series(1, 199) n`
    const last = await Promise.all(['x', 'y', 'z'].map((key) => put(many, key, 1)))
    expect(last.filter(({ status }) => status === 200)).toHaveLength(1)
    expect((await put(many, 'k1', 2)).status).toBe(200)
  })

  test('lists keys page by page, each once', async ({ newTenant }) => {
    const tenant = await newTenant()
    const keys = ['a', 'B', 'b', 'A', '1', '_', 'a.b']
    for (const key of keys) await put(tenant, key, key)
    const seen: string[] = []
    let cursor: string | null | undefined
    do {
      const { result } = await state(tenant, 'inspect', { limit: 2, ...(cursor == null ? {} : { cursor }) })
      seen.push(...result.entries.map(({ key }: { key: string }) => key))
      cursor = result.next_cursor
    } while (cursor !== null)
    expect(seen).toEqual(keys.toSorted())
  })

  test('keeps the result of an earlier stage', async ({ newTenant }) => {
    const tenant = await newTenant()
    const { status } = await tenant.calls('POST', '/v1/agentese/compose', {
      expression: 'self.soul.starters >> self.state.put',
      inputs: [{ mode: 'explore' }, { key: 'starters' }],
    })
    expect(status).toBe(200)
    expect(await get(tenant, 'starters')).toMatchObject({ mode: 'explore', starters: expect.any(Array) })
  })

  test.for(['', ' ', 'a b', 'ä', 'a/b', 'x'.repeat(129)])('takes no key "%s"', async (key, { newTenant }) => {
    const tenant = await newTenant()
    expect((await put(tenant, key, 1)).code).toBe('TYPE_MISMATCH')
  })
})
