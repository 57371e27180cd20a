import * as fc from 'fast-check'
import { describe, expect } from 'vitest'
import { meaningOf, playEmbedder } from './meaning.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

const call = (tenant: Tenant, name: string, verb: string, input: object = {}, archetype?: string) =>
  tenant.calls(
    'POST',
    `/v1/agentese/concept/${name}/${verb}`,
    input,
    archetype === undefined ? {} : { 'x-observer-archetype': archetype },
  )

const define = (tenant: Tenant, name: string, more: object = {}) =>
  call(tenant, name, 'define', { definition: `What ${name} is`, extends: ['entity'], ...more })

describe('the roots', () => {
  test('are there for everybody, without a row', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const found: Record<string, unknown> = {}
    for (const name of ['concept', 'entity', 'process', 'relation', 'property']) {
      const { body } = await call(tenant, name, 'lineage')
      const { depth, constraints, affordances } = body.result
      found[name] = { depth, constraints, own: affordances.slice(6) }
    }
    expect(found).toEqual({
      concept: { depth: 0, constraints: [], own: [] },
      entity: { depth: 1, constraints: [], own: ['identify'] },
      process: { depth: 1, constraints: ['has_input', 'has_output'], own: ['execute', 'compose'] },
      relation: { depth: 1, constraints: ['has_source', 'has_target'], own: ['connect', 'traverse'] },
      property: { depth: 1, constraints: ['has_domain'], own: ['measure'] },
    })
    expect(await owner`select from concepts where tenant_id = ${tenant.id}`).toHaveLength(0)
    expect((await define(tenant, 'entity')).body.code).toBe('STATE_CONFLICT')
    expect((await call(tenant, 'entity', 'refine', { challenge: 'No' })).body.code).toBe('STATE_CONFLICT')
  })
})

describe('concept.*.manifest', () => {
  test('shows an admin in what condition a concept is, and no time that never was', async ({ newTenant }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    await define(tenant, 'justice')
    const seen = async (name: string) => (await call(tenant, name, 'manifest', {}, 'admin')).body.result
    expect(await seen('entity')).toMatchObject({ type: 'admin', status: 'built in', last_updated: null })
    expect(await seen('justice')).toMatchObject({ status: 'defined', last_updated: expect.any(String) })
  })
})

describe('concept.*.define', () => {
  test('gives a child what all parents afford, and every constraint of each of them', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    await define(tenant, 'ledger', { constraints: ['immutable'], affordances: ['append'] })
    const { status, body } = await define(tenant, 'payment', {
      extends: ['process', 'ledger'],
      constraints: ['has_amount'],
      affordances: ['refund', 'append'],
      justification: 'Money moves',
      domain: 'billing',
    })
    expect(status).toBe(200)
    expect(body.result.lineage).toEqual({
      handle: 'concept.payment',
      extends: ['concept.process', 'concept.ledger'],
      subsumes: [],
      justification: 'Money moves',
      affordances: expect.arrayContaining(['execute', 'compose', 'identify', 'append', 'refund']),
      constraints: ['has_input', 'has_output', 'immutable', 'has_amount'],
      domain: 'billing',
      depth: 3,
      created_by: tenant.user,
      created_at: expect.any(String),
    })
    expect(new Set(body.result.lineage.affordances).size).toBe(body.result.lineage.affordances.length)
    const { subsumes } = (await call(tenant, 'ledger', 'lineage')).body.result
    expect(subsumes).toEqual(['concept.payment'])
    const { ancestors } = (await call(tenant, 'payment', 'lineage')).body.result
    expect(ancestors).toEqual(['process', 'ledger', 'concept', 'entity'].map((each) => `concept.${each}`))
  })

  test('with a name defines a kind of the concept in the path', async ({ newTenant }) => {
    const tenant = await newTenant()
    await define(tenant, 'vehicle')
    const { body } = await call(tenant, 'vehicle', 'define', { name: 'bicycle', definition: 'Two wheels' })
    expect(body.result).toMatchObject({
      handle: 'concept.bicycle',
      lineage: { extends: ['concept.vehicle'], depth: 3 },
    })
  })

  test.for([
    ['nothing to extend', { extends: [] }, 400, 'LAW_VIOLATION'],
    ['itself to extend', { extends: ['entity', 'justice'] }, 400, 'LAW_VIOLATION'],
    ['a parent that is not there', { extends: ['entity', 'nowhere'] }, 412, 'PRECONDITION_FAILED'],
    ['parents that contradict each other', { extends: ['a_fact', 'a_draft'] }, 400, 'LAW_VIOLATION'],
    [
      'a constraint against a parent’s',
      { extends: ['a_fact'], constraints: ['mutable'] },
      400,
      'LAW_VIOLATION',
    ],
    ['a name that is none', { extends: ['Entity'] }, 400, 'TYPE_MISMATCH'],
  ] as const)('refuses %s, and keeps nothing', async ([, more, status, code], { newTenant, owner }) => {
    const tenant = await newTenant()
    await define(tenant, 'a_fact', { constraints: ['immutable'] })
    await define(tenant, 'a_draft', { constraints: ['mutable'] })
    expect(await define(tenant, 'justice', more)).toMatchObject({ status, body: { code } })
    expect(await owner`select name from concepts where tenant_id = ${tenant.id} order by name`).toEqual([
      { name: 'a_draft' },
      { name: 'a_fact' },
    ])
  })

  test('defines nothing twice, and shows another tenant nothing', async ({ newTenant }) => {
    const tenant = await newTenant()
    const other = await newTenant()
    const twice = await Promise.all([define(tenant, 'justice'), define(tenant, 'justice')])
    expect(twice.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409])
    expect((await call(other, 'justice', 'manifest')).body).toMatchObject({ code: 'NOT_FOUND' })
    expect((await define(other, 'mercy', { extends: ['justice'] })).body.code).toBe('PRECONDITION_FAILED')
    expect((await call(other, 'entity', 'lineage')).body.result.subsumes).toEqual([])
  })

  test('keeps the past of a concept', async ({ newTenant }) => {
    const tenant = await newTenant()
    await define(tenant, 'justice')
    const past = await tenant.calls('POST', '/v1/agentese/time/past/project', {
      target: 'concept.justice',
      timestamp: new Date(Date.now() + 60_000).toISOString(),
    })
    expect(past.body.result.state).toMatchObject({ definition: 'What justice is', version: 1 })
  })
})

describe('law 17: a tenant’s concepts are a graph with one root', () => {
  test('acyclic, without orphans, each one deeper than its deepest parent, affording all that its parents do', async ({
    newTenant,
  }) => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const anyName = fc.constantFrom(...names, 'concept', 'entity', 'process', 'relation', 'property')
    const words = fc.uniqueArray(
      fc.constantFrom('mutable', 'immutable', 'pure', 'impure', 'sync', 'fast', 'small'),
      { maxLength: 2 },
    )
    const attempt = fc.record({
      holon: anyName,
      name: fc.option(anyName, { nil: undefined }),
      extends: fc.uniqueArray(anyName, { maxLength: 3 }),
      constraints: words,
      affordances: words,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(attempt, { minLength: 5, maxLength: 14 }), async (attempts) => {
        const tenant = await newTenant()
        for (const { holon, ...input } of attempts) {
          const { status, body } = await call(tenant, holon, 'define', { definition: 'x', ...input })
          expect([200, 400, 409, 412], JSON.stringify(body)).toContain(status)
        }
        await checkGraph(tenant, names)
      }),
      { numRuns: 12, seed: 17 },
    )
  }, 120_000)
})

interface Node {
  extends: string[]
  subsumes: string[]
  affordances: string[]
  constraints: string[]
  depth: number
}

async function checkGraph(tenant: Tenant, names: readonly string[]): Promise<void> {
  const graph = new Map<string, Node>()
  for (const name of [...names, 'concept', 'entity', 'process', 'relation', 'property']) {
    const { status, body } = await call(tenant, name, 'lineage')
    if (status === 200) graph.set(`concept.${name}`, body.result)
  }
  for (const [handle, node] of graph) {
    const parents = node.extends.map((each) => graph.get(each))
    expect(parents, handle).not.toContain(undefined)
    expect(parents.length > 0, handle).toBe(handle !== 'concept.concept')
    // A parent is always less deep, so no way up comes back to where it began, and each ends at the one root.
    expect(node.depth).toBe(
      parents.length === 0 ? 0 : Math.max(...parents.map((each) => each?.depth ?? 0)) + 1,
    )
    for (const parent of parents as Node[]) {
      expect(node.affordances).toEqual(expect.arrayContaining(parent.affordances))
      expect(node.constraints).toEqual(expect.arrayContaining(parent.constraints))
      expect(parent.subsumes).toContain(handle)
    }
    for (const pair of [
      ['mutable', 'immutable'],
      ['pure', 'impure'],
    ])
      expect(pair.every((each) => node.constraints.includes(each))).toBe(false)
  }
}

/** One character of eleven code units. */
const FAMILY = '👩‍👩‍👧‍👦'

describe('concept.*.refine', () => {
  const challenge = { challenge: 'And mercy?' }

  test('keeps what the model makes of it as the next version, found by its new words', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    await define(tenant, 'justice')
    const { body, status } = await call(tenant, 'justice', 'refine', challenge)
    expect(status).toBe(202)
    await settles(tenant, playEmbedder())
    const { job } = (await tenant.calls('GET', body.links.self)).body
    expect(job).toMatchObject({
      status: 'completed',
      path: 'concept.justice.refine',
      result: {
        original: 'What justice is',
        challenge: 'And mercy?',
        refined: 'What each is owed, and no less.',
        status: 'refined',
        version: 2,
      },
    })
    const entries = await owner`
      select text, embedded_at is not null as embedded from recall_entries where tenant_id = ${tenant.id}`
    expect(entries).toEqual([{ text: 'justice: What each is owed, and no less.', embedded: true }])
    const states = await owner`
      select state->>'definition' as definition from changes where tenant_id = ${tenant.id} order by id`
    expect(states.map(({ definition }) => String(definition))).toEqual([
      'What justice is',
      'What each is owed, and no less.',
    ])
  })

  test('keeps no half of a character of a definition that is too long, nor embeds one', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    await define(tenant, 'justice')
    await call(tenant, 'justice', 'refine', challenge)
    const embedded: string[] = []
    await settles(tenant, (message) => {
      if ('texts' in message.request) embedded.push(...message.request.texts)
      return 'texts' in message.request
        ? (playEmbedder()?.(message) as object)
        : { text: `x${FAMILY.repeat(500)}` }
    })
    const [concept] = await owner`select definition from concepts where tenant_id = ${tenant.id}`
    expect(concept).toEqual({ definition: `x${FAMILY.repeat(181)}` })
    expect(embedded.at(-1)).toBe(`justice: x${FAMILY.repeat(180)}`)
  })

  test('of a version that is no longer there changes and charges nothing', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    await define(tenant, 'justice')
    const jobs = [
      await call(tenant, 'justice', 'refine', challenge),
      await call(tenant, 'justice', 'refine', challenge),
    ]
    let turn = 0
    await settles(tenant, (message) =>
      'texts' in message.request ? (playEmbedder()?.(message) as object) : { text: `Version ${(turn += 1)}` },
    )
    const ends = await Promise.all(
      jobs.map(async ({ body }) => (await tenant.calls('GET', body.links.self)).body.job),
    )
    expect(ends.map(({ status }) => status)).toEqual(['completed', 'failed'])
    expect(ends[1].error.code).toBe('STATE_CONFLICT')
    expect(await owner`select definition, version from concepts where tenant_id = ${tenant.id}`).toEqual([
      { definition: 'Version 1', version: 2 },
    ])
    expect((await call(tenant, 'justice', 'refine', { ...challenge, version: 1 })).body.code).toBe(
      'STATE_CONFLICT',
    )
  })

  test('passes its result on to the next stage of a composition', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    await define(tenant, 'justice')
    const { body, status } = await tenant.calls('POST', '/v1/agentese/compose', {
      expression: 'concept.justice.refine >> self.memory.engram',
      input: challenge,
    })
    expect(status).toBe(202)
    await settles(tenant, playEmbedder())
    const { job } = (await tenant.calls('GET', body.links.self)).body
    expect(job.result).toMatchObject({
      success: true,
      final_result: { summary: 'What each is owed, and no less.' },
    })
  })
})

describe('looking at concepts', () => {
  test('each archetype sees its own; an engineer what is to be built', async ({ newTenant }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    await define(tenant, 'justice', {
      constraints: ['impartial'],
      examples: ['Both sides are heard'],
      related: ['law'],
    })
    const seen = async (archetype: string) =>
      (await call(tenant, 'justice', 'manifest', {}, archetype)).body.result
    expect(await seen('philosopher')).toMatchObject({
      type: 'philosophical',
      concept: 'concept.justice',
      definition: 'What justice is',
      related_concepts: ['entity', 'law'],
    })
    expect(await seen('scientist')).toMatchObject({
      type: 'scientific',
      observations: ['Both sides are heard'],
    })
    expect(await seen('engineer')).toEqual({
      type: 'engineering',
      text: expect.stringContaining('- impartial'),
    })
    expect(await seen('guest')).toMatchObject({
      type: 'basic',
      content: expect.stringContaining('What justice is'),
    })
  })

  test('relates by lineage, by name, by shared parents and by meaning', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    await define(tenant, 'virtue')
    await define(tenant, 'justice', { extends: ['virtue'], definition: 'The equity of a judge' })
    await define(tenant, 'courage', { extends: ['virtue'], definition: 'To go on although afraid' })
    await define(tenant, 'court', { related: ['justice'], definition: 'A house for trials' })
    await define(tenant, 'fair_play', { extends: ['process'], definition: 'Fairness of a judge' })
    const related = async (input: object) =>
      (await call(tenant, 'justice', 'relate', input)).body.result.related
    const told = [
      { concept: 'concept.virtue', relation: 'parent', similarity: null },
      { concept: 'concept.court', relation: 'related', similarity: null },
      { concept: 'concept.courage', relation: 'sibling', similarity: null },
    ]
    expect((await related({})).filter(({ relation }: { relation: string }) => relation !== 'alike')).toEqual(
      told,
    )
    await settles(tenant, playEmbedder())
    const alike = (await related({})).filter(({ relation }: { relation: string }) => relation === 'alike')
    expect(alike[0]).toEqual({
      concept: 'concept.fair_play',
      relation: 'alike',
      similarity: expect.any(Number),
    })
    expect(alike[0].similarity).toBeGreaterThan(0.6)
    expect(await related({ target: 'courage' })).toEqual([
      told[2],
      { concept: 'concept.courage', relation: 'alike', similarity: expect.any(Number) },
    ])
    expect((await call(tenant, 'justice', 'relate', { target: 'nowhere' })).body.code).toBe('NOT_FOUND')
  })

  test('validates what is asked for, and says whether all of it holds', async ({ newTenant }) => {
    const tenant = await newTenant()
    await define(tenant, 'vague')
    await define(tenant, 'worked_out', { examples: ['this'], related: ['vague'], domain: 'tests' })
    expect((await call(tenant, 'vague', 'validate')).body.result).toEqual({
      handle: 'concept.vague',
      criteria: { has_definition: true, has_examples: false, has_relations: false, domain_specified: false },
      valid: false,
    })
    expect(
      (await call(tenant, 'vague', 'validate', { criteria: ['has_definition'] })).body.result,
    ).toMatchObject({
      criteria: { has_definition: true },
      valid: true,
    })
    expect((await call(tenant, 'worked_out', 'validate')).body.result.valid).toBe(true)
  })

  test('a query lists roots and own concepts, and those of no other tenant', async ({ newTenant }) => {
    const tenant = await newTenant()
    const other = await newTenant()
    await define(tenant, 'justice')
    await define(other, 'secret_plan')
    const { body } = await tenant.calls('GET', '/v1/agentese/query?pattern=%3Fconcept.*')
    const paths = body.matches.map(({ path }: { path: string }) => path)
    expect(paths).toEqual(expect.arrayContaining(['concept.entity', 'concept.justice']))
    expect(JSON.stringify(body)).not.toContain('secret_plan')
  })
})

test('the model for tests tells fairness from courage', ({ expect }) => {
  expect(meaningOf('Fairness of a judge')).not.toEqual(meaningOf('To go on although afraid'))
})
