import { describe, expect, test } from 'vitest'
import { parsePattern } from '../../../shared/agentese/pattern.ts'
import { createVisibility } from '../../../shared/agentese/visibility.ts'

const facts = { category: 'P', effects: [] } as const
const visibility = createVisibility([
  {
    node: 'self.vault',
    endpoints: [
      { aspect: { ...facts, path: 'self.vault.manifest', archetypes: 'all' } },
      { aspect: { ...facts, path: 'self.vault.open', archetypes: ['security'] } },
    ],
  },
  { endpoints: [{}, { aspect: { ...facts, path: 'world.*.renovate', archetypes: ['architect'] } }] },
])

describe('createVisibility()', () => {
  test.each([
    ['poet', 'self.vault.manifest', true],
    ['poet', 'self.vault.open', false],
    ['security', 'self.vault.open', true],
    ['poet', 'self.vault.state', true],
    ['security', 'self.vault.unknown', false],
    ['security', 'self.unknown.manifest', false],
    ['security', 'self.unknown.state', false],
    ['poet', 'world.house.manifest', true],
    ['poet', 'world.house.state', true],
    ['poet', 'world.house.renovate', false],
    ['architect', 'world.house.renovate', true],
    ['architect', 'concept.house.renovate', false],
    ['poet', 'concept.love.manifest', true],
    ['admin', '', false],
  ])('%s and %s: %s', (archetype, path, wanted) => {
    expect(visibility.sees(archetype, path)).toBe(wanted)
  })

  test('knows which paths fit a pattern, changes of state among them', () => {
    expect(visibility.known(parsePattern('self.**'))).toEqual([
      'self.vault.manifest',
      'self.vault.open',
      'self.vault.state',
    ])
    expect(visibility.reachesOwn(parsePattern('self.**'))).toBe(false)
    expect(visibility.reachesOwn(parsePattern('*.house.*'))).toBe(true)
  })
})
