import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { patternSubjects } from '../../../shared/nats/subjects.ts'
import { CONTEXTS } from '../../../shared/agentese/path.ts'
import { matchesPattern, parsePattern } from '../../../shared/agentese/pattern.ts'

describe('parsePattern()', () => {
  test.each([
    ['', 'empty'],
    ['>', 'segment ">"'],
    ['agentese.other.>', 'segment ">"'],
    ['self.memory', 'it has 2 segments'],
    ['*', 'it has 1 segments'],
    ['self.memory.recall.now', 'it has 4 segments'],
    ['self.memory.recall.now.**', 'it has 4 segments'],
    ['space.**', '"space" is not a context'],
    ['self..recall', 'segment ""'],
    ['self.Memory.*', 'segment "Memory"'],
    ['self.me*.*', 'segment "me*"'],
    ['self.***', 'segment "***"'],
    ['self.mem ory.*', 'segment "mem ory"'],
    [`self.${'a'.repeat(65)}.*`, `segment "${'a'.repeat(65)}"`],
    ['**.'.repeat(80), 'longer than 200'],
  ])('refuses "%s" and names what is wrong: %s', (text, why) => {
    expect(() => parsePattern(text)).toThrow(
      expect.objectContaining({ code: 'PATH_SYNTAX', message: expect.stringContaining(why) }),
    )
  })

  test('reads a long row of ** as one', () => {
    expect(parsePattern(Array.from({ length: 60 }, () => '**').join('.')).shapes).toEqual([['*', '*', '*']])
  })
})

describe('matchesPattern()', () => {
  test.each([
    ['self.memory.*', 'self.memory.recall', true],
    ['self.memory.*', 'self.soul.manifest', false],
    ['self.**', 'self.soul.manifest', true],
    ['self.memory.recall.**', 'self.memory.recall', true],
    ['**', 'void.entropy.sip', true],
    ['*.*.state', 'self.memory.state', true],
    ['**.sip', 'void.entropy.sip', true],
    ['**.entropy.**', 'void.entropy.sip', true],
    ['void.**.sip', 'void.entropy.sip', true],
    ['void.**.entropy.sip', 'void.entropy.sip', true],
    ['void.**', 'self.soul.manifest', false],
    ['**', 'system.heartbeat', false],
  ])('%s and %s: %s', (pattern, path, wanted) => {
    expect(matchesPattern(parsePattern(pattern), path)).toBe(wanted)
  })
})

describe('patternSubjects()', () => {
  test.each([
    ['self.memory.*', ['agentese.t1.self.memory.*']],
    ['**', ['agentese.t1.*.*.*']],
    ['self.**', ['agentese.t1.self.*.*']],
    ['self.memory.recall.**', ['agentese.t1.self.memory.recall']],
    ['self.**.recall', ['agentese.t1.self.*.recall']],
    ['**.self.**', ['agentese.t1.self.*.*', 'agentese.t1.*.self.*', 'agentese.t1.*.*.self']],
  ])('%s: %s', (pattern, subjects) => {
    expect(patternSubjects('t1', parsePattern(pattern)).sort()).toEqual(subjects.sort())
  })

  test.each(['', '*', '>', 'a.b', 'a b', 'a\nb'])('refuses tenant "%s"', (tenant) => {
    expect(() => patternSubjects(tenant, parsePattern('**'))).toThrow(TypeError)
  })

  const name = fc.constantFrom('a', 'b', 'sip', ...CONTEXTS)
  const patternText = fc
    .array(fc.oneof(name, fc.constantFrom('*', '**')), { minLength: 1, maxLength: 6 })
    .map((segments) => segments.join('.'))
  const path = fc.tuple(fc.constantFrom(...CONTEXTS), name, name).map((segments) => segments.join('.'))

  test('tell the same as the grammar does, read as a regular expression', () => {
    fc.assert(
      fc.property(patternText, path, (text, each) => {
        const wanted = asExpression(text).test(`.${each}`)
        const pattern = tryParse(text)
        expect(pattern !== undefined && matchesPattern(pattern, each)).toBe(wanted)
        const subjects = pattern === undefined ? [] : patternSubjects('t1', pattern)
        expect(subjects.some((subject) => natsMatches(subject, `agentese.t1.${each}`))).toBe(wanted)
        expect(subjects.some((subject) => natsMatches(subject, `agentese.t2.${each}`))).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  test('never name another tenant, whatever text is read', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z.*>\s]{1,30}$/)), (text) => {
        const pattern = tryParse(text)
        for (const subject of pattern === undefined ? [] : patternSubjects('t1', pattern)) {
          expect(subject).toMatch(/^agentese\.t1\.[a-z0-9_*]+\.[a-z0-9_*]+\.[a-z0-9_*]+$/)
        }
      }),
    )
  })
})

function tryParse(text: string) {
  try {
    return parsePattern(text)
  } catch (error) {
    expect(error).toMatchObject({ code: 'PATH_SYNTAX' })
    return undefined
  }
}

/** Over a path with a point before each segment. */
function asExpression(text: string): RegExp {
  const parts = text
    .split('.')
    .map((segment) =>
      segment === '**' ? String.raw`(?:\.[a-z]+)*` : segment === '*' ? String.raw`\.[a-z]+` : `\\.${segment}`,
    )
  return new RegExp(`^${parts.join('')}$`)
}

/** As NATS matches, without `>`, which no pattern becomes. */
function natsMatches(filter: string, subject: string): boolean {
  const [wanted, given] = [filter.split('.'), subject.split('.')]
  return wanted.length === given.length && wanted.every((token, at) => token === '*' || token === given[at])
}
