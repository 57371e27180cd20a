/** Laws 7, 8 and 22: affordances are what they say, and one observer sees one and the same thing. */
import * as fc from 'fast-check'
import { describe, expect } from 'vitest'
import { BASE_ASPECTS, capabilitiesWithin, hasAffordance } from '../../../shared/agentese/affordances.ts'
import { archetypesFor } from '../../../shared/agentese/observer.ts'
import { ASPECTS, runExample, urlOf } from '../functions/examples.ts'
import { testWith } from '../functions/world.ts'

const test = testWith()
const ARCHETYPES = archetypesFor(['admin'])
const CAPABILITIES = capabilitiesWithin(
  ARCHETYPES,
  ASPECTS.map(({ aspect }) => aspect),
)

const anyAspect = fc.constantFrom(...ASPECTS)
const anyArchetype = fc.constantFrom(...ARCHETYPES)
const anyCapabilities = fc.uniqueArray(fc.constantFrom(...CAPABILITIES), { maxLength: 5 })

describe('law 7', () => {
  test('base verbs are always listed, and a capability never takes one away', () => {
    fc.assert(
      fc.property(
        anyAspect,
        anyArchetype,
        anyCapabilities,
        anyCapabilities,
        ({ aspect }, archetype, some, more) => {
          const allowed = ASPECTS.filter(
            (each) =>
              each.aspect.node === aspect.node &&
              hasAffordance({ archetype, capabilities: some }, each.aspect),
          )
          const verbs = allowed.map((each) => each.aspect.verb)
          expect(verbs).toEqual(expect.arrayContaining([...BASE_ASPECTS]))
          if (hasAffordance({ archetype, capabilities: some }, aspect))
            expect(hasAffordance({ archetype, capabilities: [...some, ...more] }, aspect)).toBe(true)
        },
      ),
    )
  })

  test('a call passes the gate exactly where affordances lists its verb', async ({ newTenant }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    await fc.assert(
      fc.asyncProperty(anyAspect, anyArchetype, async (known, archetype) => {
        const headers = { 'x-observer-archetype': archetype }
        const url = urlOf(known)
        const listed = await tenant.calls('POST', url.replace(/[^/]+$/, 'affordances'), {}, headers)
        const verbs = listed.body.result.affordances.map((each: { aspect: string }) => each.aspect)
        const { body } = await tenant.calls(
          'POST',
          `${url}?dry_run=true`,
          known.endpoint.examples[0]?.input ?? {},
          headers,
        )
        expect(body.code !== 'AFFORDANCE_DENIED' || body.code === undefined).toBe(
          verbs.includes(known.aspect.verb),
        )
      }),
      { numRuns: 60 },
    )
  })

  test('a capability names a verb that a served node has, and that not everybody has', () => {
    for (const capability of CAPABILITIES) {
      const served = ASPECTS.find(({ aspect }) => aspect.path === capability)
      expect(served?.aspect.archetypes, capability).toBeInstanceOf(Array)
    }
  })
})

describe('laws 8 and 22: a manifest answers, and the same observer sees the same', () => {
  const manifests = ASPECTS.filter(({ aspect }) => aspect.verb === 'manifest')

  test.for(manifests)('$path', async (known, { newTenant, settles }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const [example = { summary: '', input: {} }] = known.endpoint.examples
    const { input } = await runExample(known, example, tenant, settles)
    const url = urlOf(known, example.holon)
    for (const archetype of ARCHETYPES) {
      const look = () => tenant.calls('POST', url, input, { 'x-observer-archetype': archetype })
      const [first, second] = [await look(), await look()]
      expect(first.status, archetype).toBe(200)
      // What tells of calls tells of the first one when it is asked again.
      if (!known.aspect.effects.includes('reads:trace')) expect(second.body.result).toEqual(first.body.result)
      expect(known.endpoint.output.safeParse(first.body.result).error?.message, archetype).toBeUndefined()
    }
  })
})
