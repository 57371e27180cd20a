import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Archetypes } from '../../../shared/agentese/archetypes.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { parsePattern } from '../../../shared/agentese/pattern.ts'
import { createVisibility } from '../../../shared/contract/visibility.ts'

const lookOf = (archetypes: Archetypes) =>
  aspect({
    category: 'P',
    archetypes,
    summary: 'Looks',
    effects: [],
    input: NoInput,
    output: z.object({}),
    examples: [],
    handle: () => ({}),
  })
const look = lookOf('all')
const visibility = createVisibility([
  defineNode('self.memory', {
    summary: 'With a verb that not everybody has',
    aspects: { manifest: look, forget: lookOf(['operator']) },
  }),
  defineNode('world.agent', { summary: 'A node of its own', aspects: { manifest: look } }),
  defineNode('world.*', { summary: 'Open', aspects: { manifest: look, demolish: lookOf(['architect']) } }),
])

describe('createVisibility()', () => {
  test.each([
    ['poet', 'self.memory.manifest', true],
    ['poet', 'self.memory.forget', false],
    ['operator', 'self.memory.forget', true],
    ['poet', 'self.memory.state', true],
    ['operator', 'self.memory.unknown', false],
    ['operator', 'self.unknown.manifest', false],
    ['operator', 'self.unknown.state', false],
    ['poet', 'world.house.manifest', true],
    ['poet', 'world.house.state', true],
    ['poet', 'world.house.demolish', false],
    ['architect', 'world.house.demolish', true],
    ['architect', 'world.agent.demolish', false],
    ['architect', 'concept.house.manifest', false],
    ['admin', '', false],
  ])('%s and %s: %s', (archetype, path, wanted) => {
    expect(visibility.sees(archetype, path)).toBe(wanted)
  })

  test('knows which paths fit a pattern, changes of state among them', () => {
    const known = visibility.known(parsePattern('self.memory.*'))
    expect(known).toEqual(
      expect.arrayContaining(['self.memory.forget', 'self.memory.manifest', 'self.memory.state']),
    )
    expect(visibility.known(parsePattern('**')).join()).not.toContain('*')
    expect(visibility.reachesOwn(parsePattern('self.**'))).toBe(false)
    expect(visibility.reachesOwn(parsePattern('*.house.*'))).toBe(true)
  })
})
