import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CONTEXTS,
  formatPath,
  parseNode,
  parsePath,
  parseUrlForm,
  similarPaths,
} from '../../../shared/agentese/path.ts'
import { Failure } from '../../../shared/failures.ts'
import { fuzz, megabytes, outcomeOf, paths, places, segments, textsNear } from './texts.ts'

function refusal(segment: number, why: string) {
  return expect.objectContaining({
    code: 'PATH_SYNTAX',
    message: expect.stringContaining(why),
    facts: expect.objectContaining({ details: { segment } }),
  })
}

describe('parsePath()', () => {
  test('reads back what formatPath() writes', () => {
    fc.assert(
      fc.property(places, (parts) => {
        expect(parsePath(formatPath(parts))).toEqual(parts)
      }),
    )
  })

  test.each(['self.soul.challenge', 'void.entropy.sip'])('takes "%s"', (text) => {
    expect(formatPath(parsePath(text))).toBe(text)
  })

  test.each([
    ['', 1, 'the context, is missing'],
    ['.house.manifest', 1, 'the context, is missing'],
    ['world', 2, 'the holon, is missing'],
    ['world.house', 3, 'the aspect, is missing'],
    ['world.house.manifest.now', 4, '"now", is more than the 3'],
    ['space.house.manifest', 1, '"space", is not a context'],
    ['World.house.manifest', 1, '"World", is not a context'],
    ['world.House.manifest', 2, 'the holon "House", is not a lower-case letter'],
    ['world.ho-use.manifest', 2, 'the holon "ho-use", is not a lower-case letter'],
    ['world.1house.manifest', 2, 'the holon "1house"'],
    ['world._house.manifest', 2, 'the holon "_house"'],
    ['world..manifest', 2, 'the holon "", is empty'],
    ['world.house.', 3, 'the aspect "", is empty'],
    ['world.house.Manifest', 3, 'the aspect "Manifest"'],
    ['world.house.manifest\n', 3, 'the aspect "manifest\uFFFD"'],
    [' world.house.manifest', 1, '" world"'],
    ['world.house.manifest[phase=QA]', 3, 'clause'],
    ['world.house[0.manifest', 2, 'clause'],
    ['world.house@home.manifest', 2, 'annotation'],
    [`world.${'a'.repeat(65)}.manifest`, 2, 'longer than 64'],
    [`world.house.${'a'.repeat(200)}`, 3, 'longer than 64'],
    [`world.house.manifest.${'a'.repeat(200)}`, 4, 'more than the 3'],
  ])('refuses "%s" at segment %i: %s', (text, segment, why) => {
    expect(() => parsePath(text)).toThrow(refusal(segment, why))
  })

  test.each([
    ['world.House.manifest', 'Write "house"'],
    ['world.ho-use.manifest', 'Write "ho_use"'],
    ['world.house', 'Write context.holon.aspect, such as void.entropy.sip'],
    ['world.house.manifest.now', 'Pass ids and options as input'],
  ])('says of "%s" what would be right: %s', (text, suggestion) => {
    expect(() => parsePath(text)).toThrow(
      expect.objectContaining({ facts: expect.objectContaining({ suggestion }) }),
    )
  })

  test('lists the five contexts, and takes no other', () => {
    fc.assert(
      fc.property(
        segments.filter((name) => !(CONTEXTS as readonly string[]).includes(name)),
        (name) => {
          expect(() => parsePath(`${name}.house.manifest`)).toThrow(
            expect.objectContaining({ facts: expect.objectContaining({ available: CONTEXTS }) }),
          )
        },
      ),
    )
  })

  test('answers any text at all with that path, or with a failure that names a segment', fuzz.options, () => {
    fc.assert(
      fc.property(textsNear(paths), (text) => {
        const path = outcomeOf(() => parsePath(text))
        if (path instanceof Failure) expect(path.message).toMatch(/: segment [1-4], /)
        else expect(formatPath(path)).toBe(text)
      }),
      fuzz.runs,
    )
  })

  test('refuses a megabyte of anything', () => {
    for (const text of megabytes) expect(outcomeOf(() => parsePath(text))).toBeInstanceOf(Failure)
  })
})

describe('parseNode()', () => {
  test('reads a place without a verb', () => {
    expect(parseNode('self.soul')).toEqual({ context: 'self', holon: 'soul' })
  })

  test.each([
    ['self', 2, 'the holon, is missing'],
    ['self.soul.dialogue', 3, '"dialogue", is more than the 2'],
    ['me.soul', 1, '"me", is not a context'],
  ])('refuses "%s" at segment %i: %s', (text, segment, why) => {
    expect(() => parseNode(text)).toThrow(refusal(segment, why))
  })
})

describe('parseUrlForm()', () => {
  test('reads the path and its parameters', () => {
    expect(parseUrlForm('world.house:manifest?x=1&name=a%20b')).toEqual({
      path: { context: 'world', holon: 'house', aspect: 'manifest' },
      parameters: { x: '1', name: 'a b' },
    })
    expect(parseUrlForm('world.house:manifest').parameters).toEqual({})
  })

  test('takes a parameter named "__proto__" for a parameter', () => {
    const { parameters } = parseUrlForm('world.house:manifest?__proto__=x')
    expect(Object.entries(parameters)).toEqual([['__proto__', 'x']])
  })

  test.each([
    ['world.house.manifest', 'no ":"'],
    ['world.house?x=a:b', 'no ":"'],
    ['world:house.manifest', 'segment 2, the holon, is missing'],
    ['world.house:Manifest', 'the aspect "Manifest"'],
    ['world.house:manifest:now', 'the aspect "manifest:now"'],
    ['world.house:manifest.now', 'segment 4'],
    ['world.house:manifest?x=1&x=2', '"x" is given twice'],
  ])('refuses "%s": %s', (text, why) => {
    expect(() => parseUrlForm(text)).toThrow(
      expect.objectContaining({ code: 'PATH_SYNTAX', message: expect.stringContaining(why) }),
    )
  })

  test('answers any text at all with a link, or with a failure', fuzz.options, () => {
    const links = fc
      .tuple(places, fc.webQueryParameters())
      .map(([{ context, holon, aspect }, query]) => `${context}.${holon}:${aspect}?${query}`)
    fc.assert(
      fc.property(textsNear(links), (text) => {
        const link = outcomeOf(() => parseUrlForm(text))
        if (link instanceof Failure) return
        const { context, holon, aspect } = link.path
        expect(text.startsWith(`${context}.${holon}:${aspect}`)).toBe(true)
      }),
      fuzz.runs,
    )
    for (const text of megabytes) expect(outcomeOf(() => parseUrlForm(text))).toBeInstanceOf(Failure)
  })
})

test('similarPaths() offers what was probably meant, best first', () => {
  const known = ['void.entropy.sip', 'void.entropy.pour', 'self.soul.dialogue']
  expect(similarPaths('void.entropi.sip', known)[0]).toBe('void.entropy.sip')
  expect(similarPaths('zzz', known)).toEqual([])
})
