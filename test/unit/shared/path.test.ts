import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CONTEXTS, formatPath, parsePath, similarPaths } from '../../../shared/agentese/path.ts'

const segment = fc.stringMatching(/^[a-z][a-z0-9_]{0,30}$/)
const path = fc.record({ context: fc.constantFrom(...CONTEXTS), holon: segment, aspect: segment })

describe('parsePath()', () => {
  test('reads back what formatPath() writes', () => {
    fc.assert(
      fc.property(path, (parts) => {
        expect(parsePath(formatPath(parts))).toEqual(parts)
      }),
    )
  })

  test.each([
    ['', 'empty'],
    ['world', '1 of exactly 3'],
    ['world.house', '2 of exactly 3'],
    ['world.house.manifest.now', '4 of exactly 3'],
    ['space.house.manifest', '"space" is not a context'],
    ['world.House.manifest', 'holon "House"'],
    ['world.ho-use.manifest', 'holon "ho-use"'],
    ['world..manifest', 'holon ""'],
    ['world.house.Manifest', 'aspect "Manifest"'],
    ['world.house.manifest[phase=QA]', 'clauses'],
    [`world.${'a'.repeat(65)}.manifest`, 'longer than 64'],
    [`world.house.${'a'.repeat(200)}`, 'longer than 200'],
  ])('refuses "%s" and names what is wrong: %s', (text, why) => {
    expect(() => parsePath(text)).toThrow(
      expect.objectContaining({ code: 'PATH_SYNTAX', message: expect.stringContaining(why) }),
    )
  })

  test('answers any text at all with a path or with PATH_SYNTAX', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(formatPath(parsePath(text))).toBe(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'PATH_SYNTAX' })
        }
      }),
    )
  })
})

test('similarPaths() offers what was probably meant, best first', () => {
  const known = ['void.entropy.sip', 'void.entropy.pour', 'self.soul.dialogue']
  expect(similarPaths('void.entropi.sip', known)[0]).toBe('void.entropy.sip')
  expect(similarPaths('zzz', known)).toEqual([])
})
