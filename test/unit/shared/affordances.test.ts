/** Who has which verb of the catalog, written out: a verb that is missing here, or has other archetypes, fails. */
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { catalog } from '../../../functions/catalog.ts'
import { BASE_ASPECTS, hasAffordance } from '../../../shared/agentese/affordances.ts'
import { archetypesFor } from '../../../shared/agentese/observer.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { aspectsOf } from '../../../shared/contract/find-aspect.ts'

/** Verbs that every archetype has, besides the base verbs. */
const OPEN: Record<string, string> = {
  'void.entropy': 'sip pour',
  'void.gratitude': 'tithe thank acknowledge',
  'void.serendipity': 'sip inspire',
  'self.soul': 'starters',
  'self.kgent': 'list read history quote close',
  'self.memory': 'status recall get recent for_prompt',
  'self.semaphore': 'yield pending status',
  'self.capabilities': 'list acquire release',
  'self.consent': 'grant revoke list',
  'self.state': 'inspect put drop checkpoint restore',
  'self.identity': 'reflect',
  'world.purgatory': 'list inspect',
  'time.trace': 'query replay crystals context',
  'time.past': 'project compare',
  'time.schedule': 'defer cancel status list',
  'time.future': 'forecast',
  'world.agent': 'list invoke runs steps step cancel retire',
  'world.tool': 'list secret allow',
  'world.model': 'complete embed recall forget',
  'concept.*': 'define relate lineage index',
}

/** Verbs that only these archetypes have. */
const RESTRICTED: Record<string, string> = {
  'self.soul.eigenvectors': 'developer architect admin system technical',
  'self.soul.mode': 'developer architect admin system technical operator',
  'self.soul.dialogue':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.soul.challenge':
    'developer architect admin system technical operator reviewer security creative strategic tactical',
  'self.soul.reflect': 'developer architect admin system technical operator creative strategic tactical',
  'self.soul.governance': 'developer architect admin system technical operator',
  'self.soul.audit': 'admin operator security system',
  'self.soul.persona':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.soul.update':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.soul.propose':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.soul.proposals':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.soul.accept':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.soul.reject':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.kgent.index':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'time.trace.crystallize':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.kgent.create':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.kgent.update':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.kgent.fork':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.kgent.reset':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.kgent.summarise':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.kgent.message':
    'developer architect admin system technical operator newcomer casual reviewer security reflective creative strategic tactical',
  'self.memory.engram':
    'developer operator admin system architect artist poet researcher technical creative strategic tactical reflective newcomer casual reviewer security',
  'self.memory.bytag':
    'developer operator admin system architect artist poet researcher technical creative strategic tactical reflective',
  'self.memory.reinforce':
    'developer operator admin system architect artist poet researcher technical creative strategic tactical reflective newcomer casual reviewer security',
  'self.memory.forget': 'developer operator admin system',
  'self.memory.restore': 'developer operator admin system',
  'self.memory.cherish': 'developer operator admin system architect artist poet researcher technical',
  'self.memory.checkpoint': 'developer operator admin system',
  'self.memory.consolidate': 'developer operator admin system',
  'self.memory.index':
    'developer operator admin system architect artist poet researcher technical creative strategic tactical reflective newcomer casual reviewer security',
  'world.purgatory.resolve': 'admin developer architect',
  'world.purgatory.cancel': 'admin developer architect',
  'world.purgatory.void_expired': 'admin developer architect',
  'world.*.define': 'architect developer admin',
  'world.*.transform': 'inhabitant architect developer',
  'world.*.relate': 'architect developer philosopher',
  'world.*.measure': 'architect scientist developer',
  'world.*.analyze': 'scientist philosopher developer economist',
  'world.*.demolish': 'architect',
  'world.agent.define': 'architect developer admin',
  'world.agent.search': 'developer admin architect',
  'world.tool.define': 'architect developer admin',
  'world.tool.import': 'architect developer admin',
  'world.tool.refresh': 'architect developer admin',
  'world.tool.remove': 'architect developer admin',
  'world.tool.invoke': 'developer architect admin system technical operator engineer scientist',
  'concept.*.refine': 'philosopher scientist developer',
  'concept.*.validate': 'scientist engineer developer',
}

const ARCHETYPES = archetypesFor(['admin'])
const ASPECTS = aspectsOf(catalog)
const NODES = [...new Set(ASPECTS.map(({ node }) => node))]

/** By path, the archetypes that have it. */
const EXPECTED: Record<string, readonly string[]> = {
  ...Object.fromEntries(NODES.flatMap((node) => BASE_ASPECTS.map((verb) => [`${node}.${verb}`, ARCHETYPES]))),
  ...Object.fromEntries(
    Object.entries(OPEN).flatMap(([node, verbs]) =>
      verbs.split(' ').map((verb) => [`${node}.${verb}`, ARCHETYPES]),
    ),
  ),
  ...Object.fromEntries(
    Object.entries(RESTRICTED).map(([path, names]) => [
      path,
      ARCHETYPES.filter((archetype) => names.split(' ').includes(archetype)),
    ]),
  ),
}

test('every verb of the catalog belongs to the archetypes that are written here, and to no others', () => {
  const rights = ASPECTS.map((each) => [
    each.path,
    ARCHETYPES.filter((archetype) => hasAffordance({ archetype, capabilities: [] }, each)),
  ])
  expect(Object.fromEntries(rights)).toEqual(EXPECTED)
  expect(ASPECTS).toHaveLength(217)
})

describe('defineNode()', () => {
  const look = {
    category: 'P',
    summary: 'A verb',
    effects: [],
    input: NoInput,
    output: z.strictObject({}),
    examples: [],
    handle: () => ({}),
  } as const
  const nodeWith = (verb: string, archetypes: object) => () =>
    defineNode('world.house', {
      summary: 'A node',
      aspects: {
        manifest: aspect({ ...look, archetypes: 'all' }),
        // As a contract that TypeScript has not seen.
        [verb]: aspect({ ...look, ...(archetypes as { archetypes: 'all' }) }),
      },
    })

  test('does not load a verb that names nobody who has it', () => {
    expect(nodeWith('paint', {})).toThrow(TypeError)
    expect(nodeWith('paint', {})).toThrow(/"world.house.paint": archetypes is required/)
    expect(nodeWith('paint', { archetypes: [] })).toThrow(/archetypes is required/)
    expect(nodeWith('paint', { archetypes: ['poet'] })).not.toThrow()
    expect(nodeWith('paint', { archetypes: 'all' })).not.toThrow()
  })

  test.each(BASE_ASPECTS)('does not load "%s" where it is not everybody\'s', (verb) => {
    expect(nodeWith(verb, { archetypes: ['poet'] })).toThrow(/belongs to everybody/)
  })
})
