/** Laws 9 and 3: pages of a query partition the sorted whole, and a composition is its stages one after the other. */
import { describe, expect } from 'vitest'
import { testWith } from '../functions/world.ts'
import * as fc from 'fast-check'

const test = testWith()

describe('law 9', () => {
  test('pages partition the sorted whole; nothing is invoked, and nothing of another tenant is there', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const [tenant, other] = [
      await newTenant('enterprise', ['admin']),
      await newTenant('enterprise', ['admin']),
    ]
    const names = Array.from({ length: 20 }, (_, at) => `place_${at}`)
    for (const name of names)
      await tenant.calls(
        'POST',
        `/v1/agentese/world/${name}/define`,
        {},
        { 'x-observer-archetype': 'architect' },
      )
    await other.calls(
      'POST',
      '/v1/agentese/world/elsewhere/define',
      {},
      { 'x-observer-archetype': 'architect' },
    )
    await runtime.recorder.flush()
    const marks = () => owner`select count(*)::int from marks where tenant_id = ${tenant.id}`
    const before = await marks()
    const ask = async (pattern: string, limit: number, offset: number) =>
      (
        await tenant.calls(
          'GET',
          `/v1/agentese/query?pattern=${encodeURIComponent(pattern)}&limit=${limit}&offset=${offset}`,
        )
      ).body
    const patterns = fc.constantFrom(
      '?*',
      '?world.*',
      '?world.place_1*',
      '?*.*.manifest',
      '?world.place_3.?',
      '?world.*.witness',
    )
    await fc.assert(
      fc.asyncProperty(patterns, fc.integer({ min: 1, max: 40 }), async (pattern, limit) => {
        const whole = await ask(pattern, 1000, 0)
        const paths: string[] = whole.matches.map((each: { path: string }) => each.path)
        expect(paths).toEqual([...new Set(paths)].sort())
        expect(whole.total_count).toBe(paths.length)
        expect(paths.join()).not.toContain('elsewhere')
        const pages: string[] = []
        for (let offset = 0; offset < paths.length + limit; offset += limit) {
          const page = await ask(pattern, limit, offset)
          expect(page.matches.length).toBeLessThanOrEqual(limit)
          expect(page.has_more).toBe(offset + page.matches.length < paths.length)
          pages.push(...page.matches.map((each: { path: string }) => each.path))
        }
        expect(pages).toEqual(paths)
      }),
      { numRuns: 10 },
    )
    await runtime.recorder.flush()
    expect(await marks()).toEqual(before)
  })
})

describe('laws 2 and 3', () => {
  test('a composition is its stages one after the other, with Id anywhere', async ({ newTenant }) => {
    const tenant = await newTenant()
    const stages = fc.array(
      fc.constantFrom('void.entropy.manifest', 'void.entropy.witness', 'time.past.manifest', 'Id'),
      { maxLength: 6 },
    )
    await fc.assert(
      fc.asyncProperty(stages, async (parts) => {
        const real = parts.filter((part) => part !== 'Id')
        const expression = parts.length === 0 ? 'Id' : parts.join(' >> ')
        const { body } = await tenant.calls('POST', '/v1/agentese/compose', { expression, input: {} })
        expect(body.stages.map((each: { path: string }) => each.path)).toEqual(real)
        const last = real.at(-1)
        if (last === undefined) expect(body.final_result).toEqual({})
        else {
          const alone = await tenant.calls('POST', '/v1/agentese/invoke', { path: last })
          expect(body.final_result).toEqual(alone.body.result)
        }
      }),
      { numRuns: 10 },
    )
  })
})
