import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeManifest } from '../../../shared/agentese/manifest/describe.ts'
import { ArchetypePayload, ManifestPayload } from '../../../shared/agentese/manifest/payloads.ts'
import { renderManifest } from '../../../shared/agentese/manifest/render.ts'
import { numbersIn, type ManifestSource } from '../../../shared/agentese/manifest/source.ts'
import { archetypesFor } from '../../../shared/agentese/observer.ts'

const ARCHETYPES = archetypesFor(['admin'])

function sourceOf(given: Partial<ManifestSource> = {}): ManifestSource {
  return {
    handle: 'world.house',
    name: 'house',
    kind: 'building',
    description: 'An old house by the sea',
    state: {},
    metadata: {},
    related: [],
    changes: 0,
    updated: '2026-01-02T03:04:05.000Z',
    ...given,
  }
}

const HOUSE = {
  dimensions: { width: 8, depth: 12 },
  materials: ['oak', 'slate'],
  load_bearing: ['north wall'],
  integrity: 0.9,
  price: 250_000,
  observations: ['it creaks'],
  language: 'timber framing',
  status: 'open',
  alerts: ['roof leaks'],
}

describe('renderManifest()', () => {
  test.each([
    ['architect', 'blueprint'],
    ['developer', 'developer'],
    ['scientist', 'scientific'],
    ['admin', 'admin'],
    ['poet', 'poetic'],
    ['economist', 'economic'],
    ['inhabitant', 'basic'],
    ['guest', 'basic'],
    ['philosopher', 'basic'],
    ['somebody_else', 'basic'],
  ])('shows an entity to the %s as %s', (archetype, type) => {
    expect(renderManifest(sourceOf({ state: HOUSE }), archetype).type).toBe(type)
  })

  test('shows a concept to the philosopher as a philosopher sees it', () => {
    const state = { essence: 'fairness', dialectic: { thesis: 'equal shares' } }
    const source = sourceOf({ handle: 'concept.justice', name: 'justice', state, related: ['law'] })
    expect(renderManifest(source, 'philosopher')).toEqual({
      type: 'philosophical',
      concept: 'concept.justice',
      definition: 'An old house by the sea',
      essence: 'fairness',
      dialectic: { thesis: 'equal shares', antithesis: null, synthesis: null },
      related_concepts: ['law'],
    })
  })

  test('takes what it shows from the state', () => {
    const source = sourceOf({ state: HOUSE, changes: 3, related: ['garden'] })
    expect(renderManifest(source, 'architect')).toEqual({
      type: 'blueprint',
      dimensions: { width: 8, depth: 12 },
      materials: ['oak', 'slate'],
      structural_analysis: { load_bearing: ['north wall'], stress_points: [], integrity: 0.9 },
    })
    expect(renderManifest(source, 'economist')).toMatchObject({ market_value: 250_000 })
    expect(renderManifest(source, 'scientist')).toMatchObject({
      measurements: { 'dimensions.width': 8, integrity: 0.9 },
      observations: ['it creaks'],
    })
    expect(renderManifest(source, 'admin')).toMatchObject({
      status: 'open',
      alerts: ['roof leaks'],
      metrics: { changes: 3, related: 1 },
      last_updated: source.updated,
    })
    const poem = renderManifest(source, 'poet')
    expect(poem).toMatchObject({
      mood: 'contemplative',
      metaphors: ['house is oak', 'house is slate', 'house is north wall'],
    })
    expect(JSON.stringify(poem)).toContain('An old house by the sea. Its materials: oak, slate.')
  })

  test('invents nothing where nothing is said', () => {
    const source = sourceOf({ state: {}, description: '' })
    expect(renderManifest(source, 'architect')).toEqual({
      type: 'blueprint',
      dimensions: {},
      materials: [],
      structural_analysis: { load_bearing: [], stress_points: [], integrity: null },
    })
    expect(renderManifest(source, 'economist')).toEqual({
      type: 'economic',
      market_value: null,
      comparable_sales: [],
      appreciation_forecast: {},
    })
    expect(renderManifest(source, 'poet')).toMatchObject({ metaphors: [] })
  })

  test('gives the same archetype the same payload of the same state, and one that fits its schema', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom(...Object.keys(HOUSE), 'dialectic', 'health', 'metrics', 'mood', 'metaphors'),
        fc.jsonValue(),
        fc.constantFrom(...ARCHETYPES),
        fc.constantFrom('world.house', 'concept.house'),
        (words, key, odd, archetype, handle) => {
          const source = sourceOf({ handle, state: { ...words, [key]: odd } })
          const payload = renderManifest(source, archetype)
          expect(renderManifest(structuredClone(source), archetype)).toEqual(payload)
          ArchetypePayload.parse(payload)
        },
      ),
    )
  })
})

describe('describeManifest()', () => {
  const others = [
    {
      type: 'memory',
      memory_count: 3,
      consolidated: 1,
      temporary: 2,
      checkpoints: ['before'],
      last_consolidation: null,
      capacity_used: null,
    },
    {
      type: 'entropy',
      remaining: 50,
      total: 100,
      percentage: 50,
      history_length: 1,
      last_sip: '2026-01-02T03:04:05.000Z',
      gratitude_balance: 0,
    },
    {
      type: 'temporal',
      trace_count: 1,
      scheduled_count: 0,
      earliest_trace: null,
      latest_trace: null,
      next_scheduled: null,
      horizon: '30 days',
    },
  ].map((each) => ManifestPayload.parse(each))

  test('writes every type as text that names each of its facts', () => {
    const concept = sourceOf({ handle: 'concept.house', state: HOUSE })
    const rendered = ARCHETYPES.map((archetype) => renderManifest(concept, archetype))
    const payloads: ManifestPayload[] = [...rendered, ...others]
    expect(new Set(payloads.map(({ type }) => type)).size).toBe(11)
    for (const payload of payloads) {
      const text = describeManifest(payload)
      expect(text).not.toMatch(/undefined|\[object/)
      for (const word of payload.type === 'blueprint' ? ['oak', 'width: 8', 'north wall', '0.9'] : []) {
        expect(text).toContain(word)
      }
    }
  })

  test('says of what is not known that it is unknown, and of what is empty that there is none', () => {
    expect(describeManifest(renderManifest(sourceOf(), 'architect'))).toBe(
      'BLUEPRINT\ndimensions: none\nmaterials: none\nstructural analysis:\n' +
        '  load bearing: none\n  stress points: none\n  integrity: unknown',
    )
  })
})

describe('numbersIn()', () => {
  test('finds numbers by their dotted path, and at most 500', () => {
    expect(numbersIn({ a: 1, b: { c: [2, 'x', { d: 3 }] }, e: '4' })).toEqual({
      a: 1,
      'b.c.0': 2,
      'b.c.2.d': 3,
    })
    expect(Object.keys(numbersIn({ many: Array.from({ length: 2000 }, (_, at) => at) }))).toHaveLength(500)
  })
})
