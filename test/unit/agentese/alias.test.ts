import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkAlias, expandAlias, readAlias, STANDARD_ALIASES } from '../../../shared/agentese/alias.ts'
import { CONTEXTS, isContext, parseNode } from '../../../shared/agentese/path.ts'
import { Failure } from '../../../shared/failures.ts'
import { fuzz, megabytes, outcomeOf, paths, places, segments, textsNear } from './texts.ts'

const names = segments.filter((name) => !isContext(name))
const targets = places.map(({ context, holon }) => `${context}.${holon}`)
const aliases = fc.dictionary(names, targets, { maxKeys: 5 })

describe('STANDARD_ALIASES', () => {
  test.each(Object.entries(STANDARD_ALIASES))('"%s" may stand for %s', (name, target) => {
    expect(() => parseNode(target)).not.toThrow()
    expect(isContext(name)).toBe(false)
  })
})

describe('expandAlias()', () => {
  test.each([
    ['me.dialogue', 'self.soul.dialogue'],
    ['me', 'self.soul'],
    ['chaos.sip', 'void.entropy.sip'],
    ['world.me.me', 'world.me.me'],
    ['void.entropy.sip', 'void.entropy.sip'],
  ])('makes of "%s": %s', (text, expanded) => {
    expect(expandAlias(text, {})).toBe(expanded)
  })

  test("takes the caller's own alias before the standard one", () => {
    expect(expandAlias('me.manifest', { me: 'world.agent' })).toBe('world.agent.manifest')
  })

  test('expands to a context, so that expanding again changes nothing', () => {
    fc.assert(
      fc.property(aliases, names, segments, targets, (own, name, verb, target) => {
        const all = { ...own, [name]: target }
        const once = expandAlias(`${name}.${verb}`, all)
        expect(once).toBe(`${target}.${verb}`)
        expect(isContext(once.split('.')[0] ?? '')).toBe(true)
        expect(expandAlias(once, all)).toBe(once)
      }),
    )
  })

  test('leaves every path alone, whatever aliases there are', () => {
    fc.assert(
      fc.property(paths, targets, fc.constantFrom(...CONTEXTS), (path, target, context) => {
        expect(expandAlias(path, { [context]: target })).toBe(path)
      }),
    )
  })

  test('lists contexts and similar aliases for a name that is neither', () => {
    expect(() => expandAlias('garde.sow', { garden: 'world.garden' })).toThrow(
      expect.objectContaining({
        code: 'PATH_SYNTAX',
        message: expect.stringContaining('segment 1, "garde", is not a context'),
        facts: expect.objectContaining({ available: [...CONTEXTS, 'garden'] }),
      }),
    )
  })

  test.each(['constructor.x', '__proto__.x', 'toString.x', '', '.x'])('finds no alias in "%s"', (text) => {
    expect(outcomeOf(() => expandAlias(text, {}))).toBeInstanceOf(Failure)
  })

  test('answers any text at all with one that starts with a context, or with a failure', fuzz.options, () => {
    const valid = fc.oneof(paths, fc.constantFrom('me.dialogue', 'chaos.sip', 'past'))
    fc.assert(
      fc.property(textsNear(valid), aliases, (text, own) => {
        const expanded = outcomeOf(() => expandAlias(text, own))
        if (typeof expanded === 'string') expect(isContext(expanded.split('.')[0] ?? '')).toBe(true)
      }),
      fuzz.runs,
    )
    for (const text of megabytes) outcomeOf(() => expandAlias(text, {}))
  })
})

describe('checkAlias()', () => {
  test.each([
    ['garden', 'world.garden'],
    ['me', 'self.memory'],
    ['soul', 'self.me'],
  ])('lets "%s" stand for %s', (name, target) => {
    expect(() => checkAlias(name, target)).not.toThrow()
  })

  test.each(CONTEXTS)('keeps "%s" for the context', (context) => {
    expect(() => checkAlias(context, 'self.soul')).toThrow(expect.objectContaining({ code: 'ALIAS_SHADOW' }))
  })

  test.each([
    ['garden', 'garden'],
    ['garden', 'garden.me'],
    ['garden', 'me'],
    ['garden', 'me.dialogue'],
    ['garden', 'yard.tree'],
    ['me', 'me.soul'],
  ])('refuses that "%s" stands for the alias %s', (name, target) => {
    expect(() => checkAlias(name, target, { yard: 'world.yard' })).toThrow(
      expect.objectContaining({ code: 'ALIAS_RECURSION' }),
    )
  })

  test.each([
    ['Garden', 'world.garden', 'Write "garden"'],
    ['', 'world.garden', 'such as garden'],
    ['my.garden', 'world.garden', 'Write "my_garden"'],
    ['a'.repeat(65), 'world.garden', 'Write'],
    ['garden', 'world', 'context.holon'],
    ['garden', 'world.garden.sow', 'input'],
    ['garden', 'space.garden', 'context.holon'],
    ['garden', 'world.Garden', 'Write "garden"'],
  ])('refuses that "%s" stands for "%s" as bad syntax', (name, target, suggestion) => {
    expect(() => checkAlias(name, target)).toThrow(
      expect.objectContaining({
        code: 'PATH_SYNTAX',
        facts: expect.objectContaining({ suggestion: expect.stringContaining(suggestion) }),
      }),
    )
  })

  test('lets through only what expandAlias() makes a path of', fuzz.options, () => {
    fc.assert(
      fc.property(textsNear(names), textsNear(targets), (name, target) => {
        const failure = outcomeOf(() => checkAlias(name, target))
        if (failure === undefined) expect(expandAlias(`${name}.x`, { [name]: target })).toBe(`${target}.x`)
      }),
      fuzz.runs,
    )
    for (const text of megabytes) {
      expect(outcomeOf(() => checkAlias(text, 'self.soul'))).toBeInstanceOf(Failure)
      expect(outcomeOf(() => checkAlias('garden', text))).toBeInstanceOf(Failure)
    }
  })
})

test('readAlias() answers the node, and 404 with similar names where there is none', () => {
  expect(readAlias('me', {})).toBe('self.soul')
  expect(readAlias('me', { me: 'world.agent' })).toBe('world.agent')
  expect(() => readAlias('chaoss', {})).toThrow(
    expect.objectContaining({
      code: 'ALIAS_NOT_FOUND',
      status: 404,
      facts: expect.objectContaining({ available: ['chaos'] }),
    }),
  )
})
