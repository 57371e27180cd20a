import { expect, test } from 'vitest'
import { z } from 'zod'
import { loadAspect, loadContext, type Loaders } from '../../../shared/contract/catalog.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'

const manifest = aspect({
  category: 'P',
  summary: 'What it is',
  archetypes: 'all',
  effects: [],
  input: NoInput,
  output: z.strictObject({}),
  examples: [{ summary: 'Look', input: {} }],
  handle: () => ({}),
})

/** Loaders of `nodes`, and the names of those that have been loaded. */
function loadersOf(...nodes: string[]) {
  const loaded: string[] = []
  const loaders: Loaders = Object.fromEntries(
    nodes.map((node) => {
      const definition = defineNode(node, { summary: 'A node', aspects: { manifest } })
      const load = async () => {
        loaded.push(definition.name)
        return definition
      }
      return [definition.name, load]
    }),
  )
  return { loaders, loaded }
}

test('loadAspect() loads the node of that very name, else the one of open holons, and no other', async () => {
  const { loaders, loaded } = loadersOf('world.tool', 'world.*', 'void.entropy')
  expect((await loadAspect(loaders, 'world.tool.manifest'))?.endpoint.name).toBe('world.tool.manifest')
  expect((await loadAspect(loaders, 'world.house.manifest'))?.endpoint.name).toBe('world.*.manifest')
  expect(await loadAspect(loaders, 'world.tool.demolish')).toBeUndefined()
  expect(await loadAspect(loaders, 'void.dance.manifest')).toBeUndefined()
  expect(await loadAspect(loaders, 'to.string.manifest')).toBeUndefined()
  expect(new Set(loaded)).toEqual(new Set(['world-tool', 'world']))
})

test('loadContext() loads the nodes of one context', async () => {
  const { loaders, loaded } = loadersOf('world.tool', 'world.*', 'void.entropy')
  expect((await loadContext(loaders, 'world')).map(({ node }) => node)).toEqual(['world.tool', 'world.*'])
  expect(loaded).toEqual(['world-tool', 'world'])
})
